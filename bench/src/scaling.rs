//! Cost per row against parallelism, the number of keys and the number of operators.

use crate::args::Args;
use crate::measure::median;
use crate::wasmill::Wasmill;
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write;

/// One setting.
#[derive(Debug, Clone, Serialize)]
pub struct Scaled {
    pub what: &'static str,
    pub value: u64,
    pub rows_per_s: f64,
    pub cpu_ns_per_row: f64,
    /// For operators: CPU per row and operator, without the source.
    pub cpu_ns_per_row_and_operator: Option<f64>,
}

const PARALLELISM: [u64; 2] = [1, 2];
const KEYS: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
const OPERATORS: [u64; 5] = [1, 2, 10, 25, 50];

/// Runs every setting.
pub fn run(args: &Args, wasmill: &Wasmill) -> Result<Vec<Scaled>> {
    let mut all = Vec::new();
    for p in PARALLELISM {
        all.push(measure(args, wasmill, "parallelism of a map", p, chain(wasmill, 1, p, 60_000_000, args))?);
    }
    for p in PARALLELISM {
        let yaml = totals(wasmill, 100_000, p, args.scaled(20_000_000));
        all.push(measure(args, wasmill, "parallelism of keyed totals", p, yaml)?);
    }
    for keys in KEYS {
        let yaml = totals(wasmill, keys, 1, args.scaled(10_000_000));
        all.push(measure(args, wasmill, "keys", keys, yaml)?);
    }
    let source = measure(args, wasmill, "operators", 0, chain(wasmill, 0, 1, 10_000_000, args))?;
    for operators in OPERATORS {
        let mut point = measure(args, wasmill, "operators", operators, chain(wasmill, operators, 1, 10_000_000, args))?;
        point.cpu_ns_per_row_and_operator = Some((point.cpu_ns_per_row - source.cpu_ns_per_row) / operators as f64);
        all.push(point);
    }
    Ok(all)
}

fn measure(args: &Args, wasmill: &Wasmill, what: &'static str, value: u64, yaml: String) -> Result<Scaled> {
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let ran = wasmill.run("scaling", &yaml)?;
        let rows = ran.rows_in as f64;
        rates.push(rows / ran.used.wall.as_secs_f64());
        costs.push(ran.used.cpu.as_nanos() as f64 / rows);
    }
    let point = Scaled {
        what,
        value,
        rows_per_s: median(rates),
        cpu_ns_per_row: median(costs),
        cpu_ns_per_row_and_operator: None,
    };
    eprintln!("  {what} {value}: {:.2} M rows/s, {:.1} ns CPU a row", point.rows_per_s / 1e6, point.cpu_ns_per_row);
    Ok(point)
}

/// `operators` maps in a row behind one source.
fn chain(wasmill: &Wasmill, operators: u64, parallelism: u64, events: u64, args: &Args) -> String {
    let mut yaml = format!(
        "job: scaling
epoch: 1s
parallelism: {parallelism}
modules: {{ nexmark: {} }}
sources:
  op0: {{ connector: generator, dataset: nexmark, stream: bid, events: {}, partitions: {parallelism}, columns: [auction, bidder, price, dateTime] }}
functions:
",
        wasmill.nexmark.display(),
        args.scaled(events),
    );
    for i in 1..=operators {
        let _ = writeln!(yaml, "  op{i}: {{ module: nexmark, function: q1, input: op{} }}", i - 1);
    }
    if operators == 0 {
        yaml = yaml.replace("functions:\n", "");
    }
    let _ = writeln!(yaml, "sinks:\n  out: {{ connector: blackhole, input: op{operators} }}");
    yaml
}

fn totals(wasmill: &Wasmill, keys: u64, parallelism: u64, events: u64) -> String {
    format!(
        "job: scaling
epoch: 1s
parallelism: {parallelism}
modules: {{ nexmark: {} }}
sources:
  rows: {{ connector: generator, dataset: nexmark, stream: bid, events: {events}, keys: {keys}, partitions: {parallelism}, columns: [auction, price] }}
functions:
  totals: {{ module: nexmark, function: totals, input: rows, key: auction }}
sinks:
  out: {{ connector: blackhole, input: totals }}
",
        wasmill.nexmark.display()
    )
}
