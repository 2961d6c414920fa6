//! A view as lines of text, or as JSON. It writes nothing.

use super::model::{OperatorView, Order, PHASES, View};
use crate::progress::span;
use crate::terminal::{Palette, grouped};
use serde_json::{Map, Value, json};
use wasmill_core::printable::one_line;

const HEADINGS: [&str; 15] = [
    "OPERATOR",
    "KIND",
    "SUB",
    "ROWS IN/S",
    "ROWS OUT/S",
    "BATCH/S",
    "GUEST",
    "BOUND",
    "STATE",
    "OTHER",
    "WAIT",
    "QUEUE",
    "BEHIND",
    "TRAPS",
    "DEAD",
];
/// Columns that are text, and start at the left.
const LEFT: usize = 2;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The whole view; `history` is the job's rows per second, the latest last.
pub fn lines(view: &View, order: Order, history: &[f64], width: usize, palette: Palette) -> Vec<String> {
    let mut lines = head(view, history, width, palette);
    lines.push(String::new());
    lines.extend(table(view, order, palette));
    lines
}

fn head(view: &View, history: &[f64], width: usize, palette: Palette) -> Vec<String> {
    let title = palette.heading(&one_line(&view.job));
    let rows = format!("{} rows/s", grouped(view.rows_per_second as u64));
    let process = format!("{:.2} cores  {} in memory", view.cores, bytes(view.resident_bytes));
    let mut lines = vec![format!("{title}  epoch {}  {rows}  {process}", view.epoch)];
    let phases =
        PHASES.iter().zip(view.phases).map(|(name, time)| format!("{name} {}", time.map_or("-".into(), millis)));
    lines.push(format!(
        "epochs  {:.1}/s  {}/s written  {} uncommitted  mean: {}",
        view.epochs_per_second,
        bytes(view.written_bytes_per_second),
        view.uncommitted,
        phases.collect::<Vec<_>>().join("  ")
    ));
    if !history.is_empty() {
        lines.push(format!("rows/s  {}", sparkline(history, width.saturating_sub(9))));
    }
    lines
}

/// As many of the latest values as there is room for, each against the highest of them.
fn sparkline(history: &[f64], room: usize) -> String {
    let shown = &history[history.len().saturating_sub(room)..];
    let most = shown.iter().copied().fold(0.0, f64::max);
    let bar = |value: &f64| {
        let level = if most > 0.0 { value / most * (BARS.len() - 1) as f64 } else { 0.0 };
        BARS[(level.round() as usize).min(BARS.len() - 1)]
    };
    shown.iter().map(bar).collect()
}

fn table(view: &View, order: Order, palette: Palette) -> Vec<String> {
    let mut operators = view.operators.clone();
    order.sort(&mut operators);
    let rows: Vec<[String; HEADINGS.len()]> = operators.iter().map(cells).collect();
    let width = |column: usize| {
        let longest = rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
        longest.max(HEADINGS[column].len())
    };
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    let aligned = |cells: &[String; HEADINGS.len()]| {
        let cell = |(i, cell): (usize, &String)| {
            let fill = " ".repeat(widths[i] - cell.chars().count());
            if i < LEFT { format!("{cell}{fill}") } else { format!("{fill}{cell}") }
        };
        cells.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ")
    };
    let mut lines = vec![palette.heading(&aligned(&HEADINGS.map(str::to_owned)))];
    lines.extend(rows.iter().map(aligned));
    lines
}

