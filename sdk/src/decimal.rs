//! Exact decimal numbers of a fixed scale. Written by hand rather than taken from a decimal library:
//! columns hold a whole number of units, and a floating scale would have to be checked at each row.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wasmill_abi::decimal::{DecimalError, fits, parse, power_of_ten, write};

/// A number of at most `P` decimal digits, `S` of them behind the point: a column of type
/// `decimal(P,S)`. It is a whole number of units of `10^-S`, so nothing is ever rounded unasked;
/// what does not fit is `None`.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// type Money = Decimal<12, 2>;
///
/// let price: Money = "19.99".parse()?;
/// assert_eq!(price.checked_add(Money::from_units(1).or_reject("too large")?), "20.00".parse().ok());
/// assert_eq!(price.checked_mul_int(3).or_reject("too large")?.to_string(), "59.97");
///
/// // A product has its own type; it is rounded there, half away from zero.
/// let vat: Decimal<4, 3> = "0.190".parse()?;
/// assert_eq!(price.checked_mul::<4, 3, 12, 2>(vat), "3.80".parse().ok());
///
/// assert!("0.005".parse::<Money>().is_err());
/// assert_eq!(Money::MAX.to_string(), "9999999999.99");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const P: u8, const S: u8>(i128);

impl<const P: u8, const S: u8> Decimal<P, S> {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// The largest number.
    pub const MAX: Self = Self(Self::LIMIT - 1);
    /// The smallest number.
    pub const MIN: Self = Self(1 - Self::LIMIT);

    /// The first number of units that does not fit.
    const LIMIT: i128 = {
        assert!(P >= 1 && P <= 38 && S <= P, "a decimal has from 1 to 38 digits, at most all behind the point");
        match power_of_ten(P as u32) {
            Some(limit) => limit,
            None => unreachable!(),
        }
    };

    /// From units of `10^-S`.
    pub const fn from_units(units: i128) -> Option<Self> {
        if fits(units, P) { Some(Self(units)) } else { None }
    }

    /// Units that were checked where they came from.
    pub(crate) const fn of_column(units: i128) -> Self {
        Self(units)
    }

    /// From a whole number.
    pub fn from_int(value: i64) -> Option<Self> {
        Self::from_units(i128::from(value).checked_mul(power_of_ten(S.into())?)?)
    }

    /// The number in units of `10^-S`.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// The sum.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_units(self.0.checked_add(other.0)?)
    }

    /// The difference.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Self::from_units(self.0.checked_sub(other.0)?)
    }

    /// The product with a whole number.
    pub fn checked_mul_int(self, factor: i64) -> Option<Self> {
        Self::from_units(self.0.checked_mul(factor.into())?)
    }

    /// The product, rounded half away from zero to the scale of the result.
    pub fn checked_mul<const P2: u8, const S2: u8, const PR: u8, const SR: u8>(
        self,
        other: Decimal<P2, S2>,
    ) -> Option<Decimal<PR, SR>> {
        let units = self.0.checked_mul(other.0)?;
        Decimal::from_units(rescaled(units, u32::from(S) + u32::from(S2), SR.into())?)
    }

    /// The same number with other digits, rounded half away from zero.
    pub fn rescale<const PR: u8, const SR: u8>(self) -> Option<Decimal<PR, SR>> {
        Decimal::from_units(rescaled(self.0, S.into(), SR.into())?)
    }

    /// The nearest float, for what need not be exact.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

/// Units of another scale, rounded half away from zero.
fn rescaled(units: i128, from: u32, to: u32) -> Option<i128> {
    if to >= from {
        return units.checked_mul(power_of_ten(to - from)?);
    }
    let Some(one) = power_of_ten(from - to) else {
        return Some(0);
    };
    let (whole, rest) = (units / one, units % one);
    let rounds_away = rest.unsigned_abs() >= one.unsigned_abs().div_ceil(2);
    Some(if rounds_away { whole + units.signum() } else { whole })
}

impl<const P: u8, const S: u8> std::ops::Neg for Decimal<P, S> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl<const P: u8, const S: u8> fmt::Debug for Decimal<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// With exactly `S` digits behind the point.
impl<const P: u8, const S: u8> fmt::Display for Decimal<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, S)
    }
}

/// Text that is no decimal of the type, with the reason.
///
/// ```
/// use wasmill_sdk::Decimal;
///
/// let error = "12.505".parse::<Decimal<12, 2>>().expect_err("too fine");
/// assert_eq!(error.to_string(), "\"12.505\" has too many digits behind the point for decimal(12,2)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDecimalError {
    text: String,
    reason: DecimalError,
    precision: u8,
    scale: u8,
}

impl fmt::Display for ParseDecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, reason, precision, scale } = self;
        match reason {
            DecimalError::NotANumber => write!(f, "{text:?} is {reason}"),
            _ => write!(f, "{text:?} {reason} for decimal({precision},{scale})"),
        }
    }
}

impl std::error::Error for ParseDecimalError {}

/// A sign, digits, a point, an exponent. Digits that do not fit are an error, never rounded.
impl<const P: u8, const S: u8> FromStr for Decimal<P, S> {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, ParseDecimalError> {
        let error = |reason| ParseDecimalError { text: text.to_owned(), reason, precision: P, scale: S };
        parse(text, P, S).map(Self).map_err(error)
    }
}

/// In state: the units.
impl<const P: u8, const S: u8> Serialize for Decimal<P, S> {
    fn serialize<Out: Serializer>(&self, out: Out) -> Result<Out::Ok, Out::Error> {
        self.0.serialize(out)
    }
}

impl<'de, const P: u8, const S: u8> Deserialize<'de> for Decimal<P, S> {
    fn deserialize<In: Deserializer<'de>>(input: In) -> Result<Self, In::Error> {
        let units = i128::deserialize(input)?;
        let error = || serde::de::Error::custom(format_args!("{units} units are out of range for decimal({P},{S})"));
        Self::from_units(units).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_beyond_the_digits_are_none() {
        type Small = Decimal<3, 1>;
        assert_eq!(Small::MAX.checked_add(Small::from_units(1).expect("fits")), None);
        assert_eq!(Small::MIN.checked_sub(Small::from_units(1).expect("fits")), None);
        assert_eq!(Small::MAX.checked_mul_int(2), None);
        assert_eq!(Small::from_int(100), None);
        assert_eq!(Decimal::<38, 0>::MAX.checked_mul::<38, 0, 38, 0>(Decimal::MAX), None);
        assert_eq!(-Small::MAX, Small::MIN);
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        for (text, expected) in
            [("0.25", "0.3"), ("-0.25", "-0.3"), ("0.24", "0.2"), ("-0.24", "-0.2"), ("9.96", "10.0")]
        {
            let value: Decimal<5, 2> = text.parse().expect("fits");
            assert_eq!(value.rescale::<5, 1>().map(|v| v.to_string()).as_deref(), Some(expected), "{text}");
        }
        let fine = Decimal::<38, 38>::from_units(6).expect("fits");
        assert_eq!(fine.rescale::<5, 0>(), Some(Decimal::ZERO));
        assert_eq!(fine.checked_mul::<38, 38, 5, 0>(fine), Some(Decimal::ZERO));
    }

    #[test]
    fn state_gives_back_what_it_was_given_and_refuses_what_does_not_fit() {
        let value = Decimal::<38, 2>::MIN;
        let bytes = postcard::to_stdvec(&value).expect("written");
        assert_eq!(postcard::from_bytes::<Decimal<38, 2>>(&bytes).expect("read"), value);
        assert!(postcard::from_bytes::<Decimal<5, 2>>(&bytes).is_err());
    }
}
