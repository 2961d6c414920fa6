//! Graphs: several outputs, several sinks, chains, one exchange behind another, timers of the clock.

use crate::{FLIGHT, answer, flights_path, hourly_answer, sorted, unpacked};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wasmill_sdk::Timestamp;
use wasmill_tests::{Running, TestJob, module, until};

#[test]
fn one_function_feeds_two_sinks_and_a_side_output() {
    let job = TestJob::new(&format!(
        "job: late
parallelism: 2
modules: {{ flights: {module} }}
sources:
  departures: {{ connector: file, path: {input}, format: ndjson, schema: {FLIGHT} }}
functions:
  clean: {{ module: flights, function: clean, input: departures, config: {{ max_delay: 240 }} }}
sinks:
  all: {{ connector: file, path: all, format: csv, input: clean.out }}
  all_again: {{ connector: file, path: again, format: ndjson, input: clean.out }}
  late: {{ connector: file, path: late, format: csv, input: clean.long }}
",
        module = module("flights").display(),
        input = flights_path().display(),
    ));
    job.run(&[]).ok();
    assert!(job.csv_rows("late") == answer("tests/data/flights_240_late.csv.gz"), "other flights are late");
    assert_eq!(job.csv_rows("all").len(), 200_000);
    let again = job.json_rows("again");
    let input = unpacked(flights_path());
    assert!(
        input.lines().zip(&again).all(|(line, row)| *row == serde_json::from_str::<Value>(line).expect("a flight"))
    );
    assert_eq!(again.len(), 200_000);
}

#[test]
fn a_chain_of_functions_is_one_after_the_other() {
    let job = TestJob::new(&format!(
        "job: chain
parallelism: 3
modules: {{ flights: {module} }}
sources:
  departures: {{ connector: file, path: {input}, format: ndjson, schema: {FLIGHT} }}
functions:
  late: {{ module: flights, function: clean, input: departures, config: {{ max_delay: 100 }} }}
  later: {{ module: flights, function: clean, input: late.long, config: {{ max_delay: 240 }} }}
sinks:
  rest: {{ connector: blackhole, input: late.out }}
  latest: {{ connector: file, path: out, format: csv, input: later.long }}
",
        module = module("flights").display(),
        input = flights_path().display(),
    ));
    job.run(&[]).ok();
    assert!(job.csv_rows("out") == answer("tests/data/flights_240_late.csv.gz"), "other flights are late");
}

#[test]
fn operators_may_have_parallelism_of_their_own() {
    let job = TestJob::new(&format!(
        "job: widths
modules: {{ flights: {module} }}
sources:
  departures:
    connector: file
    path: {input}
    format: ndjson
    schema: {FLIGHT}
    event_time: {{ column: date, every: 500 }}
functions:
  clean: {{ module: flights, function: clean, input: departures }}
  hourly: {{ module: flights, function: hourly, input: clean.out, key: origin, parallelism: 3 }}
  routes: {{ module: flights, function: routes, input: clean.out, key: [origin, destination], parallelism: 2 }}
sinks:
  totals: {{ connector: file, path: out, format: csv, input: hourly }}
  running: {{ connector: file, path: routes, format: csv, input: routes }}
",
        module = module("flights").display(),
        input = flights_path().display(),
    ));
    job.run(&[]).ok();
    assert!(job.csv_rows("out") == hourly_answer(), "other rows");
    assert_eq!((job.parts("out").len(), job.parts("routes").len()), (3, 2));
    assert_eq!(job.csv_rows("routes").len(), 200_000);
}

#[test]
fn sums_are_conserved_across_two_exchanges() {
    const ROWS: i64 = 20_000;
    let job = TestJob::new(&format!(
        "job: twice
epoch: 20ms
modules: {{ probe: {module} }}
sources:
  transfers:
    {{ connector: file, path: in.ndjson, schema: {{ account: string, id: int64, amount: int64, action: string }} }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: account }}
  tally: {{ module: probe, function: tally, input: ledger, key: id }}
sinks:
  sums: {{ connector: file, path: out, format: ndjson, input: tally }}
",
        module = module("probe").display()
    ));
    let (mut lines, mut balances) = (String::new(), BTreeMap::new());
    // Of each group: rows, and the sum of the balances that its rows left behind.
    let mut expected: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for n in 0..ROWS {
        let (account, id, amount) = (n * 31 % 77, n * 17 % 101, n * 7919 % 1000 - 400);
        lines += &format!("{{\"account\":\"{account}\",\"id\":{id},\"amount\":{amount},\"action\":\"ok\"}}\n");
        let balance: &mut i64 = balances.entry(account).or_default();
        *balance += amount;
        let group = expected.entry(id).or_default();
        *group = (group.0 + 1, group.1 + *balance);
    }
    job.write("in.ndjson", lines);
    job.run(&["--parallelism", "4"]).ok();
    let mut last = BTreeMap::new();
    for row in job.json_rows("out") {
        let number = |column: &str| row[column].as_i64().expect("an integer");
        let before = last.insert(number("id"), (number("rows"), number("sum")));
        assert_eq!(before.map_or(0, |(rows, _)| rows) + 1, number("rows"), "rows of a key keep their order: {row}");
    }
    assert_eq!(last, expected);
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    Timestamp::from_micros(now.as_micros() as i64)
}

