//! The sinks of a job, seen from the commit thread: where the next bytes of each go, and putting
//! them there.

use super::destination::{Destination, FilePlace, Files, json_of, seal, unseal};
use super::error::RunError;
use crate::connect::file_sink::{self, FileTarget, Roll, SinkError};
use crate::connect::stdout_sink;
use crate::failpoint;
use crate::format;
use crate::fragment::dead_letters::Letters;
use crate::fragment::sink::Buffering;
use crate::letters;
use crate::state::{Database, OutboxEntry};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmill_core::plan::{OperatorKind, Plan, Sink, SinkConnector};

/// The name of the sink that takes the dead letters; no operator can have it.
const DEAD_LETTERS: &str = "#dead-letters";
/// The name of the sink that takes the calls behind them.
const REPLAYS: &str = "#replays";
/// The limit on the calls is kept by dropping the oldest of so many files.
const REPLAY_FILES: u32 = 8;
/// Dead letters are rolled like any other files.
const DEAD_LETTERS_ROLL: Roll = Roll { bytes: 256 << 20, age: Duration::from_secs(24 * 3600) };

/// How one sink's bytes become visible.
enum Publisher {
    File { files: Files, roll: Roll },
    Stdout,
}

/// All sinks of a job that write.
pub struct Sinks {
    /// Where paths of the job file start, and where the dead letters lie.
    base: PathBuf,
    state_dir: PathBuf,
    publishers: BTreeMap<String, Publisher>,
    /// The names of the plan's operators, by their position.
    names: Vec<String>,
    /// Where the next bytes of each sink and subtask go.
    next: BTreeMap<(String, u16), FileTarget>,
    /// Files that take no more rows, and may still be open: those of former settings, and one whose
    /// closing a crash interrupted.
    leftovers: Vec<(String, u16, FilePlace)>,
    /// The positions that the epoch under way has moved.
    moved: Vec<(String, Option<Vec<u8>>)>,
}

fn position_key(sink: &str, subtask: u16) -> String {
    format!("sink/{sink}/{subtask}")
}

impl Sinks {
    /// Opens the sinks: reads where each stands; a sink that never wrote to its directory claims it.
    pub fn open(plan: &Plan, base: &Path, state_dir: &Path, db: &Database) -> Result<Self, RunError> {
        let mut sinks = Self {
            base: base.to_owned(),
            state_dir: state_dir.to_owned(),
            publishers: BTreeMap::new(),
            names: plan.operators.iter().map(|o| o.name.clone()).collect(),
            next: BTreeMap::new(),
            leftovers: Vec::new(),
            moved: Vec::new(),
        };
        for operator in &plan.operators {
            let OperatorKind::Sink(sink) = &operator.kind else { continue };
            if let Some(publisher) = publisher_of(sink) {
                sinks.add(&operator.name, publisher, db)?;
            }
        }
        let files = |path: &str| Files { path: path.into(), extension: "ndjson".to_owned(), header: Vec::new() };
        sinks.add(DEAD_LETTERS, Publisher::File { files: files(letters::DIR), roll: DEAD_LETTERS_ROLL }, db)?;
        let roll = Roll { bytes: plan.limits.replays_bytes / u64::from(REPLAY_FILES), ..DEAD_LETTERS_ROLL };
        sinks.add(REPLAYS, Publisher::File { files: files(letters::CALLS_DIR), roll }, db)?;
        Ok(sinks)
    }

    fn add(&mut self, name: &str, publisher: Publisher, db: &Database) -> Result<(), RunError> {
        if let Publisher::File { files, .. } = &publisher {
            let stored = stored_places(name, db)?;
            let is_new = stored.iter().all(|(_, place)| place.files.path != files.path);
            if is_new {
                let fail = |source| RunError::Sink { operator: name.to_owned(), source };
                file_sink::claim(&self.directory(name, files)).map_err(fail)?;
            }
            for (subtask, place) in stored {
                let dir = self.directory(name, &place.files);
                let is_closed = place.files.closing(&dir, subtask, place.target.file).is_some_and(|c| c.is_closed());
                if is_closed || place.files != *files {
                    self.leftovers.push((name.to_owned(), subtask, place.clone()));
                }
                if is_new {
                    // What stands in the former directory is done; this one starts with its first file.
                    self.moved.push((position_key(name, subtask), None));
                } else {
                    let goes_on = !is_closed && place.files == *files;
                    self.next.insert(
                        (name.to_owned(), subtask),
                        if goes_on { place.target } else { next_file(place.target) },
                    );
                }
            }
        }
        self.publishers.insert(name.to_owned(), publisher);
        Ok(())
    }

