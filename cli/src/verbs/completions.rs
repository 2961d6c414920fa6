//! `wasmill completions`: what a shell needs to complete this command line.

use crate::args::Cli;
use crate::exit::Failure;
use crate::terminal::Terminal;
use clap::CommandFactory;

const EXAMPLES: &str = "\
Examples:
  wasmill completions bash > ~/.local/share/bash-completion/completions/wasmill
  wasmill completions fish > ~/.config/fish/completions/wasmill.fish";

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    shell: clap_complete::Shell,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wasmill", &mut script);
    Ok(terminal.print(String::from_utf8_lossy(&script).trim_end())?)
}