fn cells(o: &OperatorView) -> [String; HEADINGS.len()] {
    let count = |n: f64| grouped(n as u64);
    // What an operator of its kind cannot have is left blank.
    let of = |has: bool, text: String| if has { text } else { String::new() };
    let (function, sink) = (o.kind == "function", o.kind == "sink");
    [
        one_line(&o.name).chars().take(32).collect(),
        one_line(&o.kind).into_owned(),
        count(o.subtasks),
        count(o.rows_in_per_second),
        of(!sink, count(o.rows_out_per_second)),
        count(o.batches_per_second),
        of(function, percent(o.guest)),
        of(function, percent(o.boundary)),
        o.state.map_or(String::new(), percent),
        percent(o.other),
        percent(o.wait),
        o.queue.map_or(String::new(), |(queued, room)| format!("{queued}/{room}")),
        o.lag.map_or(String::new(), |seconds| span((seconds.max(0.0) * 1e3) as u64)),
        of(function, count(o.traps)),
        of(!sink, count(o.dead_letters)),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

fn millis(seconds: f64) -> String {
    let millis = seconds * 1e3;
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{} ms", grouped(millis as u64)) }
}

fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{size:.0} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

/// The same for programs: rates a second, shares from 0 to 1, times in seconds.
pub fn json(view: &View) -> Value {
    let phases: Map<_, _> = PHASES.iter().zip(view.phases).map(|(p, t)| ((*p).to_owned(), json!(t))).collect();
    let operators: Map<_, _> = view.operators.iter().map(|o| (o.name.clone(), operator_json(o))).collect();
    json!({
        "event": "top",
        "job": view.job,
        "epoch": view.epoch,
        "uncommitted": view.uncommitted,
        "epochs_per_second": view.epochs_per_second,
        "written_bytes_per_second": view.written_bytes_per_second,
        "phase_mean_s": phases,
        "rows_per_second": view.rows_per_second,
        "cores": view.cores,
        "resident_bytes": view.resident_bytes,
        "operators": operators,
    })
}

fn operator_json(o: &OperatorView) -> Value {
    json!({
        "kind": o.kind,
        "subtasks": o.subtasks,
        "rows_in_per_second": o.rows_in_per_second,
        "rows_out_per_second": o.rows_out_per_second,
        "batches_per_second": o.batches_per_second,
        "share": {
            "guest": o.guest, "boundary": o.boundary, "state": o.state, "other": o.other, "wait": o.wait,
        },
        "queue": o.queue.map(|(queued, room)| json!({ "messages": queued, "capacity": room })),
        "watermark_lag_s": o.lag,
        "traps": o.traps,
        "failed_calls": o.failed_calls,
        "dead_letters": o.dead_letters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let operator = |name: &str, kind: &str, queue, lag| OperatorView {
            name: name.to_owned(),
            kind: kind.to_owned(),
            subtasks: 2.0,
            rows_in_per_second: 1_234_567.0,
            rows_out_per_second: 12.0,
            batches_per_second: 300.0,
            guest: 0.5,
            boundary: 0.25,
            state: (kind == "function").then_some(0.0),
            other: 0.01,
            wait: 0.2,
            queue,
            lag,
            traps: 3.0,
            failed_calls: 4.0,
            dead_letters: 5.0,
        };
        View {
            job: "flights\x1b[2J".to_owned(),
            epoch: 12,
            uncommitted: 1,
            epochs_per_second: 5.0,
            written_bytes_per_second: 1536.0,
            phases: [Some(0.0031), None, Some(0.0123), Some(0.0)],
            rows_per_second: 1_234_567.0,
            cores: 1.5,
            resident_bytes: 143.0 * 1024.0 * 1024.0,
            operators: vec![
                operator("in", "source", None, None),
                operator("clean", "function", Some((3.0, 16.0)), Some(9.5)),
            ],
        }
    }

    #[test]
    fn a_view_is_a_table_below_what_holds_for_the_job() {
        let lines = lines(&view(), Order::Plan, &[0.0, 5.0, 10.0], 80, Palette::new(false));
        let expected = [
            "flights\\u{1b}[2J  epoch 12  1,234,567 rows/s  1.50 cores  143.0 MiB in memory",
            "epochs  5.0/s  1.5 KiB/s written  1 uncommitted  mean: align 3.1 ms  stall -  commit 12 ms  publish 0.0 ms",
            "rows/s  ▁▅█",
            "",
            "OPERATOR  KIND      SUB  ROWS IN/S  ROWS OUT/S  BATCH/S  GUEST  BOUND  STATE  OTHER  WAIT  QUEUE  BEHIND  TRAPS  DEAD",
            "in        source      2  1,234,567          12      300                          1%   20%                           5",
            "clean     function    2  1,234,567          12      300    50%    25%     0%     1%   20%   3/16     9 s      3     5",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_sparkline_shows_the_latest_that_fit() {
        assert_eq!(sparkline(&[100.0, 1.0, 2.0], 2), "▅█");
        assert_eq!(sparkline(&[0.0, 0.0], 9), "▁▁");
        assert_eq!(sparkline(&[], 9), "");
    }

    #[test]
    fn programs_get_the_same() {
        let json = json(&view());
        assert_eq!(json["phase_mean_s"]["stall"], Value::Null);
        assert_eq!(json["operators"]["clean"]["queue"]["capacity"], 16.0);
        assert_eq!(json["operators"]["clean"]["share"]["guest"], 0.5);
    }
}
