//! `wasmill compile-module`: the part of the process that compiles one module for another `wasmill`.
//! It is no verb for people, and hidden.

use crate::exit::Failure;
use wasmill_server::modules;

/// The name of the verb.
pub const NAME: &str = "compile-module";

const EXAMPLES: &str = "\
Examples:
  wasmill compile-module 60 < component.wasm > code

For wasmill itself, which starts it for every module whose code is not cached.";

/// Compile a component from stdin to code on stdout
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The CPU time that this may take
    cpu_seconds: u64,
}

/// What is wrong with the component goes to stderr like any failure; the other side tells it.
pub fn call(args: Args) -> Result<(), Failure> {
    modules::serve_compiler(args.cpu_seconds).map_err(Failure::refused)
}
