//! Event time over the partitions of one source subtask. A partition that has had nothing for so
//! long that it counts as idle does not hold the others back, until it has rows again.
//!
//! Time comes in as numbers, so this can be tested without waiting. Idleness follows the clock and
//! not the data: it is the one thing that may let two runs put rows behind other watermarks.

use crate::watermark::lowest;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is to be told to those who read from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// Event time has come this far, in microseconds; it rises with each.
    Watermark(i64),
    /// Every partition is idle: the source holds nobody back until it sends rows again.
    Idle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Partition {
    watermark: Option<i64>,
    /// Since when it was asked for rows in vain.
    waiting_since: Option<Duration>,
    is_idle: bool,
}

/// Watermarks of the partitions that are not done.
#[derive(Debug, Clone, Default)]
pub struct EventClock {
    /// `None`: no partition is ever idle.
    idle_timeout: Option<Duration>,
    partitions: BTreeMap<u32, Partition>,
    watermark: Option<i64>,
    told_idle: bool,
}

impl EventClock {
    pub fn new(idle_timeout: Option<Duration>) -> Self {
        Self { idle_timeout, ..Self::default() }
    }

    /// A partition stands at this watermark; a new one is added.
    pub fn at(&mut self, partition: u32, watermark: Option<i64>) {
        self.partitions.entry(partition).or_default().watermark = watermark;
    }

    /// A partition had rows.
    pub fn rows(&mut self, partition: u32) {
        let partition = self.partitions.entry(partition).or_default();
        (partition.waiting_since, partition.is_idle) = (None, false);
        self.told_idle = false;
    }

    /// A partition was asked for rows and had none. `now` is the time since any fixed point. Time in
    /// which nobody asks, because of back pressure, makes no partition idle.
    pub fn nothing(&mut self, partition: u32, now: Duration) {
        let partition = self.partitions.entry(partition).or_default();
        let since = *partition.waiting_since.get_or_insert(now);
        partition.is_idle = self.idle_timeout.is_some_and(|timeout| now.saturating_sub(since) >= timeout);
    }

    /// A partition is done, and holds nobody back.
    pub fn done(&mut self, partition: u32) {
        self.partitions.remove(&partition);
    }

    /// How far event time has come.
    pub fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// What is to be told next; to be asked until there is nothing.
    pub fn tell(&mut self) -> Option<Tell> {
        // A source without partitions is idle as well: it has nothing that could hold anyone back.
        let all_idle = self.partitions.values().all(|p| p.is_idle);
        let now = match all_idle {
            // None holds back another, so the one that is ahead counts.
            true => self.partitions.values().filter_map(|p| p.watermark).max(),
            false => lowest(self.partitions.values().filter(|p| !p.is_idle).map(|p| p.watermark)),
        };
        if let Some(now) = now.filter(|now| self.watermark.is_none_or(|told| told < *now)) {
            self.watermark = Some(now);
            self.told_idle = false;
            return Some(Tell::Watermark(now));
        }
        if all_idle && !self.told_idle {
            self.told_idle = true;
            return Some(Tell::Idle);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Tell::{Idle, Watermark};

    fn told(clock: &mut EventClock) -> Vec<Tell> {
        std::iter::from_fn(|| clock.tell()).collect()
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn clock(watermarks: &[Option<i64>]) -> EventClock {
        let mut clock = EventClock::new(Some(seconds(5)));
        (0..).zip(watermarks).for_each(|(partition, watermark)| clock.at(partition, *watermark));
        clock
    }

    #[test]
    fn the_lowest_partition_counts_and_one_without_watermark_holds_all_back() {
        let mut clock = clock(&[Some(10), None]);
        assert_eq!(told(&mut clock), []);
        clock.at(1, Some(3));
        assert_eq!(told(&mut clock), [Watermark(3)]);
        clock.at(1, Some(2));
        assert_eq!(told(&mut clock), [], "event time does not fall");
        clock.done(1);
        assert_eq!(told(&mut clock), [Watermark(10)]);
    }

    #[test]
    fn an_idle_partition_holds_nobody_back_until_it_has_rows() {
        let mut clock = clock(&[Some(10), None]);
        clock.nothing(1, seconds(100));
        clock.nothing(1, seconds(104));
        assert_eq!(told(&mut clock), [], "it waits for four seconds of five");
        clock.nothing(1, seconds(105));
        assert_eq!(told(&mut clock), [Watermark(10)]);
        clock.at(0, Some(20));
        clock.rows(1);
        assert_eq!(told(&mut clock), [], "it is back, and has no watermark yet");
        clock.at(1, Some(15));
        assert_eq!(told(&mut clock), [Watermark(15)]);
        clock.nothing(1, seconds(106));
        assert_eq!(told(&mut clock), [], "the wait starts anew");
    }

    #[test]
    fn when_all_are_idle_the_one_ahead_counts_and_it_is_told_once() {
        let mut clock = clock(&[Some(10), Some(30)]);
        assert_eq!(told(&mut clock), [Watermark(10)]);
        for now in [0, 5, 9] {
            clock.nothing(0, seconds(now));
            clock.nothing(1, seconds(now));
        }
        assert_eq!(told(&mut clock), [Watermark(30), Idle]);
        clock.nothing(0, seconds(20));
        assert_eq!(told(&mut clock), []);
        clock.rows(0);
        clock.nothing(0, seconds(21));
        clock.nothing(0, seconds(30));
        assert_eq!(told(&mut clock), [Idle], "idle again");
    }

    #[test]
    fn without_a_timeout_no_partition_is_idle_and_a_source_without_any_is() {
        let mut clock = EventClock::new(None);
        clock.at(0, None);
        clock.nothing(0, seconds(0));
        clock.nothing(0, seconds(1_000_000));
        assert_eq!(told(&mut clock), []);
        clock.done(0);
        assert_eq!(told(&mut clock), [Idle]);
        clock.at(1, None);
        assert_eq!(told(&mut clock), [], "it is told once, until there are rows");
        clock.rows(1);
        clock.done(1);
        assert_eq!(told(&mut clock), [Idle]);
    }
}
