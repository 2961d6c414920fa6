//! Measures Wasmill as its users run it: the binary, job files, real files and a real RocksDB;
//! beside Apache Flink, beside the same logic as a plain loop, and against its own limits.
//!
//! Every number is a median of several rounds, and the sides of a comparison take turns. It knows
//! the product by its command line; only the plain loops and the tests with many jobs in one process
//! call the host's crates.

mod args;
mod commits;
mod flink;
mod jobs;
mod latency;
mod machine;
mod measure;
mod plain;
mod plot;
mod report;
mod scaling;
mod start;
mod stdin_job;
mod throughput;
mod wasmill;
mod workloads;

use anyhow::{Context, Result};
use args::{Args, Part};
use clap::Parser;
use report::Report;
use wasmill::Wasmill;

fn main() -> Result<()> {
    let args = Args::parse();
    let wasmill = Wasmill::prepare(&args)?;
    let mut report = Report::new(machine::describe());
    for part in args.parts() {
        eprintln!("bench: {part}");
        match part {
            Part::Throughput => report.throughput = throughput::run(&args, &wasmill)?,
            Part::Latency => report.latency = Some(latency::run(&args, &wasmill)?),
            Part::Commits => report.commits = Some(commits::run(&args, &wasmill)?),
            Part::Start => report.start = Some(start::run(&args, &wasmill)?),
            Part::Scaling => report.scaling = scaling::run(&args, &wasmill)?,
            Part::Jobs => report.jobs = jobs::run(&args, &wasmill)?,
        }
        // What was measured is kept even when a later part fails.
        report
            .write(&args.out)
            .with_context(|| format!("the report could not be written to {}", args.out.display()))?;
    }
    print!("{}", report.text());
    eprintln!("bench: report.txt, report.json and plots are in {}", args.out.display());
    Ok(())
}
