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
    write_whole(&out, &module)?;
    symbols::write(&out, &report.sha256, &bytes)?;
    show(&report, &out, terminal)?;
    Ok(())
}

/// The path as the user would write it: relative, when it lies below the working directory.
fn from_here(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().and_then(|d| d.canonicalize()).ok();
    here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf)).unwrap_or(path)
}

/// A reader finds the old file or the new one, never a part.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make directory {}", dir.display()))?;
    let name = path.file_name().with_context(|| format!("{} is no file name", path.display()))?;
    let part = dir.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .inspect_err(|_| drop(std::fs::remove_file(&part)))
        .with_context(|| format!("cannot write module {}", path.display()))
}

fn show(report: &ModuleReport, path: &Path, terminal: &Terminal) -> Result<()> {
    report::print(report, path, terminal)?;
    if !terminal.json {
        let heading = terminal.out.heading("in a job file");
        terminal.print(&format!("\n{heading}\n{}", snippet::job(&report.manifest, path)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write_whole;

    #[test]
    fn a_module_is_replaced_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("target/wasmill/f.wasm");
        for bytes in [&b"first"[..], b"second"] {
            write_whole(&path, bytes).expect("the directory is writable");
            assert_eq!(std::fs::read(&path).expect("it was written"), bytes);
        }
        let siblings = std::fs::read_dir(path.parent().expect("it has one")).expect("it exists").count();
        assert_eq!(siblings, 1);
    }
}
