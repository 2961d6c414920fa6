//! Dead letters are listed, shown and run again: with the row, the state, the time and the seed that
//! the call had, and in another build of the module.

use serde_json::{Value, json};
use std::process::Command;
use wasmill_tests::{Ended, Running, TestJob, module, wasmill};

fn job() -> TestJob {
    TestJob::new(&format!(
        "job: ledger
modules: {{ probe: {module} }}
limits: {{ deadline: 200ms }}
sources:
  transfers:
    connector: file
    path: in/*.ndjson
    schema: {{ account: string, id: int64, amount: int64, action: string }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: [account] }}
sinks:
  balances: {{ connector: blackhole, input: ledger }}
",
        module = module("probe").display(),
    ))
}

/// Transfers of one account with an amount of 5 each, one per action, then a line that is none.
fn lines(actions: &[&str]) -> String {
    let line = |(id, action)| json!({ "account": "a", "id": id, "amount": 5, "action": action }).to_string() + "\n";
    actions.iter().enumerate().map(line).collect::<String>() + "no JSON\n"
}

fn verb(job: &TestJob, verb: &str, args: &[&str]) -> Ended {
    let mut command = Command::new(wasmill());
    command.arg(verb).arg(job.path("job.yaml")).args(args);
    Running::start(command).wait().expect("the verb ends")
}

fn letters(job: &TestJob) -> Vec<Value> {
    let listed = verb(job, "deadletters", &["--json"]).ok().stdout;
    listed.lines().map(|l| serde_json::from_str(l).expect("a letter a line")).collect()
}

fn json_of(ended: Ended) -> Value {
    let ended = ended.ok();
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}", ended.stdout))
}

#[test]
fn every_kind_of_failure_is_replayed_as_it_was() {
    let job = job();
    let actions = ["ok", "panic", "ok", "reject", "loop", "hunger", "recurse", "transient", "trap"];
    job.write("in/0.ndjson", lines(&actions));
    job.run(&[]).ok();
    let letters = letters(&job);
    let reasons: Vec<_> = letters.iter().map(|l| l["reason"].as_str().expect("a reason")).collect();
    assert_eq!(reasons.len(), 8, "{reasons:?}");
    for letter in &letters {
        let id = letter["id"].as_str().expect("an id");
        if letter["reason"] == "format" {
            let ended = verb(&job, "replay", &[id]);
            assert_eq!(ended.code(), Some(4), "{}", ended.stderr);
            assert!(ended.stderr.contains("no function saw"), "{}", ended.stderr);
            continue;
        }
        let replayed = json_of(verb(&job, "replay", &[id, "--json"]));
        assert_eq!(replayed["as_recorded"], true, "{letter}\n{replayed}");
        assert_eq!(replayed["recorded"]["message"], letter["message"]);
        assert_eq!(replayed, json_of(verb(&job, "replay", &[id, "--json"])), "twice the same");
    }
}

#[test]
fn a_letter_shows_the_state_that_the_row_saw_and_the_functions_on_the_way() {
    let job = job();
    job.write("in/0.ndjson", lines(&["ok", "ok", "panic"]));
    job.run(&[]).ok();
    let all = letters(&job);
    let id = all.iter().find(|l| l["reason"] == "trap").and_then(|l| l["id"].as_str()).expect("one trapped");
    let shown = json_of(verb(&job, "deadletters", &[id, "--json"]));
    assert_eq!(shown["row"]["id"], 2);
    let state = &shown["input"]["keys"][0];
    assert_eq!(state["key"], json!({ "account": "a" }));
    // Slot version 1, a balance of 10 (zigzag 20), 2 rows.
    assert_eq!(state["state"]["balance"], "011402", "{shown}");
    let backtrace = shown["backtrace"].to_string();
    assert!(backtrace.contains("misbehave"), "the job's own backtrace names functions: {backtrace}");
    let replayed = json_of(verb(&job, "replay", &[id, "--json"]));
    let backtrace = replayed["recorded"]["backtrace"].to_string();
    assert!(backtrace.contains("misbehave.rs:"), "with symbols it names lines: {backtrace}");
    let text = verb(&job, "replay", &[id]).ok().stdout;
    assert!(text.contains("this is what the letter tells") && text.contains("asked for a panic"), "{text}");
}

#[test]
fn a_replay_tells_what_another_build_would_have_done() {
    let job = job();
    job.write("in/0.ndjson", lines(&["ok", "reject"]));
    job.run(&[]).ok();
    let all = letters(&job);
    let id = all.iter().find(|l| l["reason"] == "rejected").and_then(|l| l["id"].as_str()).expect("one is refused");
    let same = module("probe");
    let replayed = json_of(verb(&job, "replay", &[id, "--json", "--module", &same.to_string_lossy()]));
    assert_eq!((&replayed["same"], &replayed["other"]["reason"]), (&json!(true), &json!("rejected")));
    // A module without the function cannot tell, and says so.
    let ended = verb(&job, "replay", &[id, "--module", &module("flights").to_string_lossy()]);
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("has no function \"ledger\""), "{}", ended.stderr);
}

#[test]
fn ids_that_do_not_exist_and_jobs_that_never_ran_are_told() {
    let job = job();
    let ended = verb(&job, "deadletters", &[]);
    assert_eq!(ended.code(), Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("has not run yet"), "{}", ended.stderr);
    job.write("in/0.ndjson", lines(&["ok"]));
    job.run(&[]).ok();
    let ended = verb(&job, "replay", &["9-9-9"]);
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("no dead letter \"9-9-9\""), "{}", ended.stderr);
}
