//! Frames: what the host wrote is what a guest reads, for any slice of any batch.

use super::codec::{array, slices};
use crate::batch::Batch;
use crate::schema::to_arrow;
use crate::wasm::frame::{Bytes, CallInfo, KeyColumns, KeySection, Timers, data_frame, timer_frame};
use crate::wasm::{Chunk, columns};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use proptest::prelude::*;
use wasmill_abi::frame::{Frame, Kind, Tag};
use wasmill_abi::{Field, Schema, Type, effects, key};
use wasmill_core::plan::Side;

const INFO: CallInfo = CallInfo { epoch: 7, watermark: -3, now: 11, seed: 13, side: Side::Left };

fn batch_of(columns: RecordBatch) -> Batch {
    let rows = columns.num_rows();
    let event_time = Some((0..rows as i64).collect());
    Batch { columns, event_time, positions: vec![0; rows].into(), ops: None }
}

/// The block of a frame's section, through the reader that effects use.
fn read_block(frame: &[u8], schema: &Schema, pick: impl Fn(&Frame<'_>) -> Option<Vec<u8>>) -> RecordBatch {
    let section = pick(&Frame::read(frame).expect("the host writes what it can read")).expect("the section is there");
    let chunk = Chunk::copy_of(&section);
    let block = wasmill_abi::block::Block::read(schema, chunk.bytes(), 1 << 20).expect("the block is right");
    columns::batch(chunk.buffer(), &block, schema, &to_arrow(schema)).expect("the columns are right")
}

fn section(tag: Tag, index: u16) -> impl Fn(&Frame<'_>) -> Option<Vec<u8>> {
    move |frame| frame.section(tag, index).expect("it lies in the frame").map(<[u8]>::to_vec)
}

proptest! {
    #[test]
    fn any_rows_of_any_slice(
        (schema, columns) in slices(),
        (a, b) in any::<(prop::sample::Index, prop::sample::Index)>(),
        pick in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let rows = columns.num_rows();
        let (a, b) = (a.index(rows + 1), b.index(rows + 1));
        let range = a.min(b)..a.max(b);
        let pick: Vec<usize> = pick.iter().map(|i| i.index(schema.fields.len())).collect();
        let input = Schema::new(
            pick.iter().enumerate().map(|(i, &c)| Field { name: format!("p{i}"), ..schema.fields[c].clone() }).collect(),
        );
        let batch = batch_of(columns.clone());
        let used = vec![0xaa; 300];
        let frame = data_frame(used, &INFO, &input, &pick, &batch, range.clone(), None).expect("there are no keys");
        let header = Frame::read(&frame).expect("it is a frame").header;
        prop_assert_eq!((header.kind, header.rows as usize, header.keys), (Kind::Data, range.len(), 0));
        prop_assert_eq!((header.epoch, header.watermark, header.now, header.seed), (7, -3, 11, 13));
        Frame::read(&frame).expect("it is a frame").columns(&input).expect("a guest can read it");
        let back = read_block(&frame, &input, section(Tag::Columns, 0));
        for (i, &column) in pick.iter().enumerate() {
            let expected = columns.column(column).slice(range.start, range.len());
            prop_assert_eq!(back.column(i), &expected);
        }
        let times = Frame::read(&frame).expect("it is a frame");
        let times = times.array::<8>(Tag::EventTime, range.len() as u32).expect("one per row");
        prop_assert!(times.iter().zip(range).all(|(t, i)| i64::from_le_bytes(*t) == i as i64));
    }

    #[test]
    fn keys_from_rows_and_keys_from_bytes_are_the_same(seed in any::<u64>(), rows in 1..40usize, skip in 0..20usize) {
        let types: Vec<Type> = Type::ALL.into_iter().chain([Type::Decimal { precision: 38, scale: 2 }]).collect();
        let schema = Schema::new(types.iter().map(|t| Field::new(t.name(), *t, true)).collect());
        let arrays = schema.fields.iter().map(|field| canonical(array(field, skip + rows, seed)));
        let columns = RecordBatch::try_new(to_arrow(&schema), arrays.collect()).expect("it fits");
        let (bytes, offsets) = encode(&columns.slice(skip, rows), &schema);
        let first: Vec<u32> = (0..rows as u32).collect();
        let all: Vec<usize> = (0..types.len()).collect();
        let batch = batch_of(columns);
        let section_of = |columns| {
            let keyed = KeySection { schema: &schema, keys: rows, columns, row_key: &first, state: &[] };
            let frame = data_frame(Vec::new(), &INFO, &schema, &all, &batch, skip..skip + rows, Some(&keyed));
            section(Tag::Keys, 0)(&Frame::read(&frame.expect("the keys are right")).expect("it is a frame"))
        };
        let from_rows = section_of(KeyColumns::FirstRows { rows: &first, columns: &all });
        let from_bytes = section_of(KeyColumns::Encoded(Bytes { offsets: &offsets, bytes: &bytes }));
        prop_assert!(from_rows.is_some());
        let (a, b) = (from_rows.expect("it was just there"), from_bytes.expect("it is there too"));
        let read = |bytes: &[u8]| {
            let chunk = Chunk::copy_of(bytes);
            let block = wasmill_abi::block::Block::read(&schema, chunk.bytes(), rows).expect("the block is right");
            super::super::columns::batch(chunk.buffer(), &block, &schema, &to_arrow(&schema)).expect("it is right")
        };
        prop_assert_eq!(read(&a), read(&b));
    }
}

/// Keys have one NaN and one zero.
fn canonical(array: arrow_array::ArrayRef) -> arrow_array::ArrayRef {
    match array.data_type() {
        arrow_schema::DataType::Float32 => std::sync::Arc::new(
            array
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|v| if v.is_nan() { f32::from_bits(0x7fc0_0000) } else { v + 0.0 }),
        ),
        arrow_schema::DataType::Float64 => std::sync::Arc::new(
            array
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|v| if v.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { v + 0.0 }),
        ),
        _ => array,
    }
}

