//! The one binary of Wasmill. This file only starts it: arguments to a verb, a verb's failure to
//! an exit status. The verbs stand in [`verbs`], a file each; none of them knows how a job runs.

mod args;
mod author;
mod datum;
mod dev;
mod exit;
mod explain;
mod logs;
mod measures;
mod progress;
mod template;
mod terminal;
mod top;
mod verbs;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let terminal = terminal::Terminal::new(cli.global.color, cli.global.json);
    // The kernel's name of this program holds even when its file is replaced meanwhile.
    let program = std::path::PathBuf::from("/proc/self/exe");
    let program = if program.exists() { Ok(program) } else { std::env::current_exe() };
    if let Ok(program) = program {
        wasmill_server::modules::compile_in_child(program, vec![verbs::compile_module::NAME.to_owned()]);
    }
    let done = logs::start(&cli.global.logs, &terminal).and_then(|()| verbs::call(cli.verb, &terminal));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.failure(&failure);
            ExitCode::from(failure.status.code())
        }
    }
}
