//! What one operator's subtask counts and times. Its thread raises the totals, once a batch and never
//! once a row; any thread may read them.

use crate::state::StateStats;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmill_abi::frame::NO_WATERMARK;

/// What a subtask's time is spent on. Their names are labels of a metric and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// A source reads and decodes.
    Read,
    /// Rows are grouped by key, state is loaded and gathered, changes are applied.
    State,
    /// Frames are written, effects are read and rows are made of them.
    Boundary,
    /// Inside of the guest, its copy of the frame and the making of fresh instances included.
    Guest,
    /// A sink encodes rows.
    Encode,
    /// Rows are cut by key for the subtasks of the next fragment.
    Route,
    /// The end of an epoch takes out what it leaves behind.
    Barrier,
    /// Nothing has come in.
    WaitInput,
    /// The next fragment's channel is full.
    WaitOutput,
    /// A source stands still until an epoch is committed.
    WaitCommit,
    /// A call that failed for a passing reason is tried again later.
    WaitRetry,
}

impl Activity {
    pub const ALL: [Activity; 11] = [
        Activity::Read,
        Activity::State,
        Activity::Boundary,
        Activity::Guest,
        Activity::Encode,
        Activity::Route,
        Activity::Barrier,
        Activity::WaitInput,
        Activity::WaitOutput,
        Activity::WaitCommit,
        Activity::WaitRetry,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Activity::Read => "read",
            Activity::State => "state",
            Activity::Boundary => "boundary",
            Activity::Guest => "guest",
            Activity::Encode => "encode",
            Activity::Route => "route",
            Activity::Barrier => "barrier",
            Activity::WaitInput => "wait_input",
            Activity::WaitOutput => "wait_output",
            Activity::WaitCommit => "wait_commit",
            Activity::WaitRetry => "wait_retry",
        }
    }
}

/// The kinds of failed calls, as [`CallError::kind`](crate::wasm::CallError::kind) names them. The
/// last one takes what is not among the others.
pub const FAILURES: [&str; 12] = [
    "trap",
    "deadline",
    "memory",
    "effects-too-large",
    "bad-effects",
    "bad-record",
    "transient",
    "fatal",
    "incompatible",
    "abandoned",
    "host",
    "other",
];

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Total(AtomicU64);

impl Total {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// For totals that are kept elsewhere.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A point in event time that only rises; unknown at first.
#[derive(Debug)]
pub struct Mark(AtomicI64);

impl Default for Mark {
    fn default() -> Self {
        Self(AtomicI64::new(NO_WATERMARK))
    }
}

impl Mark {
    pub fn raise(&self, time: i64) {
        self.0.fetch_max(time, Ordering::Relaxed);
    }

    /// In microseconds since 1970.
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|t| *t != NO_WATERMARK)
    }
}

/// The totals of one operator in one subtask. Cells of two threads share no cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Cell {
    pub rows_in: Total,
    pub rows_out: Total,
    pub batches: Total,
    pub bytes_in: Total,
    pub bytes_out: Total,
    pub dead_letters: Total,
    pub skipped: Total,
    pub log_lines: Total,
    pub log_lines_dropped: Total,
    /// The highest event time that a source has read.
    pub event_time: Mark,
    /// Of the fragment that the operator is the head of.
    pub watermark: Mark,
    /// Messages that wait in the channels of the fragment, when its subtask looked last.
    pub queued: Total,
    pub queue_capacity: Total,
    pub state: StateCell,
    time_nanos: [Total; Activity::ALL.len()],
    failures: [Total; FAILURES.len()],
}

/// The state of a keyed operator as it stood when an epoch ended last.
#[derive(Debug, Default)]
pub struct StateCell {
    pub hits: Total,
    pub misses: Total,
    pub reads: Total,
    pub evictions: Total,
    pub entries: Total,
    pub timers: Total,
    pub bytes: Total,
}

impl StateCell {
    pub fn set(&self, stats: &StateStats, bytes: u64) {
        self.hits.set(stats.hits);
        self.misses.set(stats.misses);
        self.reads.set(stats.reads);
        self.evictions.set(stats.evictions);
        self.entries.set(stats.entries);
        self.timers.set(stats.timers);
        self.bytes.set(bytes);
    }
}

impl Cell {
    pub fn spent(&self, activity: Activity, time: Duration) {
        self.time_nanos[activity as usize].add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn time(&self, activity: Activity) -> Duration {
        Duration::from_nanos(self.time_nanos[activity as usize].get())
    }

    /// A call failed.
    pub fn failed(&self, kind: &str) {
        let index = FAILURES.iter().position(|known| *known == kind).unwrap_or(FAILURES.len() - 1);
        self.failures[index].add(1);
    }

    /// In the order of [`FAILURES`].
    pub fn failures(&self) -> [u64; FAILURES.len()] {
        std::array::from_fn(|i| self.failures[i].get())
    }

    /// Starts to take times.
    pub fn laps(&self) -> Laps<'_> {
        Laps { cell: self, since: Instant::now() }
    }
}

/// Cuts a stretch of time into activities. It measures and nothing else: what it finds must not
/// change what an operator does.
pub struct Laps<'c> {
    cell: &'c Cell,
    since: Instant,
}

impl Laps<'_> {
    /// Everything since the last lap was spent on this.
    pub fn lap(&mut self, activity: Activity) {
        let now = Instant::now();
        self.cell.spent(activity, now - self.since);
        self.since = now;
    }

    /// What was since the last lap is counted elsewhere.
    pub fn skip(&mut self) {
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activities_stand_at_their_place() {
        for (i, activity) in Activity::ALL.into_iter().enumerate() {
            assert_eq!(activity as usize, i, "{}", activity.name());
        }
    }

    #[test]
    fn laps_add_up_to_the_whole_stretch() {
        let cell = Cell::default();
        let started = Instant::now();
        let mut laps = cell.laps();
        for _ in 0..100 {
            laps.lap(Activity::Guest);
            laps.lap(Activity::State);
        }
        let end = laps.since;
        let sum = cell.time(Activity::Guest) + cell.time(Activity::State);
        assert!(sum <= end - started && sum > Duration::ZERO, "{sum:?} of {:?}", end - started);
        assert_eq!(cell.time(Activity::Boundary), Duration::ZERO);
    }

    #[test]
    fn failures_have_bounded_kinds() {
        let cell = Cell::default();
        for kind in ["trap", "memory", "trap", "made up"] {
            cell.failed(kind);
        }
        let counted: Vec<_> = FAILURES.into_iter().zip(cell.failures()).filter(|(_, n)| *n > 0).collect();
        assert_eq!(counted, [("trap", 2), ("memory", 1), ("other", 1)]);
    }

    #[test]
    fn event_time_is_unknown_until_it_is_raised_and_never_falls() {
        let mark = Mark::default();
        assert_eq!(mark.get(), None);
        mark.raise(-5);
        mark.raise(7);
        mark.raise(3);
        assert_eq!(mark.get(), Some(7));
    }
}
