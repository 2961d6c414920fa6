//! Single values between text and their binary form, for every text format.

use arrow_array::timezone::Tz;
use arrow_cast::base64::{BASE64_STANDARD, Engine};
use arrow_cast::parse::string_to_datetime;
use std::str::FromStr;
use std::sync::LazyLock;
use wasmill_abi::Type;
use wasmill_abi::calendar::{parse_date, write_date};
use wasmill_abi::decimal::{self, DecimalError};

/// One value on its way into a column; its kind fits the column's type.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    /// All signed integers, timestamps and dates.
    Int(i64),
    /// All unsigned integers.
    Uint(u64),
    F32(f32),
    F64(f64),
    Text(std::borrow::Cow<'a, str>),
    Bytes(Vec<u8>),
    /// The units of a decimal.
    Decimal(i128),
    List(Vec<Cell<'a>>),
    /// One cell for each field.
    Struct(Vec<Cell<'a>>),
}

/// The largest integer that an f64 holds together with all smaller ones: 2^53.
const F64_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a value of any type but text from text. The error says what is wrong, without the column.
pub fn parse(ty: Type, text: &str) -> Result<Cell<'static>, String> {
    let text = text.trim_ascii();
    match ty {
        Type::Bool if text.eq_ignore_ascii_case("true") => Ok(Cell::Bool(true)),
        Type::Bool if text.eq_ignore_ascii_case("false") => Ok(Cell::Bool(false)),
        Type::Bool => Err(format!("{} is neither true nor false", short(text))),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
            let v = i64::from_str(text).map_err(|e| integer_problem(text, &e))?;
            int(ty, v)
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            let v = u64::from_str(text).map_err(|e| integer_problem(text, &e))?;
            uint(ty, v)
        }
        Type::F32 => parse_float(text, f32::from_str(text), f32::is_infinite).map(Cell::F32),
        Type::F64 => parse_float(text, f64::from_str(text), f64::is_infinite).map(Cell::F64),
        Type::Utf8 => Ok(Cell::Text(text.to_owned().into())),
        Type::Binary => BASE64_STANDARD.decode(text).map(Cell::Bytes).map_err(|e| format!("not base64: {e}")),
        Type::Timestamp => parse_timestamp(text).map(Cell::Int),
        Type::Date => parse_date(text)
            .map(|days| Cell::Int(days.into()))
            .ok_or_else(|| format!("{} is not a date such as 2001-01-31", short(text))),
        Type::Decimal { precision, scale } => decimal::parse(text, precision, scale)
            .map(Cell::Decimal)
            .map_err(|e| format!("{} {}{e}", short(text), if e == DecimalError::NotANumber { "is " } else { "" })),
        Type::List | Type::Struct => Err(format!("{} is text, and a {ty} is nested", short(text))),
    }
}

fn integer_problem(text: &str, e: &std::num::ParseIntError) -> String {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    match e.kind() {
        PosOverflow | NegOverflow => format!("{} is out of range", short(text)),
        _ => format!("{} is not a whole number in range", short(text)),
    }
}

fn parse_float<F, E>(text: &str, parsed: Result<F, E>, is_infinite: fn(F) -> bool) -> Result<F, String>
where
    F: Copy,
{
    match parsed {
        // "1e999" parses to infinity, which is not what it says.
        Ok(v) if is_infinite(v) && text.bytes().any(|b| b.is_ascii_digit()) => {
            Err(format!("{} is out of range", short(text)))
        }
        Ok(v) => Ok(v),
        Err(_) => Err(format!("{} is not a number", short(text))),
    }
}

/// A signed integer for a column of an integer type, if it fits.
pub fn int(ty: Type, v: i64) -> Result<Cell<'static>, String> {
    let range = match ty {
        Type::I8 => i64::from(i8::MIN)..=i64::from(i8::MAX),
        Type::I16 => i64::from(i16::MIN)..=i64::from(i16::MAX),
        Type::I32 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        Type::I64 => i64::MIN..=i64::MAX,
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            return uint(ty, u64::try_from(v).map_err(|_| format!("{v} is out of range"))?);
        }
        _ => return Err(format!("{v} is a number")),
    };
    if range.contains(&v) { Ok(Cell::Int(v)) } else { Err(format!("{v} is out of range")) }
}

/// An unsigned integer for a column of an integer type, if it fits.
pub fn uint(ty: Type, v: u64) -> Result<Cell<'static>, String> {
    let max = match ty {
        Type::U8 => u64::from(u8::MAX),
        Type::U16 => u64::from(u16::MAX),
        Type::U32 => u64::from(u32::MAX),
        Type::U64 => u64::MAX,
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
            return int(ty, i64::try_from(v).map_err(|_| format!("{v} is out of range"))?);
        }
        _ => return Err(format!("{v} is a number")),
    };
    if v <= max { Ok(Cell::Uint(v)) } else { Err(format!("{v} is out of range")) }
}

