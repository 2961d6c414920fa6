//! From event to file: rows that carry the time they were sent go through a function into a file
//! that is followed, at half of the rate that the job can take.

use crate::args::Args;
use crate::measure::quantile;
use crate::stdin_job::{StdinJob, output_bytes};
use crate::wasmill::Wasmill;
use anyhow::{Result, ensure};
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ROWS_FOR_TOP_RATE: u64 = 8_000_000;
const SECONDS: u64 = 10;
/// `1700000000000000,0\n`: every row has the same length, so that any row can be found.
const ROW_BYTES: usize = 19;
/// Every so many rows are looked at.
const SAMPLE: usize = 64;
const EPOCH_MS: u64 = 200;

/// Milliseconds from the moment a row is written to the job until a reader sees it in the file.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    pub top_rows_per_s: f64,
    pub rows_per_s: f64,
    pub epoch_ms: u64,
    pub samples: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Measures the top rate, then the latency at half of it.
pub fn run(args: &Args, wasmill: &Wasmill) -> Result<Latency> {
    let rows = args.scaled(ROWS_FOR_TOP_RATE);
    let mut top = start(wasmill, "latency-top")?;
    let started = Instant::now();
    let block = block_of(micros_now(), 1024);
    for _ in 0..rows.div_ceil(1024) {
        top.input().write_all(&block)?;
    }
    top.finish()?;
    let top_rate = rows as f64 / started.elapsed().as_secs_f64();
    let rate = top_rate / 2.0;
    let mut job = start(wasmill, "latency")?;
    let out = wasmill.work.join("latency/out");
    let total = (rate * SECONDS as f64 * args.scale.min(1.0)) as u64;
    let reader = std::thread::spawn(move || follow(&out, total));
    let started = Instant::now();
    let mut sent = 0;
    while sent < total {
        let due = ((started.elapsed().as_secs_f64() * rate) as u64).min(total);
        if due == sent {
            std::thread::park_timeout(Duration::from_micros(500));
            continue;
        }
        job.input().write_all(&block_of(micros_now(), (due - sent) as usize))?;
        job.input().flush()?;
        sent = due;
    }
    let latencies = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    job.finish()?;
    ensure!(!latencies.is_empty(), "no row was sampled");
    let of = |share| quantile(latencies.iter().copied(), share);
    Ok(Latency {
        top_rows_per_s: top_rate,
        rows_per_s: rate,
        epoch_ms: EPOCH_MS,
        samples: latencies.len(),
        p50_ms: of(0.5),
        p99_ms: of(0.99),
        max_ms: of(1.0),
    })
}

fn start(wasmill: &Wasmill, name: &str) -> Result<StdinJob> {
    let job = wasmill.job(
        name,
        &format!(
            "job: {name}
epoch: {EPOCH_MS}ms
modules: {{ bench: {} }}
sources:
  rows: {{ connector: stdin, format: csv, schema: {{ sent_us: uint64, trap: uint32 }} }}
functions:
  pass: {{ module: bench, function: brittle, input: rows }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: pass }}
",
            wasmill.functions.display()
        ),
    )?;
    let mut running = StdinJob::start(wasmill.command(&job))?;
    running.input().write_all(b"sent_us,trap\n")?;
    Ok(running)
}

fn micros_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |d| u64::try_from(d.as_micros()).expect("this century fits"))
}

fn block_of(sent_us: u64, rows: usize) -> Vec<u8> {
    format!("{sent_us:016},0\n").into_bytes().repeat(rows)
}

/// Reads what appears until so many rows have; returns the latencies of a sample in milliseconds.
fn follow(out: &Path, rows: u64) -> Result<Vec<f64>> {
    const HEADER: usize = "sent_us,trap\n".len();
    let path = out.join("part-00000-00000.csv");
    let mut latencies = Vec::new();
    let (mut file, mut seen) = (None, Vec::new());
    let mut row = 0usize;
    let mut header = HEADER;
    while row < rows as usize {
        if output_bytes(out) as usize <= HEADER + row * ROW_BYTES {
            std::thread::park_timeout(Duration::from_millis(1));
            continue;
        }
        if file.is_none() {
            file = Some(File::open(&path)?);
        }
        let now = micros_now();
        file.as_mut().expect("it was just opened").read_to_end(&mut seen)?;
        if seen.len() < header {
            continue;
        }
        let mut rest = &seen[std::mem::take(&mut header)..];
        while rest.len() >= ROW_BYTES {
            if row.is_multiple_of(SAMPLE) {
                let sent: u64 = std::str::from_utf8(&rest[..16])?.parse()?;
                latencies.push(now.saturating_sub(sent) as f64 / 1e3);
            }
            row += 1;
            rest = &rest[ROW_BYTES..];
        }
        // The rest of a row that is being written comes with the next look.
        let torn = rest.len();
        seen.drain(..seen.len() - torn);
    }
    Ok(latencies)
}
