//! The settings of a job with their bounds. The table of limits is what the job file accepts and
//! what its reference is made from.

use super::keys::{Key, Kind, Literal, Section};
use crate::limits::Limits;
use crate::units::{format_duration, format_size};
use std::ops::RangeInclusive;
use std::time::Duration;

pub(super) const PARALLELISM: RangeInclusive<u16> = 1..=256;
pub(super) const KEY_GROUPS: RangeInclusive<u16> = 1..=32768;
pub(super) const EPOCH: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
pub(super) const DRAIN_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
pub(super) const MAX_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(366 * 24 * 3600);
pub(super) const EVERY_ROWS: RangeInclusive<u32> = 1..=1_000_000_000;
pub(super) const IDLE_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
pub(super) const RATE: RangeInclusive<u32> = 1..=1_000_000_000;
pub(super) const GENERATOR_EVENTS: RangeInclusive<u64> = 1..=1 << 47;
pub(super) const GENERATOR_KEYS: RangeInclusive<u64> = 0..=1 << 32;
pub(super) const GENERATOR_PARTITIONS: RangeInclusive<u16> = 1..=1024;
pub(super) const ROLL_BYTES: RangeInclusive<u64> = 1 << 10..=1 << 40;
pub(super) const ROLL_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 3600);
pub(super) const VIEW_EVERY: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 3600);

pub(super) const VIEW_EVERY_DEFAULT: Duration = Duration::from_secs(1);
pub(super) const PARALLELISM_DEFAULT: u16 = 1;
pub(super) const KEY_GROUPS_DEFAULT: u16 = 128;
pub(super) const EPOCH_DEFAULT: Duration = Duration::from_millis(200);
pub(super) const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
pub(super) const MAX_DELAY_DEFAULT: Duration = Duration::ZERO;
pub(super) const EVERY_ROWS_DEFAULT: u32 = 1000;
pub(super) const ROLL_BYTES_DEFAULT: u64 = 1 << 30;
pub(super) const ROLL_AGE_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// Operators in a job, modules in a job, and names in a list.
pub(super) const OPERATORS_MAX: usize = 1000;
/// Characters of the name of a job, an operator or a module.
pub(super) const NAME_MAX: usize = 64;

/// What the number of a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Written as `64MiB`.
    Bytes,
    /// Written as `50ms`; counted in microseconds.
    Time,
    /// Written as a plain number.
    Count,
}

impl Unit {
    const fn kind(self, min: u64, max: u64) -> Kind {
        match self {
            Unit::Bytes => Kind::Size { min, max },
            Unit::Time => Kind::Duration { min: Duration::from_micros(min), max: Duration::from_micros(max) },
            Unit::Count => Kind::Number { min, max },
        }
    }

    fn literal(self, number: u64) -> Literal {
        if self == Unit::Count { Literal::Number(number) } else { Literal::Text(self.format(number)) }
    }

    /// A number in this unit as people write it.
    pub fn format(self, number: u64) -> String {
        match self {
            Unit::Bytes => format_size(number),
            Unit::Time => format_duration(Duration::from_micros(number)),
            Unit::Count => number.to_string(),
        }
    }
}

/// One entry of `limits`.
#[derive(Debug, Clone, Copy)]
pub struct LimitSetting {
    pub key: &'static str,
    pub doc: &'static str,
    pub unit: Unit,
    /// The least that can be set: bytes, microseconds or a count.
    pub min: u64,
    /// The most that can be set.
    pub max: u64,
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
}

impl LimitSetting {
    /// The value that holds when the job says nothing.
    pub fn default(&self) -> u64 {
        (self.get)(&Limits::default())
    }

    /// The value in `limits`.
    pub fn get(&self, limits: &Limits) -> u64 {
        (self.get)(limits)
    }

