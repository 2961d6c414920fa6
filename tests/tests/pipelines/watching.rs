//! What is seen of a job from outside while it runs: metrics, `wasmill top`, the summary, and log
//! lines. The numbers must be those of what the job did.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use wasmill_tests::{Running, TestJob, module, until, wasmill};

const OPERATORS: [&str; 3] = ["transfers", "ledger", "balances"];

/// Transfers from stdin into a keyed function: a source, an exchange, state, a sink.
fn ledger_job() -> TestJob {
    TestJob::new(&format!(
        "job: seen
epoch: 20ms
metrics: 0
modules: {{ probe: {module} }}
sources:
  transfers:
    connector: stdin
    format: ndjson
    schema: {{ account: string, id: int64, amount: int64, action: string }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: [account], parallelism: 2 }}
sinks:
  balances: {{ connector: file, path: out, format: ndjson, input: ledger }}
",
        module = module("probe").display(),
    ))
}

/// A job whose stdin is in the test's hand.
fn started(job: &TestJob, args: &[&str]) -> (Running, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("the system gives a pipe");
    let mut command = job.command(args);
    command.stdin(Stdio::from(reader));
    (Running::start(command), writer)
}

fn transfer(id: usize, action: &str) -> String {
    format!("{{\"account\":\"account-{}\",\"id\":{id},\"amount\":1,\"action\":\"{action}\"}}\n", id % 10)
}

/// The address that the running job has noted.
fn address(job: &TestJob) -> String {
    let note = job.path(".wasmill/seen/metrics-url");
    until("the job notes where its metrics are", || note.exists());
    let url = std::fs::read_to_string(note).expect("the note can be read");
    url.trim().strip_prefix("http://").and_then(|u| u.strip_suffix("/metrics")).expect("a URL").to_owned()
}

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the job answers");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("a request can be sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    answer
}

/// Every sample, by its name and labels as they stand.
fn samples(answer: &str) -> BTreeMap<String, f64> {
    let lines = answer.lines().skip_while(|l| !l.is_empty()).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} is no sample"));
        (name.to_owned(), value.parse().unwrap_or_else(|e| panic!("{line:?}: {e}")))
    };
    lines.map(sample).collect()
}

fn of(samples: &BTreeMap<String, f64>, name: &str, operator: &str) -> f64 {
    let key = format!("wasmill_operator_{name}{{job=\"seen\",operator=\"{operator}\"}}");
    samples.get(&key).copied().unwrap_or_else(|| panic!("{key} is missing in {samples:#?}"))
}

#[test]
fn metrics_top_and_summary_agree_with_what_the_job_did() {
    let job = ledger_job();
    let (running, mut stdin) = started(&job, &["--json"]);
    let mut input: String = (0..1000).map(|id| transfer(id, "ok")).collect();
    input += &(1000..1003).map(|id| transfer(id, "panic")).collect::<String>();
    input += &(1003..1005).map(|id| transfer(id, "reject")).collect::<String>();
    input += "this is no JSON\n";
    stdin.write_all(input.as_bytes()).expect("the job reads");

    let address = address(&job);
    until("all rows are committed", || job.json_rows("out").len() == 1000);
    let written: usize = job.parts("out").iter().map(String::len).sum();
    let committed = "wasmill_epoch_written_bytes_total{job=\"seen\"}";
    // An epoch is counted when it is known to be published, which is after its rows are seen.
    until("the last epoch is counted", || samples(&scrape(&address)).get(committed) >= Some(&(written as f64)));
    let answer = scrape(&address);
    let seen = samples(&answer);
    for (name, operator, expected) in [
        ("input_rows_total", "transfers", 1006.0),
        ("output_rows_total", "transfers", 1005.0),
        ("dead_letters_total", "transfers", 1.0),
        ("input_rows_total", "ledger", 1005.0),
        ("output_rows_total", "ledger", 1000.0),
        ("dead_letters_total", "ledger", 5.0),
        ("input_rows_total", "balances", 1000.0),
        ("queue_capacity_messages", "ledger", 16.0),
    ] {
        assert_eq!(of(&seen, name, operator), expected, "{name} of {operator}");
    }
    assert_eq!(of(&seen, "output_bytes_total", "balances"), written as f64);
    let with = |labels: &str| seen.get(labels).copied().unwrap_or_else(|| panic!("{labels} is missing in {answer}"));
    let traps = with("wasmill_operator_failed_calls_total{job=\"seen\",operator=\"ledger\",kind=\"trap\"}");
    assert!(traps >= 3.0, "three rows panic alone at last, {traps} calls trapped");
    for activity in ["guest", "boundary", "state", "wait_input"] {
        let labels = format!("{{job=\"seen\",operator=\"ledger\",activity=\"{activity}\"}}");
        assert!(with(&format!("wasmill_operator_time_seconds_total{labels}")) > 0.0, "{activity}");
    }
    assert!(with("wasmill_state_lookups_total{job=\"seen\",operator=\"ledger\",outcome=\"miss\"}") >= 10.0);
    assert_eq!(with("wasmill_state_cached_keys{job=\"seen\",operator=\"ledger\"}"), 10.0);
    assert!(with("wasmill_epoch_committed{job=\"seen\"}") >= 1.0);
    only_names_of_the_job_are_labels(&answer);

    let top = top(&job, &["--json", "--interval", "100ms"]);
    let top: Value = serde_json::from_str(&top).expect("it is JSON");
    assert_eq!((&top["job"], &top["operators"]["ledger"]["dead_letters"]), (&"seen".into(), &5.0.into()));
    assert!(table(&job).contains("ledger"), "{}", table(&job));

    drop(stdin);
    let ended = running.wait().expect("it ends").ok();
    let summary = ended.stderr.lines().last().expect("a summary is told");
    let summary: Value = serde_json::from_str(summary).expect("it is JSON");
    let ledger = &summary["operators"]["ledger"];
    assert_eq!(
        (&ledger["rows_in"], &ledger["rows_out"], &ledger["dead_letters"]),
        (&1005.into(), &1000.into(), &5.into())
    );
    assert_eq!(summary["operators"]["transfers"]["rows_in"], 1006);
    assert!(ledger["time_s"]["guest"].as_f64().is_some_and(|s| s > 0.0), "{ledger}");
    assert!(summary["epoch_totals"]["phases"]["commit"]["count"].as_u64().is_some_and(|n| n >= 1), "{summary}");

    assert!(!job.path(".wasmill/seen/metrics-url").exists(), "the note stays behind the job");
    assert!(TcpStream::connect(&address).is_err(), "somebody still listens at {address}");
}

