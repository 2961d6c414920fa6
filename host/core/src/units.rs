//! Durations and sizes as people write them: `200ms`, `64MiB`. One grammar for the job file and
//! for the command line. It knows no ranges: those belong to the setting.

use std::time::Duration;

/// Text that is not a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("{0:?} is not a duration: write a whole number and a unit (us, ms, s, m or h), for example 200ms")]
    Duration(String),
    #[error(
        "{0:?} is not a size: write a whole number of bytes, or one with a unit (KiB, MiB or GiB), for example 64MiB"
    )]
    Size(String),
    #[error("{0:?} is too large to count in {1}")]
    TooLarge(String, &'static str),
}

/// Units of time, longest first, in microseconds.
const TIMES: [(&str, u64); 5] = [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];
/// Units of size, largest first, in bytes.
const SIZES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads a duration: a whole number directly before `us`, `ms`, `s`, `m` or `h`.
///
/// # Errors
/// When the text is not of that form, or does not fit into 64 bits of microseconds.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(wasmill_core::units::parse_duration("200ms"), Ok(Duration::from_millis(200)));
/// assert!(wasmill_core::units::parse_duration("200").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (digits, unit) = split(text);
    let micros = TIMES.iter().find(|t| t.0 == unit).map(|t| t.1);
    let (Some(micros), false) = (micros, digits.is_empty()) else {
        return Err(UnitError::Duration(shortened(text)));
    };
    let micros = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(micros));
    micros.map(Duration::from_micros).ok_or_else(|| UnitError::TooLarge(shortened(text), "microseconds"))
}

/// Writes a duration with the largest unit that leaves it whole; below a microsecond is cut off.
pub fn format_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    let (unit, size) = TIMES
        .into_iter()
        .find(|(_, size)| micros != 0 && micros.is_multiple_of(u128::from(*size)))
        .unwrap_or(if micros == 0 { ("s", 1) } else { ("us", 1) });
    format!("{}{unit}", micros / u128::from(size))
}

/// Reads a size in bytes: a whole number, alone or directly before `KiB`, `MiB` or `GiB`.
///
/// # Errors
/// When the text is not of that form, or does not fit into 64 bits.
///
/// ```
/// assert_eq!(wasmill_core::units::parse_size("64MiB"), Ok(64 << 20));
/// assert_eq!(wasmill_core::units::parse_size("512"), Ok(512));
/// ```
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (digits, unit) = split(text);
    let bytes = if unit.is_empty() { Some(1) } else { SIZES.iter().find(|s| s.0 == unit).map(|s| s.1) };
    let (Some(bytes), false) = (bytes, digits.is_empty()) else {
        return Err(UnitError::Size(shortened(text)));
    };
    let bytes = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(bytes));
    bytes.ok_or_else(|| UnitError::TooLarge(shortened(text), "bytes"))
}

/// Writes a size with the largest unit that leaves it whole.
pub fn format_size(bytes: u64) -> String {
    match SIZES.into_iter().find(|(_, size)| bytes != 0 && bytes.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// Text for a message: a whole file in a value must not become a whole file in an error.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, micros, back) in [
            ("10ms", 10_000, "10ms"),
            ("5s", 5_000_000, "5s"),
            ("2m", 120_000_000, "2m"),
            ("60m", 3_600_000_000, "1h"),
            ("24h", 86_400_000_000, "24h"),
            ("100us", 100, "100us"),
            ("1500ms", 1_500_000, "1500ms"),
            ("0h", 0, "0s"),
        ] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration, Duration::from_micros(micros), "{text}");
            assert_eq!(format_duration(duration), back);
        }
        for text in ["", "5", "ms", "-5s", "1.5s", "5 s", "1h30m", "5S", "٣s", "5d"] {
            assert_eq!(parse_duration(text), Err(UnitError::Duration(text.into())), "{text}");
        }
        assert!(matches!(parse_duration("99999999999999999999s"), Err(UnitError::TooLarge(..))));
        assert!(matches!(parse_duration("5124095576031h"), Err(UnitError::TooLarge(..))));
    }

    #[test]
    fn sizes() {
        for (text, bytes, back) in [
            ("0", 0, "0"),
            ("1000", 1000, "1000"),
            ("1024", 1024, "1KiB"),
            ("64MiB", 64 << 20, "64MiB"),
            ("2GiB", 2 << 30, "2GiB"),
            ("1536KiB", 1536 << 10, "1536KiB"),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(format_size(bytes), back);
        }
        for text in ["", "KiB", "1MB", "1 MiB", "-1", "1.5GiB", "1mib"] {
            assert_eq!(parse_size(text), Err(UnitError::Size(text.into())), "{text}");
        }
        assert!(matches!(parse_size("18446744073709551616"), Err(UnitError::TooLarge(..))));
        assert!(matches!(parse_size("17179869184GiB"), Err(UnitError::TooLarge(..))));
    }
}
