//! The metrics that one operator's function reports, summed up over all of its subtasks. They are
//! of this run, and of calls whose effects were applied; they are no part of an epoch.

use std::sync::atomic::{AtomicU64, Ordering};
use wasmill_abi::manifest::{Metric, MetricKind};

/// What a gauge that was never set holds: a NaN that no arithmetic gives.
const UNSET: u64 = u64::MAX;

/// Shared by the subtasks of one operator.
#[derive(Debug)]
pub struct Metrics {
    declared: Vec<Metric>,
    values: Vec<AtomicU64>,
}

/// The value of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricValue {
    Counter(u64),
    /// As it was set last, in whichever subtask; `None` when it never was.
    Gauge(Option<f64>),
}

impl Metrics {
    /// The metrics of a function's manifest, in its order.
    pub fn new(declared: &[Metric]) -> Self {
        let start = |m: &Metric| match m.kind {
            MetricKind::Counter => AtomicU64::new(0),
            MetricKind::Gauge => AtomicU64::new(UNSET),
        };
        Self { values: declared.iter().map(start).collect(), declared: declared.to_vec() }
    }

    /// Takes a report. That the metric is declared was checked with the effects.
    pub fn report(&self, metric: u16, report: [u8; 8]) {
        let (index, report) = (usize::from(metric), u64::from_le_bytes(report));
        match self.declared[index].kind {
            MetricKind::Counter => drop(self.values[index].fetch_add(report, Ordering::Relaxed)),
            MetricKind::Gauge => self.values[index].store(report, Ordering::Relaxed),
        }
    }

    /// Every metric with its name.
    pub fn read(&self) -> impl Iterator<Item = (&str, MetricValue)> {
        self.declared.iter().zip(&self.values).map(|(metric, value)| {
            let value = value.load(Ordering::Relaxed);
            let value = match metric.kind {
                MetricKind::Counter => MetricValue::Counter(value),
                MetricKind::Gauge => MetricValue::Gauge((value != UNSET).then(|| f64::from_bits(value))),
            };
            (metric.name.as_str(), value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_gauges_hold_the_last_report() {
        let metric = |name: &str, kind| Metric { name: name.to_owned(), kind };
        let metrics = Metrics::new(&[metric("rows", MetricKind::Counter), metric("level", MetricKind::Gauge)]);
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
    }
}
