//! What the machine and its people do to a job: each fault ends with an error that names it, and
//! with everything as it was when the fault is mended.

use std::process::Command;
use std::time::Duration;
use wasmill_tests::{Ended, Running, TestJob, module, until, wasmill};

const LINES: i64 = 30_000;

/// Counts per key, over one file or more; the output is the running count.
fn counting_job(settings: &str, source: &str) -> TestJob {
    TestJob::new(&format!(
        "job: counting
{settings}
modules: {{ probe: {module} }}
sources:
  transfers:
    connector: file
    path: in/*.ndjson
    {source}
    schema: {{ account: string, id: int64, amount: int64, action: string }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: [account] }}
sinks:
  balances: {{ connector: file, path: out, format: csv, input: ledger }}
",
        module = module("probe").display(),
    ))
}

fn lines(prefix: &str) -> String {
    (0..LINES)
        .map(|id| {
            let account = id % 50;
            format!("{{\"account\":\"{prefix}{account}\",\"id\":{id},\"amount\":1,\"action\":\"ok\"}}\n")
        })
        .collect()
}

/// What [`lines`] must give: the n-th row of an account has balance n.
fn counts(prefix: &str) -> Vec<String> {
    (0..LINES).map(|id| format!("{prefix}{},{id},{}", id % 50, id / 50 + 1)).collect()
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

#[track_caller]
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code(), Some(code), "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is missing in: {}", ended.stderr);
    }
}

/// Starts a job and waits until it has committed some output.
fn started(job: &TestJob, args: &[&str]) -> Running {
    let mut running = Running::start(job.command(args));
    until("output is committed", || running.has_ended() || job.csv_rows("out").len() > 100);
    assert!(!running.has_ended(), "the job ended too early: {:?}", running.wait());
    running
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let job = counting_job("epoch: 20ms", "rate: 20000");
    job.write("in/0.ndjson", lines("k"));
    let first = started(&job, &["--quiet"]);
    let pid = first.pid().to_string();
    refused(&job.run(&[]), 4, &["in use", &pid]);
    first.wait().expect("it ends").ok();
    assert_eq!(job.csv_rows("out"), sorted(counts("k")));
}

#[test]
fn sigterm_drains_and_the_next_run_goes_on() {
    for signal in ["-TERM", "-INT"] {
        let job = counting_job("epoch: 20ms\nparallelism: 2", "rate: 20000");
        job.write("in/0.ndjson", lines("k"));
        let running = started(&job, &[]);
        let pid = running.pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
        let ended = running.wait().expect("it ends").ok();
        assert!(ended.stderr.contains("drained"), "{}", ended.stderr);
        let rows = job.csv_rows("out").len();
        assert!(rows < LINES as usize, "nothing was left to do");
        let ended = job.run(&[]).ok();
        assert!(ended.stderr.contains("resuming from epoch"), "{}", ended.stderr);
        assert_eq!(job.csv_rows("out"), sorted(counts("k")));
    }
}

#[test]
fn a_drain_that_takes_too_long_ends_at_its_deadline() {
    let job = counting_job("epoch: 20ms\ndrain_timeout: 1s\nlimits: { deadline: 1m }", "rate: 20000");
    let stuck = "{\"account\":\"z\",\"id\":1,\"amount\":1,\"action\":\"loop\"}\n";
    job.write("in/0.ndjson", lines("k") + stuck);
    let mut running = Running::start(job.command(&[]));
    until("only the endless row is left", || running.has_ended() || job.csv_rows("out").len() > LINES as usize - 5_000);
    // The loop may be reached at any moment from here on; the drain must end either way.
    let pid = running.pid().to_string();
    until("the job hangs in its endless row", || {
        let before = job.csv_rows("out").len();
        std::thread::park_timeout(Duration::from_millis(500));
        running.has_ended() || job.csv_rows("out").len() == before
    });
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    refused(&running.wait().expect("it ends"), 143, &["drain_timeout", "1s"]);
    job.write("in/0.ndjson", lines("k") + stuck);
    let yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    job.write("job.yaml", yaml.replace("deadline: 1m", "deadline: 10ms"));
    job.run(&[]).ok();
    assert_eq!(job.csv_rows("out"), sorted(counts("k")));
    assert_eq!(job.dead_letters("counting").len(), 1);
}

#[test]
fn an_input_that_vanishes_stops_the_job_until_it_is_back() {
    let job = counting_job("epoch: 20ms", "rate: 20000");
    job.write("in/0.ndjson", lines("a"));
    job.write("in/1.ndjson", lines("b"));
    started(&job, &["--quiet"]).kill().expect("it can be killed");
    std::fs::rename(job.path("in/0.ndjson"), job.path("elsewhere")).expect("it can be moved");
    refused(&job.run(&[]), 5, &["in/0.ndjson", "vanished"]);
    std::fs::rename(job.path("elsewhere"), job.path("in/0.ndjson")).expect("it can be moved");
    job.run(&[]).ok();
    let all = counts("a").into_iter().chain(counts("b")).collect();
    assert_eq!(job.csv_rows("out"), sorted(all));
}

#[test]
fn an_input_that_was_replaced_is_refused() {
    let job = counting_job("epoch: 20ms", "rate: 20000");
    job.write("in/0.ndjson", lines("a"));
    started(&job, &["--quiet"]).kill().expect("it can be killed");
    job.write("in/0.ndjson", lines("other"));
    refused(&job.run(&[]), 5, &["in/0.ndjson"]);
    job.write("in/0.ndjson", lines("a"));
    job.run(&[]).ok();
    assert_eq!(job.csv_rows("out"), sorted(counts("a")));
}

/// Runs a script with a small file system of its own at `small` in the job's directory.
fn on_small_disk(job: &TestJob, script: &str) -> Ended {
    let mut command = Command::new("unshare");
    // Root has the right already; others get it in a user namespace.
    if !rustix_is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", script]);
    command.current_dir(job.dir.path()).env("WASMILL", wasmill());
    Running::start(command).wait().expect("the script ends")
}

fn rustix_is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.starts_with(b"0\n")
}

#[test]
fn a_full_disk_stops_the_job_until_there_is_room() {
    for place in ["out", "state"] {
        let job = counting_job("epoch: 20ms", "");
        job.write("in/0.ndjson", lines("k"));
        job.write("small/keep", "");
        let yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
        let args = if place == "out" {
            job.write("job.yaml", yaml.replace("path: out", "path: small/out"));
            "job.yaml"
        } else {
            "job.yaml --state-dir small/state"
        };
        let ended = on_small_disk(
            &job,
            &format!(
                "mount -t tmpfs -o size=200k none small || exit 90
                 $WASMILL run {args}; first=$?
                 mount -o remount,size=200m small || exit 91
                 $WASMILL run {args}; second=$?
                 cp -r small/out copied 2>/dev/null || cp -r out copied
                 echo \"exits $first $second\""
            ),
        );
        let first = if place == "out" { 5 } else { 4 };
        assert!(ended.stdout.contains(&format!("exits {first} 0")), "{place}: {}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.to_lowercase().contains("space"), "{place}: {}", ended.stderr);
        assert_eq!(job.csv_rows("copied"), sorted(counts("k")), "{place}");
    }
}

#[test]
fn directories_that_cannot_be_written_are_refused_before_any_row() {
    let job = counting_job("", "");
    job.write("in/0.ndjson", lines("k"));
    job.write("small/keep", "");
    let ended = on_small_disk(
        &job,
        "mount -t tmpfs -o ro none small || exit 90
         $WASMILL run job.yaml --state-dir small/state; echo \"exit $?\"
         sed -i 's|path: out|path: small/out|' job.yaml
         $WASMILL run job.yaml; echo \"exit $?\"",
    );
    assert_eq!(ended.stdout, "exit 4\nexit 5\n", "{}", ended.stderr);
    assert!(ended.stderr.contains("small/state") && ended.stderr.contains("small/out"), "{}", ended.stderr);
}

#[test]
fn a_directory_with_foreign_output_is_refused() {
    let job = counting_job("", "");
    job.write("in/0.ndjson", lines("k"));
    job.write("out/part-00000-00000.csv", "precious\n");
    refused(&job.run(&[]), 5, &["part-00000-00000.csv"]);
    assert_eq!(std::fs::read_to_string(job.path("out/part-00000-00000.csv")).expect("it is there"), "precious\n");
}

#[test]
fn output_that_someone_cut_short_is_refused() {
    let job = counting_job("epoch: 20ms", "rate: 20000");
    job.write("in/0.ndjson", lines("k"));
    let mut running = started(&job, &["--quiet"]);
    until("several epochs are published", || running.has_ended() || job.csv_rows("out").len() > 12_000);
    running.kill().expect("it can be killed");
    job.write("out/part-00000-00000.csv", "account,id,balance\n");
    refused(&job.run(&[]), 5, &["part-00000-00000.csv"]);
}

#[test]
fn damaged_state_is_named() {
    let job = counting_job("epoch: 20ms", "");
    job.write("in/0.ndjson", lines("k"));
    job.run(&[]).ok();
    let state = job.path(".wasmill/counting/state");
    let manifest = std::fs::read_dir(&state)
        .expect("the state is there")
        .map(|e| e.expect("it can be listed").path())
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("MANIFEST")))
        .expect("RocksDB has a manifest");
    std::fs::write(manifest, b"not a manifest").expect("it can be written");
    refused(&job.run(&[]), 4, &[".wasmill/counting"]);
}

#[test]
fn the_state_of_another_job_is_refused() {
    let job = counting_job("", "");
    job.write("in/0.ndjson", lines("k"));
    job.run(&["--state-dir", job.path("state").to_str().expect("UTF-8")]).ok();
    let yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    job.write("job.yaml", yaml.replace("job: counting", "job: other").replace("path: out", "path: out2"));
    refused(&job.run(&["--state-dir", job.path("state").to_str().expect("UTF-8")]), 4, &["counting", "other"]);
    job.write("job.yaml", yaml.replace("job: counting", "job: counting\nkey_groups: 64"));
    refused(&job.run(&["--state-dir", job.path("state").to_str().expect("UTF-8")]), 4, &["128", "64"]);
}

#[test]
fn a_wrong_job_is_refused_with_all_its_problems() {
    let job = counting_job("paralelism: 2", "");
    job.write("in/0.ndjson", lines("k"));
    let yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    let yaml = yaml.replace("key: [account]", "key: [acount]").replace("input: ledger }", "input: legder }");
    job.write("job.yaml", yaml);
    let ended = job.run(&[]);
    refused(&ended, 3, &["job.yaml:2:1", "parallelism", "acount", "account", "legder"]);
    assert!(!job.path(".wasmill").exists() && !job.path("out").exists(), "something ran");
}

#[test]
fn modules_that_are_not_ours_are_refused() {
    let job = counting_job("", "");
    job.write("in/0.ndjson", lines("k"));
    let yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    let module = module("probe").display().to_string();
    job.write("text.wasm", "this is no module");
    job.write("core.wasm", b"\0asm\x01\0\0\0");
    for (file, word) in [("text.wasm", "not WebAssembly"), ("core.wasm", "wasmill build"), ("none.wasm", "no file")] {
        job.write("job.yaml", yaml.replace(&module, file));
        refused(&job.run(&[]), 3, &[file, word]);
    }
}
