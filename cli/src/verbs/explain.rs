//! `wasmill explain`: the graph of a job.

use crate::exit::Failure;
use crate::explain;
use crate::terminal::Terminal;
use anyhow::Context;
use std::path::PathBuf;
use wasmill_server::local;

const EXAMPLES: &str = "\
Examples:
  wasmill explain job.yaml
  wasmill explain job.yaml --svg graph.svg
  wasmill explain job.yaml --json | jq .edges

A box is a fragment: its operators run as one in each of its subtasks. Arrows between boxes are
channels; rows that go by key reach the subtask that owns the key.";

/// Draw a job: operators, partitions, keys, state and what is promised
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file
    job: PathBuf,
    /// Write the drawing to this file as SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let graph = local::explain(&args.job).map_err(super::run::failure)?;
    if let Some(path) = &args.svg {
        std::fs::write(path, explain::svg::draw(&graph)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if terminal.json {
        terminal.print(&explain::json(&graph).to_string())?;
    } else if args.svg.is_none() {
        terminal.print(explain::text::draw(&graph, &terminal.out).trim_end())?;
    }
    Ok(())
}
