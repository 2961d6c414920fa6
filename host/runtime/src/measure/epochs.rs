//! What the epochs of a job took, phase by phase, and what they wrote.

use super::cell::Total;
use crate::carrier::EpochReport;
use std::time::Duration;

/// The phases of an epoch's end. Their names are labels of a metric and never change.
pub const PHASES: [&str; 4] = ["align", "stall", "commit", "publish"];

/// Upper bounds of the buckets of a phase, in seconds: from what an idle job takes to what would
/// make its owner look.
pub const BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Raised by the coordinator.
#[derive(Debug, Default)]
pub struct Epochs {
    /// The last committed epoch.
    pub committed: Total,
    /// Epochs whose barrier was sent and that are not committed.
    pub uncommitted: Total,
    bytes: Total,
    entries: Total,
    phases: [Phase; PHASES.len()],
}

#[derive(Debug, Default)]
struct Phase {
    nanos: Total,
    /// One more than there are bounds.
    counts: [Total; BUCKETS.len() + 1],
}

impl Phase {
    fn observe(&self, time: Duration) {
        self.nanos.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let seconds = time.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        self.counts[bucket].add(1);
    }
}

impl Epochs {
    /// An epoch is committed, and published or the job is over.
    pub fn observe(&self, report: &EpochReport) {
        self.bytes.add(report.bytes);
        self.entries.add(report.entries);
        let times = [Some(report.align), Some(report.stall), Some(report.commit), report.publish];
        for (phase, time) in self.phases.iter().zip(times) {
            if let Some(time) = time {
                phase.observe(time);
            }
        }
    }

    pub fn read(&self) -> EpochTotals {
        let phase = |(phase, name): (&Phase, &'static str)| {
            let buckets = phase.counts.each_ref().map(Total::get);
            let count = buckets.iter().sum();
            PhaseTotals { name, count, time: Duration::from_nanos(phase.nanos.get()), buckets }
        };
        EpochTotals {
            committed: self.committed.get(),
            uncommitted: self.uncommitted.get(),
            bytes: self.bytes.get(),
            entries: self.entries.get(),
            phases: self.phases.iter().zip(PHASES).map(phase).collect(),
        }
    }
}

/// The epochs of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochTotals {
    pub committed: u64,
    pub uncommitted: u64,
    pub bytes: u64,
    pub entries: u64,
    /// In the order of [`PHASES`].
    pub phases: Vec<PhaseTotals>,
}

/// One phase of all epochs together.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseTotals {
    pub name: &'static str,
    pub count: u64,
    pub time: Duration,
    /// How many epochs took at most each of [`BUCKETS`] and more than the one before; the last holds
    /// what took longer than all.
    pub buckets: [u64; BUCKETS.len() + 1],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_falls_into_the_bucket_that_bounds_it() {
        let epochs = Epochs::default();
        let report = |align_us, publish| EpochReport {
            epoch: 1,
            align: Duration::from_micros(align_us),
            stall: Duration::ZERO,
            commit: Duration::from_secs(60),
            publish,
            bytes: 10,
            entries: 2,
        };
        epochs.observe(&report(500, None));
        epochs.observe(&report(501, Some(Duration::from_millis(3))));
        let totals = epochs.read();
        assert_eq!((totals.bytes, totals.entries), (20, 4));
        let [align, stall, commit, publish] = &totals.phases[..] else { panic!("{totals:?}") };
        assert_eq!((align.count, align.time, &align.buckets[..3]), (2, Duration::from_micros(1001), &[1, 1, 0][..]));
        assert_eq!((stall.count, stall.buckets[0]), (2, 2));
        assert_eq!((commit.count, commit.buckets[BUCKETS.len()]), (2, 2));
        assert_eq!((publish.count, publish.buckets[3]), (1, 1));
    }
}
