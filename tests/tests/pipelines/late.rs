//! Late rows: they leave a function through an output of their own, whole and once, or are counted.

use crate::sorted;
use std::fmt::Write;
use wasmill_tests::{Running, TestJob, module, until};

const ROWS: u64 = 20_000;

/// Departures of three airports, a minute apart, with a pause of two hours after every six; every
/// 50th is a day late, when the session that it belonged to is gone. The column `note` is one that
/// the function does not read.
fn departures() -> (String, Vec<String>) {
    let (mut lines, mut late) = (String::new(), Vec::new());
    for i in 0..ROWS {
        let is_late = i % 50 == 49 && i > 4_000;
        let on_time = i + i / 360 * 120;
        let minute = if is_late { on_time - 1_440 } else { on_time };
        let date = time_of(minute);
        let origin = ["ATL", "JFK", "ORD"][(i % 3) as usize];
        let _ = writeln!(lines, "{{\"date\":\"{date}\",\"delay\":1,\"origin\":\"{origin}\",\"note\":{i}}}");
        if is_late {
            late.push(format!("{date},1,{origin},{i}"));
        }
    }
    (lines, sorted(late))
}

/// RFC 3339 of a minute of the year 2001.
fn time_of(minute: u64) -> wasmill_sdk::Timestamp {
    wasmill_sdk::Timestamp::from_secs(978_307_200 + 60 * minute as i64)
}

fn job(settings: &str, late: &str) -> TestJob {
    TestJob::new(&format!(
        "job: late
{settings}
modules: {{ sessions: {module} }}
sources:
  departures:
    connector: file
    path: in.ndjson
    rate: 40000
    schema: {{ date: timestamp, delay: int32, origin: string, note: int64 }}
    event_time: {{ column: date, every: 10 }}
functions:
  bursts: {{ module: sessions, function: sessions, input: departures, key: origin, config: {{ gap_minutes: 30 }} }}
sinks:
  totals: {{ connector: file, path: out, format: csv, input: bursts }}
{late}
",
        module = module("sessions").display(),
    ))
}

const LATE: &str = "  late: { connector: file, path: late, format: csv, input: bursts.late }";

#[test]
fn late_rows_leave_whole_and_once_through_kills() {
    let (input, late) = departures();
    for parallelism in ["1", "3"] {
        let job = job("epoch: 20ms", LATE);
        job.write("in.ndjson", &input);
        let mut kills = 0;
        while kills < 4 {
            let mut running = Running::start(job.command(&["--parallelism", parallelism, "--quiet"]));
            let before = job.csv_rows("late").len();
            until("more late rows are out", || running.has_ended() || job.csv_rows("late").len() > before + 20);
            running.kill().expect("it is gone");
            kills += 1;
        }
        job.run(&["--parallelism", parallelism]).ok();
        assert!(job.csv_rows("late") == late, "parallelism {parallelism}: other rows are late");
        let flights: u64 = job.csv_rows("out").iter().map(|row| number(row, 3)).sum();
        assert_eq!(flights + late.len() as u64, ROWS, "each row is in a session or late");
        assert!(job.dead_letters("late").is_empty(), "a late row is no dead letter");
    }
}

fn number(row: &str, column: usize) -> u64 {
    row.split(',').nth(column).and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{row:?} has no number"))
}

#[test]
fn late_rows_that_nothing_reads_are_counted() {
    let (input, late) = departures();
    let job = job("", "");
    job.write("in.ndjson", input);
    let said = job.run(&["--parallelism", "2"]).ok().stderr;
    assert!(said.contains(&format!("bursts: unread_late {}", late.len())), "{said}");
}
