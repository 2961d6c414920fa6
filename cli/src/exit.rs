//! How the process ends: the documented statuses, and the failure that carries one.

use std::fmt;
use std::path::Path;

/// An exit status other than success. The help text of [`crate::args::Cli`] documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It failed while it ran.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A job file or a module is refused.
    Refused,
    /// The state directory cannot be used.
    State,
    /// An input or an output failed; a new run resumes.
    Io,
    /// Ended by this signal before the job could drain.
    Signal(u8),
}

impl Status {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Status::Failed => 1,
            Status::Usage => 2,
            Status::Refused => 3,
            Status::State => 4,
            Status::Io => 5,
            Status::Signal(number) => number.saturating_add(128),
        }
    }

    /// The code of a failure of which no more is known.
    fn error_code(self) -> &'static str {
        match self {
            Status::Failed => "failed",
            Status::Usage => "usage",
            Status::Refused => "job-refused",
            Status::State => "state-store",
            Status::Io => "input-io",
            Status::Signal(_) => "drain-timed-out",
        }
    }
}

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    /// The page of `docs/errors` that explains it.
    pub code: &'static str,
    pub error: anyhow::Error,
}

impl Failure {
    pub fn new(status: Status, error: impl Into<anyhow::Error>) -> Self {
        Self { status, code: status.error_code(), error: error.into() }
    }

    /// With a code that says more than the status.
    #[must_use]
    pub fn coded(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    /// The command line asks for something that cannot be.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Status::Usage, anyhow::Error::msg(message.to_string()))
    }

    /// As [`Failure::usage`], with the causes of an error.
    pub fn usage_error(error: anyhow::Error) -> Self {
        Self::new(Status::Usage, error)
    }

    /// Names the file that it is about.
    #[must_use]
    pub fn of(self, path: &Path) -> Self {
        Self { error: self.error.context(path.display().to_string()), ..self }
    }

    /// A job file or a module is not accepted.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self::new(Status::Refused, anyhow::Error::msg(message.to_string()))
    }
}

/// Errors that a verb does not classify happened while it ran.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Status::Failed, error)
    }
}

/// The message, then one line per cause.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        for cause in self.error.chain().skip(1) {
            write!(f, "\n  because: {cause}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Status};
    use anyhow::Context;

    #[test]
    fn statuses_are_as_documented() {
        let codes = [Status::Failed, Status::Usage, Status::Refused, Status::State, Status::Io].map(Status::code);
        assert_eq!(codes, [1, 2, 3, 4, 5]);
        assert_eq!([Status::Signal(2), Status::Signal(15)].map(Status::code), [130, 143]);
    }

    #[test]
    fn causes_follow_the_message() {
        let error = Err::<(), _>(anyhow::anyhow!("it is gone")).context("cannot read a.wasm").expect_err("an error");
        assert_eq!(Failure::from(error).to_string(), "cannot read a.wasm\n  because: it is gone");
    }
}
