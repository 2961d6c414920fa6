//! Points in time. Written by hand rather than taken from a date library, because those weigh more
//! than the rest of a small function.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmill_abi::calendar::{date_of_days, days_of_date};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Microseconds since 1970-01-01T00:00:00Z.
///
/// Shown and parsed as RFC 3339; sums stop at the ends of the range instead of wrapping around.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// let at: Timestamp = "2001-01-13T10:11:12.5+02:00".parse()?;
/// assert_eq!(at.to_string(), "2001-01-13T08:11:12.500Z");
/// let hour = Duration::from_secs(3600);
/// assert_eq!((at.truncate(hour) + hour).to_string(), "2001-01-13T09:00:00Z");
/// assert_eq!(Timestamp::from_millis(1).micros(), 1000);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename = "wasmill::Timestamp")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest point.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest point.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// From seconds since 1970.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(SECOND))
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The start of the span of this `width` that the point lies in, spans being counted from 1970.
    /// A width below a microsecond changes nothing.
    #[must_use]
    pub fn truncate(self, width: Duration) -> Self {
        let width = micros(width).max(1);
        Self(self.0.saturating_sub(self.0.rem_euclid(width)))
    }

    /// The start of the hour, in UTC.
    #[must_use]
    pub fn truncate_to_hour(self) -> Self {
        self.truncate(Duration::from_secs(3600))
    }

    /// The start of the day, in UTC.
    #[must_use]
    pub fn truncate_to_day(self) -> Self {
        self.truncate(Duration::from_secs(86_400))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 3339 in UTC, with 0, 3 or 6 digits of the second's fraction.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of_days(self.0.div_euclid(DAY));
        let rest = self.0.rem_euclid(DAY);
        let (seconds, fraction) = (rest / SECOND, rest % SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match fraction {
            0 => {}
            _ if fraction % 1000 == 0 => write!(f, ".{:03}", fraction / 1000)?,
            _ => write!(f, ".{fraction:06}")?,
        }
        f.write_str("Z")
    }
}

/// Text that is not an RFC 3339 point in time.
///
/// ```
/// use wasmill_sdk::Timestamp;
///
/// let error = "2001-02-30T00:00:00Z".parse::<Timestamp>().expect_err("no such day");
/// assert_eq!(error.to_string(), "\"2001-02-30T00:00:00Z\" is not a time like 2001-01-31T23:59:59Z");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTimestampError(String);

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a time like 2001-01-31T23:59:59Z", self.0)
    }
}

impl std::error::Error for ParseTimestampError {}

/// RFC 3339, years 0000 to 9999; digits behind the microsecond are dropped.
impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        parse(text.as_bytes()).ok_or_else(|| ParseTimestampError(text.to_owned()))
    }
}

fn number(digits: &[u8], range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let n = digits.iter().try_fold(0i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))?;
    range.contains(&n).then_some(n)
}

fn parse(text: &[u8]) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(at, mark)| date_time[at] != mark) || !matches!(date_time[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = number(&date_time[..4], 0..=9999)?;
    let month = number(&date_time[5..7], 1..=12)?;
    let day = number(&date_time[8..10], 1..=31)?;
    let days = days_of_date(year, month, day);
    if date_of_days(days) != (year, month, day) {
        return None;
    }
    let hour = number(&date_time[11..13], 0..=23)?;
    let minute = number(&date_time[14..16], 0..=59)?;
    let second = number(&date_time[17..19], 0..=59)?;
    let (fraction, zone) = fraction(rest)?;
    let seconds = hour * 3600 + minute * 60 + second - offset_seconds(zone)?;
    Some(Timestamp(days * DAY + seconds * SECOND + fraction))
}

/// The fraction of a second in microseconds, and what stands behind it.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let micros = (0..6).fold(0, |n, i| n * 10 + if i < digits { i64::from(rest[i] - b'0') } else { 0 });
    (digits > 0).then(|| (micros, &rest[digits..]))
}

fn offset_seconds(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let offset = number(&[*h1, *h2], 0..=23)? * 3600 + number(&[*m1, *m2], 0..=59)? * 60;
            Some(if *sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}
