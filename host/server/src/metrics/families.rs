//! Every metric that a job exposes: its name, kind, unit, labels and meaning, and where its values
//! come from. Labels take few values: names from the job file and the modules' manifests, and the
//! words of this page. Nothing of a row is ever a label.

use super::process::Process;
use wasmill_runtime::carrier::MetricValue;
use wasmill_runtime::measure::{Activity, BUCKETS, EpochTotals, FAILURES, OperatorTotals, PhaseTotals, StateTotals};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric. Its full name has the unit behind it, and `_total` when it is a counter.
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Option<&'static str>,
    pub labels: &'static [&'static str],
    pub help: &'static str,
    pub(super) read: fn(&Snapshot, &mut Samples),
}

impl Family {
    /// The name under which a monitoring system finds it.
    pub fn full_name(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.name)
    }
}

/// What all values of one scrape are taken from.
pub(super) struct Snapshot {
    pub job: String,
    pub operators: Vec<OperatorTotals>,
    pub epochs: EpochTotals,
    pub process: Process,
}

pub(super) enum Value {
    Whole(u64),
    Real(f64),
    Histogram(PhaseTotals),
}

/// The samples of one family: the values of its labels, in their order, and the value.
pub(super) type Samples = Vec<(Vec<String>, Value)>;

const OPERATOR: &[&str] = &["job", "operator"];

macro_rules! families {
    ($($kind:ident $name:literal $unit:expr, $labels:expr, $help:literal, $read:expr;)*) => {
        /// In the order in which they are exposed.
        pub const FAMILIES: &[Family] = &[$(Family {
            name: $name, kind: Kind::$kind, unit: $unit, labels: $labels, help: $help, read: $read,
        }),*];
    };
}

