//! The same rows per key, in the same bytes, whatever the settings: the length of epochs, the
//! parallelism, the size of batches.

use crate::{FLIGHT, flights_path, unpacked};
use std::collections::BTreeMap;
use wasmill_tests::{TestJob, module};

const FLIGHTS: usize = 12_000;

fn job(epoch: &str, batch_rows: u32) -> TestJob {
    let job = TestJob::new(&format!(
        "job: same
epoch: {epoch}
limits: {{ batch_rows: {batch_rows} }}
modules: {{ flights: {flights}, probe: {probe} }}
sources:
  departures:
    connector: file
    path: flights.ndjson
    schema: {FLIGHT}
    event_time: {{ column: date, every: 90 }}
  transfers:
    connector: file
    path: transfers.ndjson
    schema: {{ account: string, id: int64, amount: int64, action: string }}
functions:
  hourly: {{ module: flights, function: hourly, input: departures, key: origin }}
  routes: {{ module: flights, function: routes, input: departures, key: [origin, destination] }}
  ledger: {{ module: probe, function: ledger, input: transfers, key: account }}
sinks:
  hours: {{ connector: file, path: hours, format: csv, input: hourly }}
  running: {{ connector: file, path: routes, format: csv, input: routes }}
  balances: {{ connector: file, path: balances, format: ndjson, input: ledger }}
",
        flights = module("flights").display(),
        probe = module("probe").display(),
    ));
    let text = unpacked(flights_path());
    let lines: Vec<_> = text.lines().take(FLIGHTS).collect();
    // Neighbours change places, over distances that make some flights late.
    let shuffled: String = (0..FLIGHTS)
        .map(|i| lines[i / 400 * 400 + i * 171 % 400 % (FLIGHTS - i / 400 * 400)])
        .fold(String::new(), |text, line| text + line + "\n");
    job.write("flights.ndjson", shuffled);
    let actions = ["ok", "ok", "reject", "ok", "remove", "ok", "ok"];
    let transfer = |id: usize| {
        let action = if id == 1234 { "panic" } else { actions[id * 13 % 7] };
        format!("{{\"account\":\"a{}\",\"id\":{id},\"amount\":{},\"action\":\"{action}\"}}\n", id * 31 % 41, id % 97)
    };
    job.write("transfers.ndjson", (0..3_000).map(transfer).collect::<String>());
    job
}

/// The rows of each key, as they stand in the files of a sink: `key` columns of CSV, or what stands in
/// front of the second comma.
fn per_key(job: &TestJob, sink: &str, key: usize) -> BTreeMap<String, Vec<String>> {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in job.parts(sink) {
        for line in text.lines().filter(|line| !line.starts_with("origin,")) {
            let of = line.split(',').take(key).collect::<Vec<_>>().join(",");
            rows.entry(of).or_default().push(line.to_owned());
        }
    }
    rows
}

fn dead(job: &TestJob) -> Vec<String> {
    // A trap's message holds addresses of the call that happened to fail.
    let told = |letter: &serde_json::Value| format!("{} {} {}", letter["operator"], letter["reason"], letter["at"]);
    let mut letters: Vec<_> = job.dead_letters("same").iter().map(told).collect();
    letters.sort();
    letters
}

#[test]
fn settings_change_no_byte_of_a_key() {
    let reference = job("1s", 4096);
    reference.run(&[]).ok();
    let sinks = [("hours", 1), ("routes", 2), ("balances", 1)];
    let expected: Vec<_> = sinks.iter().map(|(sink, key)| per_key(&reference, sink, *key)).collect();
    let (hours, dead_letters) = (expected[0].values().map(Vec::len).sum::<usize>(), dead(&reference));
    let late = dead_letters.iter().filter(|l| l.starts_with("\"hourly\"")).count();
    assert!(hours > 1_000 && late > 10, "{hours} hours and {late} late flights are too few to show anything");
    assert_eq!(expected[1].values().map(Vec::len).sum::<usize>(), FLIGHTS);
    for (epoch, parallelism, batch_rows) in
        [("10ms", "1", 4096), ("1s", "4", 4096), ("1s", "1", 3), ("10ms", "4", 3), ("50ms", "3", 1)]
    {
        let job = job(epoch, batch_rows);
        job.run(&["--parallelism", parallelism]).ok();
        let shape = format!("epoch {epoch}, parallelism {parallelism}, batches of {batch_rows}");
        for ((sink, key), expected) in sinks.iter().zip(&expected) {
            assert!(per_key(&job, sink, *key) == *expected, "{sink}: other rows with {shape}");
        }
        assert_eq!(dead(&job), dead_letters, "{shape}");
    }
}
