//! `wasmill schema`: the JSON Schema of the job file, for editors.

use crate::exit::Failure;
use crate::terminal::Terminal;
use wasmill_core::job::reference;

const EXAMPLES: &str = "\
Examples:
  wasmill schema > job.schema.json

Then let the first line of a job file be
  # yaml-language-server: $schema=job.schema.json
and an editor with a YAML language server completes its keys.";

/// Print the JSON Schema of the job file, for editors
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

pub fn call(_: Args, terminal: &Terminal) -> Result<(), Failure> {
    Ok(terminal.print(reference::schema().trim_end())?)
}
