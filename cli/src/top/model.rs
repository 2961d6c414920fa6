//! What `wasmill top` shows: the difference between two scrapes of one job. It draws nothing.

use super::scrape::Scrape;
use std::time::Duration;

/// Activities that are waiting, whatever for.
const WAITS: [&str; 4] = ["wait_input", "wait_output", "wait_commit", "wait_retry"];
/// The phases of an epoch in the order in which they come.
pub const PHASES: [&str; 4] = ["align", "stall", "commit", "publish"];

/// A job between two scrapes.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub job: String,
    pub epoch: u64,
    pub uncommitted: u64,
    pub epochs_per_second: f64,
    pub written_bytes_per_second: f64,
    /// The mean of each of [`PHASES`], in seconds; `None` when no epoch ended.
    pub phases: [Option<f64>; PHASES.len()],
    /// Rows that all sources read.
    pub rows_per_second: f64,
    pub cores: f64,
    pub resident_bytes: f64,
    /// In the order of the plan.
    pub operators: Vec<OperatorView>,
}

/// One operator between two scrapes.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorView {
    pub name: String,
    pub kind: String,
    pub subtasks: f64,
    pub rows_in_per_second: f64,
    pub rows_out_per_second: f64,
    pub batches_per_second: f64,
    /// Shares of the subtasks' time, from 0 to 1.
    pub guest: f64,
    pub boundary: f64,
    /// Of keyed functions.
    pub state: Option<f64>,
    /// All else that is work.
    pub other: f64,
    pub wait: f64,
    /// Messages that wait, and how many fit.
    pub queue: Option<(f64, f64)>,
    /// How far the watermark is behind the clock, in seconds.
    pub lag: Option<f64>,
    /// Since the job started.
    pub traps: f64,
    pub failed_calls: f64,
    pub dead_letters: f64,
}

impl View {
    /// `now` is in seconds since 1970. `None` when the scrape is not one of a job.
    pub fn between(before: &Scrape, after: &Scrape, apart: Duration, now: f64) -> Option<Self> {
        let seconds = apart.as_secs_f64().max(1e-3);
        // A job that was started again counts from nothing.
        let rise = |name: &str, labels: &[(&str, &str)]| {
            let (old, new) = (before.sum(name, labels), after.sum(name, labels));
            if new >= old { new - old } else { new }
        };
        let job = after.all("wasmill_epoch_committed").first()?.label("job").to_owned();
        let phase = |phase: &str| {
            let count = rise("wasmill_epoch_phase_seconds_count", &[("phase", phase)]);
            (count > 0.0).then(|| rise("wasmill_epoch_phase_seconds_sum", &[("phase", phase)]) / count)
        };
        let operators: Vec<_> = after
            .all("wasmill_operator_subtasks")
            .iter()
            .map(|s| OperatorView::between(after, &rise, seconds, (s.label("operator"), s.label("kind"), s.value), now))
            .collect();
        Some(Self {
            job,
            epoch: after.sum("wasmill_epoch_committed", &[]) as u64,
            uncommitted: after.sum("wasmill_epoch_uncommitted", &[]) as u64,
            epochs_per_second: rise("wasmill_epoch_phase_seconds_count", &[("phase", "commit")]) / seconds,
            written_bytes_per_second: rise("wasmill_epoch_written_bytes_total", &[]) / seconds,
            phases: PHASES.map(phase),
            rows_per_second: operators.iter().filter(|o| o.kind == "source").map(|o| o.rows_in_per_second).sum(),
            cores: rise("process_cpu_seconds_total", &[]) / seconds,
            resident_bytes: after.sum("process_resident_memory_bytes", &[]),
            operators,
        })
    }
}

/// How much a metric with these labels has risen.
type Rise<'r> = &'r dyn Fn(&str, &[(&str, &str)]) -> f64;

impl OperatorView {
    fn between(
        after: &Scrape,
        rise: Rise<'_>,
        seconds: f64,
        (name, kind, subtasks): (&str, &str, f64),
        now: f64,
    ) -> Self {
        let own = [("operator", name)];
        let rate = |metric: &str| rise(metric, &own) / seconds;
        let share = |activity: &str| {
            let labels = [("operator", name), ("activity", activity)];
            // A wait is counted when it is over, also the part before the first scrape.
            (rise("wasmill_operator_time_seconds_total", &labels) / (seconds * subtasks.max(1.0))).min(1.0)
        };
        let [guest, boundary] = ["guest", "boundary"].map(share);
        let state_labels = [("operator", name), ("activity", "state")];
        let is_keyed = after.value("wasmill_operator_time_seconds_total", &state_labels).is_some();
        let state = is_keyed.then(|| share("state"));
        let wait = WAITS.iter().map(|w| share(w)).sum::<f64>().min(1.0);
        let all = rise("wasmill_operator_time_seconds_total", &own) / (seconds * subtasks.max(1.0));
        let queued = after.value("wasmill_operator_queue_messages", &own);
        let trap = [("operator", name), ("kind", "trap")];
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            subtasks,
            rows_in_per_second: rate("wasmill_operator_input_rows_total"),
            rows_out_per_second: rate("wasmill_operator_output_rows_total"),
            batches_per_second: rate("wasmill_operator_batches_total"),
            guest,
            boundary,
            state,
            other: (all - wait - guest - boundary - state.unwrap_or(0.0)).max(0.0),
            wait,
            queue: queued.zip(after.value("wasmill_operator_queue_capacity_messages", &own)),
            lag: after.value("wasmill_operator_watermark_timestamp_seconds", &own).map(|at| now - at),
            traps: after.sum("wasmill_operator_failed_calls_total", &trap),
            failed_calls: after.sum("wasmill_operator_failed_calls_total", &own),
            dead_letters: after.sum("wasmill_operator_dead_letters_total", &own),
        }
    }

    /// What is not waiting.
    pub fn busy(&self) -> f64 {
        self.guest + self.boundary + self.state.unwrap_or(0.0) + self.other
    }
}

/// What the rows of the table are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Plan,
    Busy,
    Rows,
    Wait,
    DeadLetters,
}

impl Order {
    pub fn next(self) -> Self {
        match self {
            Order::Plan => Order::Busy,
            Order::Busy => Order::Rows,
            Order::Rows => Order::Wait,
            Order::Wait => Order::DeadLetters,
            Order::DeadLetters => Order::Plan,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Order::Plan => "plan",
            Order::Busy => "work",
            Order::Rows => "rows",
            Order::Wait => "wait",
            Order::DeadLetters => "dead letters",
        }
    }

    /// The most comes first; equal ones stay as they stand in the plan.
    pub fn sort(self, operators: &mut [OperatorView]) {
        let by = |of: fn(&OperatorView) -> f64| move |a: &OperatorView, b: &OperatorView| of(b).total_cmp(&of(a));
        match self {
            Order::Plan => {}
            Order::Busy => operators.sort_by(by(OperatorView::busy)),
            Order::Rows => operators.sort_by(by(|o| o.rows_in_per_second)),
            Order::Wait => operators.sort_by(by(|o| o.wait)),
            Order::DeadLetters => operators.sort_by(by(|o| o.dead_letters)),
        }
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
