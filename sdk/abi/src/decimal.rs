//! Decimals as text: exact both ways, never by way of a float.

use std::fmt;

/// Ten to this power; `None` above the 38 that an `i128` holds.
pub const fn power_of_ten(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}

/// Whether a decimal of `precision` digits can have so many units.
pub const fn fits(units: i128, precision: u8) -> bool {
    match power_of_ten(precision as u32) {
        Some(limit) => units.unsigned_abs() < limit.unsigned_abs(),
        None => false,
    }
}

/// Why text is no decimal of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    NotANumber,
    /// It has more than `scale` digits behind the point that are not zero.
    TooFine,
    /// It has too many digits before the point.
    OutOfRange,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecimalError::NotANumber => "not a decimal number such as 12.50",
            DecimalError::TooFine => "has too many digits behind the point",
            DecimalError::OutOfRange => "is out of range",
        })
    }
}

impl std::error::Error for DecimalError {}

/// The units of `10^-scale` that a number is: a sign, digits, a point, an exponent, as in JSON.
pub fn parse(text: &str, precision: u8, scale: u8) -> Result<i128, DecimalError> {
    let (is_negative, rest) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (mantissa, exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&rest[..at], parse_exponent(&rest[at + 1..])?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|b| *b == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    let digits = || whole.iter().chain(fraction);
    if digits().count() == 0 || !digits().all(u8::is_ascii_digit) {
        return Err(DecimalError::NotANumber);
    }
    // The digit at `i` counts 10^(power - i) units; what is below one unit must be zero.
    let power = whole.len() as i64 + exponent + i64::from(scale) - 1;
    let mut units = 0i128;
    let mut last = None;
    for (i, digit) in digits().enumerate() {
        let digit = i128::from(digit - b'0');
        let place = power - i as i64;
        if place < 0 {
            if digit != 0 {
                return Err(DecimalError::TooFine);
            }
            continue;
        }
        units = units.checked_mul(10).and_then(|u| u.checked_add(digit)).ok_or(DecimalError::OutOfRange)?;
        last = Some(place);
    }
    if units != 0 {
        let missing = u32::try_from(last.unwrap_or(0)).map_err(|_| DecimalError::OutOfRange)?;
        units = power_of_ten(missing).and_then(|p| units.checked_mul(p)).ok_or(DecimalError::OutOfRange)?;
    }
    if !fits(units, precision) {
        return Err(DecimalError::OutOfRange);
    }
    Ok(if is_negative { -units } else { units })
}

fn parse_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::NotANumber);
    }
    // Beyond a million nothing but zero fits any type, and nothing overflows.
    let value = digits.iter().fold(0i64, |n, d| (n * 10 + i64::from(d - b'0')).min(1_000_000));
    Ok(if is_negative { -value } else { value })
}

/// Writes units of `10^-scale` with exactly `scale` digits behind the point: `-0.05`.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut impl fmt::Write, units: i128, scale: u8) -> fmt::Result {
    let sign = if units < 0 { "-" } else { "" };
    let size = units.unsigned_abs();
    match power_of_ten(scale.into()).map(i128::unsigned_abs) {
        Some(one) if scale > 0 => {
            write!(out, "{sign}{}.{:0width$}", size / one, size % one, width = usize::from(scale))
        }
        _ => write!(out, "{sign}{size}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(units: i128, scale: u8) -> String {
        let mut out = String::new();
        write(&mut out, units, scale).expect("writing to a string does not fail");
        out
    }

    #[test]
    fn numbers_are_exact_in_every_form() {
        for (given, scale, units) in [
            ("12.50", 2, 1250),
            ("12.5", 2, 1250),
            ("-0.05", 2, -5),
            ("+7", 2, 700),
            ("1e3", 2, 100_000),
            ("1.25E-1", 3, 125),
            ("12.500", 2, 1250),
            ("0.000e-999999999", 2, 0),
            ("0e99999999999999999999", 2, 0),
            (".5", 1, 5),
            ("5.", 1, 50),
            ("0.1", 20, 10i128.pow(19)),
            ("000000000000000000000000000000000000000000001", 0, 1),
        ] {
            assert_eq!(parse(given, 38, scale), Ok(units), "{given}");
        }
        let most = "9".repeat(38);
        assert_eq!(parse(&most, 38, 0), Ok(10i128.pow(38) - 1));
        assert_eq!(text(10i128.pow(38) - 1, 38), format!("0.{most}"));
        assert_eq!((text(-5, 2).as_str(), text(1250, 2).as_str(), text(7, 0).as_str()), ("-0.05", "12.50", "7"));
    }

    #[test]
    fn what_would_change_is_refused() {
        for (given, error) in [
            ("12.505", DecimalError::TooFine),
            ("1e-3", DecimalError::TooFine),
            ("1000", DecimalError::OutOfRange),
            ("1e3", DecimalError::OutOfRange),
            ("1e999999999999", DecimalError::OutOfRange),
            ("99999999999999999999999999999999999999999999", DecimalError::OutOfRange),
        ] {
            assert_eq!(parse(given, 5, 2), Err(error), "{given}");
        }
        for given in ["", "-", ".", "1.2.3", "1e", "e5", "NaN", "inf", "1_0", " 1", "0x1", "1e+-2", "--1"] {
            assert_eq!(parse(given, 38, 2), Err(DecimalError::NotANumber), "{given}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for scale in 0..=38 {
            for units in [0, 1, -1, 9, 10, 12_345, -(10i128.pow(37)), 10i128.pow(38) - 1] {
                assert_eq!(parse(&text(units, scale), 38, scale), Ok(units), "{units} {scale}");
            }
        }
    }
}
