//! What is measured of a running job: totals that its threads raise and that anyone may read at any
//! moment. A job has one [`Measures`]; there are no globals. It must not decide anything.
//!
//! The cost lies in the batch: a handful of additions and readings of the clock for up to 4096 rows.

mod cell;
mod epochs;

pub use cell::{Activity, Cell, FAILURES, Laps, Total};
pub use epochs::{BUCKETS, EpochTotals, Epochs, PHASES, PhaseTotals};

use crate::fragment::metrics::{MetricValue, Metrics};
use std::sync::Arc;
use std::time::Duration;
use wasmill_core::plan::{OperatorKind, Plan};

/// The measures of one run of a job.
#[derive(Debug)]
pub struct Measures {
    job: String,
    /// In the order of the plan.
    operators: Vec<OperatorMeasures>,
    pub epochs: Epochs,
}

#[derive(Debug)]
struct OperatorMeasures {
    name: String,
    kind: &'static str,
    is_keyed: bool,
    /// The position of the operator at the head of its fragment.
    head: usize,
    /// By subtask.
    cells: Vec<Arc<Cell>>,
    /// What the function itself reports.
    reported: Arc<Metrics>,
}

impl Measures {
    /// All at nothing, for the operators of a plan.
    pub fn of(plan: &Plan) -> Self {
        let operator = |operator: &wasmill_core::plan::Operator| {
            let (kind, is_keyed, declared) = match &operator.kind {
                OperatorKind::Source(_) => ("source", false, &[][..]),
                OperatorKind::Function(call) => ("function", call.is_keyed(), &call.function.metrics[..]),
                OperatorKind::Sink(_) => ("sink", false, &[][..]),
            };
            OperatorMeasures {
                name: operator.name.clone(),
                kind,
                is_keyed,
                head: plan.fragments[operator.fragment.0].operators[0].0,
                cells: (0..operator.parallelism).map(|_| Arc::default()).collect(),
                reported: Arc::new(Metrics::new(declared, &operator.outputs)),
            }
        };
        Self {
            job: plan.job.clone(),
            operators: plan.operators.iter().map(operator).collect(),
            epochs: Epochs::default(),
        }
    }

    pub fn job(&self) -> &str {
        &self.job
    }

    /// The cell of an operator, by its position in the plan.
    pub fn cell(&self, operator: usize, subtask: u16) -> Arc<Cell> {
        self.operators[operator].cells[usize::from(subtask)].clone()
    }

    /// Where a function's own metrics are summed up.
    pub fn reported(&self, operator: usize) -> Arc<Metrics> {
        self.operators[operator].reported.clone()
    }

    /// Every operator as it stands now, in the order of the plan.
    pub fn operators(&self) -> Vec<OperatorTotals> {
        self.operators.iter().map(|o| o.read(&self.operators[o.head].cells)).collect()
    }
}

impl OperatorMeasures {
    /// `heads` are the cells of the fragment's head: channels and watermark are the fragment's.
    fn read(&self, heads: &[Arc<Cell>]) -> OperatorTotals {
        let sum = |of: fn(&Cell) -> &Total| self.cells.iter().map(|c| of(c).get()).sum::<u64>();
        let is_head = self.cells.iter().zip(heads).all(|(own, head)| Arc::ptr_eq(own, head));
        let time = |activity| self.cells.iter().map(|c| c.time(activity)).sum();
        let failures = |i: usize| self.cells.iter().map(|c| c.failures()[i]).sum();
        OperatorTotals {
            name: self.name.clone(),
            kind: self.kind,
            subtasks: self.cells.len(),
            rows_in: sum(|c| &c.rows_in),
            rows_out: sum(|c| &c.rows_out),
            batches: sum(|c| &c.batches),
            bytes_in: sum(|c| &c.bytes_in),
            bytes_out: sum(|c| &c.bytes_out),
            dead_letters: sum(|c| &c.dead_letters),
            skipped: sum(|c| &c.skipped),
            log_lines: sum(|c| &c.log_lines),
            log_lines_dropped: sum(|c| &c.log_lines_dropped),
            time: Activity::ALL.map(time),
            failures: std::array::from_fn(failures),
            event_time: self.cells.iter().filter_map(|c| c.event_time.get()).max(),
            watermark: heads.iter().map(|c| c.watermark.get()).min().flatten(),
            queue: (is_head && self.kind != "source").then(|| (sum(|c| &c.queued), sum(|c| &c.queue_capacity))),
            state: self.is_keyed.then(|| StateTotals {
                hits: sum(|c| &c.state.hits),
                misses: sum(|c| &c.state.misses),
                reads: sum(|c| &c.state.reads),
                evictions: sum(|c| &c.state.evictions),
                entries: sum(|c| &c.state.entries),
                timers: sum(|c| &c.state.timers),
                bytes: sum(|c| &c.state.bytes),
            }),
            reported: self.reported.read().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}

/// One operator, all of its subtasks together, since the run started.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorTotals {
    pub name: String,
    /// `source`, `function` or `sink`.
    pub kind: &'static str,
    pub subtasks: usize,
    pub rows_in: u64,
    pub rows_out: u64,
    pub batches: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub dead_letters: u64,
    pub skipped: u64,
    pub log_lines: u64,
    pub log_lines_dropped: u64,
    /// In the order of [`Activity::ALL`].
    pub time: [Duration; Activity::ALL.len()],
    /// Calls that failed, in the order of [`FAILURES`].
    pub failures: [u64; FAILURES.len()],
    /// The highest event time that a source has read, in microseconds.
    pub event_time: Option<i64>,
    /// The lowest watermark of the subtasks, in microseconds; unknown while one of them knows none.
    pub watermark: Option<i64>,
    /// Messages in the channels that the operator reads from, and how many fit.
    pub queue: Option<(u64, u64)>,
    /// Of keyed functions.
    pub state: Option<StateTotals>,
    /// What the function itself reports.
    pub reported: Vec<(String, MetricValue)>,
}

impl OperatorTotals {
    pub fn time(&self, activity: Activity) -> Duration {
        self.time[activity as usize]
    }
}

/// The state of a keyed operator, as its subtasks found it when their last epoch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTotals {
    /// Keys that were found in memory, and those that were not.
    pub hits: u64,
    pub misses: u64,
    /// Values that were asked of the database.
    pub reads: u64,
    pub evictions: u64,
    /// Keys in memory, with their bytes.
    pub entries: u64,
    pub bytes: u64,
    pub timers: u64,
}
