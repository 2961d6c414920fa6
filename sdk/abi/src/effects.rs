//! Effects: all that a function asks for while it handles one batch.
//!
//! A guest pushes chunks; the host checks every chunk completely, keeps them, and applies all of
//! them when the call returned well, or none.
//!
//! ```text
//! magic "WME1" | u16 version | u16 zero | u32 records | u32 total length
//! record: u16 kind | u16 id | u32 payload length | u32 a | u32 b | payload, padded to 8
//! ```
//!
//! | kind | id | a | b | payload |
//! |---|---|---|---|---|
//! | 1 rows | output | rows | bit 0: row i comes from input row i; bit 1: a changelog | `u32` input row per row (absent with bit 0), padded to 8; `u8` [`Op`] per row (only with bit 1), padded to 8; a block of the output's schema |
//! | 2 state | slot | entries | 0 | `u32` key per entry, padded to 8; a block of one nullable bytes column: null deletes |
//! | 3 timers | 0 | entries | 0 | `i64` microseconds, `u32` key padded to 8, `u8` flags: bit 0 processing time, bit 1 delete |
//! | 4 reject | 0 | input row | code | UTF-8 message |
//! | 5 metric | metric | 0 | 0 | counters: `u64` to add; gauges: `f64` to set |
//! | 6 entries | slot | entries | 0 | `u32` key per entry, padded to 8; a block of two nullable bytes columns: the entry's own key, and its value |
//! | 16 late | 0 | rows | 0 | `u32` per input row that is late, rising |
//!
//! Entries change slots that are no values, in their order. With both parts, one is put into a map;
//! with a key alone, it is removed. With a value alone, it is appended to a list, or merged into a
//! merge slot; with neither, everything of that key of the frame is removed.
//!
//! A kind with bit 15 set is optional: a host that does not know it skips it. Any other unknown
//! kind fails the batch. "Input row" is the index of a timer in a timer frame.

use crate::block::{Block, BlockWriter, Column};
use crate::wire::pad8;
use crate::{DecodeError, Field, Op, Schema, Type};

/// The first four bytes of a chunk.
pub const MAGIC: [u8; 4] = *b"WME1";
/// The effects version that this crate writes and reads.
pub const VERSION: u16 = 1;
/// Bytes before the first record.
pub const HEADER_BYTES: usize = 16;
/// Bytes before a record's payload.
pub const RECORD_BYTES: usize = 16;
/// Set in the kind of a record that a host may skip.
pub const OPTIONAL: u16 = 1 << 15;

/// Flags of a record of rows: row i comes from input row i; every row has an operation.
const IN_STEP: u32 = 1;
const CHANGES: u32 = 2;

const ROWS: u16 = 1;
const STATE: u16 = 2;
const TIMERS: u16 = 3;
const REJECT: u16 = 4;
const METRIC: u16 = 5;
const ENTRIES: u16 = 6;
const LATE: u16 = 16;

/// The schema of state blocks: one nullable bytes column.
pub fn state_schema() -> Schema {
    Schema::new(vec![Field::new("value", Type::Binary, true)])
}

/// The schema of blocks of entries: two nullable bytes columns.
pub fn entries_schema() -> Schema {
    Schema::new(vec![Field::new("key", Type::Binary, true), Field::new("value", Type::Binary, true)])
}

/// One change of a map, a list or a merge slot; the module says what its parts mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryChange<'a> {
    /// The index of a key of the frame.
    pub key: u32,
    /// The key of an entry of a map.
    pub entry: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// Which clock a timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerFamily {
    /// The watermark.
    Event = 0,
    /// The host's clock.
    Processing = 1,
}

impl TimerFamily {
    /// The family with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Event),
            1 => Some(Self::Processing),
            _ => None,
        }
    }
}

/// One request about a timer. A timer is identified by its key, family and time: setting it twice
/// is setting it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerChange {
    pub time: i64,
    pub key: u32,
    pub family: TimerFamily,
    pub delete: bool,
}

/// Writes one chunk of effects.
pub struct EffectsWriter {
    out: Vec<u8>,
    records: u32,
}

