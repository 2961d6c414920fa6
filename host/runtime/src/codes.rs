//! The code of every error that ends a run: the name of its page in `docs/errors`. Codes never
//! change; the test `error_pages` of `host/core` holds them against the pages.

use crate::carrier::RunError;
use crate::connect::{SinkError, SourceError};
use crate::fragment::FragmentError;
use crate::state::StateError;

impl RunError {
    pub fn code(&self) -> &'static str {
        match self {
            RunError::Source { source, .. } => source.code(),
            RunError::Sink { source, .. } => source.code(),
            RunError::State(source) => source.code(),
            RunError::Starts(_) => "state-directory",
            RunError::Open { .. } => "open-failed",
            RunError::Fragment(source) => source.code(),
            RunError::DrainTimedOut { .. } => "drain-timed-out",
            RunError::Refused(_) => "job-refused",
            RunError::Bug(_) => "bug",
        }
    }
}

impl FragmentError {
    pub fn code(&self) -> &'static str {
        match self {
            FragmentError::Stopping => "bug",
            FragmentError::Function { .. } => "function-failed",
            FragmentError::State(source) => source.code(),
            FragmentError::Format { .. } => "output-format",
        }
    }
}

impl StateError {
    pub fn code(&self) -> &'static str {
        match self {
            StateError::Directory { .. } | StateError::NotADirectory { .. } => "state-directory",
            StateError::BadLock { .. } => "state-lock",
            StateError::Held { .. } => "state-held",
            StateError::UnknownFormat { .. } => "state-format",
            StateError::Moving { .. } => "state-moving",
            StateError::OtherJob { .. } => "state-other-job",
            StateError::OtherForm { .. } => "state-other-form",
            StateError::OtherKeyGroups { .. } => "state-other-key-groups",
            StateError::DiskFull { .. } => "disk-full",
            StateError::Corrupt { .. } => "state-damaged",
            StateError::Database { .. } | StateError::Broken { .. } => "state-store",
            StateError::EpochOrder { .. } | StateError::BadCommit { .. } | StateError::ForeignKey { .. } => "bug",
        }
    }
}

impl SourceError {
    pub fn code(&self) -> &'static str {
        match self {
            SourceError::NoFiles { .. } => "input-not-found",
            SourceError::Pattern { .. } => "input-pattern",
            SourceError::Irregular { .. } => "input-irregular",
            SourceError::Vanished { .. } => "input-vanished",
            SourceError::Changed { .. } | SourceError::Followed { .. } => "input-changed",
            SourceError::Cut { .. } => "input-cut",
            SourceError::TooManyFiles { .. } => "input-too-many",
            SourceError::Corrupt { .. } => "input-damaged",
            SourceError::Format { .. } => "input-format",
            SourceError::Io { .. } => "input-io",
            SourceError::Position { .. } => "input-position",
        }
    }
}

impl SinkError {
    pub fn code(&self) -> &'static str {
        match self {
            SinkError::Occupied { .. } => "output-occupied",
            SinkError::NotADirectory { .. } => "output-directory",
            SinkError::Shortened { .. } => "output-shortened",
            SinkError::NoSpace { .. } => "disk-full",
            SinkError::Io { .. } => "output-io",
            SinkError::BrokenPipe => "broken-pipe",
        }
    }
}
