//! Where guests' log lines go: to the process's log, with job and operator on every line. A guest is
//! a stranger: what a terminal would obey, it only shows, and one line stays one line.

use crate::wasm::{Level, LogSink};
use std::sync::Arc;
use wasmill_core::printable::one_line;

/// The log of one operator's subtask.
pub fn guest_log(job: &str, operator: &str, subtask: u16) -> LogSink {
    let (job, operator) = (job.to_owned(), operator.to_owned());
    Arc::new(move |level, line| {
        let line = one_line(line);
        match level {
            Level::Trace => tracing::trace!(target: "guest", job, operator, subtask, "{line}"),
            Level::Debug => tracing::debug!(target: "guest", job, operator, subtask, "{line}"),
            Level::Info => tracing::info!(target: "guest", job, operator, subtask, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", job, operator, subtask, "{line}"),
            Level::Error => tracing::error!(target: "guest", job, operator, subtask, "{line}"),
        }
    })
}
