//! Dead letters: what could not be processed, with where it came from and why, one JSON object a
//! line; and beside them the calls that a replay runs again. They are part of the epoch, so each
//! appears exactly once.

use crate::batch::Position;
use crate::connect::{DeadLine, PartitionNames};
use crate::format;
use arrow_array::RecordBatch;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use wasmill_abi::hash::hash32;
use wasmill_abi::{Op, Schema};
use wasmill_core::plan::Format;

/// The names of all partitions, by their id.
pub type Partitions = Arc<PartitionNames>;

/// The position of rows that came of a timer and not of an input row.
pub const NO_POSITION: u64 = u64::MAX;

/// A frame above this size is not kept for a replay.
const KEPT_FRAME_BYTES_MAX: usize = 4 << 20;
/// Beside the first, frames are kept in an epoch until they have this many bytes together.
const KEPT_EPOCH_BYTES_MAX: usize = 1 << 20;

/// Why a row is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `rejected`, or what [`CallError::kind`](crate::wasm::CallError::kind) says of a failed call.
    pub kind: &'static str,
    /// The code that the function gave when it rejected the row.
    pub code: Option<u32>,
    pub message: String,
    /// The guest's frames, innermost first, when it trapped.
    pub backtrace: Vec<String>,
}

/// The name of a letter in its job: `EPOCH-SUBTASK-NUMBER`. Only committed letters are seen, and an
/// epoch is committed once, so it names one letter for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterId(String);

impl LetterId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Letters of one epoch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// NDJSON.
    pub lines: Vec<u8>,
    pub count: u64,
    /// The calls that a replay runs again; NDJSON, see [`super::kept`].
    pub kept: Vec<u8>,
}

/// The dead letters of one subtask and epoch.
pub struct DeadLetters {
    partitions: Partitions,
    /// The number of the subtask among all of the job.
    subtask: usize,
    epoch: u64,
    letters: Letters,
    /// Bytes of the frames kept in this epoch, as they were given to guests.
    kept_bytes: usize,
    total: u64,
    skipped: u64,
}

impl DeadLetters {
    /// `epoch` is the one that the first letters belong to.
    pub fn new(partitions: Partitions, subtask: usize, epoch: u64) -> Self {
        Self { partitions, subtask, epoch, letters: Letters::default(), kept_bytes: 0, total: 0, skipped: 0 }
    }

    /// A line that its format could not read.
    pub fn line(&mut self, operator: &str, line: &DeadLine) {
        let reason = Reason { kind: "format", code: None, message: line.reason.to_string(), backtrace: Vec::new() };
        let mut letter = head(operator, &reason);
        let at = json!({ "partition": line.partition, "line": line.line, "offset": line.offset });
        letter.insert("at".into(), at);
        letter.insert("bytes".into(), String::from_utf8_lossy(&line.bytes).into());
        self.push(letter);
    }

    /// A row that a function refused or that broke it. `row` is that row alone.
    pub fn row(&mut self, operator: &str, reason: &Reason, row: &RowOf<'_>) -> LetterId {
        let mut letter = head(operator, reason);
        if row.position != NO_POSITION {
            let at = Position::unpack(row.position);
            let partition = self.partitions.get(at.partition);
            letter.insert("at".into(), json!({ "partition": partition, "line": at.row + 1 }));
        }
        if let Some(time) = row.event_time {
            letter.insert("event_time_us".into(), time.into());
        }
        if let Some(op) = row.op {
            letter.insert("op".into(), op.sign().into());
        }
        self.push_row(letter, &row_json(row.schema, &row.columns))
    }

    /// A timer whose handling broke the function. `key` is for people.
    pub fn timer(&mut self, operator: &str, reason: &Reason, key: &str, family: &str, time: i64) -> LetterId {
        let mut letter = head(operator, reason);
        letter.insert("timer".into(), json!({ "key": key, "family": family, "time_us": time }));
        self.push(letter)
    }

    fn push(&mut self, mut letter: Map<String, Value>) -> LetterId {
        let id = LetterId(format!("{}-{}-{}", self.epoch, self.subtask, self.letters.count));
        letter.insert("id".into(), id.as_str().into());
        let lines = &mut self.letters.lines;
        serde_json::to_writer(&mut *lines, &letter).expect("a JSON value is always written to memory");
        lines.push(b'\n');
        self.letters.count += 1;
        self.total += 1;
        id
    }

    /// A letter with the row behind its other keys, as the encoder wrote it: as a [`Value`], its
    /// decimals would become floats.
    fn push_row(&mut self, letter: Map<String, Value>, row: &[u8]) -> LetterId {
        let id = self.push(letter);
        let lines = &mut self.letters.lines;
        lines.truncate(lines.len() - b"}\n".len());
        lines.extend_from_slice(b",\"row\":");
        lines.extend_from_slice(row);
        lines.extend_from_slice(b"}\n");
        id
    }

    /// Keeps the call with this frame for a replay, unless the epoch has kept enough: rows that a
    /// function refuses by the thousand cost no more than a few do. `line` writes it, with its end.
    pub fn keep(&mut self, frame: &[u8], line: impl FnOnce(&mut Vec<u8>)) {
        let is_first = self.kept_bytes == 0;
        let allowed = if is_first { KEPT_FRAME_BYTES_MAX } else { KEPT_EPOCH_BYTES_MAX };
        if self.kept_bytes + frame.len() <= allowed {
            self.kept_bytes += frame.len();
            line(&mut self.letters.kept);
        }
    }

    /// Takes the letters of the epoch that ends; what follows belongs to epoch `next`.
    pub fn take(&mut self, next: u64) -> Letters {
        self.epoch = next;
        self.kept_bytes = 0;
        std::mem::take(&mut self.letters)
    }

    pub fn buffered_bytes(&self) -> u64 {
        (self.letters.lines.len() + self.letters.kept.len()) as u64
    }

    /// A row or timer is dropped without a letter, and counted.
    pub fn skip(&mut self) {
        self.skipped += 1;
    }

    /// All that were dropped since the start.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// All letters since the start.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// One row, with what is known of it.
pub struct RowOf<'a> {
    pub schema: &'a Schema,
    /// Exactly one row.
    pub columns: RecordBatch,
    pub position: u64,
    pub event_time: Option<i64>,
    /// What the row does, in a changelog.
    pub op: Option<Op>,
}

fn head(operator: &str, reason: &Reason) -> Map<String, Value> {
    let mut letter = Map::new();
    letter.insert("operator".into(), operator.into());
    letter.insert("reason".into(), reason.kind.into());
    if let Some(code) = reason.code {
        letter.insert("code".into(), code.into());
    }
    letter.insert("message".into(), reason.message.clone().into());
    if !reason.backtrace.is_empty() {
        letter.insert("backtrace".into(), reason.backtrace.clone().into());
    }
    letter
}

/// A hash of the values of one row, the same in every run.
pub fn digest(schema: &Schema, row: &RecordBatch) -> u32 {
    hash32(&row_json(schema, row))
}

fn row_json(schema: &Schema, columns: &RecordBatch) -> Vec<u8> {
    let mut line = Vec::new();
    match format::encoder(Format::Ndjson, schema).encode(columns, &mut line) {
        Ok(()) => line.trim_ascii_end().to_vec(),
        Err(_) => Value::String(format!("{columns:?}")).to_string().into_bytes(),
    }
}
