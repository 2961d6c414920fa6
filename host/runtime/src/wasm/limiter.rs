//! The two limits that hold while a guest runs: its memory and its CPU time.

use super::sys::thread_cpu_time;
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// The time between two ticks of the epoch: the resolution of deadlines.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// Table elements of one guest: tables hold functions, one element each.
const TABLE_ELEMENTS_MAX: usize = 1 << 18;

/// Bounds the linear memory of one guest, and remembers whether it had to refuse.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limit: usize,
    used: usize,
    /// The bytes of the growth that was allowed last, in case it fails.
    allowed: usize,
    refused: bool,
}

impl MemoryLimiter {
    pub fn new(limit: u64) -> Self {
        Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), used: 0, allowed: 0, refused: false }
    }

    /// The linear memory of the guest, in bytes.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Whether a growth was refused since the last call of this.
    pub fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let total = self.used.saturating_add(growth);
        if total > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.used = total;
        self.allowed = growth;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // Called after a refusal too, when nothing was allowed.
        self.used -= std::mem::take(&mut self.allowed);
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    // A component from `wasmill build` has three core instances, one memory and two tables.
    fn instances(&self) -> usize {
        32
    }

    fn tables(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        4
    }
}

/// A deadline in CPU time of the calling thread. Ticks of the epoch only say when to look: a thread
/// that the system did not run is not blamed for the time that has passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    started: Duration,
    pub limit: Duration,
}

impl Deadline {
    /// Starts now, on this thread.
    pub fn start(limit: Duration) -> Self {
        Self { started: thread_cpu_time(), limit }
    }

    /// The ticks after which to look again; `None` when the time is up.
    pub fn ticks_left(&self) -> Option<u64> {
        let used = thread_cpu_time().saturating_sub(self.started);
        self.limit.checked_sub(used).filter(|left| !left.is_zero()).map(ticks)
    }

    /// The ticks after which to look first.
    pub fn ticks(&self) -> u64 {
        ticks(self.limit)
    }
}

/// The ticks that certainly last as long as `time`: the current one is partly over.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX / 2) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_counts_all_memories_and_failed_growth() {
        let mut limiter = MemoryLimiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).expect("never fails"));
        assert!(!limiter.memory_growing(0, 50, None).expect("never fails"), "two memories share the limit");
        assert!(limiter.take_refused());
        assert!(!limiter.take_refused());
        assert!(limiter.memory_growing(60, 100, None).expect("never fails"));
        limiter.memory_grow_failed(wasmtime::Error::msg("the system has no memory")).expect("never fails");
        assert_eq!(limiter.used(), 60);
    }

    #[test]
    fn only_cpu_time_counts() {
        let deadline = Deadline::start(Duration::from_secs(3600));
        assert!(deadline.ticks_left().is_some_and(|t| t > 350_000));
        let deadline = Deadline::start(Duration::ZERO);
        assert_eq!(deadline.ticks_left(), None);
    }

    #[test]
    fn ticks_never_fall_short() {
        assert_eq!(ticks(Duration::from_millis(1)), 2);
        assert_eq!(ticks(Duration::from_millis(10)), 2);
        assert_eq!(ticks(Duration::from_millis(11)), 3);
        assert!(ticks(Duration::MAX) > 1 << 62);
    }
}