fn encode(batch: &RecordBatch, schema: &Schema) -> (Vec<u8>, Vec<u32>) {
    let (mut bytes, mut offsets) = (Vec::new(), vec![0]);
    for row in 0..batch.num_rows() {
        for (field, column) in schema.fields.iter().zip(batch.columns()) {
            put(&mut bytes, field.ty, column, row);
        }
        offsets.push(bytes.len() as u32);
    }
    (bytes, offsets)
}

fn put(out: &mut Vec<u8>, ty: Type, column: &dyn Array, row: usize) {
    if column.is_null(row) {
        return key::put_null(out);
    }
    let data = column.to_data();
    let fixed = || {
        let width = ty.width().expect("it has a width");
        let mut bytes = [0; 16];
        let at = (data.offset() + row) * width;
        bytes[..width].copy_from_slice(&data.buffers()[0].as_slice()[at..at + width]);
        i128::from_le_bytes(bytes)
    };
    match ty {
        Type::Bool => key::put_bool(out, column.as_boolean().value(row)),
        Type::I8 => key::put_i8(out, fixed() as i8),
        Type::I16 => key::put_i16(out, fixed() as i16),
        Type::I32 | Type::Date => key::put_i32(out, fixed() as i32),
        Type::Decimal { .. } => key::put_i128(out, fixed()),
        Type::List | Type::Struct => panic!("a {ty} is no key"),
        Type::I64 | Type::Timestamp => key::put_i64(out, fixed() as i64),
        Type::U8 => key::put_u8(out, fixed() as u8),
        Type::U16 => key::put_u16(out, fixed() as u16),
        Type::U32 => key::put_u32(out, fixed() as u32),
        Type::U64 => key::put_u64(out, fixed() as u64),
        Type::F32 => key::put_f32(out, f32::from_bits(fixed() as u32)),
        Type::F64 => key::put_f64(out, f64::from_bits(fixed() as u64)),
        Type::Utf8 => key::put_bytes(out, column.as_string::<i32>().value(row).as_bytes()),
        Type::Binary => key::put_bytes(out, column.as_binary::<i32>().value(row)),
    }
}

fn id_schema() -> Schema {
    Schema::new(vec![Field::new("id", Type::I64, false)])
}

fn ids(keys: &[i64]) -> (Vec<u8>, Vec<u32>) {
    let (mut bytes, mut offsets) = (Vec::new(), vec![0]);
    for &key in keys {
        key::put_i64(&mut bytes, key);
        offsets.push(bytes.len() as u32);
    }
    (bytes, offsets)
}

