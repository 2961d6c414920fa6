//! Rows that take the whole process with them: the job gets past them by itself, and no healthy row
//! is set aside, whoever kills the process.

use serde_json::json;
use wasmill_tests::{Ended, Running, TestJob, module};

const ROWS: i64 = 500;

fn job(settings: &str) -> TestJob {
    TestJob::new(&format!(
        "job: ledger
{settings}
modules: {{ probe: {module} }}
sources:
  transfers:
    connector: file
    path: in/*.ndjson
    schema: {{ account: string, id: int64, amount: int64, action: string }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: [account] }}
sinks:
  balances: {{ connector: file, path: out, format: csv, input: ledger }}
",
        module = module("probe").display(),
    ))
}

/// Rows of seven accounts; the process dies at rows with these ids.
fn lines(deadly: &[i64]) -> String {
    let line = |id: i64| {
        let action = if deadly.contains(&id) { "deadly" } else { "ok" };
        json!({ "account": format!("a{}", id % 7), "id": id, "amount": 1, "action": action }).to_string() + "\n"
    };
    (0..ROWS).map(line).collect()
}

/// What comes out when these rows are set aside.
fn balances(without: &[i64]) -> Vec<String> {
    let mut counts = [0; 7];
    let mut rows = Vec::new();
    for id in (0..ROWS).filter(|id| !without.contains(id)) {
        counts[(id % 7) as usize] += 1;
        rows.push(format!("a{},{id},{}", id % 7, counts[(id % 7) as usize]));
    }
    rows.sort();
    rows
}

fn output(job: &TestJob) -> Vec<String> {
    let mut rows = job.csv_rows("out");
    rows.sort();
    rows
}

/// A run that dies when a function is given a row with the text `deadly`.
fn run_with_deadly_rows(job: &TestJob, args: &[&str]) -> Ended {
    let mut command = job.command(args);
    command.env("WASMILL_FAILPOINTS", "guest.call~deadly");
    Running::start(command).wait().expect("it ends")
}

#[test]
fn a_row_that_kills_the_process_is_set_aside_after_it_was_proved_twice() {
    for parallelism in ["1", "3"] {
        let job = job("");
        job.write("in/0.ndjson", lines(&[123, 124]));
        let args = ["--parallelism", parallelism];
        let mut deaths = 0;
        let ended = loop {
            let ended = run_with_deadly_rows(&job, &args);
            if ended.code().is_some() {
                break ended.ok();
            }
            deaths += 1;
            assert!(deaths < 20, "it dies for ever");
        };
        // Two deaths that nobody can explain, and two for each row.
        assert_eq!(deaths, 6, "parallelism {parallelism}");
        assert!(ended.stderr.contains("rows are run one at a time"), "{}", ended.stderr);
        assert_eq!(output(&job), balances(&[123, 124]));
        let letters = job.dead_letters("ledger");
        let mut told: Vec<_> = letters.iter().map(|l| (l["row"]["id"].as_i64(), l["reason"].as_str())).collect();
        told.sort();
        assert_eq!(told, [(Some(123), Some("process-died")), (Some(124), Some("process-died"))]);
    }
}

#[test]
fn processes_that_are_killed_for_no_fault_of_a_row_lose_none() {
    let job = job("");
    job.write("in/0.ndjson", lines(&[]));
    // Killed before every first commit, so that each start finds the same epoch.
    for _ in 0..6 {
        let mut command = job.command(&["--quiet"]);
        command.env("WASMILL_FAILPOINTS", "commit.before@1");
        let ended = Running::start(command).wait().expect("it ends");
        assert_eq!(ended.code(), None, "{}", ended.stderr);
    }
    let ended = job.run(&[]).ok();
    assert!(ended.stderr.contains("rows are run one at a time"), "{}", ended.stderr);
    assert_eq!(output(&job), balances(&[]));
    assert!(job.dead_letters("ledger").is_empty());
}

#[test]
fn a_job_that_ends_in_order_again_and_again_is_never_careful() {
    let job = job("");
    job.write("in/0.ndjson", lines(&[]));
    for _ in 0..5 {
        let ended = job.run(&[]).ok();
        assert!(!ended.stderr.contains("one at a time"), "{}", ended.stderr);
    }
    assert_eq!(output(&job), balances(&[]));
}