/// A float that stands for an integer, for a column of an integer type, if nothing is lost.
pub fn whole(ty: Type, v: f64) -> Result<Cell<'static>, String> {
    if v.fract() != 0.0 {
        return Err(format!("{v} is not a whole number"));
    }
    if v.abs() > F64_EXACT_MAX {
        return Err(format!("{v} is out of range, or too large to be exact; write it without fraction and exponent"));
    }
    int(ty, v as i64)
}

/// Microseconds since 1970 of RFC 3339 text; see the table in [`super`].
fn parse_timestamp(text: &str) -> Result<i64, String> {
    static UTC: LazyLock<Tz> = LazyLock::new(|| Tz::from_str("+00:00").expect("a fixed offset is a time zone"));
    let time = string_to_datetime(&*UTC, text)
        .map_err(|_| format!("{} is not an RFC 3339 time such as 2001-01-01T00:00:00Z", short(text)))?;
    Ok(time.timestamp_micros())
}

/// Appends a time as RFC 3339 in UTC, `2001-01-01T00:00:00Z`: with three or six digits of
/// fraction when it has one. Years beyond 0..=9999 get a sign and at least five digits (ISO 8601).
pub fn write_timestamp(out: &mut String, micros: i64) {
    use std::fmt::Write;
    const DAY: i64 = 86_400_000_000;
    let (days, of_day) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let written =
        write_date(out, days).and_then(|()| write!(out, "T{h:02}:{m:02}:{s:02}")).and_then(|()| match fraction {
            0 => Ok(()),
            f if f % 1000 == 0 => write!(out, ".{:03}", f / 1000),
            f => write!(out, ".{f:06}"),
        });
    written.expect("writing to a string does not fail");
    out.push('Z');
}

/// Text for a message, quoted and cut.
pub fn short(text: &str) -> String {
    const MAX: usize = 64;
    match text.char_indices().nth(MAX) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(micros: i64) -> String {
        let mut s = String::new();
        write_timestamp(&mut s, micros);
        s
    }

    #[test]
    fn timestamps_have_fractions_only_when_needed() {
        assert_eq!(timestamp(978_307_200_000_000), "2001-01-01T00:00:00Z");
        assert_eq!(timestamp(978_307_200_500_000), "2001-01-01T00:00:00.500Z");
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(timestamp(i64::MAX), "+294247-01-10T04:00:54.775807Z");
        assert_eq!(timestamp(i64::MIN), "-290308-12-21T19:59:05.224192Z");
    }

    #[test]
    fn times_with_other_offsets_and_without_one() {
        let at = |s: &str| parse(Type::Timestamp, s);
        assert_eq!(at("2001-01-01T01:00:00+01:00"), Ok(Cell::Int(978_307_200_000_000)));
        assert_eq!(at("2001-01-01 00:00:00"), Ok(Cell::Int(978_307_200_000_000)));
        assert_eq!(at("2001-01-01"), Ok(Cell::Int(978_307_200_000_000)));
        for bad in ["978307200", "2001-13-01T00:00:00Z", "2001-01-01T25:00:00Z", "2001-01-01T00:00:00Zx", ""] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        for (ty, bad) in [
            (Type::I8, "128"),
            (Type::I8, "1.0"),
            (Type::U8, "-1"),
            (Type::I64, "9223372036854775808"),
            (Type::U64, "18446744073709551616"),
            (Type::F32, "1e39"),
            (Type::F64, "1e999"),
            (Type::F64, "1,5"),
            (Type::Bool, "1"),
            (Type::Binary, "abc"),
        ] {
            assert!(parse(ty, bad).is_err(), "{ty} {bad}");
        }
        assert_eq!(parse(Type::F64, "-inf"), Ok(Cell::F64(f64::NEG_INFINITY)));
        assert_eq!(parse(Type::U64, "18446744073709551615"), Ok(Cell::Uint(u64::MAX)));
    }

    #[test]
    fn floats_stand_for_integers_only_when_exact() {
        assert_eq!(whole(Type::I32, 1e3), Ok(Cell::Int(1000)));
        assert_eq!(whole(Type::U64, 9_007_199_254_740_992.0), Ok(Cell::Uint(1 << 53)));
        for bad in [1.5, 1e16, -1e300, f64::NAN] {
            assert!(whole(Type::I64, bad).is_err(), "{bad}");
        }
        assert!(whole(Type::U8, -1.0).is_err());
    }

    proptest::proptest! {
        #[test]
        fn timestamps_of_four_digit_years_come_back(micros in -62_167_219_200_000_000i64..253_402_300_800_000_000) {
            let text = timestamp(micros);
            proptest::prop_assert_eq!(parse(Type::Timestamp, &text), Ok(Cell::Int(micros)));
        }
    }
}
