//! Every thread of a job is started here. Who ends it, and what its failure means:
//!
//! | thread | ends when | its failure |
//! |---|---|---|
//! | source subtask | its control channel closes | fails the job |
//! | other subtask | one of its input channels closes | fails the job |
//! | committer | its request channel closes | fails the job |
//!
//! The coordinator (the caller's thread) owns the control and request channels. Dropping them ends
//! the sources, whose channels end the next subtasks, and so on to the sinks.

use super::error::RunError;
use crate::fragment::EpochPart;
use crate::state::CommitStats;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::panic::AssertUnwindSafe;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a request to stop is looked for.
pub const POLL: Duration = Duration::from_millis(20);

/// What a thread tells the coordinator.
pub enum Event {
    HandIn(HandIn),
    /// This epoch should end before its time is over.
    EpochWanted(u64),
    Committed {
        epoch: u64,
        stats: CommitStats,
    },
    /// The output of a committed epoch is where readers see it.
    Published {
        epoch: u64,
        took: Duration,
    },
    Failed(RunError),
}

/// A subtask's part of an epoch.
pub struct HandIn {
    /// The number of the subtask among all of the job.
    pub subtask: usize,
    /// Its number in its fragment.
    pub index: u16,
    pub epoch: u64,
    /// The operator at the head of its fragment, and how far event time has come there; the end of
    /// time is not told.
    pub head: String,
    pub watermark: i64,
    /// Nothing follows in later epochs.
    pub ended: bool,
    pub part: EpochPart,
    /// Where each partition of a source stands: the name under which it is stored, and the position.
    pub positions: Vec<(String, Vec<u8>)>,
    /// How long the subtask stood still for this.
    pub stall: Duration,
}

/// What the coordinator tells a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    Barrier(u64),
    Committed(u64),
    /// Read no further.
    Drain,
}

/// Starts a thread. An error or a panic in it is reported as [`Event::Failed`]. `span` says whose
/// lines those are that it logs.
pub fn spawn(
    name: String,
    span: tracing::Span,
    events: Sender<Event>,
    body: impl FnOnce() -> Result<(), RunError> + Send + 'static,
) -> Result<JoinHandle<()>, RunError> {
    let task = name.clone();
    let run = move || {
        let _entered = span.entered();
        let result = std::panic::catch_unwind(AssertUnwindSafe(body))
            .unwrap_or_else(|panic| Err(RunError::Bug(format!("task {task:?} panicked: {}", message_of(&*panic)))));
        if let Err(error) = result {
            // The coordinator may be gone already; then nobody waits for the reason.
            let _ = events.send(Event::Failed(error));
        }
    };
    // The kernel shows at most 15 bytes of a thread's name.
    let builder = std::thread::Builder::new().name(name.chars().take(15).collect());
    builder.spawn(run).map_err(|e| RunError::Refused(format!("thread {name:?} could not be started: {e}")))
}

/// Waits until all threads have ended and returns the first error that came meanwhile: the last
/// epoch is published behind its commit. `None` when they have not at the deadline; then the process
/// has to end without them, which loses nothing.
pub fn settle(events: &Receiver<Event>, deadline: impl Fn() -> Option<Instant>) -> Option<Option<RunError>> {
    let mut first = None;
    loop {
        match events.recv_timeout(POLL) {
            Ok(Event::Failed(error)) if !error.is_consequence() => first = first.or(Some(error)),
            Ok(_) => {}
            // Every thread holds a sender for as long as it lives.
            Err(RecvTimeoutError::Disconnected) => return Some(first),
            Err(RecvTimeoutError::Timeout) if deadline().is_some_and(|d| Instant::now() >= d) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
