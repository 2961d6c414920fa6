//! Dead letters: what could not be processed, with where it came from and why, one JSON object a
//! line. They are part of the epoch, so each appears exactly once.

use crate::batch::Position;
use crate::connect::DeadLine;
use crate::format;
use arrow_array::RecordBatch;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use wasmill_abi::{Op, Schema};
use wasmill_core::plan::Format;

/// The names of all partitions, by their id.
pub type Partitions = Arc<Vec<String>>;

/// The position of rows that came of a timer and not of an input row.
pub const NO_POSITION: u64 = u64::MAX;

/// Why a row is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `rejected`, or what [`CallError::kind`](crate::wasm::CallError::kind) says of a failed call.
    pub kind: &'static str,
    /// The code that the function gave when it rejected the row.
    pub code: Option<u32>,
    pub message: String,
}

/// The dead letters of one subtask and epoch.
pub struct DeadLetters {
    partitions: Partitions,
    bytes: Vec<u8>,
    count: u64,
    total: u64,
    skipped: u64,
}

impl DeadLetters {
    pub fn new(partitions: Partitions) -> Self {
        Self { partitions, bytes: Vec::new(), count: 0, total: 0, skipped: 0 }
    }

    /// A line that its format could not read.
    pub fn line(&mut self, operator: &str, line: &DeadLine) {
        self.push(json!({
            "operator": operator,
            "reason": "format",
            "message": line.reason,
            "at": { "partition": line.partition, "line": line.line, "offset": line.offset },
            "bytes": String::from_utf8_lossy(&line.bytes),
        }));
    }

    /// A row that a function refused or that broke it. `row` is that row alone.
    pub fn row(&mut self, operator: &str, reason: &Reason, row: &RowOf<'_>) {
        let mut letter = head(operator, reason);
        if row.position != NO_POSITION {
            let at = Position::unpack(row.position);
            let partition = self.partitions.get(usize::from(at.partition));
            letter.insert("at".into(), json!({ "partition": partition, "line": at.row + 1 }));
        }
        if let Some(time) = row.event_time {
            letter.insert("event_time_us".into(), time.into());
        }
        if let Some(op) = row.op {
            letter.insert("op".into(), op.sign().into());
        }
        letter.insert("row".into(), row_json(row.schema, &row.columns));
        self.push(Value::Object(letter));
    }

    /// A timer whose handling broke the function. `key` is for people.
    pub fn timer(&mut self, operator: &str, reason: &Reason, key: &str, family: &str, time: i64) {
        let mut letter = head(operator, reason);
        letter.insert("timer".into(), json!({ "key": key, "family": family, "time_us": time }));
        self.push(Value::Object(letter));
    }

    fn push(&mut self, letter: Value) {
        serde_json::to_writer(&mut self.bytes, &letter).expect("a JSON value is always written to memory");
        self.bytes.push(b'\n');
        self.count += 1;
        self.total += 1;
    }

    /// Takes the letters of the epoch that ends, with their number.
    pub fn take(&mut self) -> (Vec<u8>, u64) {
        (std::mem::take(&mut self.bytes), std::mem::take(&mut self.count))
    }

    pub fn buffered_bytes(&self) -> u64 {
        self.bytes.len() as u64
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
    letter
}

fn row_json(schema: &Schema, columns: &RecordBatch) -> Value {
    let mut line = Vec::new();
    let written = format::encoder(Format::Ndjson, schema).encode(columns, &mut line);
    match written.map(|()| serde_json::from_slice(&line)) {
        Ok(Ok(value)) => value,
        _ => Value::String(format!("{columns:?}")),
    }
}
