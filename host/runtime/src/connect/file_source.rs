//! The files of one subtask, read so that they advance together in event time. Which file is next
//! follows from the files' positions alone, so a resumed reader goes the way the first would have.

use super::column_partition::ColumnPartition;
use super::partition::{BatchLimits, Identity, OpenPart, Outcome, Partition};
use super::partitions::path_of;
use super::position::{FileIdentity, PartitionPosition};
use super::records::Records;
use super::{Next, Rows, SourceError, SourceOptions, SourceReader, input};
use crate::format::{self, Decoder};
use std::path::{Path, PathBuf};
use wasmill_core::plan::{Format, Source};
use wasmill_core::watermark::lowest;

/// Files open at once; the others wait, and hold the watermark back.
const OPEN_MAX: usize = 64;

/// A source that reads files.
pub struct FileSource {
    source: Source,
    base: PathBuf,
    limits: BatchLimits,
    /// In the order of their names.
    files: Vec<FileEntry>,
    /// The watermark that was last returned.
    watermark: Option<i64>,
}

struct FileEntry {
    name: String,
    id: u16,
    state: FileState,
}

enum FileState {
    /// Not opened by this reader yet.
    Waiting(PartitionPosition),
    Open(Box<dyn OpenPart>, FileIdentity),
    Done(PartitionPosition),
}

impl FileEntry {
    fn is_done(&self) -> bool {
        matches!(self.state, FileState::Done(_))
    }

    fn watermark(&self) -> Option<i64> {
        match &self.state {
            FileState::Waiting(p) | FileState::Done(p) => p.watermark,
            FileState::Open(p, _) => p.watermark(),
        }
    }

    fn highest(&self) -> Option<i64> {
        match &self.state {
            FileState::Waiting(p) | FileState::Done(p) => p.highest,
            FileState::Open(p, _) => p.highest(),
        }
    }

    fn position(&self) -> PartitionPosition {
        match &self.state {
            FileState::Waiting(p) | FileState::Done(p) => p.clone(),
            FileState::Open(p, identity) => PartitionPosition { file: Some(identity.clone()), ..p.position() },
        }
    }
}

impl FileSource {
    /// Checks the files that were read before, and opens the first ones.
    pub fn open(options: SourceOptions<'_>) -> Result<Self, SourceError> {
        let parallelism = options.parallelism.max(1);
        let mut files = Vec::new();
        for (name, &id) in options.partitions {
            if id % parallelism != options.subtask {
                continue;
            }
            let position = match options.restored.get(name) {
                Some(bytes) => PartitionPosition::decode(name, bytes)?,
                None => PartitionPosition::start(),
            };
            check_restored(&path_of(name, options.base), &position)?;
            let state = if position.done { FileState::Done(position) } else { FileState::Waiting(position) };
            files.push(FileEntry { name: name.clone(), id, state });
        }
        let mut this = Self {
            source: options.source.clone(),
            base: options.base.to_owned(),
            limits: BatchLimits { rows: options.batch_rows.max(1), bytes: options.batch_bytes.max(1) },
            files,
            watermark: None,
        };
        this.open_waiting()?;
        Ok(this)
    }

    /// Opens files so that the first [`OPEN_MAX`] of those that are not done are open.
    fn open_waiting(&mut self) -> Result<(), SourceError> {
        for file in self.files.iter_mut().filter(|f| !f.is_done()).take(OPEN_MAX) {
            if let FileState::Waiting(position) = &file.state {
                let path = path_of(&file.name, &self.base);
                let (partition, identity) = open_file(
                    Identity { name: &file.name, id: file.id, path: &path },
                    &self.source,
                    position,
                    self.limits,
                )?;
                file.state = FileState::Open(partition, identity);
            }
        }
        Ok(())
    }

    /// The file to read next: the one that is furthest behind in event time, the first of several.
    fn choose(&self) -> Option<usize> {
        let open = self.files.iter().enumerate().filter(|(_, f)| matches!(f.state, FileState::Open(..)));
        // `min_by_key` returns the first minimum; without event time there are no watermarks, so
        // files are read one after the other.
        open.min_by_key(|(_, f)| f.watermark()).map(|(i, _)| i)
    }

    /// The watermark of the subtask, when it has risen.
    fn risen(&mut self) -> Option<i64> {
        let now = lowest(self.files.iter().filter(|f| !f.is_done()).map(FileEntry::watermark))?;
        if self.watermark.is_some_and(|w| w >= now) {
            return None;
        }
        self.watermark = Some(now);
        Some(now)
    }

