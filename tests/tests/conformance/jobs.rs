//! Whole jobs: what the native harness gives, `wasmill run` gives too, key by key, whatever the size
//! of batches and the parallelism.

use crate::NAMES;
use flights::{Arrival, Hourly, HourlyTotals, Origin};
use probe::{Tick, Ticker, Wish};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use wasmill_sdk::Timestamp;
use wasmill_sdk::testing::KeyedTest;
use wasmill_tests::{Random, Running, TestJob, module, until};

/// Rows between two watermarks.
pub const EVERY: usize = 7;

/// What comes out, per key, in order.
pub type PerKey = BTreeMap<String, Vec<String>>;

/// Runs the job in every shape and compares.
pub fn same_as_native(
    job: impl Fn(usize) -> TestJob,
    read: impl Fn(&Value) -> (String, String),
    native: &PerKey,
    dead: usize,
) {
    for batch_rows in [1, 5, 4096] {
        for parallelism in ["1", "3"] {
            let job = job(batch_rows);
            job.run(&["--parallelism", parallelism]).ok();
            let got = per_key(&job, &read);
            for (key, rows) in native {
                let ours = got.get(key);
                assert_eq!(ours, Some(rows), "key {key:?}, batches of {batch_rows}, parallelism {parallelism}");
            }
            assert_eq!(got.len(), native.len(), "there are keys that nobody gave");
            let letters = job.dead_letters("native");
            assert_eq!(letters.len(), dead, "batches of {batch_rows}, parallelism {parallelism}");
        }
    }
}

pub fn per_key(job: &TestJob, read: impl Fn(&Value) -> (String, String)) -> PerKey {
    let mut rows = PerKey::new();
    for row in job.json_rows("out") {
        let (key, rest) = read(&row);
        rows.entry(key).or_default().push(rest);
    }
    rows
}

pub fn text<'v>(row: &'v Value, column: &str) -> &'v str {
    row[column].as_str().unwrap_or_else(|| panic!("no text {column:?} in {row}"))
}

struct Wished {
    time: i64,
    name: &'static str,
    at: i64,
    what: &'static str,
    times: u32,
}

fn wishes(random: &mut Random) -> Vec<Wished> {
    const WHATS: [&str; 6] = ["event", "event", "every", "delete-event", "delete-processing", "no such wish"];
    let wish = |i: i64| {
        // Event time goes on by about a second a row, in small leaps back and forth; half of the
        // timers lie ahead of it, the others are due or late.
        let time = i * 1_000_000 + random.below(5_000_000) as i64;
        let at = (time / 1_000_000 + random.below(40) as i64 - 20) * 1_000_000;
        let name = NAMES[random.below(NAMES.len() as u64) as usize];
        Wished { time, name, at, what: WHATS[random.below(6) as usize], times: random.below(9) as u32 }
    };
    (0..400).map(wish).collect()
}

/// The ticks of the native harness, and how many wishes it refused.
fn native_ticks(wishes: &[Wished]) -> (PerKey, usize) {
    let mut test = KeyedTest::<Ticker>::open([]).expect("it has no settings");
    let mut highest = i64::MIN;
    for rows in wishes.chunks(EVERY) {
        let wish = |w: &Wished| Wish { name: w.name, at: Timestamp::from_micros(w.at), what: w.what, times: w.times };
        test.feed(rows.iter().map(wish)).expect("no batch fails");
        highest = rows.iter().map(|w| w.time).max().expect("chunks hold rows").max(highest);
        test.set_watermark(Timestamp::from_micros(highest - 1)).expect("no timer fails");
    }
    test.end_of_input().expect("no timer fails");
    let mut ticks = PerKey::new();
    for Tick { name, time, family, ticks: n } in test.output::<Tick<'_>>("out") {
        ticks.entry(name.to_owned()).or_default().push(format!("{time} {family} {n}"));
    }
    (ticks, test.rejects().len())
}

#[test]
fn timers_fire_as_in_the_harness() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    let wishes = wishes(&mut random);
    let (native, dead) = native_ticks(&wishes);
    assert!(native.values().map(Vec::len).sum::<usize>() > 100 && dead > 0, "too little happens");
    same_as_native(
        |batch_rows| ticker_job(&wishes, &format!("limits: {{ batch_rows: {batch_rows} }}"), ""),
        tick,
        &native,
        dead,
    );
}

#[test]
fn timers_fire_as_in_the_harness_however_often_the_process_dies() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    let wishes = wishes(&mut random);
    let (native, dead) = native_ticks(&wishes);
    for parallelism in ["1", "3"] {
        let job = ticker_job(&wishes, "epoch: 10ms", "rate: 400");
        for _ in 0..6 {
            let mut running = Running::start(job.command(&["--quiet", "--parallelism", parallelism]));
            let lines = || job.parts("out").concat().lines().count();
            let enough = lines() + 1 + random.below(20) as usize;
            until("some timers fired", || running.has_ended() || lines() >= enough);
            running.kill().expect("it can be killed");
        }
        job.run(&["--parallelism", parallelism]).ok();
        assert_eq!(per_key(&job, tick), native, "seed {seed}, parallelism {parallelism}");
        assert_eq!(job.dead_letters("native").len(), dead, "seed {seed}, parallelism {parallelism}");
    }
}

