//! Jobs that change between runs, sinks that nobody reads, caches that cannot be used: what was
//! committed is published where it belongs, and nothing waits for ever.

use std::process::{Command, Stdio};
use wasmill_tests::{Ended, Running, TestJob, module, until};

/// Counts per key; the rows come out in the order of their lines.
fn ledger_job(sink: &str) -> TestJob {
    TestJob::new(&format!(
        "job: review
modules: {{ probe: {} }}
sources:
  transfers: {{ connector: file, path: in/*.ndjson, schema: {SCHEMA} }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: [account] }}
sinks:
  {sink}
",
        module("probe").display()
    ))
}

const SCHEMA: &str = "{ account: string, id: int64, amount: int64, action: string }";
const FILE: &str = "out: { connector: file, path: out, format: csv, input: ledger }";

fn lines(ids: std::ops::Range<i64>) -> String {
    ids.map(|id| format!("{{\"account\":\"a\",\"id\":{id},\"amount\":1,\"action\":\"ok\"}}\n")).collect()
}

fn rows(ids: std::ops::Range<i64>) -> Vec<String> {
    let mut rows: Vec<_> = ids.map(|id| format!("a,{id},{}", id + 1)).collect();
    rows.sort();
    rows
}

/// Runs the job until its first epoch is committed and nothing of it published.
fn killed_before_publishing(job: &TestJob) {
    let mut command = job.command(&["--quiet"]);
    command.env("WASMILL_FAILPOINTS", "commit.synced@1");
    let ended = Running::start(command).wait().expect("it ends");
    assert_eq!(ended.code(), None, "the point was never reached: {}", ended.stderr);
}

fn edit(job: &TestJob, from: &str, to: &str) {
    let yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    assert!(yaml.contains(from), "{from:?} is not in the job file");
    job.write("job.yaml", yaml.replace(from, to));
}

#[test]
fn committed_rows_are_published_whatever_became_of_their_sink() {
    for sink in [
        "renamed: { connector: file, path: out2, format: csv, input: ledger }",
        "out: { connector: file, path: out2, format: csv, input: ledger }",
        "out: { connector: file, path: out, format: ndjson, input: ledger }",
        "out: { connector: stdout, format: csv, input: ledger }",
        "out: { connector: blackhole, input: ledger }",
    ] {
        let job = ledger_job(FILE);
        job.write("in/0.ndjson", lines(0..50));
        killed_before_publishing(&job);
        assert_eq!(job.csv_rows("out"), Vec::<String>::new());
        edit(&job, FILE, sink);
        let ended = job.run(&[]).ok();
        assert_eq!(job.csv_rows("out"), rows(0..50), "{sink}");
        assert_eq!(ended.stdout, "", "{sink}");
        assert!(job.parts("out2").is_empty(), "{sink}");
    }
}

#[test]
fn rows_committed_for_stdout_go_to_stdout() {
    let stdout = "out: { connector: stdout, format: csv, input: ledger }";
    let job = ledger_job(stdout);
    job.write("in/0.ndjson", lines(0..3));
    killed_before_publishing(&job);
    edit(&job, stdout, FILE);
    assert_eq!(job.run(&[]).ok().stdout, "a,0,1\na,1,2\na,2,3\n");
    assert!(job.csv_rows("out").is_empty());
}

#[test]
fn a_sink_may_move_to_another_directory_and_format() {
    let job = ledger_job(FILE);
    job.write("in/0.ndjson", lines(0..10));
    job.run(&[]).ok();
    edit(&job, "path: out", "path: out2");
    job.write("in/1.ndjson", lines(10..20));
    job.run(&[]).ok();
    assert_eq!((job.csv_rows("out"), job.csv_rows("out2")), (rows(0..10), rows(10..20)));
    edit(&job, "format: csv", "format: ndjson");
    job.write("in/2.ndjson", lines(20..30));
    job.run(&[]).ok();
    assert_eq!((job.parts("out").len(), job.parts("out2").len()), (1, 2));
    assert_eq!(job.parts("out2")[0].lines().count(), 11);
    assert_eq!(job.parts("out2")[1].lines().next(), Some(r#"{"account":"a","id":20,"balance":21}"#));
    // Its first directory is full of its own files, which it does not remember.
    edit(&job, "path: out2", "path: out");
    job.write("in/3.ndjson", lines(30..40));
    assert_eq!(job.run(&[]).code(), Some(5));
    assert_eq!(job.csv_rows("out"), rows(0..10));
}

#[test]
fn a_hung_reader_of_stdout_does_not_outlive_the_drain() {
    let job = ledger_job("out: { connector: stdout, format: csv, input: ledger }");
    edit(&job, "job: review", "job: review\ndrain_timeout: 1s");
    // Far more than a pipe holds, in one epoch, whose publishing is the job's last act.
    job.write("in/0.ndjson", lines(0..20_000));
    let mut child =
        job.command(&["--epoch", "1h"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    let mut reader = child.stdout.take().expect("it is piped");
    let mut first = [0];
    std::io::Read::read_exact(&mut reader, &mut first).expect("the last epoch is being published");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    until("the process ends", || child.try_wait().expect("it can be waited for").is_some());
    drop(reader);
    let output = child.wait_with_output().expect("it has ended");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{stderr}");
    assert!(stderr.contains("drain_timeout"), "{stderr}");
    // At least once: the epoch is published again, whole.
    assert_eq!(job.run(&[]).ok().stdout.lines().count(), 20_000);
}

#[test]
fn an_unusable_code_cache_costs_time_only() {
    let job = ledger_job(FILE);
    job.write("in/0.ndjson", lines(0..5));
    let mut command = job.command(&[]);
    command.env("XDG_CACHE_HOME", job.path("job.yaml"));
    let ended = Running::start(command).wait().expect("it ends").ok();
    assert!(ended.stderr.contains("cache of compiled code"), "{}", ended.stderr);
    assert_eq!(job.csv_rows("out"), rows(0..5));
}

fn summary(ended: &Ended) -> serde_json::Value {
    let last = ended.stderr.lines().last().expect("a summary");
    serde_json::from_str(last).unwrap_or_else(|e| panic!("{last:?} is not JSON: {e}"))
}

#[test]
fn the_summary_tells_metrics_and_what_was_skipped() {
    let job = ledger_job(FILE);
    edit(&job, "key: [account]", "key: [account], on_error: skip");
    let bad = "{\"account\":\"a\",\"id\":7,\"amount\":1,\"action\":\"reject\"}\n";
    job.write("in/0.ndjson", lines(0..5) + bad + bad);
    let summary = summary(&job.run(&["--json"]).ok());
    assert_eq!(summary["metrics"], serde_json::json!({ "ledger": { "changes": 5, "last_balance": 5.0 } }));
    assert_eq!((&summary["skipped"], &summary["dead_letters"]), (&2.into(), &0.into()));
}

fn ticker_job(settings: &str, sink: &str) -> TestJob {
    TestJob::new(&format!(
        "job: ticks
{settings}
modules: {{ probe: {} }}
sources:
  wishes:
    connector: file
    path: in/*.ndjson
    schema: {{ name: string, at: timestamp, what: string, times: uint32 }}
    event_time: {{ column: at }}
functions:
  ticker: {{ module: probe, function: ticker, input: wishes, key: [name] }}
sinks:
  out: {{ connector: file, path: out, format: ndjson, input: ticker{sink} }}
",
        module("probe").display()
    ))
}

fn wish(name: &str, at_us: i64, what: &str) -> String {
    format!("{{\"name\":\"{name}\",\"at\":\"{}\",\"what\":\"{what}\",\"times\":1}}\n", utc(at_us))
}

/// A time after 1970 as ISO 8601. Source of the calendar: Howard Hinnant, public domain.
fn utc(micros: i64) -> String {
    let (days, rest) = (micros / 86_400_000_000, micros % 86_400_000_000);
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{micros:06}Z")
}

#[test]
fn timers_by_the_clock_fire_once_however_the_job_ends_between_them() {
    const TIMERS: i64 = 20_000;
    // The sink is a fragment of its own, which takes no rows behind the end of its input.
    let job = ticker_job("parallelism: 1", ", parallelism: 2");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    let now = now.as_micros() as i64;
    job.write(
        "in/0.ndjson",
        (0..TIMERS).map(|i| wish(&format!("n{i}"), now + i * 100, "processing")).collect::<String>(),
    );
    let mut runs = 0;
    until("every timer has fired", || {
        let ended = job.run(&[]);
        assert!(ended.status.success(), "run {runs}: {}", ended.stderr);
        runs += 1;
        job.json_rows("out").len() as i64 >= TIMERS
    });
    let mut names: Vec<_> = job.json_rows("out").iter().map(|r| r["name"].to_string()).collect();
    assert_eq!(names.len() as i64, TIMERS);
    names.sort();
    names.dedup();
    assert_eq!(names.len() as i64, TIMERS, "some fired twice");
}

#[test]
fn a_timer_in_the_far_future_keeps_nobody_waiting() {
    let job = ticker_job("", "");
    job.write("in/0.ndjson", wish("far", 250_000_000_000_000_000, "processing"));
    job.run(&[]).ok();
    assert!(job.json_rows("out").is_empty(), "it is due in the year 9892");
}

#[test]
fn what_was_late_stays_late_when_the_job_goes_on_with_another_file() {
    let job = TestJob::new(&format!(
        "job: late
modules: {{ flights: {} }}
sources:
  departures:
    connector: file
    path: in/*.ndjson
    schema: {{ date: timestamp, delay: int32, distance: int32, origin: string, destination: string }}
    event_time: {{ column: date, every: 1 }}
functions:
  clean: {{ module: flights, function: clean, input: departures }}
  hourly: {{ module: flights, function: hourly, input: clean.out, key: [origin] }}
sinks:
  out: {{ connector: file, path: out, format: ndjson, input: hourly }}
",
        module("flights").display()
    ));
    let flight = |hour: i64| {
        let date = utc(1_000_000_000_000_000 + hour * 3_600_000_000);
        format!("{{\"date\":\"{date}\",\"delay\":5,\"distance\":300,\"origin\":\"ATL\",\"destination\":\"DFW\"}}\n")
    };
    job.write("in/0.ndjson", (0..5).map(flight).collect::<String>());
    job.run(&[]).ok();
    assert_eq!((job.json_rows("out").len(), job.dead_letters("late").len()), (5, 0));
    // Its first hour was emitted by the run before; emitted again it would stand there twice.
    job.write("in/1.ndjson", flight(0) + &flight(9));
    job.run(&[]).ok();
    let dead = job.dead_letters("late");
    assert_eq!((job.json_rows("out").len(), dead.len()), (6, 1), "{dead:?}");
    assert!(dead[0]["message"].as_str().is_some_and(|m| m.contains("is late")), "{dead:?}");
}