impl Default for EffectsWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl EffectsWriter {
    pub fn new() -> Self {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.resize(HEADER_BYTES, 0);
        Self { out, records: 0 }
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    fn record(&mut self, kind: u16, id: u16, a: u32, b: u32, fill: impl FnOnce(&mut Vec<u8>)) {
        let at = self.out.len();
        self.out.extend_from_slice(&kind.to_le_bytes());
        self.out.extend_from_slice(&id.to_le_bytes());
        self.out.extend_from_slice(&0u32.to_le_bytes());
        self.out.extend_from_slice(&a.to_le_bytes());
        self.out.extend_from_slice(&b.to_le_bytes());
        fill(&mut self.out);
        let len = (self.out.len() - at - RECORD_BYTES) as u32;
        self.out[at + 4..at + 8].copy_from_slice(&len.to_le_bytes());
        self.out.resize(pad8(self.out.len()), 0);
        self.records += 1;
    }

    /// Rows for an output. `origins` names the input row of each row; `None` when row i comes from
    /// input row i. `fill` writes the block's `buffers` buffers.
    pub fn rows(
        &mut self,
        output: u16,
        rows: usize,
        origins: Option<&[u32]>,
        buffers: usize,
        fill: impl FnOnce(&mut BlockWriter<'_>),
    ) {
        self.changes(output, rows, origins, None, buffers, fill);
    }

    /// Rows for an output that is a changelog: as [`Self::rows`], with the code of each row's
    /// [`Op`]; `None` for outputs that are none.
    pub fn changes(
        &mut self,
        output: u16,
        rows: usize,
        origins: Option<&[u32]>,
        ops: Option<&[u8]>,
        buffers: usize,
        fill: impl FnOnce(&mut BlockWriter<'_>),
    ) {
        let in_step = if origins.is_none() { IN_STEP } else { 0 };
        let changes = if ops.is_some() { CHANGES } else { 0 };
        self.record(ROWS, output, rows as u32, in_step | changes, |out| {
            if let Some(origins) = origins {
                put_u32s(out, origins.iter().copied());
            }
            if let Some(ops) = ops {
                out.extend_from_slice(ops);
                out.resize(pad8(out.len()), 0);
            }
            fill(&mut BlockWriter::new(out, rows, buffers));
        });
    }

    /// Values to store (`Some`) or delete (`None`), each with the index of its key.
    pub fn state(&mut self, slot: u16, entries: &[(u32, Option<&[u8]>)]) {
        self.record(STATE, slot, entries.len() as u32, 0, |out| {
            put_u32s(out, entries.iter().map(|e| e.0));
            put_bytes_column(&mut BlockWriter::new(out, entries.len(), 3), entries.iter().map(|e| e.1));
        });
    }

    /// Changes of a slot that is no value.
    pub fn entries(&mut self, slot: u16, entries: &[EntryChange<'_>]) {
        self.record(ENTRIES, slot, entries.len() as u32, 0, |out| {
            put_u32s(out, entries.iter().map(|e| e.key));
            let mut block = BlockWriter::new(out, entries.len(), 6);
            put_bytes_column(&mut block, entries.iter().map(|e| e.entry));
            put_bytes_column(&mut block, entries.iter().map(|e| e.value));
        });
    }

    pub fn timers(&mut self, changes: &[TimerChange]) {
        self.record(TIMERS, 0, changes.len() as u32, 0, |out| {
            changes.iter().for_each(|c| out.extend_from_slice(&c.time.to_le_bytes()));
            put_u32s(out, changes.iter().map(|c| c.key));
            out.extend(changes.iter().map(|c| c.family as u8 | u8::from(c.delete) << 1));
        });
    }

    /// Refuses an input row.
    pub fn reject(&mut self, row: u32, code: u32, message: &str) {
        self.record(REJECT, 0, row, code, |out| out.extend_from_slice(message.as_bytes()));
    }

    /// Input rows that came too late, in their order.
    pub fn late(&mut self, rows: &[u32]) {
        self.record(LATE, 0, rows.len() as u32, 0, |out| put_u32s(out, rows.iter().copied()));
    }

    pub fn counter(&mut self, metric: u16, add: u64) {
        self.record(METRIC, metric, 0, 0, |out| out.extend_from_slice(&add.to_le_bytes()));
    }

    pub fn gauge(&mut self, metric: u16, value: f64) {
        self.record(METRIC, metric, 0, 0, |out| out.extend_from_slice(&value.to_le_bytes()));
    }

    /// The finished chunk.
    pub fn finish(mut self) -> Vec<u8> {
        self.out[8..12].copy_from_slice(&self.records.to_le_bytes());
        let len = self.out.len() as u32;
        self.out[12..16].copy_from_slice(&len.to_le_bytes());
        self.out
    }
}

fn put_u32s(out: &mut Vec<u8>, values: impl Iterator<Item = u32>) {
    values.for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
    out.resize(pad8(out.len()), 0);
}

/// Writes the three buffers of a nullable bytes column.
fn put_bytes_column<'v>(block: &mut BlockWriter<'_>, values: impl ExactSizeIterator<Item = Option<&'v [u8]>> + Clone) {
    let mut validity = vec![0u8; values.len().div_ceil(8)];
    for (i, _) in values.clone().enumerate().filter(|(_, v)| v.is_some()) {
        validity[i / 8] |= 1 << (i % 8);
    }
    block.buffer(&validity);
    block.buffer_with(|out| {
        let mut end = 0u32;
        out.extend_from_slice(&end.to_le_bytes());
        for value in values.clone() {
            end += value.map_or(0, <[u8]>::len) as u32;
            out.extend_from_slice(&end.to_le_bytes());
        }
    });
    block.buffer_with(|out| values.flatten().for_each(|v| out.extend_from_slice(v)));
}

/// What a call may refer to; everything outside is refused.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// The schema of each output.
    pub outputs: &'a [Schema],
    pub slots: u16,
    pub metrics: u16,
    /// Rows (or timers) in the frame.
    pub rows: u32,
    /// Distinct keys in the frame.
    pub keys: u32,
    /// At most this many rows in one record.
    pub rows_max: usize,
}

/// One checked record. Text columns are *not* checked for UTF-8 here.
#[derive(Debug, Clone)]
pub enum Effect<'a> {
    Rows {
        output: u16,
        /// The input row of each row; `None` when row i comes from input row i.
        origins: Option<&'a [[u8; 4]]>,
        /// The code of each row's [`Op`]; `None` when the record has none.
        ops: Option<&'a [u8]>,
        block: Block<'a>,
    },
    /// Entry i is for key `keys[i]`; a missing value deletes.
    State {
        slot: u16,
        keys: &'a [[u8; 4]],
        values: Column<'a>,
    },
    /// Changes of a slot that is no value, in order.
    Entries {
        slot: u16,
        entries: Vec<EntryChange<'a>>,
    },
    Timers(Vec<TimerChange>),
    Reject {
        row: u32,
        code: u32,
        message: &'a str,
    },
    /// The eight payload bytes; the manifest says whether they are a counter or a gauge.
    Metric {
        metric: u16,
        payload: [u8; 8],
    },
    /// Input rows that came too late, rising.
    Late(Vec<u32>),
}

fn error(problem: impl Into<String>) -> DecodeError {
    DecodeError::new("effects", problem)
}

/// Reads and checks one chunk.
pub fn read<'a>(chunk: &'a [u8], bounds: &Bounds<'_>) -> Result<Vec<Effect<'a>>, DecodeError> {
    let (header, mut rest) = chunk
        .split_at_checked(HEADER_BYTES)
        .ok_or_else(|| error(format!("{} bytes are too few for a header", chunk.len())))?;
    if header[..4] != MAGIC || header[4..6] != VERSION.to_le_bytes() {
        return Err(error("magic or version is not WME1 version 1"));
    }
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes")) as usize;
    let (records, total) = (word(8), word(12));
    if total != chunk.len() {
        return Err(error(format!("claims {total} bytes, has {}", chunk.len())));
    }
    let mut effects = Vec::new();
    for _ in 0..records {
        let (record, tail) = Record::read(rest)?;
        rest = tail;
        if let Some(effect) = record.check(bounds)? {
            effects.push(effect);
        }
    }
    if rest.is_empty() { Ok(effects) } else { Err(error(format!("{} bytes left over", rest.len()))) }
}

struct Record<'a> {
    kind: u16,
    id: u16,
    a: u32,
    b: u32,
    payload: &'a [u8],
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let (h, rest) = bytes.split_at_checked(RECORD_BYTES).ok_or_else(|| error("a record's header is cut off"))?;
        let half = |at: usize| u16::from_le_bytes([h[at], h[at + 1]]);
        let word = |at: usize| u32::from_le_bytes(h[at..at + 4].try_into().expect("four bytes"));
        let len = word(4) as usize;
        let (padded, tail) = rest
            .split_at_checked(pad8(len))
            .ok_or_else(|| error(format!("a record claims {len} bytes, {} are left", rest.len())))?;
        Ok((Self { kind: half(0), id: half(2), a: word(8), b: word(12), payload: &padded[..len] }, tail))
    }

    fn check(&self, bounds: &Bounds<'_>) -> Result<Option<Effect<'a>>, DecodeError> {
        Ok(Some(match self.kind {
            ROWS => self.rows(bounds)?,
            STATE => self.state(bounds)?,
            TIMERS => self.timers(bounds)?,
            REJECT => self.reject(bounds)?,
            METRIC => self.metric(bounds)?,
            ENTRIES => self.entries(bounds)?,
            LATE => self.late(bounds)?,
            kind if kind & OPTIONAL != 0 => return Ok(None),
            kind => return Err(error(format!("unknown record kind {kind}"))),
        }))
    }

    fn rows(&self, bounds: &Bounds<'_>) -> Result<Effect<'a>, DecodeError> {
        let schema = bounds
            .outputs
            .get(usize::from(self.id))
            .ok_or_else(|| error(format!("output {} of {}", self.id, bounds.outputs.len())))?;
        let rows = self.a as usize;
        if self.b & !(IN_STEP | CHANGES) != 0 {
            return Err(error(format!("unknown flags {} for rows", self.b)));
        }
        let (origins, rest) = match self.b & IN_STEP {
            0 => {
                let (origins, rest) = take_u32s(self.payload, rows, bounds.rows, "input row")?;
                (Some(origins), rest)
            }
            _ if self.a <= bounds.rows => (None, self.payload),
            _ => return Err(error(format!("{rows} rows for {} input rows", bounds.rows))),
        };
        let (ops, rest) = match self.b & CHANGES {
            0 => (None, rest),
            _ => {
                let (ops, rest) = take_ops(rest, rows)?;
                (Some(ops), rest)
            }
        };
        let block = Block::read(schema, rest, bounds.rows_max)?;
        if block.rows != rows {
            return Err(error(format!("a record of {rows} rows holds a block of {}", block.rows)));
        }
        Ok(Effect::Rows { output: self.id, origins, ops, block })
    }

    fn state(&self, bounds: &Bounds<'_>) -> Result<Effect<'a>, DecodeError> {
        if self.id >= bounds.slots {
            return Err(error(format!("slot {} of {}", self.id, bounds.slots)));
        }
        let entries = self.a as usize;
        let (keys, rest) = take_u32s(self.payload, entries, bounds.keys, "key")?;
        let mut block = Block::read(&state_schema(), rest, bounds.keys as usize)?;
        if block.rows != entries {
            return Err(error(format!("{entries} state entries hold {} values", block.rows)));
        }
        Ok(Effect::State { slot: self.id, keys, values: block.columns.remove(0) })
    }

    fn entries(&self, bounds: &Bounds<'_>) -> Result<Effect<'a>, DecodeError> {
        if self.id >= bounds.slots {
            return Err(error(format!("slot {} of {}", self.id, bounds.slots)));
        }
        let count = self.a as usize;
        let (keys, rest) = take_u32s(self.payload, count, bounds.keys, "key")?;
        let block = Block::read(&entries_schema(), rest, bounds.rows_max)?;
        if block.rows != count {
            return Err(error(format!("a record of {count} entries holds {}", block.rows)));
        }
        let at = |column: &Column<'a>, i| column.is_valid(i).then(|| column.var(i));
        let entry = |(i, key): (usize, &[u8; 4])| EntryChange {
            key: u32::from_le_bytes(*key),
            entry: at(&block.columns[0], i),
            value: at(&block.columns[1], i),
        };
        Ok(Effect::Entries { slot: self.id, entries: keys.iter().enumerate().map(entry).collect() })
    }

    fn timers(&self, bounds: &Bounds<'_>) -> Result<Effect<'a>, DecodeError> {
        let n = self.a as usize;
        let times_len = n.checked_mul(8).ok_or_else(|| error("too many timers"))?;
        let (times, rest) =
            self.payload.split_at_checked(times_len).ok_or_else(|| error(format!("{n} timers are cut off")))?;
        let (keys, flags) = take_u32s(rest, n, bounds.keys, "key")?;
        if flags.len() != n {
            return Err(error(format!("{n} timers have {} flags", flags.len())));
        }
        let entries = times.as_chunks::<8>().0.iter().zip(keys).zip(flags);
        let changes = entries.map(|((time, key), flags)| {
            let family = TimerFamily::from_code(flags & 1).expect("one bit");
            if *flags > 3 {
                return Err(error(format!("unknown timer flags {flags}")));
            }
            Ok(TimerChange {
                time: i64::from_le_bytes(*time),
                key: u32::from_le_bytes(*key),
                family,
                delete: flags & 2 != 0,
            })
        });
        Ok(Effect::Timers(changes.collect::<Result<_, _>>()?))
    }

    fn late(&self, bounds: &Bounds<'_>) -> Result<Effect<'a>, DecodeError> {
        let (rows, rest) = take_u32s(self.payload, self.a as usize, bounds.rows, "input row")?;
        let rows: Vec<u32> = rows.iter().map(|row| u32::from_le_bytes(*row)).collect();
        if !rest.is_empty() || !rows.is_sorted_by(|a, b| a < b) {
            return Err(error("late rows do not rise, or bytes are left over"));
        }
        Ok(Effect::Late(rows))
    }

    fn reject(&self, bounds: &Bounds<'_>) -> Result<Effect<'a>, DecodeError> {
        if self.a >= bounds.rows {
            return Err(error(format!("rejects row {} of {}", self.a, bounds.rows)));
        }
        let message = std::str::from_utf8(self.payload).map_err(|e| error(format!("a message is not UTF-8: {e}")))?;
        Ok(Effect::Reject { row: self.a, code: self.b, message })
    }

    fn metric(&self, bounds: &Bounds<'_>) -> Result<Effect<'a>, DecodeError> {
        if self.id >= bounds.metrics {
            return Err(error(format!("metric {} of {}", self.id, bounds.metrics)));
        }
        let payload = self.payload.try_into().map_err(|_| error("a metric's payload is not 8 bytes"))?;
        Ok(Effect::Metric { metric: self.id, payload })
    }
}

/// Takes `n` padded `u32`s, each below `limit`.
fn take_u32s<'a>(bytes: &'a [u8], n: usize, limit: u32, what: &str) -> Result<(&'a [[u8; 4]], &'a [u8]), DecodeError> {
    let len = n.checked_mul(4).ok_or_else(|| error("too many entries"))?;
    let (padded, rest) = bytes.split_at_checked(pad8(len)).ok_or_else(|| error(format!("{n} entries are cut off")))?;
    let values = padded[..len].as_chunks::<4>().0;
    let max = values.iter().fold(0, |m, v| u32::from_le_bytes(*v).max(m));
    if n > 0 && max >= limit {
        return Err(error(format!("{what} {max} of {limit}")));
    }
    Ok((values, rest))
}

/// Takes `n` padded operations.
fn take_ops(bytes: &[u8], n: usize) -> Result<(&[u8], &[u8]), DecodeError> {
    let (padded, rest) = bytes.split_at_checked(pad8(n)).ok_or_else(|| error(format!("{n} operations are cut off")))?;
    let ops = &padded[..n];
    match ops.iter().find(|&&code| Op::from_code(code).is_none()) {
        Some(code) => Err(error(format!("unknown operation {code}"))),
        None => Ok((ops, rest)),
    }
}
