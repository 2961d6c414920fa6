//! From chunks of effects to what the host applies. Everything is checked before anything is
//! returned; columns and values stay in the memory of their chunk. It applies nothing.

use super::columns;
use super::entries;
use super::guest::Chunk;
use crate::schema::to_arrow;
use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::SchemaRef;
use std::ops::Range;
use wasmill_abi::effects::{Bounds, Effect, EntryChange, TimerChange, read};
use wasmill_abi::manifest::{Function, LateRows, Slot, SlotKind};
use wasmill_abi::{DecodeError, Schema};

/// Rows that one call may emit, over all outputs: rows without columns take no bytes.
const ROWS_MAX: usize = 1 << 24;
/// Why a row is refused is cut at this length.
const MESSAGE_BYTES_MAX: usize = 4096;

/// What a function may refer to. Made once per operator.
#[derive(Debug, Clone)]
pub struct EffectsReader {
    schemas: Vec<Schema>,
    /// For each output, whether it is a changelog.
    changelogs: Vec<bool>,
    arrow: Vec<SchemaRef>,
    slots: Vec<Slot>,
    metrics: u16,
    /// Whether the function may call rows late.
    late: LateRows,
}

/// All effects of one call, in the order in which the guest asked for them.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    pub rows: Vec<OutputRows>,
    state: Vec<StateRecord>,
    entries: Vec<EntryRecord>,
    pub timers: Vec<TimerChange>,
    pub rejects: Vec<Reject>,
    /// Input rows that came too late.
    pub late: Vec<u32>,
    /// The metric and its eight bytes; the manifest says whether they count or set.
    pub metrics: Vec<(u16, [u8; 8])>,
}

/// Rows for one output.
#[derive(Debug, Clone)]
pub struct OutputRows {
    pub output: usize,
    /// With the output's schema.
    pub columns: RecordBatch,
    /// The input row (or timer) that each row comes from; `None`: row i comes from input row i.
    pub origins: Option<ScalarBuffer<u32>>,
    /// The operation of each row, when the output is a changelog.
    pub ops: Option<ScalarBuffer<u8>>,
}

/// A value to store, or to delete when it is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChange<'a> {
    pub slot: u16,
    /// The index of a key of the frame.
    pub key: u32,
    pub value: Option<&'a [u8]>,
}

/// An input row (or timer) that the function refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub row: u32,
    pub code: u32,
    pub message: String,
}

/// The entries of one state record, in their chunk.
#[derive(Debug, Clone)]
struct StateRecord {
    slot: u16,
    chunk: Buffer,
    keys: Range<usize>,
    validity: Range<usize>,
    offsets: Range<usize>,
    values: Range<usize>,
}

/// A key's index, and where in the chunk an entry's own key and its value stand.
type PlacedChange = (u32, Option<Range<usize>>, Option<Range<usize>>);

/// Changes of one slot that is no value, in their chunk.
#[derive(Debug, Clone)]
pub struct EntryRecord {
    pub slot: u16,
    chunk: Buffer,
    /// The key of the frame, the entry's own key and the value.
    changes: Vec<PlacedChange>,
}

impl EntryRecord {
    /// All changes, in order.
    pub fn changes(&self) -> Vec<EntryChange<'_>> {
        let bytes = |range: &Option<Range<usize>>| range.clone().map(|range| &self.chunk.as_slice()[range]);
        let change =
            |(key, entry, value): &(u32, _, _)| EntryChange { key: *key, entry: bytes(entry), value: bytes(value) };
        self.changes.iter().map(change).collect()
    }
}

impl EffectsReader {
    pub fn new(function: &Function) -> Self {
        let schemas: Vec<Schema> = function.outputs.iter().map(|o| o.schema.clone()).collect();
        let arrow = schemas.iter().map(to_arrow).collect();
        let count = |n: usize| u16::try_from(n).expect("a manifest holds at most 256 of each");
        let changelogs = function.outputs.iter().map(|o| o.changelog).collect();
        let (slots, metrics) = (function.slots().to_vec(), count(function.metrics.len()));
        Self { schemas, changelogs, arrow, slots, metrics, late: function.late }
    }

    /// Reads the effects of a call with so many rows (or timers) and distinct keys.
    ///
    /// # Errors
    /// When one byte is wrong: an unknown output, slot, key, row or metric, a missing value in a
    /// column that is not nullable, text that is not UTF-8. Then nothing of the call holds.
    pub fn read(&self, chunks: &[Chunk], rows: u32, keys: u32) -> Result<Effects, DecodeError> {
        let slots = u16::try_from(self.slots.len()).expect("a manifest holds at most 256");
        let bounds = Bounds { outputs: &self.schemas, slots, metrics: self.metrics, rows, keys, rows_max: ROWS_MAX };
        let mut effects = Effects::default();
        let mut rows_left = ROWS_MAX;
        for chunk in chunks {
            for effect in read(chunk.bytes(), &bounds)? {
                self.add(&mut effects, chunk.buffer(), effect, &mut rows_left)?;
            }
        }
        Ok(effects)
    }

