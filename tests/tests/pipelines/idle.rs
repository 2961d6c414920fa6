//! Jobs with nothing to do: they write nothing, and lose nothing.

use serde_json::Value;
use std::io::Write;
use std::process::Stdio;
use wasmill_tests::{Running, TestJob, module, until};

/// The epochs that a run has told of so far, in the file that its stderr goes to.
fn epochs(job: &TestJob) -> Vec<Value> {
    let text = std::fs::read_to_string(job.path("progress")).expect("stderr goes there");
    let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    whole.flat_map(|line| line["epochs"].as_array().cloned().unwrap_or_default()).collect()
}

#[test]
fn an_idle_job_commits_nothing_and_goes_on_after_a_kill() {
    let job = TestJob::new(&format!(
        "job: idle
epoch: 10ms
modules: {{ probe: {module} }}
sources:
  rows: {{ connector: stdin, format: ndjson, schema: {{ id: int64, action: string }} }}
functions:
  pass: {{ module: probe, function: misbehave, input: rows }}
sinks:
  out: {{ connector: file, path: out, format: ndjson, input: pass }}
",
        module = module("probe").display()
    ));
    for id in 1..=2 {
        let mut command = job.command(&["--json"]);
        let (reader, mut writer) = std::io::pipe().expect("pipes can be made");
        command.stdin(Stdio::from(reader));
        let mut running = Running::start_with_stderr_in(command, &job.path("progress"));
        writeln!(writer, "{{\"id\":{id},\"action\":\"ok\"}}").expect("the job reads");
        until("the row is published", || running.has_ended() || job.json_rows("out").len() == id);
        let is_empty = |e: &Value| e["bytes"] == 0 && e["entries"] == 0;
        until("twenty epochs in a row wrote nothing", || {
            let all = epochs(&job);
            running.has_ended() || all.len() > 20 && all[all.len() - 20..].iter().all(is_empty)
        });
        let all = epochs(&job);
        assert!(all.iter().any(|e| !is_empty(e)), "the epoch with the row wrote something: {all:?}");
        assert!(all.windows(2).all(|e| e[0]["epoch"].as_u64() < e[1]["epoch"].as_u64()), "{all:?}");
        running.kill().expect("it can be killed");
        let ids: Vec<_> = job.json_rows("out").iter().map(|row| row["id"].clone()).collect();
        assert_eq!(ids, (1..=id).collect::<Vec<_>>(), "each row once");
    }
}

#[test]
fn a_silent_source_holds_event_time_back_until_it_counts_as_idle() {
    let job = |timeout: &str| {
        let job = TestJob::new(&format!(
            "job: silent
epoch: 10ms
parallelism: 2
modules: {{ flights: {module} }}
sources:
  old:
    connector: file
    path: old.ndjson
    schema: {{ date: timestamp, delay: int32, distance: int32, origin: string }}
    event_time: {{ column: date, every: 1 }}
  live:
    connector: stdin
    format: ndjson
    schema: {{ date: timestamp, delay: int32, distance: int32, origin: string }}
    event_time: {{ column: date, every: 1 {timeout} }}
functions:
  hourly: {{ module: flights, function: hourly, input: [old, live], key: origin }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: hourly }}
",
            module = module("flights").display()
        ));
        job.write("old.ndjson", [flight("01:10"), flight("02:10"), flight("03:10")].concat());
        job
    };
    let start = |job: &TestJob| {
        let mut command = job.command(&["--json"]);
        let (reader, writer) = std::io::pipe().expect("pipes can be made");
        command.stdin(Stdio::from(reader));
        (Running::start_with_stderr_in(command, &job.path("progress")), writer)
    };
    let rows_read = |job: &TestJob| {
        let text = std::fs::read_to_string(job.path("progress")).expect("stderr goes there");
        let last = text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
        last.map_or(0, |line| line["rows_in"].as_u64().unwrap_or(0))
    };

    // Without a timeout nothing comes out while the live source is silent.
    let patient = job("");
    let (mut running, _writer) = start(&patient);
    until("all is read and twenty epochs went by", || {
        running.has_ended() || rows_read(&patient) == 3 && epochs(&patient).len() > 20
    });
    assert!(patient.csv_rows("out").is_empty(), "an hour ended, though the live source may still have rows of it");
    running.kill().expect("it can be killed");

    let job = job(", idle_timeout: 100ms");
    let (mut running, mut writer) = start(&job);
    let hours = |job: &TestJob| job.csv_rows("out").iter().map(|row| row[15..17].to_owned()).collect::<Vec<_>>();
    until("two hours have ended", || running.has_ended() || hours(&job).len() == 2);
    assert_eq!(hours(&job), ["01", "02"]);
    // It is back: its rows count, and event time waits for it again. What is behind is late.
    writer.write_all([flight("02:30"), flight("05:10")].concat().as_bytes()).expect("the job reads");
    until("the next hour has ended", || running.has_ended() || hours(&job).len() == 3);
    assert_eq!(hours(&job), ["01", "02", "03"]);
    // Files of one epoch appear one after the other.
    until("the late flight is told", || running.has_ended() || job.dead_letters("silent").len() == 1);
    running.kill().expect("it can be killed");
    assert_eq!(job.dead_letters("silent").len(), 1, "the flight of 02:30 was late");
}

fn flight(time: &str) -> String {
    format!("{{\"date\":\"2001-01-01T{time}:00Z\",\"delay\":1,\"distance\":1,\"origin\":\"JFK\"}}\n")
}
