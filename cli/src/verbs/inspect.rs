//! `wasmill inspect`: the manifest of a module file, or why it is not one of ours.

use crate::author::report;
use crate::exit::{Failure, Status};
use crate::terminal::Terminal;
use std::path::{Path, PathBuf};
use wasmill_core::limits::Limits;
use wasmill_server::modules::{self, ModuleReport};

const EXAMPLES: &str = "\
Examples:
  wasmill inspect target/wasmill/flights.wasm
  wasmill inspect --json flights.wasm | jq -r .sha256";

/// Show what a module offers and asks for, or why it is refused
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A module file: a component that exports the Wasmill world
    module: PathBuf,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let path = &args.module;
    let status = if path.exists() { Status::Refused } else { Status::Usage };
    let bytes = modules::read(path, &Limits::default())
        .map_err(|told| Failure::new(status, anyhow::Error::msg(told)).coded("module-refused"))?;
    let report = accept(&args.module, &bytes)?;
    Ok(report::print(&report, &args.module, terminal)?)
}

/// The host's own check of a module, with the limits that jobs have by default.
pub fn accept(path: &Path, bytes: &[u8]) -> Result<ModuleReport, Failure> {
    modules::inspect(bytes, &Limits::default())
        .map_err(|e| Failure::refused(format!("module {} is refused: {e}", path.display())).coded("module-refused"))
}
