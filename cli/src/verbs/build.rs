//! `wasmill build`: compile a crate, make its module a component, check it as the host would.

use crate::author::{cargo::FunctionCrate, component, report, snippet, symbols};
use crate::exit::{Failure, Status};
use crate::terminal::Terminal;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use wasmill_server::modules::ModuleReport;

const EXAMPLES: &str = "\
Examples:
  wasmill build                            the crate in this directory
  wasmill build my-function                writes my-function/target/wasmill/my-function.wasm
  wasmill build my-function --out f.wasm
  wasmill build --json | jq .functions

Beside the module it writes CRATE.HASH.symbols.wasm, the lines of the source for the backtraces of
`wasmill replay`; those of the last eight builds are kept.

Needs cargo and the target wasm32-unknown-unknown, nothing else.";

/// Compile a function crate to a module and show its manifest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The crate's directory, or its Cargo.toml
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Where to write the module [default: target/wasmill/CRATE.wasm in the crate's workspace]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let function_crate = FunctionCrate::find(&args.path).map_err(|e| Failure::new(Status::Usage, e))?;
    let core = function_crate.build()?;
    let bytes = std::fs::read(&core).with_context(|| format!("cannot read {}", core.display()))?;
    let refused = |e: anyhow::Error| Failure::new(Status::Refused, e).coded("module-refused");
    let stripped = symbols::strip(&bytes).map_err(refused)?;
    let module = component::componentize(&stripped).map_err(refused)?;
    let out = args.out.unwrap_or_else(|| from_here(function_crate.module_path()));
    let report = super::inspect::accept(&out, &module)?;
    component::write_whole(&out, &module)?;
    symbols::write(&out, &report.sha256, &bytes)?;
    show(&report, &out, terminal)?;
    Ok(())
}

/// The path as the user would write it: relative, when it lies below the working directory.
fn from_here(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().and_then(|d| d.canonicalize()).ok();
    here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf)).unwrap_or(path)
}

fn show(report: &ModuleReport, path: &Path, terminal: &Terminal) -> Result<()> {
    report::print(report, path, terminal)?;
    if !terminal.json {
        let heading = terminal.out.heading("in a job file");
        terminal.print(&format!("\n{heading}\n{}", snippet::job(&report.manifest, path)))?;
    }
    Ok(())
}
