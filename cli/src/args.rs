//! The command line: every verb, option and help text derives from here. It must not act.

use crate::logs::LogArgs;
use crate::verbs;
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};

const STATUSES: &str = "\
Exit status:
  0    done; for run: the input has ended, or the job was drained
  1    it failed while it ran: a build, a function, or a bug of ours
  2    the command line is wrong
  3    the job file or the module is refused
  4    the state directory cannot be used, or another process uses it
  5    an input or an output failed; run again when it is mended, nothing is lost
  130  ended by SIGINT before it could drain; 143: by SIGTERM

Examples:
  wasmill new my-function            a crate with a function, its tests and a job
  wasmill build my-function          compile it to a module and look at it
  wasmill test my-function           its tests, also through the real component
  wasmill dev my-function/job.yaml   run the job while the function is edited
  wasmill run my-function/job.yaml   run the job; after a crash, run it again
  wasmill top my-function/job.yaml   watch it, if it runs with --metrics";

/// Runs streams of data through functions that are compiled to WebAssembly, exactly once.
#[derive(Debug, Parser)]
#[command(name = "wasmill", version, after_help = STATUSES, propagate_version = true, subcommand_required = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb understands.
#[derive(Debug, Args)]
pub struct Global {
    /// Answer with JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    #[command(flatten)]
    pub logs: LogArgs,
}

/// The form of log lines on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    New(verbs::new::Args),
    Build(verbs::build::Args),
    Test(verbs::test::Args),
    Dev(verbs::dev::Args),
    Inspect(verbs::inspect::Args),
    Check(verbs::check::Args),
    Explain(verbs::explain::Args),
    Run(verbs::run::Args),
    #[command(name = "deadletters")]
    DeadLetters(verbs::deadletters::Args),
    Replay(verbs::replay::Args),
    State(verbs::state::Args),
    Top(verbs::top::Args),
    Error(verbs::error::Args),
    Schema(verbs::schema::Args),
    Completions(verbs::completions::Args),
    #[command(hide = true)]
    CompileModule(verbs::compile_module::Args),
}

#[cfg(test)]
mod tests {
    use super::{Cli, Verb};
    use clap::{CommandFactory, Parser};
    use std::time::Duration;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_help_with_examples() {
        for verb in Cli::command().get_subcommands_mut() {
            let help = verb.render_long_help().to_string();
            assert!(help.contains("Examples:\n"), "{} shows no examples:\n{help}", verb.get_name());
        }
    }

    #[test]
    fn options_of_run_are_read() {
        let cli = Cli::try_parse_from(["wasmill", "run", "--json", "j.yaml", "--epoch", "1s", "--parallelism", "4"])
            .expect("this is right");
        assert!(cli.global.json);
        let Verb::Run(run) = cli.verb else { panic!("run is parsed as {:?}", cli.verb) };
        assert_eq!((run.epoch, run.parallelism), (Some(Duration::from_secs(1)), Some(4)));
    }

    #[test]
    fn wrong_values_are_refused() {
        for (args, told) in [
            (["run", "j.yaml", "--parallelism", "0"], "0 is not in 1.."),
            (["run", "j.yaml", "--epoch", "200"], "unit"),
            (["run", "j.yaml", "--epoch", "0ms"], "at least"),
            (["new", "x", "--template", "reduce"], "possible values: map, keyed"),
            (["build", ".", "--color", "pink"], "possible values"),
        ] {
            let error = Cli::try_parse_from(["wasmill"].iter().chain(&args)).expect_err("this is wrong").to_string();
            assert!(error.contains(told), "{args:?} gives {error}");
        }
    }
}
