//! Jobs with nothing to do: they write nothing, and lose nothing.

use serde_json::Value;
use std::io::Write;
use std::process::Stdio;
use wasmill_tests::{Running, TestJob, module, until};

/// The epochs that a run has told of so far, in the file that its stderr goes to.
fn epochs(job: &TestJob) -> Vec<Value> {
    let text = std::fs::read_to_string(job.path("progress")).expect("stderr goes there");
    let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    whole.flat_map(|line| line["epochs"].as_array().cloned().unwrap_or_default()).collect()
}

#[test]
fn an_idle_job_commits_nothing_and_goes_on_after_a_kill() {
    let job = TestJob::new(&format!(
        "job: idle
epoch: 10ms
modules: {{ probe: {module} }}
sources:
  rows: {{ connector: stdin, format: ndjson, schema: {{ id: int64, action: string }} }}
functions:
  pass: {{ module: probe, function: misbehave, input: rows }}
sinks:
  out: {{ connector: file, path: out, format: ndjson, input: pass }}
",
        module = module("probe").display()
    ));
    for id in 1..=2 {
        let mut command = job.command(&["--json"]);
        let (reader, mut writer) = std::io::pipe().expect("pipes can be made");
        command.stdin(Stdio::from(reader));
        let mut running = Running::start_with_stderr_in(command, &job.path("progress"));
        writeln!(writer, "{{\"id\":{id},\"action\":\"ok\"}}").expect("the job reads");
        until("the row is published", || running.has_ended() || job.json_rows("out").len() == id);
        let is_empty = |e: &Value| e["bytes"] == 0 && e["entries"] == 0;
        until("twenty epochs in a row wrote nothing", || {
            let all = epochs(&job);
            running.has_ended() || all.len() > 20 && all[all.len() - 20..].iter().all(is_empty)
        });
        let all = epochs(&job);
        assert!(all.iter().any(|e| !is_empty(e)), "the epoch with the row wrote something: {all:?}");
        assert!(all.windows(2).all(|e| e[0]["epoch"].as_u64() < e[1]["epoch"].as_u64()), "{all:?}");
        running.kill().expect("it can be killed");
        let ids: Vec<_> = job.json_rows("out").iter().map(|row| row["id"].clone()).collect();
        assert_eq!(ids, (1..=id).collect::<Vec<_>>(), "each row once");
    }
}
