//! Watermarks of a source: a pure function of the rows of a partition, never of batches or clocks.
//!
//! A watermark belongs to a position: it is due after every so many rows of a partition and at its
//! end. So timers fire at the same place however rows are cut into batches and after every replay.

use std::time::Duration;

/// What a generator must remember to go on where another left off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows seen.
    pub rows: u64,
    /// The highest event time seen, in microseconds.
    pub highest: Option<i64>,
    /// The last watermark that was due, in microseconds. It never falls.
    pub watermark: Option<i64>,
}

/// Watermarks of one partition: the highest event time seen, less the delay and one microsecond.
#[derive(Debug, Clone)]
pub struct BoundedDelay {
    max_delay_us: i64,
    every_rows: u64,
    progress: Progress,
}

impl BoundedDelay {
    /// `every_rows` of 0 counts as 1.
    pub fn new(max_delay: Duration, every_rows: u32, progress: Progress) -> Self {
        let max_delay_us = i64::try_from(max_delay.as_micros()).unwrap_or(i64::MAX);
        Self { max_delay_us, every_rows: u64::from(every_rows.max(1)), progress }
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// How many rows may be observed up to and including the next position of a watermark. At least 1.
    pub fn rows_until_due(&self) -> u64 {
        self.every_rows - self.progress.rows % self.every_rows
    }

    /// Takes the event times of the next rows, at most [`Self::rows_until_due`] of them, and says
    /// whether a watermark is due behind them. It then stands in [`Self::progress`].
    ///
    /// # Panics
    /// When the rows reach beyond the next position of a watermark.
    pub fn observe(&mut self, event_times: &[i64]) -> Due {
        let rows = event_times.len() as u64;
        assert!(rows <= self.rows_until_due(), "rows of one batch never span the position of a watermark");
        self.progress.rows += rows;
        self.progress.highest = self.progress.highest.max(event_times.iter().copied().max());
        if rows == 0 || !self.progress.rows.is_multiple_of(self.every_rows) {
            return Due::Later;
        }
        self.raise();
        Due::Now
    }

    /// The partition has ended: its last watermark is due.
    pub fn end(&mut self) {
        self.raise();
    }

    fn raise(&mut self) {
        let next = self.progress.highest.map(|h| h.saturating_sub(self.max_delay_us).saturating_sub(1));
        self.progress.watermark = self.progress.watermark.max(next);
    }
}

/// Whether a watermark is due behind the rows that were observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Now,
    Later,
}

/// The watermark of several inputs: the lowest. `None` when one of them has none yet, or when
/// there is no input.
pub fn lowest(watermarks: impl IntoIterator<Item = Option<i64>>) -> Option<i64> {
    // `None` orders below every watermark, so the minimum finds an input without one.
    watermarks.into_iter().min().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(delay_us: u64, every: u32) -> BoundedDelay {
        BoundedDelay::new(Duration::from_micros(delay_us), every, Progress::default())
    }

    /// The watermarks after each row position where one was due, and the one at the end.
    fn run(mut g: BoundedDelay, times: &[i64], chunk: usize) -> Vec<(u64, Option<i64>)> {
        let mut out = Vec::new();
        let mut rest = times;
        while !rest.is_empty() {
            let n = chunk.min(g.rows_until_due() as usize).min(rest.len());
            if g.observe(&rest[..n]) == Due::Now {
                out.push((g.progress().rows, g.progress().watermark));
            }
            rest = &rest[n..];
        }
        g.end();
        out.push((g.progress().rows, g.progress().watermark));
        out
    }

    #[test]
    fn watermark_is_highest_less_delay_less_one_and_only_at_positions() {
        let got = run(generator(10, 2), &[100, 50, 200, 120, 90], 1);
        assert_eq!(got, [(2, Some(89)), (4, Some(189)), (5, Some(189))]);
    }

    #[test]
    fn the_cut_into_batches_changes_nothing() {
        let times: Vec<i64> = (0..1000).map(|i: i64| (i * 7919) % 503 + i).collect();
        for every in [1, 3, 7, 1000, 5000] {
            let whole = run(generator(5, every), &times, usize::MAX);
            for chunk in [1, 2, 5, 64] {
                assert_eq!(run(generator(5, every), &times, chunk), whole, "every {every}, chunk {chunk}");
            }
        }
    }

    #[test]
    fn a_resumed_generator_goes_on_where_the_first_left_off() {
        let times: Vec<i64> = (0..50).map(|i: i64| (i * 31) % 17 + i).collect();
        let whole = run(generator(3, 4), &times, 1);
        for cut in 0..=times.len() {
            let mut first = generator(3, 4);
            let mut got = Vec::new();
            for t in &times[..cut] {
                if first.observe(&[*t]) == Due::Now {
                    got.push((first.progress().rows, first.progress().watermark));
                }
            }
            let second = BoundedDelay::new(Duration::from_micros(3), 4, first.progress());
            got.extend(run(second, &times[cut..], 1));
            assert_eq!(got, whole, "cut at {cut}");
        }
    }

    #[test]
    fn extremes_saturate_and_nothing_seen_is_no_watermark() {
        assert_eq!(run(generator(u64::MAX, 1), &[i64::MIN], 1).last(), Some(&(1, Some(i64::MIN))));
        assert_eq!(run(generator(0, 1), &[], 1), [(0, None)]);
    }

    #[test]
    fn the_lowest_waits_for_everyone() {
        assert_eq!(lowest([Some(3), Some(1)]), Some(1));
        assert_eq!(lowest([Some(3), None]), None);
        assert_eq!(lowest([]), None);
    }
}