families! {
    Gauge "wasmill_build_info" None, &["version"], "Always 1; the version of wasmill", build;
    Gauge "wasmill_operator_subtasks" None, &["job", "operator", "kind"],
        "Parallel copies of the operator; kind is source, function or sink", subtasks;
    Counter "wasmill_operator_input_rows" None, OPERATOR,
        "Rows that came in; for a source, the records that it read", |s, o| each(s, o, |t| Some(t.rows_in));
    Counter "wasmill_operator_output_rows" None, OPERATOR,
        "Rows that went out, before they are copied to several readers", |s, o| each(s, o, |t| (t.kind != "sink").then_some(t.rows_out));
    Counter "wasmill_operator_batches" None, OPERATOR,
        "Batches that came in", |s, o| each(s, o, |t| Some(t.batches));
    Counter "wasmill_operator_input" Some("bytes"), OPERATOR,
        "Bytes of the frames handed to the guest, tries that failed included", |s, o| each(s, o, |t| function(t, t.bytes_in));
    Counter "wasmill_operator_output" Some("bytes"), OPERATOR,
        "Bytes that went out: a source's columns, a guest's effects, a sink's encoded rows", |s, o| each(s, o, |t| Some(t.bytes_out));
    Counter "wasmill_operator_time" Some("seconds"), &["job", "operator", "activity"],
        "What the subtasks' threads spent their time on", time;
    Counter "wasmill_operator_failed_calls" None, &["job", "operator", "kind"],
        "Calls of the guest that failed, by kind; a trap is one of them", failed_calls;
    Counter "wasmill_operator_dead_letters" None, OPERATOR,
        "Lines, rows and timers that became dead letters", |s, o| each(s, o, |t| (t.kind != "sink").then_some(t.dead_letters));
    Counter "wasmill_operator_skipped" None, OPERATOR,
        "Rows and timers that failed and were dropped, by on_error: skip", |s, o| each(s, o, |t| function(t, t.skipped));
    Counter "wasmill_operator_log_lines" None, &["job", "operator", "outcome"],
        "Log lines of the guest that were wanted: written, or dropped by the limit", log_lines;
    Gauge "wasmill_operator_queue_messages" None, OPERATOR,
        "Messages that wait in the operator's input channels", |s, o| each(s, o, |t| t.queue.map(|q| q.0));
    Gauge "wasmill_operator_queue_capacity_messages" None, OPERATOR,
        "Messages that fit into the operator's input channels", |s, o| each(s, o, |t| t.queue.map(|q| q.1));
    Gauge "wasmill_operator_watermark_timestamp" Some("seconds"), OPERATOR,
        "How far event time has come, since 1970: the lowest of the subtasks", |s, o| times(s, o, |t| t.watermark);
    Gauge "wasmill_source_event_timestamp" Some("seconds"), OPERATOR,
        "The highest event time that was read, since 1970", |s, o| times(s, o, |t| t.event_time);
    Counter "wasmill_state_lookups" None, &["job", "operator", "outcome"],
        "Keys whose state was wanted: found in memory (hit) or not (miss)", lookups;
    Counter "wasmill_state_reads" None, OPERATOR,
        "Values that were asked of the database", |s, o| each(s, o, |t| state(t, |s| s.reads));
    Counter "wasmill_state_evictions" None, OPERATOR,
        "Keys that left memory to make room", |s, o| each(s, o, |t| state(t, |s| s.evictions));
    Gauge "wasmill_state_cached_keys" None, OPERATOR,
        "Keys whose state is in memory", |s, o| each(s, o, |t| state(t, |s| s.entries));
    Gauge "wasmill_state_cached" Some("bytes"), OPERATOR,
        "Memory that cached state takes", |s, o| each(s, o, |t| state(t, |s| s.bytes));
    Gauge "wasmill_state_timers" None, OPERATOR,
        "Timers that are set", |s, o| each(s, o, |t| state(t, |s| s.timers));
    Counter "wasmill_function_counter" None, &["job", "operator", "metric"],
        "What the function counts itself, by the names in its manifest", counters;
    Gauge "wasmill_function_gauge" None, &["job", "operator", "metric"],
        "What the function measures itself, as it was set last", gauges;
    Gauge "wasmill_epoch_committed" None, &["job"],
        "The number of the last committed epoch", |s, o| o.push((vec![s.job.clone()], Value::Whole(s.epochs.committed)));
    Gauge "wasmill_epoch_uncommitted" None, &["job"],
        "Epochs that have ended and are not committed; at 2 the sources wait", |s, o| o.push((vec![s.job.clone()], Value::Whole(s.epochs.uncommitted)));
    Histogram "wasmill_epoch_phase" Some("seconds"), &["job", "phase"],
        "What the end of an epoch took: align, stall (the longest of a subtask), commit, publish", phases;
    Counter "wasmill_epoch_written" Some("bytes"), &["job"],
        "Bytes of the batches that were committed", |s, o| o.push((vec![s.job.clone()], Value::Whole(s.epochs.bytes)));
    Counter "wasmill_epoch_written_entries" None, &["job"],
        "Puts and deletes of the batches that were committed", |s, o| o.push((vec![s.job.clone()], Value::Whole(s.epochs.entries)));
    Counter "process_cpu" Some("seconds"), &[],
        "CPU time of the process", |s, o| o.push((Vec::new(), Value::Real(s.process.cpu_seconds)));
    Gauge "process_resident_memory" Some("bytes"), &[],
        "Memory of the process that is in RAM", |s, o| o.extend(s.process.resident_bytes.map(whole));
    Gauge "process_threads" None, &[],
        "Threads of the process", |s, o| o.extend(s.process.threads.map(whole));
    Gauge "process_open_fds" None, &[],
        "Open file descriptors of the process", |s, o| o.extend(s.process.open_fds.map(whole));
}

fn whole(n: u64) -> (Vec<String>, Value) {
    (Vec::new(), Value::Whole(n))
}

/// The labels of an operator, with one of its own behind them if there is one.
fn labels(s: &Snapshot, operator: &OperatorTotals, own: Option<&str>) -> Vec<String> {
    let own = own.map(str::to_owned);
    [s.job.clone(), operator.name.clone()].into_iter().chain(own).collect()
}

fn each(s: &Snapshot, out: &mut Samples, of: fn(&OperatorTotals) -> Option<u64>) {
    for operator in &s.operators {
        out.extend(of(operator).map(|n| (labels(s, operator, None), Value::Whole(n))));
    }
}

/// Microseconds as seconds.
fn times(s: &Snapshot, out: &mut Samples, of: fn(&OperatorTotals) -> Option<i64>) {
    for operator in &s.operators {
        out.extend(of(operator).map(|t| (labels(s, operator, None), Value::Real(t as f64 / 1e6))));
    }
}

fn function(operator: &OperatorTotals, n: u64) -> Option<u64> {
    (operator.kind == "function").then_some(n)
}

fn state(operator: &OperatorTotals, of: fn(&StateTotals) -> u64) -> Option<u64> {
    operator.state.as_ref().map(of)
}

fn build(_: &Snapshot, out: &mut Samples) {
    out.push((vec![env!("CARGO_PKG_VERSION").to_owned()], Value::Whole(1)));
}

