//! The command line.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Measures Wasmill: rows per second, CPU and memory per workload, latency from event to file,
/// commits, recovery, scaling and start-up.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench", version)]
pub struct Args {
    /// What to measure; everything when nothing is named.
    #[arg(value_enum, value_name = "PART")]
    pub named: Vec<Part>,
    /// Run this system too, in turns with Wasmill, where a workload has a counterpart.
    #[arg(long, value_enum)]
    pub peer: Option<Peer>,
    /// Only the workloads whose name starts with one of these.
    #[arg(long, value_delimiter = ',', value_name = "NAME,..")]
    pub only: Vec<String>,
    /// Rounds of each comparison; medians of them are told.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: u32,
    /// Share of the usual number of events, for a quick look: 0.1 is a tenth.
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    pub scale: f64,
    /// Subtasks of each operator, on both sides.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallelism: u16,
    /// The wasmill to measure.
    #[arg(long, value_name = "FILE", default_value = "target/debug/wasmill")]
    pub wasmill: PathBuf,
    /// Where reports and plots go.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    pub out: PathBuf,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Rows per second, CPU per event and peak memory, beside Flink and a plain loop.
    Throughput,
    /// From event to file, at half of the top rate.
    Latency,
    /// Commits against dirty keys with a large state, and recovery from kill -9 with it.
    Commits,
    /// A job's cold start, and the restart behind a trap.
    Start,
    /// Cost per row against parallelism, keys and operators.
    Scaling,
    /// Idle and busy jobs side by side in one process.
    Jobs,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.to_possible_value().expect("no part is hidden");
        f.write_str(value.get_name())
    }
}

/// What Wasmill is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    Flink,
}

impl Args {
    /// The parts to run, in their order.
    pub fn parts(&self) -> Vec<Part> {
        let wanted = |part: &&Part| self.named.is_empty() || self.named.contains(part);
        Part::value_variants().iter().filter(wanted).copied().collect()
    }

    /// A number of events or keys, scaled; never 0.
    pub fn scaled(&self, n: u64) -> u64 {
        ((n as f64 * self.scale) as u64).max(1)
    }
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale > 0.0 && scale <= 100.0 => Ok(scale),
        _ => Err("a number above 0 and at most 100".to_owned()),
    }
}
