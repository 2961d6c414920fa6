//! What can be wrong with an input, and what to do about it.

use crate::format::FormatError;
use std::io;
use std::path::PathBuf;

/// A source cannot start or go on. Nothing that was committed is lost: mend the cause and start the
/// job again.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(
        "no file matches {pattern:?} (looked in {directory}); check the source's path, relative paths start at the job file's directory"
    )]
    NoFiles { pattern: String, directory: PathBuf },
    #[error("{pattern:?} is not a usable file pattern: {reason}; correct the source's path")]
    Pattern { pattern: String, reason: String },
    #[error(
        "input {path} is no regular file: pipes and devices cannot be read again after a crash; write their data into a file, or use the connector `stdin`"
    )]
    Irregular { path: PathBuf },
    #[error(
        "input file {path} has vanished, and was read only up to byte {offset}; put it back and start the job again"
    )]
    Vanished { path: PathBuf, offset: u64 },
    #[error(
        "input file {path} is not the one that was read up to byte {offset}: {reason}; put the former content back and start the job again, or start a new job with a new state directory"
    )]
    Changed { path: PathBuf, offset: u64, reason: String },
    #[error(
        "input file {path} is damaged behind byte {offset} of its uncompressed content: {reason}; replace it by an intact copy and start the job again"
    )]
    Corrupt { path: PathBuf, offset: u64, reason: String },
    #[error(
        "input file {path} was read up to byte {read} and was cut while it was followed: {why}; rows may be lost. Rotate by renaming (logrotate: `create`, not `copytruncate`), move the file away and start the job again"
    )]
    Cut { path: PathBuf, read: u64, why: String },
    #[error(
        "input file {path} is one of more than 65535 that were followed since the job started; start the job again"
    )]
    TooManyFiles { path: PathBuf },
    #[error(
        "input {partition:?} was followed by an earlier run, and the source says `follow: true` no longer: it would be read from its start. Put `follow: true` back, or start with a new state directory"
    )]
    Followed { partition: String },
    #[error("input {path}: {source}")]
    Format { path: PathBuf, source: FormatError },
    #[error("cannot read input {path} at byte {offset}: {source}; mend the cause and start the job again")]
    Io { path: PathBuf, offset: u64, source: io::Error },
    #[error(
        "the stored position of input {partition:?} cannot be read: {reason}; it was written by another version, or the state directory is damaged"
    )]
    Position { partition: String, reason: String },
}
