//! Dates as days since 1970-01-01 and as text, in the proleptic Gregorian calendar. Written by hand,
//! because date libraries weigh more than the rest of a small function and end at the year 262143.

use std::fmt::Write;

/// Year, month and day of a number of days since 1970-01-01.
/// Source of both conversions: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn date_of_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// The number of days since 1970-01-01 of a date that exists; see [`is_date`].
pub fn days_of_date(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Whether the month has such a day; years are at most ten million from 1970.
pub fn is_date(year: i64, month: i64, day: i64) -> bool {
    (-10_000_000..=10_000_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && date_of_days(days_of_date(year, month, day)) == (year, month, day)
}

/// Writes a date as ISO 8601, `2001-01-31`. Years beyond 0..=9999 get a sign and at least five digits.
///
/// # Errors
/// Those of `out`.
pub fn write_date(out: &mut impl Write, days: i64) -> std::fmt::Result {
    let (year, month, day) = date_of_days(days);
    match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        _ => write!(out, "{year:+06}-{month:02}-{day:02}"),
    }
}

/// Reads what [`write_date`] writes; `None` for all other text and days beyond an `i32`.
pub fn parse_date(text: &str) -> Option<i32> {
    let (sign, digits, years) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..], 5..=7),
        b'-' => (-1, &text[1..], 5..=7),
        _ => (1, text, 4..=4),
    };
    let mut parts = digits.split('-');
    let mut part = |lengths: std::ops::RangeInclusive<usize>| {
        let digits = parts.next()?;
        let is_number = lengths.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if is_number { digits.parse::<i64>().ok() } else { None }
    };
    let (year, month, day) = (sign * part(years)?, part(2..=2)?, part(2..=2)?);
    if parts.next().is_some() || !is_date(year, month, day) {
        return None;
    }
    i32::try_from(days_of_date(year, month, day)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(days: i32) -> String {
        let mut out = String::new();
        write_date(&mut out, days.into()).expect("writing to a string does not fail");
        out
    }

    #[test]
    fn dates_come_back_at_both_ends_and_around_leap_days() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (i32::MAX, "+5881580-07-11"),
            (i32::MIN, "-5877641-06-23"),
        ] {
            assert_eq!(text(days), expected);
            assert_eq!(parse_date(expected), Some(days));
        }
        for days in (-1_000_000..3_000_000).step_by(997) {
            assert_eq!(parse_date(&text(days)), Some(days), "{}", text(days));
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "2001",
            "2001-02-29",
            "2001-13-01",
            "2001-00-10",
            "2001-1-01",
            "2001-01-01T00:00:00Z",
            "20010-01-01",
            "+2001-01-01",
            "2001-01-0x",
            "2001-01-01-",
            "+5881580-07-12",
            "é001-01-01",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
