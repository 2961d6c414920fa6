//! Many jobs side by side in one process, each with its own threads, database and epochs: idle ones,
//! and busy ones that share the same number of rows.

use crate::args::Args;
use crate::wasmill::Wasmill;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wasmill_server::local::{self, RunOptions, Stop};

const IDLE: [u64; 4] = [1, 10, 100, 500];
const BUSY: [u64; 3] = [1, 10, 50];
const BUSY_EVENTS: u64 = 100_000_000;
const WATCHED: Duration = Duration::from_secs(5);

/// One number of jobs.
#[derive(Debug, Clone, Serialize)]
pub struct Jobs {
    pub kind: &'static str,
    pub jobs: u64,
    /// For idle jobs: percent of one core that a job takes.
    pub cpu_percent_per_job: Option<f64>,
    /// For busy jobs, over all of them.
    pub cpu_ns_per_row: Option<f64>,
    pub mib_per_job: f64,
    /// From the start of the first job until all have committed.
    pub start_seconds: f64,
}

/// Runs every number of jobs.
pub fn run(args: &Args, wasmill: &Wasmill) -> Result<Vec<Jobs>> {
    let mut all = Vec::new();
    for jobs in BUSY {
        all.push(busy(args, wasmill, jobs)?);
    }
    for jobs in IDLE {
        all.push(idle(wasmill, jobs)?);
    }
    Ok(all)
}

fn busy(args: &Args, wasmill: &Wasmill, jobs: u64) -> Result<Jobs> {
    let events = args.scaled(BUSY_EVENTS) / jobs;
    let files = files(wasmill, jobs, |_| {
        Ok(format!(
            "sources: {{ rows: {{ connector: generator, dataset: nexmark, stream: bid, events: {events}, columns: [auction, price] }} }}"
        ))
    })?;
    let (started, cpu) = (Instant::now(), cpu()?);
    let threads: Vec<_> = files.into_iter().map(|job_file| std::thread::spawn(move || run_one(job_file))).collect();
    let mut rows = 0;
    for thread in threads {
        rows += thread.join().map_err(|_| anyhow::anyhow!("a job panicked"))??;
    }
    let point = Jobs {
        kind: "busy",
        jobs,
        cpu_percent_per_job: None,
        cpu_ns_per_row: Some((self::cpu()? - cpu).as_nanos() as f64 / rows as f64),
        mib_per_job: memory_mib()? / jobs as f64,
        start_seconds: started.elapsed().as_secs_f64(),
    };
    eprintln!("  {jobs} busy jobs: {:.1} ns CPU a row", point.cpu_ns_per_row.unwrap_or(0.0));
    Ok(point)
}

fn run_one(job_file: PathBuf) -> Result<u64> {
    let summary = local::run(options(job_file), Arc::new(Stop::default()), &mut |_| {})?;
    ensure!(summary.ended, "a job was drained");
    Ok(summary.progress.rows_in)
}

fn options(job_file: PathBuf) -> RunOptions {
    RunOptions { job_file, ..RunOptions::default() }
}

fn idle(wasmill: &Wasmill, jobs: u64) -> Result<Jobs> {
    let files = files(wasmill, jobs, |dir| {
        std::fs::write(dir.join("in.ndjson"), "{\"auction\":1,\"price\":1}\n")?;
        Ok("sources: { rows: { connector: file, path: in.ndjson, follow: true, schema: { auction: int64, price: int64 } } }"
            .to_owned())
    })?;
    let stop = Arc::new(Stop::default());
    let ready = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let start = |job_file: PathBuf| {
        let (stop, ready) = (stop.clone(), ready.clone());
        std::thread::spawn(move || -> Result<()> {
            let mut told = false;
            let observer = &mut |progress: &local::Progress| {
                if !told && progress.epoch > 0 {
                    told = true;
                    ready.fetch_add(1, Ordering::Relaxed);
                }
            };
            local::run(options(job_file), stop, observer)?;
            Ok(())
        })
    };
    let threads: Vec<_> = files.into_iter().map(start).collect();
    while ready.load(Ordering::Relaxed) < threads.len() {
        ensure!(!threads.iter().any(std::thread::JoinHandle::is_finished), "a job ended before it was idle");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let start_seconds = started.elapsed().as_secs_f64();
    let cpu = cpu()?;
    let watched = Instant::now();
    while watched.elapsed() < WATCHED {
        std::thread::park_timeout(WATCHED - watched.elapsed().min(WATCHED));
    }
    let used = self::cpu()? - cpu;
    let memory = memory_mib()?;
    stop.request();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a job panicked"))??;
    }
    let percent = used.as_secs_f64() / watched.elapsed().as_secs_f64() * 100.0;
    eprintln!("  {jobs} idle jobs: {percent:.1}% of a core, {:.1} MiB each", memory / jobs as f64);
    Ok(Jobs {
        kind: "idle",
        jobs,
        cpu_percent_per_job: Some(percent / jobs as f64),
        cpu_ns_per_row: None,
        mib_per_job: memory / jobs as f64,
        start_seconds,
    })
}

/// Job files in directories of their own; `source` makes the section of the sources.
fn files(wasmill: &Wasmill, jobs: u64, mut source: impl FnMut(&Path) -> Result<String>) -> Result<Vec<PathBuf>> {
    (0..jobs)
        .map(|i| {
            let path = wasmill.job(&format!("jobs-{i}"), "")?;
            let dir = path.parent().expect("a job file lies in its directory");
            let source = source(dir)?;
            let yaml = format!(
                "job: jobs-{i}
modules: {{ nexmark: {} }}
{source}
functions:
  pick: {{ module: nexmark, function: q2, input: rows }}
sinks:
  out: {{ connector: blackhole, input: pick }}
",
                wasmill.nexmark.display(),
            );
            std::fs::write(&path, yaml)?;
            Ok(path)
        })
        .collect()
}

/// CPU time of this process so far. Source: proc(5), fields 14 and 15, in ticks of 10 ms.
fn cpu() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(") ").context("proc(5) has a command in parentheses")?.1;
    let ticks = fields.split(' ').skip(11).take(2).map(|f| f.parse::<u64>().unwrap_or(0)).sum::<u64>();
    Ok(Duration::from_millis(ticks * 10))
}

fn memory_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS in proc(5)")?;
    let kib: f64 = line.split_whitespace().nth(1).context("VmRSS has a number")?.parse()?;
    Ok(kib / 1024.0)
}