    fn add(
        &self,
        effects: &mut Effects,
        chunk: &Buffer,
        effect: Effect<'_>,
        rows_left: &mut usize,
    ) -> Result<(), DecodeError> {
        match effect {
            Effect::Rows { output, origins, ops, block } => {
                *rows_left = rows_left
                    .checked_sub(block.rows)
                    .ok_or_else(|| DecodeError::new("effects", format!("more than {ROWS_MAX} rows in one call")))?;
                let output = usize::from(output);
                if ops.is_some() != self.changelogs[output] {
                    let problem = match ops {
                        Some(_) => format!("rows of output {output}, which is no changelog, have operations"),
                        None => format!("rows of output {output}, which is a changelog, have no operations"),
                    };
                    return Err(DecodeError::new("effects", problem));
                }
                let columns = columns::batch(chunk, &block, &self.schemas[output], &self.arrow[output])?;
                let origins = origins.map(|o| ScalarBuffer::new(columns::part(chunk, o.as_flattened()), 0, o.len()));
                let ops = ops.map(|ops| ScalarBuffer::new(columns::part(chunk, ops), 0, ops.len()));
                effects.rows.push(OutputRows { output, columns, origins, ops });
            }
            Effect::Entries { slot, entries } => {
                let spec = &self.slots[usize::from(slot)];
                let at = |bytes: Option<&[u8]>| bytes.map(|bytes| place(chunk, bytes));
                let mut changes = Vec::with_capacity(entries.len());
                for change in &entries {
                    entries::check(spec, change)?;
                    changes.push((change.key, at(change.entry), at(change.value)));
                }
                effects.entries.push(EntryRecord { slot, chunk: chunk.clone(), changes });
            }
            Effect::State { slot, keys, values } => {
                let spec = &self.slots[usize::from(slot)];
                if spec.kind != SlotKind::Value {
                    return Err(DecodeError::new("effects", format!("slot {:?} is no value", spec.name)));
                }
                if spec.ttl.is_some() {
                    let valid = (0..values.rows).filter(|&i| values.is_valid(i));
                    valid.map(|i| values.var(i)).try_for_each(|value| entries::check_value(spec, value))?;
                }
                let at = |bytes: &[u8]| place(chunk, bytes);
                effects.state.push(StateRecord {
                    slot,
                    chunk: chunk.clone(),
                    keys: at(keys.as_flattened()),
                    validity: at(values.validity),
                    offsets: at(values.offsets.as_flattened()),
                    values: at(values.values),
                });
            }
            Effect::Timers(changes) => effects.timers.extend(changes),
            Effect::Reject { row, code, message } => {
                let message = message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)].to_owned();
                effects.rejects.push(Reject { row, code, message });
            }
            Effect::Late(_) if self.late == LateRows::Handled => {
                let problem = "late rows, though the manifest declares none";
                return Err(DecodeError::new("effects", problem));
            }
            Effect::Late(rows) => effects.late.extend(rows),
            Effect::Metric { metric, payload } => effects.metrics.push((metric, payload)),
        }
        Ok(())
    }
}

fn place(chunk: &Buffer, bytes: &[u8]) -> Range<usize> {
    if bytes.is_empty() {
        return 0..0;
    }
    let start = bytes.as_ptr().addr() - chunk.as_ptr().addr();
    start..start + bytes.len()
}

impl Effects {
    /// All changes of state, in order; of two for one slot and key the later one holds.
    pub fn state(&self) -> impl Iterator<Item = StateChange<'_>> {
        self.state.iter().flat_map(StateRecord::changes)
    }

    /// Changes of slots that are no values, in order.
    pub fn entries(&self) -> &[EntryRecord] {
        &self.entries
    }

    /// Whether the call asked for nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
            && self.state.is_empty()
            && self.entries.is_empty()
            && self.timers.is_empty()
            && self.rejects.is_empty()
            && self.late.is_empty()
            && self.metrics.is_empty()
    }
}

impl StateRecord {
    fn changes(&self) -> impl Iterator<Item = StateChange<'_>> {
        let bytes = self.chunk.as_slice();
        let keys = bytes[self.keys.clone()].as_chunks::<4>().0;
        let offsets = bytes[self.offsets.clone()].as_chunks::<4>().0;
        let (validity, values) = (&bytes[self.validity.clone()], &bytes[self.values.clone()]);
        keys.iter().zip(offsets.windows(2)).enumerate().map(move |(i, (key, ends))| {
            let range = u32::from_le_bytes(ends[0]) as usize..u32::from_le_bytes(ends[1]) as usize;
            let is_valid = validity.is_empty() || wasmill_abi::block::bit(validity, i);
            StateChange { slot: self.slot, key: u32::from_le_bytes(*key), value: is_valid.then(|| &values[range]) }
        })
    }
}