    fn directory(&self, sink: &str, files: &Files) -> PathBuf {
        let start = if [DEAD_LETTERS, REPLAYS].contains(&sink) { &self.state_dir } else { &self.base };
        start.join(&files.path)
    }

    /// Gives an epoch's bytes the place where they will stand.
    pub fn address(
        &mut self,
        epoch: u64,
        operator: usize,
        subtask: u16,
        bytes: &[u8],
        now_micros: i64,
    ) -> Result<OutboxEntry, RunError> {
        let name = self.names[operator].clone();
        self.address_named(epoch, name, subtask, bytes, now_micros)
    }

    /// The same for the dead letters of all subtasks, and for the calls behind them.
    pub fn address_dead_letters(
        &mut self,
        epoch: u64,
        letters: &Letters,
        now_micros: i64,
    ) -> Result<Vec<OutboxEntry>, RunError> {
        [(DEAD_LETTERS, &letters.lines), (REPLAYS, &letters.kept)]
            .into_iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(sink, bytes)| self.address_named(epoch, sink.to_owned(), 0, bytes, now_micros))
            .collect()
    }

    fn address_named(
        &mut self,
        epoch: u64,
        sink: String,
        subtask: u16,
        bytes: &[u8],
        now_micros: i64,
    ) -> Result<OutboxEntry, RunError> {
        let publisher = self
            .publishers
            .get(&sink)
            .ok_or_else(|| RunError::Bug(format!("sink {sink:?} has bytes but is not open")))?;
        let Publisher::File { files, roll } = publisher else {
            return Ok(OutboxEntry { epoch, sink, subtask, bytes: seal(&Destination::Stdout, bytes) });
        };
        let now_ms = now_micros / 1000;
        let next =
            self.next.entry((sink.clone(), subtask)).or_insert(FileTarget { file: 0, offset: 0, opened_at_ms: now_ms });
        let (len, header_len) = (bytes.len() as u64, files.header.len() as u64);
        let (target, after) = file_sink::plan(*next, len, header_len, *roll, now_ms);
        *next = after;
        let place = |target| FilePlace { files: files.clone(), target };
        self.moved.push((position_key(&sink, subtask), Some(json_of(&place(after)))));
        Ok(OutboxEntry { epoch, sink, subtask, bytes: seal(&Destination::File(place(target)), bytes) })
    }

    /// The positions moved since the last call, for the commit that carries their bytes.
    pub fn take_positions(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        std::mem::take(&mut self.moved)
    }

    /// Puts an entry of the outbox where it belongs, also when the job has changed since it was
    /// committed. Doing it again changes nothing.
    pub fn publish(&self, entry: &OutboxEntry) -> Result<(), RunError> {
        let (destination, bytes) = unseal(&entry.bytes)
            .ok_or_else(|| RunError::Bug(format!("the outbox of epoch {} is unreadable", entry.epoch)))?;
        let fail = |source| RunError::Sink { operator: entry.sink.clone(), source };
        match destination {
            Destination::Stdout => stdout_sink::publish(&mut std::io::stdout().lock(), bytes).map_err(fail),
            Destination::File(FilePlace { files, target }) => {
                let (dir, header) = (self.directory(&entry.sink, &files), files.header.as_slice());
                let closing = |file| files.closing(&dir, entry.subtask, file);
                if closing(target.file).is_some_and(|c| c.is_closed()) {
                    // All that was committed for it stood in it before it was closed.
                    return Ok(());
                }
                if let Some(last) = target.file.checked_sub(1).filter(|_| target.offset == 0).and_then(closing) {
                    last.close().map_err(fail)?;
                }
                let put =
                    |bytes: &[u8]| file_sink::publish(&dir, entry.subtask, &files.extension, &target, header, bytes);
                if failpoint::reached("publish.half") {
                    let half: Result<(), SinkError> = put(&bytes[..bytes.len() / 2]);
                    half.map_err(fail)?;
                    failpoint::kill();
                }
                put(bytes).map_err(fail)?;
                if entry.sink == REPLAYS && target.offset == 0 {
                    letters::drop_calls_before(&dir, (target.file + 1).saturating_sub(REPLAY_FILES));
                }
                Ok(())
            }
        }
    }

    /// Closes the files of former settings. For when all that was committed for them is published.
    pub fn close_leftovers(&mut self) -> Result<(), RunError> {
        for (sink, subtask, place) in std::mem::take(&mut self.leftovers) {
            self.close_one(&sink, subtask, &place.files, place.target.file)?;
        }
        Ok(())
    }

    /// Closes all files whose rows are still gathered, for nothing more comes now. Returns where each
    /// sink goes on if the job is started again.
    pub fn close(&self) -> Result<super::admission::Meta, RunError> {
        let mut moved = Vec::new();
        for ((sink, subtask), target) in &self.next {
            let Some(Publisher::File { files, .. }) = self.publishers.get(sink) else { continue };
            if target.offset > 0 && self.close_one(sink, *subtask, files, target.file)? {
                let place = FilePlace { files: files.clone(), target: next_file(*target) };
                moved.push((position_key(sink, *subtask), Some(json_of(&place))));
            }
        }
        Ok(moved)
    }

    /// Whether it is a file that has to be closed.
    fn close_one(&self, sink: &str, subtask: u16, files: &Files, file: u32) -> Result<bool, RunError> {
        let dir = self.directory(sink, files);
        let Some(closing) = files.closing(&dir, subtask, file) else { return Ok(false) };
        closing.close().map_err(|source| RunError::Sink { operator: sink.to_owned(), source })?;
        Ok(true)
    }
}

