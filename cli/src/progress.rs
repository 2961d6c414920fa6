//! A running job for people and for programs: a line that is redrawn, a line now and then, or
//! lines of JSON. All of it goes to stderr, because stdout may be the job's sink.

use crate::measures;
use crate::terminal::{Terminal, grouped};
use chrono::DateTime;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;
use wasmill_server::local::{EpochReport, MetricTotal, MetricValue, Progress, Summary};

/// Between two lines when stderr is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
const WIDTH_DEFAULT: usize = 100;

/// Shows the progress of one job.
pub struct ProgressView {
    terminal: Terminal,
    quiet: bool,
    /// When the next line is due, in time since the job's start.
    next_line: Duration,
    told_resume: bool,
}

impl ProgressView {
    pub fn new(terminal: Terminal, quiet: bool) -> Self {
        Self { terminal, quiet, next_line: LINE_EVERY, told_resume: false }
    }

    /// Takes what the job reports several times a second.
    pub fn show(&mut self, progress: &Progress) {
        if self.quiet {
            return;
        }
        if self.terminal.json {
            return self.terminal.note(&progress_json(progress).to_string());
        }
        if let (Some(epoch), false) = (progress.resumed_from, self.told_resume) {
            self.told_resume = true;
            self.terminal.note(&format!("resuming from epoch {epoch}"));
        }
        if self.terminal.live {
            let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(WIDTH_DEFAULT, |(w, _)| w.0.into());
            self.terminal.draw(&cut(&progress_text(progress), width));
        } else if progress.elapsed >= self.next_line {
            self.next_line = progress.elapsed + LINE_EVERY;
            self.terminal.note(&progress_text(progress));
        }
    }

    /// The job's end, when it ended well.
    pub fn summary(&self, summary: &Summary) {
        if self.quiet {
            return;
        }
        let text = if self.terminal.json { summary_json(summary).to_string() } else { summary_text(summary) };
        self.terminal.note(&text);
    }
}

/// Never reaches the last column, where some terminals would start a new line.
fn cut(text: &str, width: usize) -> String {
    text.chars().take(width.saturating_sub(1)).collect()
}

fn progress_text(p: &Progress) -> String {
    let mut text = format!("{} rows  {} rows/s", grouped(p.rows_in), grouped(p.rows_per_second as u64));
    let _ = write!(text, "  {} out  epoch {}", grouped(p.rows_out), p.epoch);
    if let Some(time) = p.event_time.and_then(DateTime::from_timestamp_micros) {
        let _ = write!(text, "  event time {}", time.format("%Y-%m-%d %H:%M"));
    }
    if let Some(lag) = p.lag {
        let _ = write!(text, "  lag {}", span(millis(lag)));
    }
    if p.dead_letters > 0 {
        let _ = write!(text, "  {} dead letters", grouped(p.dead_letters));
    }
    if p.skipped > 0 {
        let _ = write!(text, "  {} skipped", grouped(p.skipped));
    }
    text
}

/// Milliseconds in the unit that reads best: old data lags by years.
pub fn span(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match UNITS.iter().find(|(size, _)| millis >= 2 * size) {
        Some((size, unit)) => format!("{} {unit}", grouped(millis / size)),
        None => format!("{millis} ms"),
    }
}

fn summary_text(s: &Summary) -> String {
    let p = &s.progress;
    let end = if s.ended { "done" } else { "drained; run it again to go on" };
    let mut text = format!("{end}: {} rows in, {} out", grouped(p.rows_in), grouped(p.rows_out));
    let _ = write!(text, ", epoch {}, {:.1} s", p.epoch, p.elapsed.as_secs_f64());
    if p.dead_letters > 0 {
        let _ = write!(text, ", {} dead letters", grouped(p.dead_letters));
    }
    if p.skipped > 0 {
        let _ = write!(text, ", {} skipped", grouped(p.skipped));
    }
    if let Some(epoch) = p.resumed_from {
        let _ = write!(text, ", resumed from epoch {epoch}");
    }
    text += &metrics_text(&p.metrics);
    text
}

/// A line per operator, with what was reported.
fn metrics_text(metrics: &[MetricTotal]) -> String {
    let mut text = String::new();
    let mut last = None;
    for total in metrics {
        let value = match total.value {
            MetricValue::Counter(n) => grouped(n),
            MetricValue::Gauge(Some(value)) => value.to_string(),
            MetricValue::Gauge(None) => continue,
        };
        let is_same = last.replace(&total.operator) == Some(&total.operator);
        let _ = if is_same { write!(text, ", ") } else { write!(text, "\n  {}: ", total.operator) };
        let _ = write!(text, "{} {value}", total.metric);
    }
    text
}

/// `{operator: {metric: number}}`; a gauge that was never set, or is no number, is null.
fn metrics_json(metrics: &[MetricTotal]) -> Value {
    let mut operators = serde_json::Map::new();
    for total in metrics {
        let value = match total.value {
            MetricValue::Counter(n) => json!(n),
            MetricValue::Gauge(value) => json!(value),
        };
        let operator = operators.entry(&total.operator).or_insert_with(|| json!({}));
        operator[&total.metric] = value;
    }
    operators.into()
}