    fn read(&mut self, index: usize) -> Result<Option<Rows>, SourceError> {
        let file = &mut self.files[index];
        let FileState::Open(partition, identity) = &mut file.state else {
            return Ok(None);
        };
        let (rows, outcome) = partition.read(self.limits)?;
        if outcome == Outcome::End {
            let identity = identify_done(&path_of(&file.name, &self.base), partition.position().offset, identity)?;
            file.state = FileState::Done(PartitionPosition { file: Some(identity), ..partition.position() });
            self.open_waiting()?;
        }
        Ok((rows.batch.rows() > 0 || !rows.dead.is_empty()).then_some(rows))
    }
}

impl SourceReader for FileSource {
    fn next(&mut self) -> Result<Next, SourceError> {
        loop {
            if let Some(watermark) = self.risen() {
                return Ok(Next::Watermark(watermark));
            }
            let Some(index) = self.choose() else {
                return Ok(Next::End);
            };
            if let Some(rows) = self.read(index)? {
                return Ok(Next::Rows(rows));
            }
        }
    }

    fn positions(&self) -> Vec<(String, Vec<u8>)> {
        self.files.iter().map(|f| (f.name.clone(), f.position().encode())).collect()
    }

    fn has_ended(&self) -> bool {
        self.files.iter().all(FileEntry::is_done)
    }

    fn event_time_now(&self) -> Option<i64> {
        self.files.iter().filter_map(FileEntry::highest).max()
    }

    fn replayable(&self) -> bool {
        true
    }
}

/// A file of which something was read must still be there, unless it was read to its end.
fn check_restored(path: &Path, position: &PartitionPosition) -> Result<(), SourceError> {
    let Some(was) = &position.file else {
        return Ok(());
    };
    match input::check(path, position.offset, was) {
        Err(SourceError::Vanished { .. }) if position.done => Ok(()),
        Ok(()) if position.done => {
            let now = input::identify(path, position.offset)?;
            if now.length == was.length {
                return Ok(());
            }
            let reason = format!(
                "it was read to its end at {} bytes on disk and has {} now; put new rows into a new file",
                was.length, now.length
            );
            Err(SourceError::Changed { path: path.to_owned(), offset: position.offset, reason })
        }
        checked => checked,
    }
}

/// The identity of a file that was read to its end: it has not shrunk meanwhile, which would look
/// like its end. That it was removed meanwhile does no harm.
fn identify_done(path: &Path, offset: u64, was: &FileIdentity) -> Result<FileIdentity, SourceError> {
    match input::check(path, offset, was).and_then(|()| input::identify(path, offset)) {
        Err(SourceError::Vanished { .. }) => Ok(was.clone()),
        identity => identity,
    }
}

fn open_file(
    of: Identity<'_>,
    source: &Source,
    position: &PartitionPosition,
    limits: BatchLimits,
) -> Result<(Box<dyn OpenPart>, FileIdentity), SourceError> {
    let path = of.path;
    let identity = input::identify(path, position.offset)?;
    if matches!(source.format, Format::Parquet | Format::Avro) {
        return Ok((Box::new(ColumnPartition::open(of, source, position, limits)?), identity));
    }
    let (mut offset, mut line) = (position.offset, position.line);
    let decoder;
    if format::has_header(source.format) {
        let header = read_header(path, source)?;
        (offset, line) = if offset < header.offset { (header.offset, header.line) } else { (offset, line) };
        decoder = header.decoder;
    } else {
        let made = format::decoder(source.format, &source.schema, None);
        decoder = Some(made.map_err(|source| SourceError::Format { path: path.to_owned(), source })?);
    }
    let records = Records::new(input::open_at(path, offset)?, source.format, offset, line);
    Ok((Box::new(Partition::new(of, source, position, records, decoder)), identity))
}

struct HeaderRead {
    /// `None` for an empty file, which has no rows either.
    decoder: Option<Box<dyn Decoder>>,
    /// Where the first row starts.
    offset: u64,
    line: u64,
}

fn read_header(path: &Path, source: &Source) -> Result<HeaderRead, SourceError> {
    let mut records = Records::new(input::open_at(path, 0)?, source.format, 0, 1);
    let first = records.next().map_err(|e| input::damaged(path, records.offset(), e))?;
    let decoder = first
        .map(|header| format::decoder(source.format, &source.schema, Some(records.bytes(&header))))
        .transpose()
        .map_err(|source| SourceError::Format { path: path.to_owned(), source })?;
    Ok(HeaderRead { decoder, offset: records.offset(), line: records.line() })
}
