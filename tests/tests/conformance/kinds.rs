//! Maps, lists, merge slots and times to live: natively, as a component, and as whole jobs through
//! crashes.

use crate::cells::{Cell, Row};
use crate::jobs::{EVERY, PerKey, per_key, same_as_native, text};
use crate::pair::Pair;
use crate::{NAMES, Stretch, agree};
use probe::{Act, Shelves, Shown};
use serde_json::{Value, json};
use std::fmt::Write;
use wasmill_sdk::Timestamp;
use wasmill_sdk::testing::KeyedTest;
use wasmill_tests::{Random, Running, TestJob, module, until};

const WHATS: [&str; 14] =
    ["put", "put", "put", "take", "empty", "shelf", "push", "push", "drop", "list", "add", "sums", "see", "seen"];
const ITEMS: [&str; 5] = ["", "a", "b\0", "größer", "z"];

struct Asked {
    time: i64,
    name: &'static str,
    what: &'static str,
    item: &'static str,
    n: i64,
    refuse: bool,
}

fn asked(random: &mut Random, rows: i64) -> Vec<Asked> {
    let pick = |of: &[&'static str], random: &mut Random| of[random.below(of.len() as u64) as usize];
    let one = |i: i64| {
        let what = if random.below(20) == 0 { "forget" } else { pick(&WHATS, random) };
        // Clearing is rarer than the rest, so that something is there to be cleared.
        let what = if matches!(what, "empty" | "drop") && random.below(3) > 0 { "shelf" } else { what };
        Asked {
            time: i * 300_000 + random.below(3_000_000) as i64,
            name: pick(&NAMES[..4], random),
            what,
            item: pick(&ITEMS, random),
            n: random.below(40) as i64,
            refuse: random.below(9) == 0,
        }
    };
    (0..rows).map(one).collect()
}

#[test]
fn every_kind_of_state_is_the_same_in_a_component() {
    let told = agree(
        || Pair::open("probe", "shelf", Vec::new()),
        |_, random| {
            let stretch = |i: i64, random: &mut Random| {
                let acts = asked(random, 50);
                let row = |a: &Asked| -> Row {
                    let (what, item) = (Cell::text(a.what), Cell::text(a.item));
                    vec![
                        Cell::i64(a.time),
                        Cell::text(a.name),
                        Cell::i64(i),
                        what,
                        item,
                        Cell::i64(a.n),
                        Cell::Bool(a.refuse),
                    ]
                };
                Stretch {
                    rows: acts.iter().map(row).collect(),
                    keys: Some(acts.iter().map(|a| vec![a.name.to_owned()]).collect()),
                    watermark: Some(i * 3_000_000),
                    now: None,
                }
            };
            (0..6).map(|i| stretch(i, random)).collect()
        },
    );
    assert!(!told.entries.is_empty() && !told.state.is_empty() && !told.rejects.is_empty());
}

/// What the native harness shows, and how many rows it refused.
fn native(rows: &[Asked]) -> (PerKey, usize) {
    let mut test = KeyedTest::<Shelves>::open([]).expect("it has no settings").event_time("time");
    let mut highest = i64::MIN;
    for (i, some) in rows.chunks(EVERY).enumerate() {
        let act = |(at, a): (usize, &Asked)| {
            let id = (i * EVERY + at) as i64;
            let time = Timestamp::from_micros(a.time);
            Act { time, name: a.name, id, what: a.what, item: a.item, n: a.n, refuse: a.refuse }
        };
        test.feed(some.iter().enumerate().map(act)).expect("no batch fails");
        highest = some.iter().map(|a| a.time).max().expect("chunks hold rows").max(highest);
        test.set_watermark(Timestamp::from_micros(highest - 1)).expect("it has no timers");
    }
    let mut shown = PerKey::new();
    for Shown { name, id, item, n } in test.output::<Shown<'_>>("out") {
        shown.entry(name.to_owned()).or_default().push(format!("{id} {item:?} {n}"));
    }
    (shown, test.rejects().len())
}

fn job(rows: &[Asked], settings: &str, source: &str) -> TestJob {
    let lines = rows.iter().enumerate().fold(String::new(), |mut lines, (id, a)| {
        let time = Timestamp::from_micros(a.time).to_string();
        let line = json!({
            "time": time, "name": a.name, "id": id, "what": a.what, "item": a.item, "n": a.n, "refuse": a.refuse,
        });
        writeln!(lines, "{line}").expect("strings take everything");
        lines
    });
    let job = TestJob::new(&format!(
        "job: native
{settings}
modules: {{ probe: {module} }}
sources:
  acts:
    connector: file
    path: in.ndjson
    {source}
    schema: {{ time: timestamp, name: string, id: int64, what: string, item: string, n: int64, refuse: bool }}
    event_time: {{ column: time, every: {EVERY} }}
functions:
  shelf: {{ module: probe, function: shelf, input: acts, key: name }}
sinks:
  shown: {{ connector: file, path: out, format: ndjson, input: shelf }}
",
        module = module("probe").display()
    ));
    job.write("in.ndjson", &lines);
    job
}

fn shown(row: &Value) -> (String, String) {
    (text(row, "name").to_owned(), format!("{} {:?} {}", row["id"], text(row, "item"), row["n"]))
}

#[test]
fn every_kind_of_state_is_the_same_in_a_job() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    let rows = asked(&mut random, 400);
    let (native, dead) = native(&rows);
    assert!(native.values().map(Vec::len).sum::<usize>() > 100 && dead > 0, "too little happens");
    same_as_native(|n| job(&rows, &format!("limits: {{ batch_rows: {n} }}"), ""), shown, &native, dead);
}

/// Expired entries, map scans and blind merges, with the process killed at random instants.
#[test]
fn every_kind_of_state_survives_kill_9() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    let rows = asked(&mut random, 500);
    let (native, dead) = native(&rows);
    for parallelism in ["1", "3"] {
        let job = job(&rows, "epoch: 10ms", "rate: 400");
        for _ in 0..8 {
            let mut running = Running::start(job.command(&["--quiet", "--parallelism", parallelism]));
            let lines = || job.parts("out").concat().lines().count();
            let enough = lines() + 1 + random.below(40) as usize;
            until("some rows came out", || running.has_ended() || lines() >= enough);
            running.kill().expect("it can be killed");
        }
        job.run(&["--parallelism", parallelism]).ok();
        assert_eq!(per_key(&job, shown), native, "seed {seed}, parallelism {parallelism}");
        assert_eq!(job.dead_letters("native").len(), dead, "seed {seed}, parallelism {parallelism}");
    }
}
