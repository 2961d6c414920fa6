//! Commits with a large state: what they cost against the keys that changed, and how long it takes
//! from SIGKILL to the next committed output.

use crate::args::Args;
use crate::measure::median;
use crate::stdin_job::{Epoch, StdinJob, output_bytes, until_output};
use crate::wasmill::Wasmill;
use anyhow::{Context, Result};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

const KEYS: u64 = 10_000_000;
const DIRTY: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Bytes that change with each key: the value.
const VALUE_BYTES: u64 = 100;
/// An odd number, so that multiples of it modulo the number of keys visit keys in no order.
const STEP: u64 = 2_654_435_761;

/// The database, and what was done with it.
#[derive(Debug, Clone, Serialize)]
pub struct Commits {
    pub keys: u64,
    pub load_seconds: f64,
    pub peak_mib: f64,
    pub points: Vec<Point>,
    /// The disk's own rate for synced writes of the size of the largest commit, in MB per second.
    pub disk_mb_per_s: f64,
    /// From the start of a process behind SIGKILL to its first new output in the file.
    pub recovery_ms: f64,
}

/// One number of dirty keys.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    pub dirty: u64,
    pub commit_ms: f64,
    /// The longest that a subtask stood still.
    pub stall_ms: f64,
    /// From the barrier until all had handed in.
    pub align_ms: f64,
    pub megabytes: f64,
    /// Bytes written for each byte that changed.
    pub amplification: f64,
}

/// Fills the database, then changes more and more of it.
pub fn run(args: &Args, wasmill: &Wasmill) -> Result<Commits> {
    let keys = args.scaled(KEYS);
    let yaml = yaml(wasmill);
    let job = wasmill.job("commits", &yaml)?;
    let out = wasmill.work.join("commits/out");
    let mut running = StdinJob::start(wasmill.command(&job))?;
    writeln!(running.input(), "key")?;
    for i in 0..keys {
        writeln!(running.input(), "{}", i * STEP % keys)?;
    }
    running.until_committed(keys)?;
    let load_seconds = running.started().elapsed().as_secs_f64();
    eprintln!("  {keys} keys loaded in {load_seconds:.1} s");
    let mut rows = keys;
    let mut points = Vec::new();
    for dirty in DIRTY.map(|d| args.scaled(d)) {
        let mut rounds = Vec::new();
        for round in 0..u64::from(args.rounds) {
            let first = (round + 1) * 7_919;
            for i in first..first + dirty {
                writeln!(running.input(), "{}", i * STEP % keys)?;
            }
            rows += dirty;
            let epochs = running.until_committed(rows)?;
            // The epoch that holds most of the changes; a late one may hold a few.
            let largest = epochs.into_iter().max_by_key(|e| e.entries).context("no epoch was told")?;
            rounds.push(largest);
        }
        let point = point(dirty, &rounds);
        eprintln!("  {dirty} dirty keys: commit {:.1} ms, stall {:.1} ms", point.commit_ms, point.stall_ms);
        points.push(point);
    }
    let written = output_bytes(&out);
    let used = running.kill()?;
    let peak_mib = used.peak_bytes as f64 / f64::from(1 << 20);
    let mut recoveries = Vec::new();
    let mut written = written;
    for _ in 0..args.rounds {
        let mut command = wasmill.command(&job);
        command.args(["--epoch", "200ms"]);
        let mut again = StdinJob::start(command)?;
        writeln!(again.input(), "key\n1")?;
        again.input().flush()?;
        let seen = until_output(&out, written)?;
        recoveries.push((seen - again.started()).as_secs_f64() * 1e3);
        written = output_bytes(&out);
        again.kill()?;
    }
    let largest = points.iter().map(|p| p.megabytes).fold(1.0, f64::max);
    Ok(Commits {
        keys,
        load_seconds,
        peak_mib,
        points,
        disk_mb_per_s: disk_rate(&wasmill.work, largest)?,
        recovery_ms: median(recoveries),
    })
}

fn yaml(wasmill: &Wasmill) -> String {
    format!(
        "job: commits
epoch: 2s
limits: {{ outbox: 4GiB }}
modules: {{ bench: {} }}
sources:
  rows: {{ connector: stdin, format: csv, schema: {{ key: uint64 }} }}
functions:
  blob: {{ module: bench, function: blob, input: rows, key: key }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: blob }}
",
        wasmill.functions.display()
    )
}

fn point(dirty: u64, rounds: &[Epoch]) -> Point {
    let ms = |figure: fn(&Epoch) -> u64| median(rounds.iter().map(|e| figure(e) as f64 / 1e3));
    // The state's share of the batch: the rows put out, of about 10 bytes each, are not state.
    let bytes = median(rounds.iter().map(|e| e.bytes as f64));
    let changed = median(rounds.iter().map(|e| (e.entries.min(dirty) * VALUE_BYTES) as f64));
    Point {
        dirty,
        commit_ms: ms(|e| e.commit_us),
        stall_ms: ms(|e| e.stall_us),
        align_ms: ms(|e| e.align_us),
        megabytes: bytes / 1e6,
        amplification: bytes / changed,
    }
}

/// Megabytes per second of one synced write of this size, the median of five.
fn disk_rate(dir: &Path, megabytes: f64) -> Result<f64> {
    let path = dir.join("disk-rate");
    let block = vec![0x5a; (megabytes * 1e6) as usize];
    let mut rates = Vec::new();
    for _ in 0..5 {
        let mut file = std::fs::File::create(&path)?;
        let started = std::time::Instant::now();
        file.write_all(&block)?;
        file.sync_all()?;
        rates.push(megabytes / started.elapsed().as_secs_f64());
    }
    std::fs::remove_file(&path)?;
    Ok(median(rates))
}
