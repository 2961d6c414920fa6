//! Log lines: to stderr, above the progress line. Which ones appear is the user's choice.

use crate::args::LogFormat;
use crate::terminal::Terminal;
use tracing_subscriber::EnvFilter;

/// Starts logging for the process. `WASMILL_LOG` wins over `RUST_LOG`; without both, warnings and
/// errors are shown.
pub fn start(format: LogFormat, terminal: &Terminal) {
    let filter = std::env::var("WASMILL_LOG").or_else(|_| std::env::var("RUST_LOG")).unwrap_or_default();
    let filter = if filter.is_empty() { "warn".to_owned() } else { filter };
    let screen = terminal.clone();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(terminal.err.colored)
        .with_writer(move || screen.clone());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
