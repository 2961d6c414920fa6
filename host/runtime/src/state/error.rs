//! What can go wrong with a job's state, and what to do then.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// A failure of the job's state. Every one stops the job; its state is then what the last committed
/// epoch left.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "cannot {action} the state directory {dir:?}: {source}. Check that it exists and that this user may write to it, or choose another one with --state-dir"
    )]
    Directory { dir: PathBuf, action: &'static str, source: io::Error },
    #[error(
        "the lock file {path:?} is not a regular file, which wasmill did not make so. Remove it, or choose another state directory"
    )]
    BadLock { path: PathBuf },
    #[error("the state directory {dir:?} is not a directory. Name a directory, or a path where one can be created")]
    NotADirectory { dir: PathBuf },
    #[error("the state directory {dir:?} is in use by {holder}. Stop that process, or give this job another directory")]
    Held {
        dir: PathBuf,
        holder: String,
        /// The process that holds it, when its lock file says so.
        pid: Option<u32>,
    },
    #[error(
        "the state directory {dir:?} holds {found:?}, and this build reads only {supported:?}. Use the version of wasmill that wrote it, or another directory"
    )]
    UnknownFormat { dir: PathBuf, found: String, supported: &'static str },
    #[error(
        "the state directory {dir:?} belongs to job {found:?}, not to job {wanted:?}. Give this job another directory, or its old name back"
    )]
    OtherJob { dir: PathBuf, found: String, wanted: String },
    #[error(
        "the state directory {dir:?} was created with {found} key groups, and the job now asks for {wanted}. The number is fixed: set it back to {found}, or start with another directory"
    )]
    OtherKeyGroups { dir: PathBuf, found: u16, wanted: u16 },
    #[error(
        "the disk of the state directory {dir:?} is full while it was to {doing}: {message}. Free some space and start the job again; it resumes at its last committed epoch"
    )]
    DiskFull { dir: PathBuf, doing: &'static str, message: String },
    #[error(
        "the state in {dir:?} is damaged ({doing}): {message}. Restore the directory from a copy, or start with another one"
    )]
    Corrupt { dir: PathBuf, doing: &'static str, message: String },
    #[error(
        "cannot {doing} in the state directory {dir:?}: {message}. Mend the cause and start the job again; it resumes at its last committed epoch"
    )]
    Database { dir: PathBuf, doing: &'static str, message: String },
    #[error(
        "the state in {dir:?} takes no commit after one has failed. Start the job again; it resumes at its last committed epoch"
    )]
    Broken { dir: PathBuf },
    #[error("the job that runs in {dir:?} moves its data faster than it can be read. Try again, or stop the job first")]
    Moving { dir: PathBuf },
    #[error("epoch {epoch} cannot be committed after epoch {committed}: epochs only grow. This is a bug in wasmill")]
    EpochOrder { epoch: u64, committed: u64 },
    #[error("epoch {epoch} has {problem}. This is a bug in wasmill")]
    BadCommit { epoch: u64, problem: String },
    #[error(
        "the state directory {dir:?} holds slot {slot:?} of operator {operator:?} as {found}, and the module now declares {wanted}. Give the slot another name, or run a module that declares what is stored"
    )]
    OtherForm { dir: PathBuf, operator: String, slot: String, found: String, wanted: String },
    #[error(
        "operator {operator:?} was given a key of group {group}, and owns the groups {groups:?}. This is a bug in wasmill"
    )]
    ForeignKey { operator: String, group: u16, groups: Range<u16> },
}