#[test]
fn keys_and_state_stand_beside_the_rows() {
    let columns =
        RecordBatch::try_new(to_arrow(&id_schema()), vec![array(&id_schema().fields[0], 6, 1)]).expect("it fits");
    let expected: Vec<i64> = [3, 5].map(|i| columns.column(0).as_primitive::<Int64Type>().value(i)).into();
    let keyed = KeySection {
        schema: &id_schema(),
        keys: 2,
        columns: KeyColumns::FirstRows { rows: &[1, 3], columns: &[0] },
        row_key: &[0, 0, 1, 1],
        state: &[(0, Bytes { offsets: &[0, 0, 3], bytes: b"abc" }), (1, Bytes { offsets: &[0, 1, 1], bytes: b"z" })],
    };
    let batch = batch_of(columns);
    let frame = data_frame(Vec::new(), &INFO, &id_schema(), &[0], &batch, 2..6, Some(&keyed)).expect("keys are right");
    let keys = read_block(&frame, &id_schema(), section(Tag::Keys, 0));
    assert_eq!(keys.column(0).as_primitive::<Int64Type>().values(), &expected[..]);
    let frame = Frame::read(&frame).expect("it is a frame");
    assert_eq!(frame.header.keys, 2);
    let row_key = frame.array::<4>(Tag::RowKey, 4).expect("one per row");
    assert_eq!(row_key.map_to_u32(), [0, 0, 1, 1]);
    let state = Schema::new(vec![Field::new("value", Type::Binary, false)]);
    let values = |slot| {
        let block = frame.state(slot, &state).expect("the slot is there");
        [block.columns[0].var(0).to_vec(), block.columns[0].var(1).to_vec()]
    };
    assert_eq!(values(0), [b"".to_vec(), b"abc".to_vec()]);
    assert_eq!(values(1), [b"z".to_vec(), b"".to_vec()]);
    frame.state(0, &effects::state_schema()).expect("the block also fits the schema of state effects");
}

trait MapToU32 {
    fn map_to_u32(&self) -> Vec<u32>;
}

impl MapToU32 for [[u8; 4]] {
    fn map_to_u32(&self) -> Vec<u32> {
        self.iter().map(|v| u32::from_le_bytes(*v)).collect()
    }
}

#[test]
fn timers_bring_their_keys_and_state() {
    let (bytes, offsets) = ids(&[-4, 9]);
    let keyed = KeySection {
        schema: &id_schema(),
        keys: 2,
        columns: KeyColumns::Encoded(Bytes { offsets: &offsets, bytes: &bytes }),
        row_key: &[1, 0, 1],
        state: &[(0, Bytes { offsets: &[0, 2, 2], bytes: b"hi" })],
    };
    let timers = Timers { times: &[10, 20, 30], families: &[0, 1, 0] };
    let frame = timer_frame(Vec::new(), &INFO, timers, &keyed).expect("the keys are right");
    let keys = read_block(&frame, &id_schema(), section(Tag::Keys, 0));
    assert_eq!(keys.column(0).as_primitive::<Int64Type>().values(), &[-4, 9]);
    let frame = Frame::read(&frame).expect("it is a frame");
    assert_eq!((frame.header.kind, frame.header.rows, frame.header.timers), (Kind::Timers, 0, 3));
    let times = frame.array::<8>(Tag::TimerTime, 3).expect("one per timer");
    assert_eq!(times.iter().map(|t| i64::from_le_bytes(*t)).collect::<Vec<_>>(), [10, 20, 30]);
    assert_eq!(frame.array::<4>(Tag::TimerKey, 3).expect("one per timer").map_to_u32(), [1, 0, 1]);
    assert_eq!(frame.array::<1>(Tag::TimerFamily, 3).expect("one per timer"), &[[0], [1], [0]]);
}

#[test]
fn keys_that_are_damaged_are_an_error() {
    let (mut bytes, offsets) = ids(&[1]);
    bytes[0] = 7;
    let keyed = KeySection {
        schema: &id_schema(),
        keys: 1,
        columns: KeyColumns::Encoded(Bytes { offsets: &offsets, bytes: &bytes }),
        row_key: &[0],
        state: &[],
    };
    let timers = Timers { times: &[10], families: &[0] };
    let error = timer_frame(Vec::new(), &INFO, timers, &keyed).map(drop).expect_err("7 marks nothing");
    assert!(error.to_string().contains("malformed key"), "{error}");
}
