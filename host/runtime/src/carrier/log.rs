//! Where guests' log lines go: to the process's log, with job and operator on every line, and no
//! more of them than the limit allows. A guest is a stranger: what a terminal would obey, it only
//! shows, and one line stays one line.

use crate::measure::Cell;
use crate::wasm::{Level, LogSink};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wasmill_core::printable::one_line;

const SECOND: Duration = Duration::from_secs(1);

/// The log of one operator's subtask. The limit holds for all of its instances together: a function
/// that traps on every row gets a fresh one each time, and must not flood the log by that. `cell`
/// counts the lines.
pub fn guest_log(job: &str, operator: &str, subtask: u16, lines_per_second: u32, cell: Arc<Cell>) -> LogSink {
    let lines = GuestLines {
        job: job.to_owned(),
        operator: operator.to_owned(),
        subtask,
        limit: lines_per_second,
        budget: Mutex::new(Budget::new(lines_per_second, Instant::now())),
        cell,
    };
    Arc::new(move |level, line| lines.write(level, line))
}

struct GuestLines {
    job: String,
    operator: String,
    subtask: u16,
    limit: u32,
    /// Only the subtask's thread comes here.
    budget: Mutex<Budget>,
    cell: Arc<Cell>,
}

impl GuestLines {
    fn write(&self, level: Level, line: &str) {
        // A line that nobody wants to see must not take the place of one that somebody does.
        if !is_wanted(level) {
            return;
        }
        // A poisoned lock still counts right.
        let answer = self.budget.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        self.tell_dropped(answer.dropped);
        if !answer.passes {
            return self.cell.log_lines_dropped.add(1);
        }
        self.cell.log_lines.add(1);
        let Self { job, operator, subtask, .. } = self;
        let line = one_line(line);
        match level {
            Level::Trace => tracing::trace!(target: "guest", job, operator, subtask, "{line}"),
            Level::Debug => tracing::debug!(target: "guest", job, operator, subtask, "{line}"),
            Level::Info => tracing::info!(target: "guest", job, operator, subtask, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", job, operator, subtask, "{line}"),
            Level::Error => tracing::error!(target: "guest", job, operator, subtask, "{line}"),
        }
    }

    fn tell_dropped(&self, dropped: u64) {
        if dropped > 0 {
            let Self { job, operator, subtask, limit, .. } = self;
            tracing::warn!(
                target: "guest", job, operator, subtask,
                "{dropped} log lines were dropped: more than {limit} in a second (limit log_lines_per_second)"
            );
        }
    }
}

/// What was dropped in the last second of a function's life is told as well.
impl Drop for GuestLines {
    fn drop(&mut self) {
        let dropped = self.budget.get_mut().unwrap_or_else(PoisonError::into_inner).dropped;
        self.tell_dropped(dropped);
    }
}

/// Whether lines of this level appear anywhere.
fn is_wanted(level: Level) -> bool {
    match level {
        Level::Trace => tracing::enabled!(target: "guest", tracing::Level::TRACE),
        Level::Debug => tracing::enabled!(target: "guest", tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(target: "guest", tracing::Level::INFO),
        Level::Warn => tracing::enabled!(target: "guest", tracing::Level::WARN),
        Level::Error => tracing::enabled!(target: "guest", tracing::Level::ERROR),
    }
}

/// How many lines may pass in the second that runs.
struct Budget {
    per_second: u32,
    second: Instant,
    passed: u32,
    dropped: u64,
}

/// Whether a line passes, and how many did not before it that nobody was told of.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    passes: bool,
    dropped: u64,
}

impl Budget {
    fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, second: now, passed: 0, dropped: 0 }
    }

    fn take(&mut self, now: Instant) -> Answer {
        let mut dropped = 0;
        if now.duration_since(self.second) >= SECOND {
            (self.second, self.passed) = (now, 0);
            dropped = std::mem::take(&mut self.dropped);
        }
        let passes = self.passed < self.per_second;
        self.passed += u32::from(passes);
        self.dropped += u64::from(!passes);
        Answer { passes, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_dropped_and_told_in_the_next_second() {
        let start = Instant::now();
        let mut budget = Budget::new(2, start);
        let passed: Vec<bool> = (0..5).map(|_| budget.take(start).passes).collect();
        assert_eq!(passed, [true, true, false, false, false]);
        assert_eq!(budget.take(start + SECOND), Answer { passes: true, dropped: 3 });
        assert_eq!(budget.take(start + SECOND), Answer { passes: true, dropped: 0 });
        assert_eq!(budget.take(start + SECOND * 3), Answer { passes: true, dropped: 0 });
    }

    #[test]
    fn a_limit_of_nothing_lets_nothing_pass() {
        let start = Instant::now();
        let mut budget = Budget::new(0, start);
        assert!(!budget.take(start).passes);
        assert_eq!(budget.take(start + SECOND), Answer { passes: false, dropped: 1 });
    }
}
