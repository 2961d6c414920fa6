//! Where rows come from and where they go: files, standard input, standard output.
//!
//! Sources cut their input into batches and watermarks that depend on positions alone, and can go
//! on from any position they named. Sinks put given bytes at a given place, any number of times
//! with the same result. This room decides neither when an epoch ends nor what is in a row.

pub mod closing;
mod column_partition;
mod error;
pub mod file_sink;
mod file_source;
mod follow_source;
mod generator;
mod input;
pub mod nexmark;
mod orders;
mod partition;
mod partition_names;
mod partitions;
mod position;
mod records;
mod stdin_source;
pub mod stdout_sink;
mod tail;
pub mod view_file;

pub use error::SourceError;
pub use file_sink::{FileTarget, SinkError};
pub use partition_names::PartitionNames;
pub use partitions::list_partitions;

use crate::batch::Batch;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use wasmill_core::plan::{Source, SourceConnector};

/// Rows and what was among them but is no row. All from one partition, in its order.
#[derive(Debug, Clone)]
pub struct Rows {
    /// May have no rows, when there are only dead lines.
    pub batch: Batch,
    pub dead: Vec<DeadLine>,
}

/// A line that does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLine {
    /// The file as listed by [`list_partitions`], or `stdin`.
    pub partition: String,
    /// The number of the line, from 1; of a CSV record, that of its first line.
    pub line: u64,
    /// Where the line starts, in bytes of the uncompressed input.
    pub offset: u64,
    /// A packed [`crate::batch::Position`].
    pub position: u64,
    pub reason: String,
    /// The line without its end, cut off at 64 KiB.
    pub bytes: Vec<u8>,
}

/// What a source has next.
#[derive(Debug, Clone)]
pub enum Next {
    Rows(Rows),
    /// No row of this subtask that follows is at or before this time in microseconds, late rows
    /// aside. Rises with each one.
    Watermark(i64),
    /// Nothing has come for the source's idle timeout; the next rows end that.
    Idle,
    /// Nothing now; call again. The call waited for at most about 20 ms.
    Pending,
    /// Nothing ever again. The final watermark is for the caller to send.
    End,
}

/// What a source needs to open.
#[derive(Debug, Clone, Copy)]
pub struct SourceOptions<'a> {
    pub source: &'a Source,
    /// The directory of the job file.
    pub base: &'a Path,
    pub subtask: u16,
    pub parallelism: u16,
    /// Rows and dead lines in one batch.
    pub batch_rows: usize,
    /// Input bytes of one batch, roughly: the line that passes the limit still belongs to it.
    pub batch_bytes: usize,
    /// All partitions of the source, of all subtasks, with the number that each keeps for good. A
    /// partition belongs to subtask `number % parallelism`. At the first start these are the ones
    /// of [`list_partitions`]; later, those of positions that were committed as well.
    pub partitions: &'a BTreeMap<String, u16>,
    /// The names of all partitions of the job, for sources that find more.
    pub names: &'a Arc<PartitionNames>,
    /// Positions that were committed, of all subtasks.
    pub restored: &'a BTreeMap<String, Vec<u8>>,
}

/// One subtask's part of a source.
pub trait SourceReader: Send {
    /// The next rows or watermark. A file source waits only for its disk.
    ///
    /// # Errors
    /// The source cannot go on. Positions stay valid, so a job that is started again, with the
    /// cause mended, goes on where this one stopped.
    fn next(&mut self) -> Result<Next, SourceError>;

    /// Where to go on, per partition, behind everything that [`Self::next`] returned. Holds every
    /// partition of this subtask, also those that are not open yet or are done.
    fn positions(&self) -> Vec<(String, Vec<u8>)>;

    /// Whether nothing is left to read: [`Self::next`] will say so, and give nothing before.
    fn has_ended(&self) -> bool;

    /// The highest event time read, in microseconds.
    fn event_time_now(&self) -> Option<i64>;

    /// Whether a reader that is opened with these positions gives the same rows again. When not,
    /// rows that were read but not committed are lost in a crash.
    fn replayable(&self) -> bool;
}

/// Opens a source. After a restart, it first repeats the watermark that holds at the restored
/// positions, for operators that have not kept it.
pub fn open_source(options: SourceOptions<'_>) -> Result<Box<dyn SourceReader>, SourceError> {
    match &options.source.connector {
        SourceConnector::File { .. } => {
            let was_followed = |name: &&String| follow_source::parts_of(name).is_some();
            match options.restored.keys().find(was_followed) {
                Some(partition) => Err(SourceError::Followed { partition: partition.clone() }),
                None => Ok(Box::new(file_source::FileSource::open(options)?)),
            }
        }
        SourceConnector::Follow { path } => Ok(Box::new(follow_source::FollowSource::open(options, path)?)),
        SourceConnector::Generator(what) => Ok(Box::new(generator::GeneratorSource::open(options, what)?)),
        SourceConnector::Stdin => Ok(Box::new(stdin_source::StdinSource::open(options, std::io::stdin())?)),
    }
}

/// The name of the only partition of standard input.
pub const STDIN: &str = "stdin";

#[cfg(test)]
mod follow_tests;
#[cfg(test)]
mod source_tests;
