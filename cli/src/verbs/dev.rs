//! `wasmill dev`: a job that runs while its functions are edited.

use crate::dev::{Options, develop};
use crate::exit::Failure;
use crate::terminal::Terminal;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  wasmill dev job.yaml
  wasmill dev job.yaml --crate readings=../readings
  wasmill dev job.yaml 2> dev.log      plain lines, when stderr is no terminal

A module at WORKSPACE/target/wasmill/CRATE.wasm, where `wasmill build` writes it, is built from
CRATE; --crate names the crate of one that lies elsewhere. On a change it is built anew, quickly
rather than well, and the job goes on with it from the last epoch, with its state. While a crate
does not build, the module before goes on. Development builds stand in .wasmill/dev beside the job
file: `wasmill build` makes the one for `wasmill run`.

q, Ctrl-C and SIGTERM drain the job and end.";

/// Run a job, rebuild its functions when they change, and go on with them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file
    job: PathBuf,
    /// Where the job keeps its state [default: .wasmill/JOB beside the job file]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The crate that a module of the job is built from
    #[arg(long = "crate", value_name = "MODULE=PATH", value_parser = module_and_crate)]
    crates: Vec<(String, PathBuf)>,
}

fn module_and_crate(text: &str) -> Result<(String, PathBuf), String> {
    let (module, path) = text.split_once('=').ok_or("write MODULE=PATH, for example readings=../readings")?;
    Ok((module.to_owned(), path.into()))
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    develop(Options { job_file: args.job, state_dir: args.state_dir, crates: args.crates }, terminal)
}
