//! Rows that break their function: the rest of the batch goes through untouched, and each such row
//! is dealt with once, as the operator's policy says.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use wasmill_tests::{Random, Running, TestJob, module, until};

/// Some rows of every kind of misbehaviour, with the reason that its dead letter must give.
const MISBEHAVIOURS: [(&str, &str); 6] = [
    ("reject", "rejected"),
    ("panic", "trap"),
    ("trap", "trap"),
    ("recurse", "trap"),
    ("hunger", "memory"),
    ("loop", "deadline"),
];

fn ledger_job(settings: &str, on_error: &str) -> TestJob {
    TestJob::new(&format!(
        "job: ledger
{settings}
modules: {{ probe: {module} }}
sources:
  transfers:
    connector: file
    path: in/*.ndjson
    format: ndjson
    schema: {{ account: string, id: int64, amount: int64, action: string }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: [account], on_error: {on_error} }}
sinks:
  balances: {{ connector: file, path: out, format: ndjson, input: ledger }}
",
        module = module("probe").display(),
    ))
}

struct Transfers {
    lines: String,
    /// The balances that come out, per account, in order: what a ledger gives that skips bad rows.
    balances: BTreeMap<String, Vec<(i64, i64)>>,
    /// The row's id and the expected reason of each dead letter.
    dead: BTreeMap<i64, &'static str>,
}

/// `rows` transfers over 13 accounts; row n misbehaves when `action(n)` says how.
fn transfers(rows: i64, action: impl Fn(i64) -> Option<usize>) -> Transfers {
    let mut t = Transfers { lines: String::new(), balances: BTreeMap::new(), dead: BTreeMap::new() };
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for id in 0..rows {
        let account = format!("account-{}", id * 7 % 13);
        let amount = id * 31 % 101 - 50;
        let misbehaviour = action(id).map(|i| MISBEHAVIOURS[i]);
        let what = misbehaviour.map_or("ok", |m| m.0);
        let line = json!({ "account": account, "id": id, "amount": amount, "action": what });
        t.lines += &format!("{line}\n");
        match misbehaviour {
            Some((_, reason)) => {
                t.dead.insert(id, reason);
            }
            None => {
                let sum = sums.entry(account.clone()).or_default();
                *sum += amount;
                t.balances.entry(account).or_default().push((id, *sum));
            }
        }
    }
    t
}

fn balances(job: &TestJob) -> BTreeMap<String, Vec<(i64, i64)>> {
    let mut balances: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for row in job.json_rows("out") {
        let account = row["account"].as_str().expect("a string").to_owned();
        let number = |name: &str| row[name].as_i64().expect("an integer");
        balances.entry(account).or_default().push((number("id"), number("balance")));
    }
    balances
}

fn dead(letters: &[Value]) -> Vec<(i64, String)> {
    let of = |l: &Value| {
        let id = l["row"]["id"].as_i64().unwrap_or_else(|| panic!("no row in {l}"));
        (id, l["reason"].as_str().expect("a reason").to_owned())
    };
    let mut dead: Vec<_> = letters.iter().map(of).collect();
    dead.sort();
    dead
}

fn expected_dead(t: &Transfers) -> Vec<(i64, String)> {
    t.dead.iter().map(|(id, reason)| (*id, (*reason).to_owned())).collect()
}

#[test]
fn every_misbehaviour_leaves_its_neighbours_alone() {
    // One of each, and two of them next to each other.
    let at = BTreeMap::from([(5, 0), (400, 1), (401, 2), (900, 3), (1500, 4), (2999, 5)]);
    let t = transfers(3_000, |id| at.get(&id).copied());
    for parallelism in ["1", "3"] {
        let job = ledger_job("limits: { deadline: 200ms, deadline_per_row: 10us }", "dead-letter");
        job.write("in/0.ndjson", &t.lines);
        job.run(&["--parallelism", parallelism]).ok();
        assert_eq!(balances(&job), t.balances, "parallelism {parallelism}");
        assert_eq!(dead(&job.dead_letters("ledger")), expected_dead(&t));
    }
}

#[test]
fn a_dead_letter_says_where_why_and_what() {
    let t = transfers(50, |id| (id == 30).then_some(1));
    let job = ledger_job("", "dead-letter");
    job.write("in/0.ndjson", &t.lines);
    job.run(&[]).ok();
    let letters = job.dead_letters("ledger");
    let [letter] = letters.as_slice() else { panic!("one letter, not {letters:?}") };
    assert_eq!(letter["operator"], "ledger");
    assert_eq!(letter["at"], json!({ "partition": "in/0.ndjson", "line": 31 }));
    assert_eq!(letter["row"], json!({ "account": "account-2", "id": 30, "amount": -29, "action": "panic" }));
    let message = letter["message"].as_str().expect("a message");
    assert!(message.contains("row 30 asked for a panic"), "{message}");
    assert!(message.contains("misbehave.rs:"), "the panic's place is missing: {message}");
}

#[test]
fn dead_letters_appear_once_however_often_the_process_dies() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    let t = transfers(20_000, |id| (id % 500 == 77).then_some((id / 500 % 3) as usize));
    let job = ledger_job("epoch: 10ms\nparallelism: 2", "dead-letter");
    let slow = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    job.write("job.yaml", slow.replace("    format: ndjson\n", "    format: ndjson\n    rate: 20000\n"));
    job.write("in/0.ndjson", &t.lines);
    for _ in 0..12 {
        let mut running = Running::start(job.command(&["--quiet"]));
        let wait = std::time::Duration::from_millis(30 + random.below(200));
        let started = std::time::Instant::now();
        until("its time has come", || running.has_ended() || started.elapsed() >= wait);
        running.kill().expect("it can be killed");
    }
    job.run(&[]).ok();
    assert_eq!(balances(&job), t.balances, "seed {seed}");
    assert_eq!(dead(&job.dead_letters("ledger")), expected_dead(&t), "seed {seed}");
}

#[test]
fn batches_may_be_cut_anywhere() {
    let t = transfers(1_500, |id| (id % 97 == 3).then_some((id % 3) as usize));
    for rows in ["1", "7", "4096"] {
        let job = ledger_job(&format!("limits: {{ batch_rows: {rows} }}"), "dead-letter");
        job.write("in/0.ndjson", &t.lines);
        job.run(&["--parallelism", "2"]).ok();
        assert_eq!(balances(&job), t.balances, "batches of {rows}");
        assert_eq!(dead(&job.dead_letters("ledger")), expected_dead(&t), "batches of {rows}");
    }
}

#[test]
fn skip_drops_the_row_and_goes_on() {
    let t = transfers(500, |id| (id == 123).then_some(1));
    let job = ledger_job("", "skip");
    job.write("in/0.ndjson", &t.lines);
    job.run(&[]).ok();
    assert_eq!(balances(&job), t.balances);
    assert_eq!(job.dead_letters("ledger"), Vec::<Value>::new());
}

#[test]
fn fail_stops_the_job_which_goes_on_when_mended() {
    let t = transfers(500, |id| (id == 123).then_some(1));
    let job = ledger_job("", "fail");
    job.write("in/0.ndjson", &t.lines);
    let ended = job.run(&[]);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("ledger") && ended.stderr.contains("row 123 asked for a panic"), "{}", ended.stderr);
    let yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    job.write("job.yaml", yaml.replace("on_error: fail", "on_error: dead-letter"));
    job.run(&[]).ok();
    assert_eq!(balances(&job), t.balances);
    assert_eq!(dead(&job.dead_letters("ledger")), expected_dead(&t));
}

#[test]
fn a_fatal_error_stops_the_job_with_its_message() {
    let job = ledger_job("", "dead-letter");
    job.write("in/0.ndjson", r#"{"account":"a","id":1,"amount":5,"action":"fatal"}"#);
    let ended = job.run(&[]);
    assert_eq!(ended.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("row 1 asked for the end"), "{}", ended.stderr);
}

#[test]
fn a_transient_error_is_tried_again_and_then_is_the_rows() {
    let job = ledger_job("", "dead-letter");
    let line = |id: i64, action: &str| format!("{}\n", json!({"account":"a","id":id,"amount":5,"action":action}));
    job.write("in/0.ndjson", line(1, "ok") + &line(2, "transient") + &line(3, "ok"));
    job.run(&[]).ok();
    assert_eq!(balances(&job), BTreeMap::from([("a".to_owned(), vec![(1, 5), (3, 10)])]));
    assert_eq!(dead(&job.dead_letters("ledger")), [(2, "transient".to_owned())]);
}

#[test]
fn a_flood_of_output_is_a_row_over_its_limit() {
    let job = TestJob::new(&format!(
        "job: flood
modules: {{ probe: {} }}
sources:
  rows: {{ connector: file, path: in.ndjson, schema: {{ id: int64, action: string }} }}
functions:
  act: {{ module: probe, function: misbehave, input: rows }}
sinks:
  out: {{ connector: file, path: out, format: ndjson, input: act }}
",
        module("probe").display()
    ));
    let lines: String = ["ok", "flood", "ok", "drop"]
        .iter()
        .enumerate()
        .map(|(i, a)| format!("{}\n", json!({"id":i,"action":a})))
        .collect();
    job.write("in.ndjson", lines);
    job.run(&[]).ok();
    let ids: Vec<_> = job.json_rows("out").iter().map(|r| r["id"].as_i64()).collect();
    assert_eq!(ids, [Some(0), Some(2)]);
    let letters = job.dead_letters("flood");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["reason"], "effects-too-large");
    assert!(letters[0]["message"].as_str().is_some_and(|m| m.contains("effects")), "{letters:?}");
}
