//! Starts: of a job whose module is in the cache of compiled code, of one whose module is new, behind
//! a trap inside of a running job, and behind SIGKILL under load.

use crate::args::Args;
use crate::measure::median;
use crate::stdin_job::{StdinJob, output_bytes, until_output};
use crate::wasmill::Wasmill;
use anyhow::Result;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

const STARTS: u32 = 20;
const TRAPS: u32 = 20;
/// Between two commits while faults are measured: output becomes visible with a commit.
const EPOCH_MS: u32 = 10;

/// Milliseconds, medians.
#[derive(Debug, Clone, Serialize)]
pub struct Start {
    /// A whole process from its start to its end, for a job of one row, with a cached module.
    pub cached_ms: f64,
    /// The same with a module that was never seen: it is compiled.
    pub compiled_ms: f64,
    pub module_kib: f64,
    /// From a row to its output in the file, in a running job.
    pub row_ms: f64,
    /// The same for a row behind one that makes its function trap.
    pub row_behind_trap_ms: f64,
    pub epoch_ms: u32,
    /// From the start of a process behind SIGKILL under load to its first new output.
    pub restart_ms: f64,
}

/// Measures all of them.
pub fn run(_: &Args, wasmill: &Wasmill) -> Result<Start> {
    let one_row = |name: &str| {
        format!(
            "job: {name}
modules: {{ nexmark: {} }}
sources:
  rows: {{ connector: generator, dataset: nexmark, stream: person, events: 1, columns: [id] }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: rows }}
functions: {{ unused: {{ module: nexmark, function: q2, input: bids }} }}
",
            wasmill.nexmark.display()
        )
        .replace(
            "sinks:",
            "  bids: { connector: generator, dataset: nexmark, stream: bid, events: 10, columns: [auction, price] }\nsinks:\n  picked: { connector: blackhole, input: unused }",
        )
    };
    let mut cached = Vec::new();
    for _ in 0..STARTS {
        cached.push(wasmill.run("start-cached", &one_row("start-cached"))?.used.wall.as_secs_f64() * 1e3);
    }
    let mut compiled = Vec::new();
    for i in 0..5 {
        let job = wasmill.job("start-compiled", &one_row("start-compiled"))?;
        let mut command = wasmill.command(&job);
        command.env("XDG_CACHE_HOME", wasmill.work.join(format!("cache-{i}")));
        compiled.push(crate::measure::run(command)?.wall.as_secs_f64() * 1e3);
    }
    let (row_ms, row_behind_trap_ms) = traps(wasmill)?;
    Ok(Start {
        cached_ms: median(cached),
        compiled_ms: median(compiled),
        module_kib: std::fs::metadata(&wasmill.nexmark)?.len() as f64 / 1024.0,
        row_ms,
        row_behind_trap_ms,
        epoch_ms: EPOCH_MS,
        restart_ms: restarts(wasmill)?,
    })
}

fn brittle(wasmill: &Wasmill) -> Result<(PathBuf, PathBuf)> {
    let yaml = format!(
        "job: traps
epoch: {EPOCH_MS}ms
modules: {{ bench: {} }}
sources:
  rows: {{ connector: stdin, format: csv, schema: {{ sent_us: uint64, trap: uint32 }} }}
functions:
  brittle: {{ module: bench, function: brittle, input: rows }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: brittle }}
",
        wasmill.functions.display()
    );
    Ok((wasmill.job("traps", &yaml)?, wasmill.work.join("traps/out")))
}

fn traps(wasmill: &Wasmill) -> Result<(f64, f64)> {
    let (job, out) = brittle(wasmill)?;
    let mut running = StdinJob::start(wasmill.command(&job))?;
    writeln!(running.input(), "sent_us,trap\n0,0")?;
    running.input().flush()?;
    until_output(&out, 0)?;
    let mut times = [Vec::new(), Vec::new()];
    for i in 0..2 * TRAPS {
        let kind = (i % 2) as usize;
        let before = output_bytes(&out);
        if kind == 1 {
            writeln!(running.input(), "1,1")?;
        }
        writeln!(running.input(), "2,0")?;
        running.input().flush()?;
        let sent = std::time::Instant::now();
        times[kind].push((until_output(&out, before)? - sent).as_secs_f64() * 1e3);
    }
    running.finish()?;
    let [row, behind_trap] = times;
    Ok((median(row), median(behind_trap)))
}

/// A keyed job with a million keys is killed in the middle and started again.
fn restarts(wasmill: &Wasmill) -> Result<f64> {
    let yaml = format!(
        "job: restarts
epoch: 100ms
modules: {{ nexmark: {} }}
sources:
  rows: {{ connector: generator, dataset: nexmark, stream: bid, events: 1000000000, keys: 1000000, columns: [auction, price] }}
functions:
  totals: {{ module: nexmark, function: totals, input: rows, key: auction }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: totals }}
",
        wasmill.nexmark.display()
    );
    let job = wasmill.job("restarts", &yaml)?;
    let out = wasmill.work.join("restarts/out");
    let mut running = StdinJob::start(wasmill.command(&job))?;
    running.until("three million rows are read", |event| event["rows_in"].as_u64().is_some_and(|n| n > 3_000_000))?;
    running.kill()?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let before = output_bytes(&out);
        let again = StdinJob::start(wasmill.command(&job))?;
        times.push((until_output(&out, before)? - again.started()).as_secs_f64() * 1e3);
        again.kill()?;
    }
    Ok(median(times))
}
