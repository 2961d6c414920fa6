//! The limits that keep one function from harming its neighbours, with their defaults.

use std::time::Duration;

/// The limits of one job. Every one can be set in the job file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one guest instance.
    pub memory_bytes: u64,
    /// Rows in one guest call.
    pub batch_rows: u32,
    /// Bytes of column data in one guest call; a single larger row still goes through alone.
    pub batch_bytes: u64,
    /// Time that a guest call may take, whatever its rows.
    pub deadline: Duration,
    /// Time that is added to the deadline per row.
    pub deadline_per_row: Duration,
    /// Effects of one guest call.
    pub effects_bytes: u64,
    /// One guest log line; the rest is cut off.
    pub log_line_bytes: u32,
    /// Guest log lines per second, operator and subtask; more are counted and dropped.
    pub log_lines_per_second: u32,
    /// Size of a module.
    pub module_bytes: u64,
    /// Time that the compilation of a module may take.
    pub compile_time: Duration,
    /// Memory that cached state may take, per keyed operator and subtask.
    pub state_cache_bytes: u64,
    /// Output, dead letters and changed state of one epoch and subtask; more ends the epoch early.
    pub outbox_bytes: u64,
    /// Calls behind dead letters that are kept for a replay; the oldest are dropped.
    pub replays_bytes: u64,
    /// Calls with timers that one watermark may cause in a subtask, before what is still due is
    /// given up.
    pub timer_rounds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            batch_rows: 4096,
            batch_bytes: 1 << 20,
            deadline: Duration::from_millis(50),
            deadline_per_row: Duration::from_micros(50),
            effects_bytes: 16 << 20,
            log_line_bytes: 1024,
            log_lines_per_second: 100,
            module_bytes: 32 << 20,
            compile_time: Duration::from_secs(60),
            state_cache_bytes: 256 << 20,
            outbox_bytes: 64 << 20,
            replays_bytes: 64 << 20,
            timer_rounds: 1_000_000,
        }
    }
}

impl Limits {
    /// The deadline of a call with this many rows.
    pub fn deadline_of(&self, rows: u32) -> Duration {
        self.deadline + self.deadline_per_row * rows
    }
}