/// Every operator that is named is one of the job file, and nothing of a row is a label.
fn only_names_of_the_job_are_labels(answer: &str) {
    for line in answer.lines().filter(|l| l.contains("operator=\"")) {
        let name = line.split("operator=\"").nth(1).and_then(|l| l.split('"').next()).unwrap_or_default();
        assert!(OPERATORS.contains(&name), "{line}");
    }
    assert!(!answer.contains("account-"), "a key is a label:\n{answer}");
}

fn top(job: &TestJob, args: &[&str]) -> String {
    let output = Command::new(wasmill()).arg("top").arg(job.path("job.yaml")).args(args).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

fn table(job: &TestJob) -> String {
    top(job, &["--interval", "100ms"])
}

#[test]
fn a_hostile_client_does_not_hurt_the_job() {
    let job = ledger_job();
    let (running, mut stdin) = started(&job, &[]);
    let address = address(&job);
    let silent: Vec<_> = (0..40).map(|_| TcpStream::connect(&address).expect("it listens")).collect();
    for id in 0..200 {
        stdin.write_all(transfer(id, "ok").as_bytes()).expect("the job reads");
        if let Ok(mut client) = TcpStream::connect(&address) {
            let _ = client.write_all(&[0xff; 512]);
        }
    }
    drop(stdin);
    running.wait().expect("it ends").ok();
    assert_eq!(job.json_rows("out").len(), 200);
    drop(silent);
}

#[test]
fn addresses_that_cannot_be_are_refused_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let job = ledger_job();
    for (args, code, told) in [
        (&["--metrics", &port][..], 5, "another process uses it"),
        (&["--metrics", "0.0.0.0:0"], 2, "--metrics-remote"),
        (&["--metrics", "everywhere"], 2, "127.0.0.1:9464"),
    ] {
        let ended = job.run(args);
        assert_eq!(ended.code(), Some(code), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(told), "{args:?}: {}", ended.stderr);
    }
    let output = Command::new(wasmill()).arg("top").arg(job.path("job.yaml")).output().expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("does not run, or runs without metrics"), "{told}");
}

/// Two functions that log `row N` for every row, one behind the other.
fn logging_job() -> TestJob {
    TestJob::new(&format!(
        "job: seen
limits: {{ log_lines_per_second: 5 }}
modules: {{ probe: {module} }}
sources:
  lines: {{ connector: file, path: in.ndjson, schema: {{ id: int64, action: string }} }}
functions:
  first: {{ module: probe, function: misbehave, input: lines }}
  second: {{ module: probe, function: misbehave, input: first }}
sinks:
  rows: {{ connector: blackhole, input: second }}
",
        module = module("probe").display(),
    ))
}

#[test]
fn one_operators_lines_are_followed_and_the_dropped_are_told() {
    let job = logging_job();
    let lines: String = (0..100).map(|id| format!("{{\"id\":{id},\"action\":\"log\"}}\n")).collect();
    job.write("in.ndjson", lines);
    let ended = job.run(&["--quiet", "--log-format", "json", "--log-operator", "second"]).ok();
    let (mut written, mut dropped) = (0, 0);
    for line in ended.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line:?} is no JSON: {e}"));
        let owner = (&line["job"], &line["operator"], &line["subtask"]);
        assert_eq!(owner, (&"seen".into(), &"second".into(), &0.into()), "{line}");
        let message = line["message"].as_str().expect("every line has a message");
        match message.split_once(" log lines were dropped") {
            Some((n, _)) => dropped += n.parse::<u64>().expect("a number"),
            None => written += u64::from(message.starts_with("row ")),
        }
    }
    assert!(written >= 5, "{}", ended.stderr);
    assert_eq!(written + dropped, 100, "{}", ended.stderr);
}

#[test]
fn the_jobs_own_lines_say_whose_they_are() {
    let job = logging_job();
    job.write("in.ndjson", "{\"id\":1,\"action\":\"ok\"}\n{\"id\":2,\"action\":\"panic\"}\n");
    let ended = job.run(&["--quiet", "--log", "debug"]).ok();
    let of = |owner: &str, what: &str| ended.stderr.lines().any(|l| l.contains(owner) && l.contains(what));
    assert!(of(" seen/first[0] ", "a call failed"), "{}", ended.stderr);
    assert!(of(" seen/first[0] ", "guest: panic: row 2"), "{}", ended.stderr);
    assert!(of(" seen ", "state opened"), "{}", ended.stderr);
    let ended = job.run(&["--log", "no=such=filter"]);
    assert_eq!(ended.code(), Some(2), "{}", ended.stderr);
}