/// Where each subtask of a sink stands.
fn stored_places(sink: &str, db: &Database) -> Result<Vec<(u16, FilePlace)>, RunError> {
    let prefix = format!("sink/{sink}/");
    let read = |(key, value): (String, Vec<u8>)| {
        let subtask = key[prefix.len()..].parse::<u16>().ok();
        let place = serde_json::from_slice(&value).ok();
        let unreadable = || RunError::Bug(format!("the state holds an unreadable position of sink {sink:?}: {key}"));
        subtask.zip(place).ok_or_else(unreadable)
    };
    db.meta_prefix(&prefix)?.into_iter().map(read).collect()
}

fn next_file(target: FileTarget) -> FileTarget {
    FileTarget { file: target.file + 1, offset: 0, ..target }
}

fn publisher_of(sink: &Sink) -> Option<Publisher> {
    match &sink.connector {
        SinkConnector::Blackhole { .. } | SinkConnector::View { .. } => None,
        SinkConnector::Stdout => Some(Publisher::Stdout),
        SinkConnector::File { path, roll_bytes, roll_age } => {
            let encoder = format::encoder(sink.format, &sink.schema);
            let files =
                Files { path: path.clone(), extension: encoder.extension().to_owned(), header: encoder.header() };
            Some(Publisher::File { files, roll: Roll { bytes: *roll_bytes, age: *roll_age } })
        }
    }
}

/// What a sink does with rows until their epoch ends.
pub fn buffering_of(sink: &Sink) -> Buffering {
    match sink.connector {
        SinkConnector::Blackhole { encodes: None } => Buffering::Nothing,
        SinkConnector::Blackhole { encodes: Some(format) } => {
            Buffering::EncodeAndDrop(format::encoder(format, &sink.schema))
        }
        _ => Buffering::Keep(format::encoder(sink.format, &sink.schema)),
    }
}
