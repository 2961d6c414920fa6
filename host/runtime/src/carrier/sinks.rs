//! The sinks of a job, seen from the commit thread: where the next bytes of each go, and putting
//! them there.

use super::error::RunError;
use crate::connect::file_sink::{self, FileTarget, Roll, SinkError};
use crate::connect::stdout_sink;
use crate::failpoint;
use crate::format;
use crate::state::{Database, OutboxEntry};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmill_core::plan::{Format, OperatorKind, Plan, Sink, SinkConnector};

/// The name of the sink that takes the dead letters; no operator can have it.
const DEAD_LETTERS: &str = "#dead-letters";
/// Dead letters are rolled like any other files.
const DEAD_LETTERS_ROLL: Roll = Roll { bytes: 256 << 20, age: Duration::from_secs(24 * 3600) };

/// How one sink's bytes become visible.
enum Publisher {
    File { dir: PathBuf, header: Vec<u8>, extension: &'static str, roll: Roll },
    Stdout,
}

/// All sinks of a job that write.
pub struct Sinks {
    publishers: BTreeMap<String, Publisher>,
    /// The names of the plan's operators, by their position.
    names: Vec<String>,
    /// Where the next bytes of each sink and subtask go.
    next: BTreeMap<(String, u16), FileTarget>,
    /// The targets that the epoch under way has moved.
    moved: Vec<(String, Option<Vec<u8>>)>,
}

fn target_key(sink: &str, subtask: u16) -> String {
    format!("sink/{sink}/{subtask}")
}

impl Sinks {
    /// Opens the sinks: reads where each stands; a sink that never wrote claims its directory.
    pub fn open(plan: &Plan, base: &Path, state_dir: &Path, db: &Database) -> Result<Self, RunError> {
        let names = plan.operators.iter().map(|o| o.name.clone()).collect();
        let mut sinks = Self { publishers: BTreeMap::new(), names, next: BTreeMap::new(), moved: Vec::new() };
        for operator in &plan.operators {
            let OperatorKind::Sink(sink) = &operator.kind else { continue };
            if let Some(publisher) = publisher_of(sink, base) {
                sinks.add(&operator.name, publisher, operator.parallelism, db)?;
            }
        }
        let dead_letters = Publisher::File {
            dir: state_dir.join("dead-letters"),
            header: Vec::new(),
            extension: "ndjson",
            roll: DEAD_LETTERS_ROLL,
        };
        sinks.add(DEAD_LETTERS, dead_letters, 1, db)?;
        Ok(sinks)
    }

    fn add(&mut self, name: &str, publisher: Publisher, parallelism: u16, db: &Database) -> Result<(), RunError> {
        if let Publisher::File { dir, .. } = &publisher {
            let prefix = format!("sink/{name}/");
            let stored = db.meta_prefix(&prefix)?;
            let fail = |source| RunError::Sink { operator: name.to_owned(), source };
            for (key, value) in &stored {
                let subtask = key[prefix.len()..].parse::<u16>().ok();
                let target = serde_json::from_slice(value).ok();
                let (Some(subtask), Some(target)) = (subtask, target) else {
                    return Err(RunError::Bug(format!(
                        "the state holds an unreadable position of sink {name:?}: {key}"
                    )));
                };
                self.next.insert((name.to_owned(), subtask), target);
            }
            if stored.is_empty() {
                file_sink::claim(dir).map_err(fail)?;
            }
        }
        tracing::debug!(sink = name, parallelism, "sink opened");
        self.publishers.insert(name.to_owned(), publisher);
        Ok(())
    }

    /// Gives an epoch's bytes the place where they will stand.
    pub fn address(
        &mut self,
        epoch: u64,
        operator: usize,
        subtask: u16,
        bytes: Vec<u8>,
        now_micros: i64,
    ) -> Result<OutboxEntry, RunError> {
        let name = self.names[operator].clone();
        self.address_named(epoch, name, subtask, bytes, now_micros)
    }

    /// The same for the dead letters of all subtasks.
    pub fn address_dead_letters(
        &mut self,
        epoch: u64,
        bytes: Vec<u8>,
        now_micros: i64,
    ) -> Result<OutboxEntry, RunError> {
        self.address_named(epoch, DEAD_LETTERS.to_owned(), 0, bytes, now_micros)
    }