fn progress_json(p: &Progress) -> Value {
    json!({
        "event": "progress",
        "rows_in": p.rows_in,
        "rows_out": p.rows_out,
        "dead_letters": p.dead_letters,
        "skipped": p.skipped,
        "metrics": metrics_json(&p.metrics),
        "rows_per_second": p.rows_per_second,
        "epoch": p.epoch,
        "event_time_us": p.event_time,
        "watermark_us": p.watermark,
        "lag_ms": p.lag.map(millis),
        "elapsed_ms": millis(p.elapsed),
        "resumed_from": p.resumed_from,
        "epochs": p.epochs.iter().map(epoch_json).collect::<Vec<_>>(),
    })
}

/// Times in microseconds.
fn epoch_json(e: &EpochReport) -> Value {
    json!({
        "epoch": e.epoch,
        "align_us": micros(e.align),
        "stall_us": micros(e.stall),
        "commit_us": micros(e.commit),
        "publish_us": e.publish.map(micros),
        "bytes": e.bytes,
        "entries": e.entries,
    })
}

fn summary_json(s: &Summary) -> Value {
    let p = &s.progress;
    json!({
        "event": "summary",
        "rows_in": p.rows_in,
        "rows_out": p.rows_out,
        "dead_letters": p.dead_letters,
        "skipped": p.skipped,
        "metrics": metrics_json(&p.metrics),
        "operators": measures::operators(&p.operators),
        "epoch_totals": measures::epochs(&p.epoch_totals),
        "epoch": p.epoch,
        "elapsed_ms": millis(p.elapsed),
        "finished": s.ended,
        "resumed_from": p.resumed_from,
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{cut, metrics_json, progress_json, progress_text, span, summary_text};
    use serde_json::json;
    use std::time::Duration;
    use wasmill_server::local::{EpochTotals, MetricTotal, MetricValue, Progress, Summary};

    fn metrics() -> Vec<MetricTotal> {
        let total = |operator: &str, metric: &str, value| MetricTotal {
            operator: operator.to_owned(),
            metric: metric.to_owned(),
            value,
        };
        vec![
            total("hourly", "late", MetricValue::Counter(1_234)),
            total("hourly", "level", MetricValue::Gauge(Some(2.5))),
            total("hourly", "unset", MetricValue::Gauge(None)),
            total("clean", "bad", MetricValue::Counter(0)),
        ]
    }

    fn progress() -> Progress {
        Progress {
            rows_in: 123_456,
            rows_out: 7_890,
            dead_letters: 1,
            skipped: 0,
            metrics: Vec::new(),
            rows_per_second: 60_123.7,
            epoch: 12,
            event_time: Some(1_357_034_400_000_000),
            watermark: None,
            lag: Some(Duration::from_millis(140)),
            elapsed: Duration::from_millis(2_050),
            resumed_from: None,
            epochs: Vec::new(),
            operators: Vec::new(),
            epoch_totals: EpochTotals { committed: 12, uncommitted: 0, bytes: 0, entries: 0, phases: Vec::new() },
        }
    }

    #[test]
    fn a_line_tells_rows_rate_epoch_event_time_and_lag() {
        let expected = "123,456 rows  60,123 rows/s  7,890 out  epoch 12  event time 2013-01-01 10:00  lag 140 ms  \
                        1 dead letters";
        assert_eq!(progress_text(&progress()), expected);
    }

    #[test]
    fn unknown_values_are_left_out() {
        let bare = Progress { event_time: None, lag: None, dead_letters: 0, ..progress() };
        assert_eq!(progress_text(&bare), "123,456 rows  60,123 rows/s  7,890 out  epoch 12");
        assert!(progress_json(&bare)["lag_ms"].is_null());
    }

    #[test]
    fn lags_read_well_at_any_size() {
        let spans = [0, 1_999, 2_000, 119_000, 7_200_000, 400_000_000_000].map(span);
        assert_eq!(spans, ["0 ms", "1999 ms", "2 s", "119 s", "2 h", "4,629 days"]);
    }

    #[test]
    fn lines_stay_inside_of_the_terminal() {
        assert_eq!(cut("äbcdef", 4), "äbc");
        assert_eq!(cut("ab", 80), "ab");
    }

    #[test]
    fn a_summary_says_how_it_ended() {
        let summary = |ended, skipped, metrics| {
            let progress = Progress {
                rows_in: 200_000,
                rows_out: 28_794,
                dead_letters: 0,
                epoch: 17,
                elapsed: Duration::from_millis(3_400),
                resumed_from: Some(8),
                skipped,
                metrics,
                ..progress()
            };
            Summary { progress, ended }
        };
        let text = summary_text(&summary(true, 0, Vec::new()));
        assert_eq!(text, "done: 200,000 rows in, 28,794 out, epoch 17, 3.4 s, resumed from epoch 8");
        let text = summary_text(&summary(false, 0, Vec::new()));
        assert!(text.starts_with("drained; run it again"), "{text}");
        let text = summary_text(&summary(true, 2, metrics()));
        let end = "3.4 s, 2 skipped, resumed from epoch 8\n  hourly: late 1,234, level 2.5\n  clean: bad 0";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn metrics_are_objects_by_operator() {
        let expected = json!({ "hourly": { "late": 1234, "level": 2.5, "unset": null }, "clean": { "bad": 0 } });
        assert_eq!(metrics_json(&metrics()), expected);
    }
}
