//! State whose type changes: it migrates through crashes without losing or doubling a row, what
//! cannot be read is refused before anything runs, and people can look at all of it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};
use wasmill_runtime::state::Snapshot;
use wasmill_tests::{Ended, Random, Running, TestJob, module, until, wasmill};

/// Accounts that only the first rows have, so that their values are never read again.
const EARLY: i64 = 20;
const ACCOUNTS: i64 = 200;

fn amount(id: i64) -> i64 {
    id * 7919 % 1000 - 300
}

fn account(id: i64) -> String {
    if id < EARLY { format!("early-{id}") } else { format!("a{}", id % ACCOUNTS) }
}

fn yaml(function: &str, rate: u32) -> String {
    format!(
        "job: changing
parallelism: 2
epoch: 10ms
modules: {{ probe: {module} }}
sources:
  transfers:
    connector: file
    path: in/*.ndjson
    rate: {rate}
    schema: {{ account: string, id: int64, amount: int64, action: string }}
functions:
  totals: {{ module: probe, function: {function}, input: transfers, key: [account] }}
sinks:
  sums: {{ connector: file, path: out, format: csv, input: totals }}
",
        module = module("probe").display(),
    )
}

/// A job whose input has these rows.
fn job(function: &str, rows: i64, rate: u32) -> TestJob {
    let job = TestJob::new(&yaml(function, rate));
    let line = |id: i64| {
        let (account, amount) = (account(id), amount(id));
        format!("{{\"account\":\"{account}\",\"id\":{id},\"amount\":{amount},\"action\":\"ok\"}}\n")
    };
    job.write("in/0.ndjson", (0..rows).map(line).collect::<String>());
    job
}

fn verb(job: &TestJob, verb: &str, args: &[&str]) -> Ended {
    let mut command = Command::new(wasmill());
    command.arg(verb).arg(job.path("job.yaml")).args(args);
    Running::start(command).wait().expect("the verb ends in time")
}

fn state(job: &TestJob, args: &[&str]) -> Value {
    let ended = verb(job, "state", &[args, &["--json"]].concat()).ok();
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}", ended.stdout))
}

/// The versions and the sums that are stored, by account.
fn stored(job: &TestJob) -> BTreeMap<String, (u64, i64)> {
    let report = state(job, &["--operator", "totals", "--limit", "1000"]);
    let keys = report["operators"][0]["keys"].as_array().expect("keys").clone();
    let entry = |key: &Value| {
        let value = &key["values"][0];
        let sum = match value["version"].as_u64() {
            Some(1) => value["value"].as_i64(),
            Some(2) => value["value"]["sum"].as_i64(),
            _ => value["value"]["sum"].as_str().and_then(|text| text.parse().ok()),
        };
        let account = key["key"]["account"].as_str().unwrap_or_else(|| panic!("no account in {key}"));
        let version = value["version"].as_u64().expect("a version");
        (account.to_owned(), (version, sum.unwrap_or_else(|| panic!("no sum in {value}"))))
    };
    keys.iter().map(entry).collect()
}

/// The last committed epoch; 0 when there is none.
fn epoch(job: &TestJob) -> u64 {
    let snapshot = Snapshot::open(&job.path(".wasmill/changing"));
    snapshot.ok().flatten().map_or(0, |snapshot| snapshot.committed_epoch())
}

/// The rows that a run without crashes and changes would give: running sums, account by account.
fn expected(rows: i64) -> BTreeMap<String, Vec<i64>> {
    let mut sums: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for id in 0..rows {
        let of_account = sums.entry(account(id)).or_default();
        of_account.push(of_account.last().unwrap_or(&0) + amount(id));
    }
    sums
}

/// The rows that came out, account by account, in order.
fn seen(job: &TestJob) -> BTreeMap<String, Vec<i64>> {
    let mut sums: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for part in job.parts("out") {
        for line in part.lines().skip(1) {
            let (account, sum) = line.split_once(',').unwrap_or_else(|| panic!("{line:?} is no row"));
            sums.entry(account.to_owned()).or_default().push(sum.parse().expect("a sum is a number"));
        }
    }
    sums
}

#[test]
fn migrations_lose_and_double_nothing_under_kills() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    const ROWS: i64 = 100_000;
    let job = job("migrating-1", ROWS, 8000);
    let mut mixed = BTreeSet::new();
    for version in 1..=3u64 {
        job.write("job.yaml", yaml(&format!("migrating-{version}"), 8000));
        for _ in 0..4 {
            let before = epoch(&job);
            let mut running = Running::start(job.command(&["--quiet"]));
            until("it has committed something", || running.has_ended() || epoch(&job) > before);
            let (wait, started) = (Duration::from_millis(random.below(120)), Instant::now());
            until("its time has come", || running.has_ended() || started.elapsed() >= wait);
            let ended = running.kill().expect("it can be killed");
            assert!(!ended.status.success() && ended.code().is_none(), "seed {seed}: {}", ended.stderr);
            let versions: BTreeSet<u64> = stored(&job).values().map(|(version, _)| *version).collect();
            assert!(versions.iter().all(|v| *v <= version), "seed {seed}: {versions:?} while version {version} runs");
            mixed.extend(Some(versions).filter(|v| v.len() > 1));
        }
    }
    job.write("job.yaml", yaml("migrating-3", 1_000_000));
    job.run(&["--quiet"]).ok();
    let (seen, expected) = (seen(&job), expected(ROWS));
    assert_eq!(seen, expected, "seed {seed}");
    assert!(!mixed.is_empty(), "seed {seed}: values of several versions lay side by side");
    let stored = stored(&job);
    for (account, sums) in &expected {
        let (version, sum) = stored[account];
        assert_eq!(Some(&sum), sums.last(), "seed {seed}: the state of {account}");
        let never_read_again = account.starts_with("early");
        assert!(version == 3 || never_read_again, "seed {seed}: {account} still has version {version}");
    }
    assert_eq!(stored["early-0"].0, 1, "a value that nobody read was not touched");
    let slot = &state(&job, &[])["operators"][0]["slots"][0];
    let described: Vec<_> =
        slot["versions"].as_array().expect("versions").iter().map(|v| v["values"].clone()).collect();
    assert_eq!(
        described,
        [
            "i64",
            "Peaked { sum: i64, peak: Option<i64> }",
            "Written { sum: String, peak: enum Peak { Unknown, Seen(i64) }, rows: u32 }"
        ]
    );
}

/// Runs and checks the job with another function: both refuse it, with these words, and change
/// nothing.
#[track_caller]
fn refused(job: &TestJob, yaml: &str, told: &[&str]) {
    let before = (state(job, &["--operator", "totals"]), job.parts("out"));
    job.write("job.yaml", yaml);
    for ended in [verb(job, "check", &[]), job.run(&[])] {
        assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
        for part in told.iter().chain(&["operator \"totals\""]) {
            assert!(ended.stderr.contains(part), "{part:?} is not in {}", ended.stderr);
        }
    }
    assert_eq!((state(job, &["--operator", "totals"]), job.parts("out")), before, "nothing has happened");
}

#[test]
fn a_module_that_cannot_read_the_state_is_refused_before_anything_runs() {
    const ROWS: i64 = 400;
    let job = job("migrating-2", ROWS, 100_000);
    job.run(&[]).ok();
    job.write("in/1.ndjson", "{\"account\":\"late\",\"id\":1,\"amount\":5,\"action\":\"ok\"}\n");
    let with = |function: &str| yaml(function, 100_000);
    let drop = "wasmill state JOB --drop totals";
    refused(&job, &with("migrating-1"), &["state slot \"total\"", "of version 2", "reads version 1.", drop]);
    refused(&job, &with("ledger"), &["state slot \"total\"", "\"ledger\" has no such slot", drop]);
    // The state is as it was: the module that wrote it goes on, and so does a newer one.
    job.write("job.yaml", with("migrating-3"));
    verb(&job, "check", &[]).ok();
    job.run(&[]).ok();
    assert_eq!(seen(&job)["late"], [5]);
    refused(&job, &with("migrating-2"), &["of versions 2, 3", "reads versions 1, 2."]);

    // Given up on purpose, it may be anything.
    let dropped = verb(&job, "state", &["--drop", "totals.total"]).ok();
    assert_eq!(dropped.stdout.trim(), "dropped: totals.total");
    job.write("in/2.ndjson", "{\"account\":\"late\",\"id\":2,\"amount\":7,\"action\":\"ok\"}\n");
    job.write("job.yaml", with("migrating-1"));
    job.run(&[]).ok();
    assert_eq!(seen(&job)["late"], [5, 7], "the sum began again");
    assert_eq!(stored(&job), BTreeMap::from([("late".to_owned(), (1, 7))]));
}

#[test]
fn a_type_that_changed_under_its_version_is_refused() {
    let job = job("migrating-1", 100, 100_000);
    job.run(&[]).ok();
    let told = ["values of version 1 are stored as i64", "for String", "Raise the slot's version"];
    refused(&job, &yaml("migrating-same", 100_000), &told);
}

#[test]
fn state_is_shown_by_key_and_with_its_limits() {
    let job = job("migrating-2", 300, 100_000);
    let nothing = verb(&job, "state", &[]);
    assert_eq!(nothing.code(), Some(4), "{}", nothing.stderr);
    job.run(&[]).ok();
    let text = verb(&job, "state", &["--operator", "totals", "--key", "early-3"]).ok().stdout;
    let sum = amount(3);
    assert!(text.contains(&format!("account \"early-3\"\n    total v2  {{ sum: {sum}, peak: {sum} }}")), "{text}");
    let overview = state(&job, &[]);
    let slot = &overview["operators"][0]["slots"][0];
    let accounts = expected(300).len() as u64;
    assert_eq!((slot["values"].as_u64(), slot["kind"].as_str()), (Some(accounts), Some("value")));
    assert_eq!(overview["operators"][0]["keys"], serde_json::json!([]), "no operator was named");
    let some = state(&job, &["--operator", "totals", "--limit", "7"]);
    let some = &some["operators"][0];
    assert_eq!((some["keys"].as_array().map(Vec::len), some["cut"].as_bool()), (Some(7), Some(true)));
    for (args, code, told) in [
        (&["--operator", "total"][..], 3, "these have: [\"totals\"]"),
        (&["--operator", "totals", "--slot", "x"], 3, "it has [\"total\"]"),
        (&["--operator", "totals", "--key", "[1, 2]"], 3, "the key is (account: string)"),
        (&["--drop", "totals.x"], 3, "there is [\"totals.total\"]"),
        (&["--key", "x"], 2, "--operator"),
    ] {
        let ended = verb(&job, "state", args);
        assert_eq!(ended.code(), Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn state_can_be_read_while_the_job_runs() {
    let job = job("migrating-1", 200_000, 5000);
    let running = Running::start(job.command(&["--quiet"]));
    until("an epoch is committed", || {
        let ended = verb(&job, "state", &["--json"]);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        report["epoch"].as_u64().is_some_and(|epoch| epoch > 0)
    });
    let mut epochs = BTreeSet::new();
    until("several epochs were seen", || {
        let report = state(&job, &["--operator", "totals", "--limit", "1000"]);
        epochs.insert(report["epoch"].as_u64().expect("an epoch"));
        // One whole epoch: the sums of all accounts are those of the first so many rows.
        let stored: i64 = stored_sum(&report);
        let mut sum = 0;
        let is_prefix = (0..200_000).any(|id| {
            sum += amount(id);
            sum == stored
        });
        assert!(is_prefix, "{stored} is the sum of no first rows");
        epochs.len() >= 5
    });
    let drop = verb(&job, "state", &["--drop", "totals"]);
    assert_eq!(drop.code(), Some(4), "{}", drop.stderr);
    assert!(drop.stderr.contains("is in use by process"), "{}", drop.stderr);
    running.kill().expect("it can be killed");
}

fn stored_sum(report: &Value) -> i64 {
    let keys = report["operators"][0]["keys"].as_array().expect("keys");
    keys.iter().map(|key| key["values"][0]["value"].as_i64().expect("version 1 is a number")).sum()
}
