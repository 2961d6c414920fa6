//! What a running job tells of itself: counters that subtasks raise and the coordinator reads.

use super::epoch_report::EpochReport;
use crate::fragment::metrics::MetricValue;
use crate::measure::{EpochTotals, Measures, OperatorTotals};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmill_abi::frame::NO_WATERMARK;

/// Counters of one run, raised by its subtasks.
#[derive(Debug)]
pub struct Counters {
    pub rows_in: AtomicU64,
    pub rows_out: AtomicU64,
    pub dead_letters: AtomicU64,
    pub skipped: AtomicU64,
    pub measures: Arc<Measures>,
    /// The highest event time that a source has read.
    event_time: AtomicI64,
    /// The lowest watermark that the subtasks have come to is not known in one place; this is the
    /// highest that a source has sent.
    watermark: AtomicI64,
}

impl Counters {
    /// All at nothing, beside the measures of the job's operators.
    pub fn new(measures: Arc<Measures>) -> Self {
        Self {
            measures,
            rows_in: AtomicU64::new(0),
            rows_out: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            event_time: AtomicI64::new(NO_WATERMARK),
            watermark: AtomicI64::new(NO_WATERMARK),
        }
    }

    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    pub fn event_time(&self, time: i64) {
        self.event_time.fetch_max(time, Ordering::Relaxed);
    }

    pub fn watermark(&self, time: i64) {
        self.watermark.fetch_max(time, Ordering::Relaxed);
    }
}

/// How far a run has come. Totals are of this run, not of earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub rows_in: u64,
    pub rows_out: u64,
    pub dead_letters: u64,
    /// Rows and timers that failed and were dropped, by `on_error: skip`.
    pub skipped: u64,
    /// Every metric that the job's functions declare, by operator and name.
    pub metrics: Vec<MetricTotal>,
    /// Over the time since the last report.
    pub rows_per_second: f64,
    /// The last committed epoch.
    pub epoch: u64,
    /// The highest event time read, in microseconds.
    pub event_time: Option<i64>,
    /// The highest watermark sent, in microseconds.
    pub watermark: Option<i64>,
    /// How far event time is behind the clock.
    pub lag: Option<Duration>,
    pub elapsed: Duration,
    /// The epoch that this run went on from; `None` when it started from nothing.
    pub resumed_from: Option<u64>,
    /// The epochs that were committed since the last report.
    pub epochs: Vec<EpochReport>,
    /// Every operator, in the order of the plan.
    pub operators: Vec<OperatorTotals>,
    /// All epochs of this run together.
    pub epoch_totals: EpochTotals,
}

/// What functions reported, by operator and name.
fn reported(operators: &[OperatorTotals]) -> Vec<MetricTotal> {
    let mut totals = Vec::new();
    for operator in operators {
        totals.extend(operator.reported.iter().map(|(metric, value)| MetricTotal {
            operator: operator.name.clone(),
            metric: metric.clone(),
            value: *value,
        }));
    }
    totals.sort_by(|a, b| a.operator.cmp(&b.operator));
    totals
}

/// What one operator's function reported under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricTotal {
    pub operator: String,
    pub metric: String,
    pub value: MetricValue,
}

/// Turns counters into reports.
pub struct Reporter {
    started: Instant,
    last: Instant,
    last_rows: u64,
    resumed_from: Option<u64>,
    epochs: Vec<EpochReport>,
}

impl Reporter {
    pub fn new(resumed_from: Option<u64>) -> Self {
        let now = Instant::now();
        Self { started: now, last: now, last_rows: 0, resumed_from, epochs: Vec::new() }
    }

    /// An epoch of which the next report tells.
    pub fn epoch(&mut self, report: EpochReport) {
        self.epochs.push(report);
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// `now` is microseconds since 1970.
    pub fn report(&mut self, counters: &Counters, epoch: u64, now: i64) -> Progress {
        let known = |time: &AtomicI64| {
            let time = time.load(Ordering::Relaxed);
            (time != NO_WATERMARK && time != i64::MAX).then_some(time)
        };
        let rows_in = counters.rows_in.load(Ordering::Relaxed);
        let seconds = self.last.elapsed().as_secs_f64().max(1e-6);
        let rows_per_second = (rows_in - self.last_rows) as f64 / seconds;
        self.last = Instant::now();
        self.last_rows = rows_in;
        let event_time = known(&counters.event_time);
        let operators = counters.measures.operators();
        Progress {
            rows_in,
            rows_out: counters.rows_out.load(Ordering::Relaxed),
            dead_letters: counters.dead_letters.load(Ordering::Relaxed),
            skipped: counters.skipped.load(Ordering::Relaxed),
            metrics: reported(&operators),
            rows_per_second,
            epoch,
            event_time,
            watermark: known(&counters.watermark),
            lag: event_time.map(|t| Duration::from_micros(now.saturating_sub(t).max(0) as u64)),
            elapsed: self.elapsed(),
            resumed_from: self.resumed_from,
            epochs: std::mem::take(&mut self.epochs),
            operators,
            epoch_totals: counters.measures.epochs.read(),
        }
    }
}