    fn address_named(
        &mut self,
        epoch: u64,
        sink: String,
        subtask: u16,
        bytes: Vec<u8>,
        now_micros: i64,
    ) -> Result<OutboxEntry, RunError> {
        let publisher = self
            .publishers
            .get(&sink)
            .ok_or_else(|| RunError::Bug(format!("sink {sink:?} has bytes but is not open")))?;
        let Publisher::File { header, roll, .. } = publisher else {
            return Ok(OutboxEntry { epoch, sink, subtask, bytes });
        };
        let now_ms = now_micros / 1000;
        let next =
            self.next.entry((sink.clone(), subtask)).or_insert(FileTarget { file: 0, offset: 0, opened_at_ms: now_ms });
        let (len, header_len) = (bytes.len() as u64, header.len() as u64);
        let (target, after) = file_sink::plan(*next, len, header_len, *roll, now_ms);
        *next = after;
        self.moved.push((target_key(&sink, subtask), Some(json_of(&after))));
        Ok(OutboxEntry { epoch, sink, subtask, bytes: seal(&target, bytes) })
    }

    /// The targets moved since the last call, for the commit that carries their bytes.
    pub fn take_targets(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        std::mem::take(&mut self.moved)
    }

    /// Puts an entry of the outbox where it belongs. Doing it again changes nothing.
    pub fn publish(&mut self, entry: &OutboxEntry) -> Result<(), RunError> {
        let Some(publisher) = self.publishers.get(&entry.sink) else {
            tracing::warn!(
                sink = entry.sink,
                epoch = entry.epoch,
                "the job no longer has this sink; its last bytes are dropped"
            );
            return Ok(());
        };
        let fail = |source| RunError::Sink { operator: entry.sink.clone(), source };
        match publisher {
            Publisher::Stdout => stdout_sink::publish(&mut std::io::stdout().lock(), &entry.bytes).map_err(fail),
            Publisher::File { dir, header, extension, .. } => {
                let (target, bytes) = unseal(&entry.bytes)
                    .ok_or_else(|| RunError::Bug(format!("the outbox of epoch {} is unreadable", entry.epoch)))?;
                let put = |bytes: &[u8]| file_sink::publish(dir, entry.subtask, extension, &target, header, bytes);
                if failpoint::reached("publish.half") {
                    let half: Result<(), SinkError> = put(&bytes[..bytes.len() / 2]);
                    half.map_err(fail)?;
                    failpoint::kill();
                }
                put(bytes).map_err(fail)
            }
        }
    }
}

fn publisher_of(sink: &Sink, base: &Path) -> Option<Publisher> {
    match &sink.connector {
        SinkConnector::Blackhole => None,
        SinkConnector::Stdout => Some(Publisher::Stdout),
        SinkConnector::File { path, roll_bytes, roll_age } => {
            let encoder = format::encoder(sink.format, &sink.schema);
            Some(Publisher::File {
                dir: base.join(path),
                header: encoder.header(),
                extension: encoder.extension(),
                roll: Roll { bytes: *roll_bytes, age: *roll_age },
            })
        }
    }
}

/// The encoder of a sink's rows; `None` when they are dropped.
pub fn encoder_of(sink: &Sink) -> Option<Box<dyn format::Encoder>> {
    match sink.connector {
        SinkConnector::Blackhole => None,
        SinkConnector::Stdout if sink.format == Format::Csv => Some(format::encoder(Format::Csv, &sink.schema)),
        _ => Some(format::encoder(sink.format, &sink.schema)),
    }
}

fn json_of(target: &FileTarget) -> Vec<u8> {
    serde_json::to_vec(target).expect("a file target is always written as JSON")
}

/// An outbox entry of a file: `u32` length of the target, the target as JSON, the bytes.
fn seal(target: &FileTarget, bytes: Vec<u8>) -> Vec<u8> {
    let target = json_of(target);
    let mut sealed = Vec::with_capacity(4 + target.len() + bytes.len());
    sealed.extend_from_slice(&(target.len() as u32).to_le_bytes());
    sealed.extend_from_slice(&target);
    sealed.extend_from_slice(&bytes);
    sealed
}

fn unseal(sealed: &[u8]) -> Option<(FileTarget, &[u8])> {
    let (len, rest) = sealed.split_first_chunk::<4>()?;
    let (target, bytes) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    Some((serde_json::from_slice(target).ok()?, bytes))
}
