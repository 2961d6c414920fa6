//! Why a job could not start or go on, and what its owner can do about it.

use super::careful::CarefulError;
use crate::connect::{SinkError, SourceError};
use crate::fragment::FragmentError;
use crate::state::StateError;
use crate::wasm::CallError;
use std::time::Duration;

/// The error of a run. Whatever it is, everything up to the last committed epoch is safe, and the
/// next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("source {operator:?}: {source}")]
    Source { operator: String, source: SourceError },
    #[error("sink {operator:?}: {source}")]
    Sink { operator: String, source: SinkError },
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Starts(#[from] CarefulError),
    #[error("operator {operator:?} could not be opened: {source}")]
    Open { operator: String, source: Box<CallError> },
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    #[error(
        "the drain did not end within {limit:?} (drain_timeout): the job was stopped at its last committed epoch \
         {epoch} and goes on from there at the next start"
    )]
    DrainTimedOut { limit: Duration, epoch: u64 },
    #[error("{0}")]
    Refused(String),
    #[error("{0}: this is a bug, please report it")]
    Bug(String),
}

/// The groups of errors that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunErrorKind {
    /// The job does not fit its state directory or its machine.
    Spec,
    /// An input cannot be read.
    Input,
    /// An output cannot be written.
    Output,
    /// The state directory cannot be used.
    State,
    /// A function failed in a way that stops the job.
    Function,
    /// The job was asked to stop and did not within its time.
    Drain,
    Bug,
}

impl RunError {
    pub fn kind(&self) -> RunErrorKind {
        match self {
            RunError::Source { .. } => RunErrorKind::Input,
            RunError::Sink { .. } | RunError::Fragment(FragmentError::Format { .. }) => RunErrorKind::Output,
            RunError::State(_) | RunError::Starts(_) | RunError::Fragment(FragmentError::State(_)) => {
                RunErrorKind::State
            }
            RunError::Open { .. } | RunError::Fragment(FragmentError::Function { .. }) => RunErrorKind::Function,
            RunError::DrainTimedOut { .. } => RunErrorKind::Drain,
            RunError::Refused(_) => RunErrorKind::Spec,
            RunError::Fragment(FragmentError::Stopping) | RunError::Bug(_) => RunErrorKind::Bug,
        }
    }

    /// Whether this only follows from another task's error.
    pub fn is_consequence(&self) -> bool {
        matches!(self, RunError::Fragment(FragmentError::Stopping))
    }
}
