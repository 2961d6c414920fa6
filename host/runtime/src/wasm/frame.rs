//! From Arrow to frames: what a guest call is given. Columns are copied as they lie in memory. It
//! groups nothing and reads no state: keys and values come ready.

use super::columns;
use crate::batch::Batch;
use arrow_array::{ArrayRef, UInt32Array};
use arrow_buffer::ToByteSlice;
use arrow_select::take::take;
use std::ops::Range;
use wasmill_abi::block::BlockWriter;
use wasmill_abi::frame::{FrameWriter, Header, Kind, Tag};
use wasmill_abi::key::{Value, decode};
use wasmill_abi::{DecodeError, Schema, Type};
use wasmill_core::plan::Side;

/// What every frame says beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallInfo {
    pub epoch: u64,
    /// In microseconds; `NO_WATERMARK` before the first.
    pub watermark: i64,
    /// The guest's only clock, in microseconds since 1970.
    pub now: i64,
    /// The guest's only randomness.
    pub seed: u64,
    /// The input that the rows of a data frame belong to.
    pub side: Side,
}

/// Byte strings in one buffer: string i is `bytes[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a> {
    /// One more than there are strings; they start at 0 and never fall.
    pub offsets: &'a [u32],
    pub bytes: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn get(&self, i: usize) -> &'a [u8] {
        &self.bytes[self.offsets[i] as usize..self.offsets[i + 1] as usize]
    }
}

/// Where the columns of the distinct keys come from.
#[derive(Debug, Clone, Copy)]
pub enum KeyColumns<'a> {
    /// The rows of the frame, counted from its first, in which each key occurs first; and which
    /// columns of the batch are the key.
    FirstRows { rows: &'a [u32], columns: &'a [usize] },
    /// The encoded keys.
    Encoded(Bytes<'a>),
}

/// The distinct keys of a frame, and what is stored for them.
#[derive(Debug, Clone, Copy)]
pub struct KeySection<'a> {
    /// The function's key columns.
    pub schema: &'a Schema,
    /// Distinct keys.
    pub keys: usize,
    pub columns: KeyColumns<'a>,
    /// The key of each row (or timer).
    pub row_key: &'a [u32],
    /// For each slot that is a value, its number and the stored value of each key; empty when nothing
    /// is stored.
    pub state: &'a [(u16, Bytes<'a>)],
}

/// Timers that are due, in the order in which they fire; their keys stand in
/// [`KeySection::row_key`].
#[derive(Debug, Clone, Copy)]
pub struct Timers<'a> {
    /// In microseconds.
    pub times: &'a [i64],
    /// Each a [`wasmill_abi::effects::TimerFamily`].
    pub families: &'a [u8],
}

/// The frame of some rows of a batch, written into `buffer`, whose content is dropped. `columns`
/// says which column of the batch feeds each column of `input`.
///
/// # Errors
/// When encoded keys do not have the types of the key's columns: stored state is damaged.
///
/// # Panics
/// When columns are missing or have other types: the plan was checked against the schemas.
pub fn data_frame(
    buffer: Vec<u8>,
    info: &CallInfo,
    input: &Schema,
    columns: &[usize],
    batch: &Batch,
    rows: Range<usize>,
    keyed: Option<&KeySection<'_>>,
) -> Result<Vec<u8>, DecodeError> {
    assert_eq!(input.fields.len(), columns.len(), "every column of the input is fed");
    let keys = keyed.map(|section| key_arrays(section, Some((batch, rows.start)))).transpose()?;
    let kind = match info.side {
        Side::Left => Kind::Data,
        Side::Right => Kind::Right,
    };
    let header = header(info, kind, rows.len(), keyed, 0);
    let optional = usize::from(batch.event_time.is_some()) + usize::from(batch.ops.is_some());
    let sections = 1 + optional + keyed.map_or(0, |k| 2 + k.state.len());
    let mut frame = FrameWriter::new(buffer, &header, sections);
    frame.block(Tag::Columns, 0, rows.len(), BlockWriter::buffers_of(input), |block| {
        for (field, &column) in input.fields.iter().zip(columns) {
            columns::put(block, field, batch.columns.column(column), rows.clone());
        }
    });
    if let Some(times) = &batch.event_time {
        frame.bytes(Tag::EventTime, times[rows.clone()].to_byte_slice());
    }
    if let Some(ops) = &batch.ops {
        frame.bytes(Tag::Op, &ops[rows.clone()]);
    }
    if let (Some(section), Some(keys)) = (keyed, &keys) {
        assert_eq!(section.row_key.len(), rows.len(), "every row has a key");
        put_keys(&mut frame, section, keys);
        frame.bytes(Tag::RowKey, section.row_key.to_byte_slice());
        put_state(&mut frame, section);
    }
    Ok(frame.finish())
}

/// The frame of timers that are due. Its keys are [`KeyColumns::Encoded`].
///
/// # Errors
/// When the keys do not have the types of the key's columns: stored state is damaged.
pub fn timer_frame(
    buffer: Vec<u8>,
    info: &CallInfo,
    timers: Timers<'_>,
    keyed: &KeySection<'_>,
) -> Result<Vec<u8>, DecodeError> {
    let count = timers.times.len();
    assert!(timers.families.len() == count && keyed.row_key.len() == count, "every timer has a family and a key");
    let keys = key_arrays(keyed, None)?;
    let header = header(info, Kind::Timers, 0, Some(keyed), count);
    let mut frame = FrameWriter::new(buffer, &header, 4 + keyed.state.len());
    frame.bytes(Tag::TimerTime, timers.times.to_byte_slice());
    frame.bytes(Tag::TimerKey, keyed.row_key.to_byte_slice());
    frame.bytes(Tag::TimerFamily, timers.families);
    put_keys(&mut frame, keyed, &keys);
    put_state(&mut frame, keyed);
    Ok(frame.finish())
}

