//! Measures what a hostile job does to the epochs of a healthy one in the same process: the median
//! time from barrier to durable commit, alone and beside each attack, in turns. Fails when a ratio is
//! above 1.5. Run it by `scripts/neighbours`, on a machine that does nothing else: it is a
//! measurement, and no test.

use anyhow::{Result, ensure};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use wasmill_server::local::{RunOptions, Stop, run};
use wasmill_tests::{TestJob, module};

const ATTACKS: [&str; 4] = ["endless-loop", "memory-hunger", "output-flood", "deep-recursion"];
const ROUNDS: usize = 5;
const RATIO_MAX: f64 = 1.5;
/// Rows of the healthy job, and how many of them it reads a second.
const ROWS: i64 = 30_000;
const RATE: i64 = 10_000;

fn healthy() -> TestJob {
    let job = TestJob::new(&format!(
        "job: healthy
epoch: 50ms
modules: {{ probe: {module} }}
sources:
  transfers:
    connector: file
    path: in.ndjson
    rate: {RATE}
    schema: {{ account: string, id: int64, amount: int64, action: string }}
limits: {{ batch_rows: 100 }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: [account] }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: ledger }}
",
        module = module("probe").display(),
    ));
    let line =
        |id| json!({ "account": format!("a{}", id % 997), "id": id, "amount": 1, "action": "ok" }).to_string() + "\n";
    job.write("in.ndjson", (0..ROWS).map(line).collect::<String>());
    job
}

fn hostile(function: &str) -> TestJob {
    let job = TestJob::new(&format!(
        "job: hostile
modules: {{ hostile: {module} }}
sources:
  visitors: {{ connector: file, path: in.ndjson, schema: {{ id: int64, attack: bool }} }}
functions:
  host: {{ module: hostile, function: {function}, input: visitors }}
sinks:
  out: {{ connector: blackhole, input: host }}
limits: {{ batch_rows: 1 }}
",
        module = module("hostile").display(),
    ));
    // More attacks than there is time for.
    job.write("in.ndjson", "{\"id\":1,\"attack\":true}\n".repeat(100_000));
    job
}

fn start(job: &TestJob, stop: &Arc<Stop>, latencies: &mut Vec<Duration>) -> Result<()> {
    let options = RunOptions { job_file: job.path("job.yaml"), ..RunOptions::default() };
    run(options, stop.clone(), &mut |progress| latencies.extend(progress.epochs.iter().map(|e| e.align + e.commit)))?;
    Ok(())
}

/// The median of the healthy job's epochs, beside a neighbour or alone.
fn median(neighbour: Option<&str>) -> Result<Duration> {
    let (job, stop) = (healthy(), Arc::new(Stop::default()));
    let mut latencies = Vec::new();
    std::thread::scope(|scope| -> Result<()> {
        let beside = neighbour.map(|function| {
            let stop = stop.clone();
            scope.spawn(move || start(&hostile(function), &stop, &mut Vec::new()))
        });
        start(&job, &Arc::new(Stop::default()), &mut latencies)?;
        stop.request();
        beside.map_or(Ok(()), |thread| thread.join().expect("a run reports its panics as errors"))
    })?;
    latencies.sort();
    ensure!(latencies.len() >= 20, "only {} epochs were measured", latencies.len());
    Ok(latencies[latencies.len() / 2])
}

fn main() -> Result<()> {
    let mut too_slow = Vec::new();
    for attack in ATTACKS {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(median(None)?);
            beside.push(median(Some(attack))?);
        }
        alone.sort();
        beside.sort();
        let (alone, beside) = (alone[ROUNDS / 2], beside[ROUNDS / 2]);
        let ratio = beside.as_secs_f64() / alone.as_secs_f64();
        println!("{attack:<16} alone {alone:>8.2?}  beside it {beside:>8.2?}  ratio {ratio:.2}");
        if ratio > RATIO_MAX {
            too_slow.push(attack);
        }
    }
    ensure!(too_slow.is_empty(), "above {RATIO_MAX}: {}", too_slow.join(", "));
    Ok(())
}
