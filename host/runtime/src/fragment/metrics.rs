//! The metrics that one operator's function reports, summed up over all of its subtasks. They are
//! of this run, and of calls whose effects were applied; they are no part of an epoch.

use std::sync::atomic::{AtomicU64, Ordering};
use wasmill_abi::manifest::{Metric, MetricKind};
use wasmill_core::plan::Output;

/// What a gauge that was never set holds: a NaN that no arithmetic gives.
const UNSET: u64 = u64::MAX;

/// Shared by the subtasks of one operator.
#[derive(Debug)]
pub struct Metrics {
    declared: Vec<Metric>,
    values: Vec<AtomicU64>,
    /// For each output, its metric and the rows that were dropped because nothing reads it.
    unread: Vec<(String, AtomicU64)>,
}

/// The value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricValue {
    Counter(u64),
    /// As it was set last, in whichever subtask; `None` when it never was.
    Gauge(Option<f64>),
}

impl Metrics {
    /// The metrics of a function's manifest, in its order, and the function's outputs.
    pub fn new(declared: &[Metric], outputs: &[Output]) -> Self {
        let unread = |o: &Output| (format!("unread_{}", o.name), AtomicU64::new(0));
        let start = |m: &Metric| match m.kind {
            MetricKind::Counter => AtomicU64::new(0),
            MetricKind::Gauge => AtomicU64::new(UNSET),
        };
        let values = declared.iter().map(start).collect();
        Self { values, declared: declared.to_vec(), unread: outputs.iter().map(unread).collect() }
    }

    /// Takes a report. That the metric is declared was checked with the effects.
    pub fn report(&self, metric: u16, report: [u8; 8]) {
        let (index, report) = (usize::from(metric), u64::from_le_bytes(report));
        match self.declared[index].kind {
            MetricKind::Counter => drop(self.values[index].fetch_add(report, Ordering::Relaxed)),
            MetricKind::Gauge => self.values[index].store(report, Ordering::Relaxed),
        }
    }

    /// Counts rows of an output that nothing reads.
    pub fn unread(&self, output: usize, rows: u64) {
        self.unread[output].1.fetch_add(rows, Ordering::Relaxed);
    }

    /// Every metric with its name; behind them `unread_OUTPUT`, for outputs of which rows were dropped
    /// because nothing reads them.
    pub fn read(&self) -> impl Iterator<Item = (&str, MetricValue)> {
        let unread = self.unread.iter().map(|(name, rows)| (name.as_str(), rows.load(Ordering::Relaxed)));
        let unread = unread.filter(|(_, rows)| *rows > 0).map(|(name, rows)| (name, MetricValue::Counter(rows)));
        let declared = self.declared.iter().zip(&self.values).map(|(metric, value)| {
            let value = value.load(Ordering::Relaxed);
            let value = match metric.kind {
                MetricKind::Counter => MetricValue::Counter(value),
                MetricKind::Gauge => MetricValue::Gauge((value != UNSET).then(|| f64::from_bits(value))),
            };
            (metric.name.as_str(), value)
        });
        declared.chain(unread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_gauges_hold_the_last_report() {
        let metric = |name: &str, kind| Metric { name: name.to_owned(), kind };
        let declared = [metric("rows", MetricKind::Counter), metric("level", MetricKind::Gauge)];
        let late = Output { name: "late".to_owned(), schema: wasmill_abi::Schema::default(), changelog: false };
        let metrics = Metrics::new(&declared, &[late]);
        let read = || metrics.read().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>();
        let expect = |rows, level| {
            vec![("rows".to_owned(), MetricValue::Counter(rows)), ("level".to_owned(), MetricValue::Gauge(level))]
        };
        assert_eq!(read(), expect(0, None));
        metrics.report(0, 3u64.to_le_bytes());
        metrics.report(1, 2.5f64.to_le_bytes());
        metrics.report(0, 4u64.to_le_bytes());
        metrics.report(1, (-1f64).to_le_bytes());
        assert_eq!(read(), expect(7, Some(-1.0)));
        metrics.unread(0, 2);
        assert_eq!(read()[2], ("unread_late".to_owned(), MetricValue::Counter(2)));
    }
}