fn header(info: &CallInfo, kind: Kind, rows: usize, keyed: Option<&KeySection<'_>>, timers: usize) -> Header {
    let count = |n: usize| u32::try_from(n).expect("a batch has at most 2^20 rows");
    Header {
        kind,
        rows: count(rows),
        keys: count(keyed.map_or(0, |k| k.keys)),
        timers: count(timers),
        epoch: info.epoch,
        watermark: info.watermark,
        now: info.now,
        seed: info.seed,
    }
}

/// The distinct keys, either still in Arrow or already as buffers.
enum KeyValues {
    Arrays(Vec<ArrayRef>),
    Buffers(Vec<KeyBuffers>),
}

fn key_arrays(section: &KeySection<'_>, source: Option<(&Batch, usize)>) -> Result<KeyValues, DecodeError> {
    match section.columns {
        KeyColumns::FirstRows { rows, columns } => {
            assert_eq!(rows.len(), section.keys, "every distinct key has a first row");
            let (batch, start) = source.expect("only data frames have rows");
            let start = u32::try_from(start).expect("a batch has fewer than 2^32 rows");
            let indices: UInt32Array = rows.iter().map(|row| row + start).collect::<Vec<u32>>().into();
            let taken = columns
                .iter()
                .map(|&c| take(batch.columns.column(c), &indices, None).expect("first rows lie in the batch"));
            Ok(KeyValues::Arrays(taken.collect()))
        }
        KeyColumns::Encoded(keys) => {
            assert_eq!(keys.len(), section.keys, "every distinct key is there");
            let types: Vec<Type> = section.schema.fields.iter().map(|f| f.ty).collect();
            let mut buffers: Vec<KeyBuffers> = types.iter().map(|&ty| KeyBuffers::new(ty, keys.len())).collect();
            for i in 0..keys.len() {
                let values = decode(&types, keys.get(i))?;
                buffers.iter_mut().zip(values).for_each(|(column, value)| column.push(i, &value));
            }
            Ok(KeyValues::Buffers(buffers))
        }
    }
}

fn put_keys(frame: &mut FrameWriter, section: &KeySection<'_>, values: &KeyValues) {
    let schema = section.schema;
    frame.block(Tag::Keys, 0, section.keys, BlockWriter::buffers_of(schema), |block| match values {
        KeyValues::Arrays(arrays) => {
            for (field, array) in schema.fields.iter().zip(arrays) {
                columns::put(block, field, array, 0..section.keys);
            }
        }
        KeyValues::Buffers(columns) => columns.iter().for_each(|column| column.put(block)),
    });
}

fn put_state(frame: &mut FrameWriter, section: &KeySection<'_>) {
    for &(slot, values) in section.state {
        assert_eq!(values.len(), section.keys, "every slot has a value per key, if only an empty one");
        frame.block(Tag::State, slot, section.keys, 3, |block| {
            block.buffer(&[]);
            block.buffer(values.offsets.to_byte_slice());
            block.buffer(values.bytes);
        });
    }
}

/// A key column that was decoded from key bytes, as the buffers of a block.
struct KeyBuffers {
    ty: Type,
    has_nulls: bool,
    validity: Vec<u8>,
    offsets: Vec<u32>,
    values: Vec<u8>,
}

impl KeyBuffers {
    fn new(ty: Type, keys: usize) -> Self {
        let bits = vec![0; keys.div_ceil(8)];
        let values = if ty == Type::Bool { bits.clone() } else { Vec::new() };
        Self { ty, has_nulls: false, validity: bits, offsets: vec![0], values }
    }

    /// The value of key `i`; keys come in order.
    fn push(&mut self, i: usize, value: &Value) {
        if *value == Value::Null {
            self.has_nulls = true;
            self.values.resize(self.values.len() + self.ty.width().unwrap_or(0), 0);
        } else {
            self.validity[i / 8] |= 1 << (i % 8);
        }
        match value {
            Value::Null => {}
            Value::Bool(v) => self.values[i / 8] |= u8::from(*v) << (i % 8),
            Value::Int(v) => self.fixed(v.to_le_bytes()),
            Value::UInt(v) => self.fixed(v.to_le_bytes()),
            Value::Decimal(v) => self.values.extend_from_slice(&v.to_le_bytes()),
            // Every f32 is a f64 exactly, so nothing is lost on the way back.
            Value::Float(v) if self.ty == Type::F32 => self.values.extend_from_slice(&(*v as f32).to_le_bytes()),
            Value::Float(v) => self.values.extend_from_slice(&v.to_le_bytes()),
            Value::Str(v) => self.values.extend_from_slice(v.as_bytes()),
            Value::Bytes(v) => self.values.extend_from_slice(v),
        }
        self.offsets.push(self.values.len() as u32);
    }

    /// The low bytes of an integer: as many as the type has.
    fn fixed(&mut self, bytes: [u8; 8]) {
        self.values.extend_from_slice(&bytes[..self.ty.width().unwrap_or(0)]);
    }

    fn put(&self, block: &mut BlockWriter<'_>) {
        block.buffer(if self.has_nulls { &self.validity } else { &[] });
        if self.ty.is_variable() {
            block.buffer(self.offsets.to_byte_slice());
        }
        block.buffer(&self.values);
    }
}
