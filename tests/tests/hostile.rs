//! Functions that attack the host (`udf-examples/hostile`): each attack has its answer, its
//! neighbours in the batch go through, and the job ends well.

use serde_json::json;
use std::time::{Duration, Instant};
use wasmill_tests::{Running, TestJob, module, wasmill};

/// The function, the reason of its dead letter, and what the message says beside.
const ATTACKS: [(&str, &str, &str); 14] = [
    ("endless-loop", "deadline", "limits `deadline` and `deadline_per_row`"),
    ("slow-loop", "deadline", "CPU time"),
    ("memory-hunger", "memory", "limit `memory`"),
    ("memory-gulp", "memory", "limit `memory`"),
    ("deep-recursion", "trap", "out of bounds memory access"),
    ("output-flood", "memory", "limit `memory`"),
    ("output-burst", "effects-too-large", "limit `effects`"),
    ("loud-panic", "trap", "loud loud"),
    ("panic-in-drop", "trap", "the first panic"),
    ("silent-trap", "trap", "unreachable"),
    ("log-flood", "deadline", "CPU time"),
    ("false-hope", "transient", "surely do the next time"),
    ("loud-refusal", "rejected", "gone"),
    ("endless-timers", "endless-timers", "limit `timer_rounds`"),
];

/// No message is longer: neither a dead letter's nor a log's.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

fn attacked(function: &str) -> TestJob {
    let key = if function == "endless-timers" { ", key: [id]" } else { "" };
    let job = TestJob::new(&format!(
        "job: attacked
modules: {{ hostile: {module} }}
limits: {{ deadline: 500ms, effects: 1MiB, timer_rounds: 1000 }}
sources:
  visitors: {{ connector: file, path: in.ndjson, schema: {{ id: int64, attack: bool }} }}
functions:
  host: {{ module: hostile, function: {function}, input: visitors{key} }}
sinks:
  out: {{ connector: file, path: out, format: ndjson, input: host }}
",
        module = module("hostile").display(),
    ));
    job.write(
        "in.ndjson",
        (0..9).map(|id| json!({ "id": id, "attack": id == 4 }).to_string() + "\n").collect::<String>(),
    );
    job
}

#[test]
fn every_attack_has_its_answer_and_harms_no_neighbour() {
    for (function, reason, told) in ATTACKS {
        let job = attacked(function);
        let ended = job.run(&[]).ok();
        let ids: Vec<_> = job.json_rows("out").iter().map(|r| r["id"].as_i64()).collect();
        let neighbours: Vec<_> = (0..9).filter(|id| *id != 4).map(Some).collect();
        assert_eq!(ids, neighbours, "{function}");
        let letters = job.dead_letters("attacked");
        assert_eq!(letters.len(), 1, "{function}: {letters:?}");
        assert_eq!(letters[0]["reason"], reason, "{function}: {letters:?}");
        let message = letters[0]["message"].as_str().expect("a message");
        assert!(message.contains(told), "{function}: {message}");
        assert!(message.len() <= MESSAGE_BYTES_MAX, "{function}: a message of {} bytes", message.len());
        assert!(!ended.stderr.contains('\x1b') && ended.stderr.len() < 1 << 20, "{function}: {}", ended.stderr.len());
    }
}

#[test]
fn a_module_that_compiles_for_minutes_is_stopped_at_its_limit() {
    let job = attacked("endless-loop");
    let step = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.load (local.get 0))))";
    let module =
        format!("(core module (memory 1) (func (param i32) (result i32) {} (local.get 0)))", step.repeat(400_000));
    job.write("bomb.wasm", wat::parse_str(format!("(component {module})")).expect("the text is a component"));
    let mut yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    yaml = yaml.replace("limits: { ", "limits: { compile_time: 1s, ");
    let hostile = yaml.lines().find(|l| l.starts_with("modules:")).expect("the job has modules").to_owned();
    job.write("job.yaml", yaml.replace(&hostile, "modules: { hostile: bomb.wasm }"));
    let started = Instant::now();
    let ended = job.run(&[]);
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("compiling took longer than 1s (limit `compile_time`)"), "{}", ended.stderr);
    assert!(started.elapsed() < Duration::from_secs(60), "nobody waits for the compiler");
}

#[test]
fn the_compilers_process_tells_what_is_wrong_and_writes_no_code() {
    let mut command = std::process::Command::new(wasmill());
    command.args(["compile-module", "10"]).stdin(std::process::Stdio::null());
    let ended = Running::start(command).wait().expect("it ends");
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(3), ""), "{}", ended.stderr);
    assert!(!ended.stderr.is_empty());
}
