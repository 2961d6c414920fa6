//! Days of the calendar.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wasmill_abi::calendar::{date_of_days, days_of_date, is_date, parse_date, write_date};

use crate::Timestamp;

const DAY_MICROS: i64 = 86_400_000_000;

/// A day of the proleptic Gregorian calendar, without a time and a time zone: a column of type
/// `date`.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// let day: Date = "2001-02-28".parse()?;
/// assert_eq!(day.plus_days(1).to_string(), "2001-03-01");
/// assert_eq!((day.year(), day.month(), day.day()), (2001, 2, 28));
/// assert_eq!(Date::of("2001-02-28T23:59:59Z".parse()?), day);
/// assert_eq!(Date::from_ymd(2001, 2, 29), None);
/// assert_eq!(Date::from_days(1) - Date::from_days(-1), 2);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Date(i32);

impl Date {
    /// The earliest day.
    pub const MIN: Date = Date(i32::MIN);
    /// The latest day.
    pub const MAX: Date = Date(i32::MAX);

    /// From days since 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// The day of this year, month (from 1) and day of the month (from 1), if there is one.
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Option<Self> {
        let (year, month, day) = (year.into(), month.into(), day.into());
        if !is_date(year, month, day) {
            return None;
        }
        i32::try_from(days_of_date(year, month, day)).ok().map(Self)
    }

    /// The day in UTC on which a point in time lies.
    pub fn of(at: Timestamp) -> Self {
        // An i64 of microseconds is fewer than 2^27 days.
        Self(at.micros().div_euclid(DAY_MICROS) as i32)
    }

    /// The start of the day in UTC; days that no [`Timestamp`] reaches give its ends.
    pub fn start(self) -> Timestamp {
        Timestamp::from_micros(i64::from(self.0).saturating_mul(DAY_MICROS))
    }

    /// The year; that before the year 1 is 0.
    pub fn year(self) -> i32 {
        date_of_days(self.0.into()).0 as i32
    }

    /// The month, from 1 to 12.
    pub fn month(self) -> u8 {
        date_of_days(self.0.into()).1 as u8
    }

    /// The day of the month, from 1.
    pub fn day(self) -> u8 {
        date_of_days(self.0.into()).2 as u8
    }

    /// So many days later (or earlier); it stops at the ends of the range.
    #[must_use]
    pub const fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }
}

/// Days from the second date to the first.
impl std::ops::Sub for Date {
    type Output = i64;
    fn sub(self, earlier: Date) -> i64 {
        i64::from(self.0) - i64::from(earlier.0)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// ISO 8601: `2001-01-31`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_date(f, self.0.into())
    }
}

/// Text that is no day of the calendar.
///
/// ```
/// use wasmill_sdk::Date;
///
/// let error = "2001-02-30".parse::<Date>().expect_err("no such day");
/// assert_eq!(error.to_string(), "\"2001-02-30\" is not a date like 2001-01-31");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDateError(String);

impl fmt::Display for ParseDateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a date like 2001-01-31", self.0)
    }
}

impl std::error::Error for ParseDateError {}

impl FromStr for Date {
    type Err = ParseDateError;

    fn from_str(text: &str) -> Result<Self, ParseDateError> {
        parse_date(text).map(Self).ok_or_else(|| ParseDateError(text.to_owned()))
    }
}