    /// Sets the value in `limits`. It must lie within [`LimitSetting::min`] and
    /// [`LimitSetting::max`].
    pub(super) fn set(&self, limits: &mut Limits, value: u64) {
        debug_assert!((self.min..=self.max).contains(&value), "the caller checked the range");
        (self.set)(limits, value);
    }
}

macro_rules! limits {
    ($($key:ident $doc:literal $unit:ident $min:expr, $max:expr; $field:ident: $get:expr, $set:expr;)*) => {
        /// Every entry of `limits`, in the order of the reference.
        pub const LIMITS: &[LimitSetting] = &[$(LimitSetting {
            key: stringify!($key),
            doc: $doc,
            unit: Unit::$unit,
            min: $min,
            max: $max,
            get: |limits| $get(limits.$field),
            set: |limits, value| limits.$field = $set(value),
        }),*];
        /// `limits` of a job.
        pub const LIMIT_SECTION: Section = Section {
            name: "limits",
            keys: &[$(Key::new(stringify!($key), Unit::$unit.kind($min, $max), $doc)
                .default(|| Unit::$unit.literal($get(Limits::default().$field)))),*],
        };
    };
}

limits! {
    memory "Linear memory of one guest instance." Bytes 1 << 20, 4 << 30; memory_bytes: u64::from, u64::from;
    batch_rows "Rows in one guest call." Count 1, 1 << 20; batch_rows: u64::from, count;
    batch_bytes "Bytes of column data in one guest call." Bytes 1 << 10, 256 << 20; batch_bytes: u64::from, u64::from;
    deadline "Time that a guest call may take, whatever its rows." Time 1_000, 60_000_000; deadline: micros, Duration::from_micros;
    deadline_per_row "Time added to the deadline per row." Time 0, 10_000_000; deadline_per_row: micros, Duration::from_micros;
    effects "Effects of one guest call." Bytes 1 << 10, 1 << 30; effects_bytes: u64::from, u64::from;
    log_line "Bytes of one guest log line; the rest is cut off." Bytes 64, 1 << 20; log_line_bytes: u64::from, count;
    log_lines_per_second "Guest log lines per second, operator and subtask; more are counted and dropped." Count 0, 100_000; log_lines_per_second: u64::from, count;
    module "Size of a module." Bytes 1 << 10, 1 << 30; module_bytes: u64::from, u64::from;
    compile_time "Time that the compilation of a module may take." Time 1_000_000, 3_600_000_000; compile_time: micros, Duration::from_micros;
    state_cache "Memory for cached state, per keyed operator and subtask." Bytes 1 << 20, 1 << 40; state_cache_bytes: u64::from, u64::from;
    outbox "Output, dead letters and changed state of one epoch and subtask; more ends the epoch early." Bytes 1 << 20, 4 << 30; outbox_bytes: u64::from, u64::from;
    replays "Calls behind dead letters that are kept on disk for `wasmill replay`; the oldest are dropped." Bytes 1 << 20, 1 << 40; replays_bytes: u64::from, u64::from;
    timer_rounds "Calls with timers that one watermark may cause in a subtask; timers that are still due then are given up." Count 100, 1_000_000_000; timer_rounds: u64::from, count;
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("limits of time are far below 2^64 microseconds")
}

fn count(value: u64) -> u32 {
    u32::try_from(value).expect("the maxima of counted limits fit into 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_reads_back_at_its_bounds_and_its_default_is_within() {
        for (i, limit) in LIMITS.iter().enumerate() {
            let default = limit.default();
            assert!((limit.min..=limit.max).contains(&default), "{}: {default}", limit.key);
            for value in [limit.min, limit.max] {
                let mut limits = Limits::default();
                limit.set(&mut limits, value);
                assert_eq!(limit.get(&limits), value, "{}", limit.key);
                let others = LIMITS.iter().enumerate().filter(|(k, _)| *k != i);
                others.for_each(|(_, o)| assert_eq!(o.get(&limits), o.default(), "{} and {}", limit.key, o.key));
            }
        }
    }
}
