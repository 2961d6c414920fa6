//! Log lines: to stderr, above the progress line. Which ones appear, and how, is the user's choice.

mod lines;

use crate::args::LogFormat;
use crate::exit::Failure;
use crate::terminal::Terminal;
use lines::Lines;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// What log lines of functions carry as their target.
const GUEST: &str = "guest";

/// What a user asked for.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// How log lines look
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Which log lines appear: error, warn, info, debug, trace or off, also per target:
    /// `warn,guest=debug` adds what functions log [default: WASMILL_LOG, else RUST_LOG, else warn]
    #[arg(long = "log", global = true, value_name = "LEVEL")]
    pub filter: Option<String>,
    /// Follow what one operator's function logs, at every level, and leave out what other operators
    /// log; can be given several times
    #[arg(long = "log-operator", global = true, value_name = "NAME")]
    pub operators: Vec<String>,
}

/// Starts logging for the process.
///
/// # Errors
/// The filter cannot be read.
pub fn start(args: &LogArgs, terminal: &Terminal) -> Result<(), Failure> {
    let text = directives(args, |variable| std::env::var(variable).ok());
    let filter = EnvFilter::try_new(&text).map_err(|e| {
        Failure::usage(format!(
            "the log filter {text:?} is wrong: {e}; write for example `info`, or `warn,guest=debug`"
        ))
    })?;
    let lines = Lines::new(args.log_format, args.operators.clone(), terminal.clone());
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}

/// The filter in the words of [`EnvFilter`]. An operator that is followed shows all that it logs,
/// unless the user says what of it.
fn directives(args: &LogArgs, variable: impl Fn(&str) -> Option<String>) -> String {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let given = args.filter.clone().or_else(|| set("WASMILL_LOG")).or_else(|| set("RUST_LOG"));
    let filter = given.unwrap_or_else(|| "warn".to_owned());
    let names_guests = filter.split(',').any(|d| d.trim().split(['=', '[']).next() == Some(GUEST));
    if args.operators.is_empty() || names_guests { filter } else { format!("{filter},{GUEST}=trace") }
}

#[cfg(test)]
mod tests {
    use super::{LogArgs, directives};
    use crate::args::LogFormat;

    #[test]
    fn the_option_wins_over_the_environment_and_guests_are_added() {
        for (filter, operators, set, expected) in [
            (None, 0, None, "warn"),
            (None, 0, Some("debug"), "debug"),
            (Some("info"), 0, Some("debug"), "info"),
            (None, 1, None, "warn,guest=trace"),
            (Some("error,guest=info"), 1, None, "error,guest=info"),
            (Some("guest"), 1, None, "guest"),
            (None, 0, Some(""), "warn"),
        ] {
            let args = LogArgs {
                log_format: LogFormat::Text,
                filter: filter.map(str::to_owned),
                operators: vec!["clean".to_owned(); operators],
            };
            let variable = |name: &str| (name == "RUST_LOG").then(|| set.map(str::to_owned)).flatten();
            assert_eq!(directives(&args, variable), expected);
        }
    }
}