fn subtasks(s: &Snapshot, out: &mut Samples) {
    for operator in &s.operators {
        out.push((labels(s, operator, Some(operator.kind)), Value::Whole(operator.subtasks as u64)));
    }
}

/// Only what an operator of its kind can spend time on.
fn time(s: &Snapshot, out: &mut Samples) {
    for operator in &s.operators {
        for activity in Activity::ALL.into_iter().filter(|a| applies(operator, *a)) {
            let seconds = operator.time(activity).as_secs_f64();
            out.push((labels(s, operator, Some(activity.name())), Value::Real(seconds)));
        }
    }
}

fn applies(operator: &OperatorTotals, activity: Activity) -> bool {
    let is_head = operator.kind == "source" || operator.queue.is_some();
    match activity {
        Activity::Read | Activity::WaitCommit => operator.kind == "source",
        Activity::State => operator.state.is_some(),
        Activity::Boundary | Activity::Guest | Activity::WaitRetry => operator.kind == "function",
        Activity::Encode => operator.kind == "sink",
        Activity::Route | Activity::WaitOutput => operator.kind != "sink",
        Activity::Barrier | Activity::WaitInput => is_head,
    }
}

fn failed_calls(s: &Snapshot, out: &mut Samples) {
    for operator in s.operators.iter().filter(|o| o.kind == "function") {
        for (kind, n) in FAILURES.into_iter().zip(operator.failures) {
            out.push((labels(s, operator, Some(kind)), Value::Whole(n)));
        }
    }
}

fn log_lines(s: &Snapshot, out: &mut Samples) {
    for operator in s.operators.iter().filter(|o| o.kind == "function") {
        out.push((labels(s, operator, Some("written")), Value::Whole(operator.log_lines)));
        out.push((labels(s, operator, Some("dropped")), Value::Whole(operator.log_lines_dropped)));
    }
}

fn lookups(s: &Snapshot, out: &mut Samples) {
    for operator in &s.operators {
        let Some(state) = &operator.state else { continue };
        out.push((labels(s, operator, Some("hit")), Value::Whole(state.hits)));
        out.push((labels(s, operator, Some("miss")), Value::Whole(state.misses)));
    }
}

fn counters(s: &Snapshot, out: &mut Samples) {
    for operator in &s.operators {
        for (metric, value) in &operator.reported {
            if let MetricValue::Counter(n) = value {
                out.push((labels(s, operator, Some(metric)), Value::Whole(*n)));
            }
        }
    }
}

/// A gauge that was never set has no sample.
fn gauges(s: &Snapshot, out: &mut Samples) {
    for operator in &s.operators {
        for (metric, value) in &operator.reported {
            if let MetricValue::Gauge(Some(value)) = value {
                out.push((labels(s, operator, Some(metric)), Value::Real(*value)));
            }
        }
    }
}

fn phases(s: &Snapshot, out: &mut Samples) {
    for phase in &s.epochs.phases {
        out.push((vec![s.job.clone(), phase.name.to_owned()], Value::Histogram(phase.clone())));
    }
}

/// The buckets of a phase with their upper bounds.
pub(super) fn buckets(phase: &PhaseTotals) -> Vec<(f64, u64)> {
    BUCKETS.into_iter().chain([f64::INFINITY]).zip(phase.buckets).collect()
}

#[cfg(test)]
mod tests {
    use super::{FAMILIES, Kind};

    const PAGE: &str = include_str!("../../../../docs/guide/metrics.md");

    #[test]
    fn the_page_has_every_metric_with_its_kind_labels_and_meaning_and_no_other() {
        for family in FAMILIES {
            let kind = format!("{:?}", family.kind).to_lowercase();
            let labels = family.labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
            let row = format!("| `{}` | {kind} | {labels} | {} |", family.full_name(), family.help);
            assert!(PAGE.lines().any(|line| line == row), "docs/guide/metrics.md lacks this row:\n{row}");
        }
        let rows = PAGE.lines().filter(|l| l.starts_with("| `wasmill_") || l.starts_with("| `process_")).count();
        assert_eq!(rows, FAMILIES.len(), "docs/guide/metrics.md has rows of metrics that do not exist");
    }

    #[test]
    fn names_follow_the_convention() {
        for family in FAMILIES {
            let name = family.full_name();
            assert!(name.starts_with("wasmill_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(family.kind == Kind::Counter, name.ends_with("_total"), "{name}");
            // Whatever is of a job says of which.
            assert!(
                !name.starts_with("wasmill_") || family.labels.contains(&"job") || name == "wasmill_build_info",
                "{name}"
            );
        }
    }
}