/// The key of a tick, and the rest of it.
fn tick(row: &Value) -> (String, String) {
    let rest = format!("{} {} {}", text(row, "time"), text(row, "family"), row["ticks"]);
    (text(row, "name").to_owned(), rest)
}

fn ticker_job(wishes: &[Wished], settings: &str, source: &str) -> TestJob {
    let lines = wishes.iter().fold(String::new(), |mut lines, w| {
        let (time, at) = (Timestamp::from_micros(w.time).to_string(), Timestamp::from_micros(w.at).to_string());
        let line = json!({ "time": time, "name": w.name, "at": at, "what": w.what, "times": w.times });
        writeln!(lines, "{line}").expect("strings take everything");
        lines
    });
    let job = TestJob::new(&format!(
        "job: native
{settings}
modules: {{ probe: {module} }}
sources:
  wishes:
    connector: file
    path: in.ndjson
    {source}
    schema: {{ time: timestamp, name: string, at: timestamp, what: string, times: uint32 }}
    event_time: {{ column: time, every: {EVERY} }}
functions:
  ticker: {{ module: probe, function: ticker, input: wishes, key: name }}
sinks:
  ticks: {{ connector: file, path: out, format: ndjson, input: ticker }}
",
        module = module("probe").display()
    ));
    job.write("in.ndjson", &lines);
    job
}

/// Departures of five airports over a day, by the minute; some come hours late.
fn departures(random: &mut Random) -> Vec<(&'static str, Arrival)> {
    let arrival = |i: i64| {
        let late = if random.below(20) == 0 { random.below(180) as i64 } else { 0 };
        let date = Timestamp::from_secs((i / 2 - late) * 60);
        let (delay, distance) = (random.below(300) as i32 - 60, random.below(3000) as i32);
        (["JFK", "LAX", "ORD", "ATL", "SFO"][random.below(5) as usize], Arrival { date, delay, distance })
    };
    (0..2_000).map(arrival).collect()
}

fn native_hours(departures: &[(&str, Arrival)]) -> (PerKey, usize) {
    let mut test = KeyedTest::<Hourly>::open([]).expect("it has no settings");
    let mut highest = i64::MIN;
    for rows in departures.chunks(EVERY) {
        test.feed_keyed(rows.iter().map(|(origin, row)| (Origin { origin }, row.clone()))).expect("no batch fails");
        highest = rows.iter().map(|(_, row)| row.date.micros()).max().expect("chunks hold rows").max(highest);
        test.set_watermark(Timestamp::from_micros(highest - 1)).expect("no timer fails");
    }
    test.end_of_input().expect("no timer fails");
    let mut hours = PerKey::new();
    for row in test.output::<HourlyTotals<'_>>("out") {
        let numbers = (row.flights, row.delay_sum, row.delay_max, row.distance_sum);
        hours.entry(row.origin.to_owned()).or_default().push(format!("{} {numbers:?}", row.window_start));
    }
    (hours, test.rejects().len())
}

#[test]
fn hours_end_as_in_the_harness() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    let departures = departures(&mut random);
    let (native, late) = native_hours(&departures);
    assert!(late > 0 && native.len() == 5, "too little happens: {late} late flights, {} airports", native.len());
    let lines = departures.iter().fold(String::new(), |mut lines, (origin, row)| {
        let Arrival { date, delay, distance } = row;
        writeln!(lines, "{date},{delay},{distance},{origin}").expect("strings take everything");
        lines
    });
    let job = |batch_rows| {
        let job = TestJob::new(&format!(
            "job: native
limits: {{ batch_rows: {batch_rows} }}
modules: {{ flights: {module} }}
sources:
  departures:
    connector: file
    path: in.csv
    schema: {{ date: timestamp, delay: int32, distance: int32, origin: string }}
    event_time: {{ column: date, every: {EVERY} }}
functions:
  hourly: {{ module: flights, function: hourly, input: departures, key: origin }}
sinks:
  totals: {{ connector: file, path: out, format: ndjson, input: hourly }}
",
            module = module("flights").display()
        ));
        job.write("in.csv", format!("date,delay,distance,origin\n{lines}"));
        job
    };
    let read = |row: &Value| {
        let number = |column: &str| row[column].as_i64().expect("an integer");
        let numbers = (number("flights"), number("delay_sum"), number("delay_max"), number("distance_sum"));
        (text(row, "origin").to_owned(), format!("{} {numbers:?}", text(row, "window_start")))
    };
    same_as_native(job, read, &native, late);
}