#[test]
fn timers_of_the_clock_fire_while_no_row_comes() {
    let job = TestJob::new(&format!(
        "job: clock
epoch: 20ms
modules: {{ probe: {module} }}
sources:
  wishes:
    connector: stdin
    format: ndjson
    schema: {{ name: string, at: timestamp, what: string, times: uint32 }}
functions:
  ticker: {{ module: probe, function: ticker, input: wishes, key: name }}
sinks:
  ticks: {{ connector: file, path: out, format: ndjson, input: ticker }}
",
        module = module("probe").display()
    ));
    let mut command = job.command(&["--quiet", "--parallelism", "2"]);
    let (reader, mut writer) = std::io::pipe().expect("pipes can be made");
    command.stdin(Stdio::from(reader));
    let mut running = Running::start(command);
    let soon = now() + Duration::from_millis(700);
    for (name, at, what) in [
        ("past", Timestamp::from_secs(5), "processing"),
        ("soon", soon, "processing"),
        ("never", soon, "processing"),
        ("never", soon, "delete-processing"),
        ("end", Timestamp::from_secs(9), "event"),
        ("far", now() + Duration::from_secs(86_400), "processing"),
    ] {
        let at = at.to_string();
        writeln!(writer, "{{\"name\":{name:?},\"at\":{at:?},\"what\":{what:?},\"times\":1}}").expect("the job reads");
    }
    let ticks = || {
        let tick = |row: &Value| format!("{} {}", row["name"], row["family"]);
        sorted(job.json_rows("out").iter().map(tick).collect())
    };
    let of_the_clock = [r#""past" "processing""#, r#""soon" "processing""#];
    until("both timers fired", || running.has_ended() || job.parts("out").concat().lines().count() == 2);
    until("their lines are whole", || job.parts("out").concat().ends_with('\n'));
    assert_eq!(ticks(), of_the_clock, "with the input still open");
    assert!(now() >= soon, "a timer fired before its time");
    drop(writer);
    running.wait().expect("it ends with its input").ok();
    let mut all = of_the_clock.to_vec();
    all.insert(0, r#""end" "event""#);
    assert_eq!(ticks(), all, "event timers fire at the end, those of the clock do not");
}

#[test]
fn files_are_rolled_by_their_size() {
    const ROWS: usize = 5_000;
    const ROLL_BYTES: usize = 4 << 10;
    let job = TestJob::new(&format!(
        "job: rolled
epoch: 10ms
modules: {{ probe: {module} }}
sources:
  rows: {{ connector: file, path: in.ndjson, rate: 10000, schema: {{ id: int64, action: string }} }}
limits: {{ batch_rows: 50 }}
functions:
  pass: {{ module: probe, function: misbehave, input: rows }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: pass, roll: {{ bytes: 4KiB }} }}
",
        module = module("probe").display()
    ));
    job.write("in.ndjson", (0..ROWS).map(|id| format!("{{\"id\":{id},\"action\":\"ok\"}}\n")).collect::<String>());
    let mut running = Running::start(job.command(&["--quiet"]));
    until("a few files are there", || running.has_ended() || job.parts("out").len() > 3);
    running.kill().expect("it can be killed");
    job.run(&[]).ok();
    let parts = job.parts("out");
    assert!(parts.len() >= ROWS * 8 / ROLL_BYTES / 2, "{} files", parts.len());
    let mut ids = Vec::new();
    for part in &parts {
        let (header, rows) = part.split_once('\n').expect("a file has a header");
        assert_eq!(header, "id,action");
        assert!(!rows.is_empty() && rows.ends_with('\n'), "{part:?}");
        ids.extend(rows.lines().map(str::to_owned));
    }
    assert!(ids == (0..ROWS).map(|id| format!("{id},ok")).collect::<Vec<_>>(), "other rows, or another order");
}
