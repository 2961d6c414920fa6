//! Effects: what a guest wrote is what the host reads, whatever the columns; and no bytes, however
//! wrong, do more than fail.

use super::guests::function;
use crate::schema::{data_type, to_arrow};
use crate::wasm::{Chunk, EffectsReader, columns};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, ListArray, RecordBatch, StringArray, StructArray,
    make_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_data::ArrayData;
use arrow_schema::DataType;
use proptest::prelude::*;
use std::sync::Arc;
use wasmill_abi::block::BlockWriter;
use wasmill_abi::effects::{EffectsWriter, TimerChange, TimerFamily};
use wasmill_abi::manifest::{Function, Output};
use wasmill_abi::{DecodeError, Field, Schema, Type};

/// An array of this column with so many rows; every third value is missing when it may be.
pub fn array(field: &Field, rows: usize, seed: u64) -> ArrayRef {
    let with_nulls = field.nullable;
    let bits = |salt: u64| BooleanBuffer::collect_bool(rows, |i| !mix(seed ^ salt, i).is_multiple_of(3));
    let nulls = with_nulls.then(|| NullBuffer::new(bits(1)));
    let text = |i: usize| "aé\u{1F600}z".repeat((mix(seed, i) % 4) as usize);
    match field.ty {
        Type::Bool => Arc::new(BooleanArray::new(bits(2), nulls)),
        Type::Utf8 => Arc::new(StringArray::from_iter((0..rows).map(|i| is_valid(&nulls, i).then(|| text(i))))),
        Type::Binary => Arc::new(BinaryArray::from_iter((0..rows).map(|i| is_valid(&nulls, i).then(|| text(i))))),
        Type::List => {
            let offsets = OffsetBuffer::<i32>::from_lengths((0..rows).map(|i| (mix(seed ^ 3, i) % 4) as usize));
            let items = array(&field.children[0], offsets[rows] as usize, seed ^ 4);
            let DataType::List(item) = data_type(field) else { panic!("a list is a list in Arrow") };
            Arc::new(ListArray::new(item, offsets, items, nulls))
        }
        Type::Struct => {
            let children = field.children.iter().zip(5..).map(|(child, salt)| array(child, rows, seed ^ salt));
            let DataType::Struct(fields) = data_type(field) else { panic!("a struct is a struct in Arrow") };
            Arc::new(StructArray::new(fields, children.collect(), nulls))
        }
        Type::Decimal { precision, .. } => {
            let end = 10_i128.pow(precision.into());
            let units = (0..rows).map(|i| i128::from(mix(seed, i) as i64) % end);
            let values = Decimal128Array::new(units.collect(), nulls);
            Arc::new(values.with_data_type(data_type(field)))
        }
        fixed => {
            let width = fixed.width().expect("all others have a width");
            let bytes: Vec<u8> = (0..rows).flat_map(|i| mix(seed, i).to_le_bytes()[..width].to_vec()).collect();
            let data = ArrayData::builder(data_type(field)).len(rows).nulls(nulls).add_buffer(Buffer::from(bytes));
            make_array(data.align_buffers(true).build().expect("the parts fit"))
        }
    }
}

fn is_valid(nulls: &Option<NullBuffer>, i: usize) -> bool {
    nulls.as_ref().is_none_or(|n| n.is_valid(i))
}

fn mix(seed: u64, i: usize) -> u64 {
    (seed.wrapping_add(i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .rotate_left(29)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// A column of any type, three deep at most.
fn field() -> impl Strategy<Value = Field> {
    let decimals = [(38, 2), (6, 2), (3, 3)].map(|(precision, scale)| Type::Decimal { precision, scale });
    let types: Vec<Type> = Type::ALL.into_iter().chain(decimals).collect();
    let plain = (proptest::sample::select(types), any::<bool>());
    let plain = plain.prop_map(|(ty, nullable)| Field::new("plain", ty, nullable));
    plain.prop_recursive(2, 6, 3, |inner| {
        let list = (inner.clone(), any::<bool>()).prop_map(|(item, nullable)| Field::list("list", item, nullable));
        let named = |(i, field): (usize, Field)| Field { name: format!("f{i}"), ..field };
        let fields = (proptest::collection::vec(inner, 1..4), any::<bool>());
        let structs = fields.prop_map(move |(fields, nullable)| {
            Field::structure("struct", fields.into_iter().enumerate().map(named).collect(), nullable)
        });
        prop_oneof![list, structs]
    })
}

/// Columns of all types, some nullable, and a slice of them.
pub fn slices() -> impl Strategy<Value = (Schema, RecordBatch)> {
    let column = (field(), any::<u64>());
    (proptest::collection::vec(column, 1..6), 0..70usize, 0..70usize).prop_map(|(picked, skip, rows)| {
        let named = |(i, (field, _)): (usize, &(Field, u64))| Field { name: format!("c{i}"), ..field.clone() };
        let schema = Schema::new(picked.iter().enumerate().map(named).collect());
        let arrays = schema.fields.iter().zip(&picked).map(|(field, &(_, seed))| array(field, skip + rows + 9, seed));
        let batch = RecordBatch::try_new(to_arrow(&schema), arrays.collect()).expect("the columns fit the schema");
        (schema, batch.slice(skip, rows))
    })
}

fn reader(schema: Schema) -> EffectsReader {
    EffectsReader::new(&Function {
        outputs: vec![Output { name: "out".into(), schema, changelog: false }],
        ..function()
    })
}

fn rows_chunk(schema: &Schema, batch: &RecordBatch, origins: Option<&[u32]>) -> Chunk {
    let mut writer = EffectsWriter::new();
    writer.rows(0, batch.num_rows(), origins, BlockWriter::buffers_of(schema), |block| {
        for (field, column) in schema.fields.iter().zip(batch.columns()) {
            columns::put(block, field, column, 0..batch.num_rows());
        }
    });
    Chunk::copy_of(&writer.finish())
}

proptest! {
    #[test]
    fn rows_of_any_slice_come_back((schema, batch) in slices()) {
        let chunk = rows_chunk(&schema, &batch, None);
        let effects = reader(schema).read(std::slice::from_ref(&chunk), 80, 0).expect("the chunk is right");
        prop_assert_eq!(&effects.rows[0].columns, &batch);
        prop_assert!(effects.rows[0].origins.is_none());
        let data = effects.rows[0].columns.column(0).to_data();
        // A struct has no values of its own, and every second decimal has to be copied.
        let Some(values) = data.buffers().last().filter(|_| !matches!(data.data_type(), DataType::Decimal128(..)))
        else {
            return Ok(());
        };
        let (start, end) = (chunk.bytes().as_ptr_range().start, chunk.bytes().as_ptr_range().end);
        prop_assert!(values.is_empty() || (start..end).contains(&values.as_ptr()), "values were copied");
    }

    #[test]
    fn equal_rows_give_equal_bytes((schema, batch) in slices()) {
        let taken = arrow_select::concat::concat_batches(&batch.schema(), [&batch]).expect("one batch");
        let (a, b) = (rows_chunk(&schema, &batch, None), rows_chunk(&schema, &taken, None));
        prop_assert_eq!(a.bytes(), b.bytes());
    }

    #[test]
    fn damage_is_an_error_and_nothing_more(
        (schema, batch) in slices(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = rows_chunk(&schema, &batch, Some(&vec![0; batch.num_rows()])).bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let cut = cut.index(bytes.len());
        for bytes in [&bytes[..], &bytes[..cut]] {
            if let Ok(effects) = reader(schema.clone()).read(&[Chunk::copy_of(bytes)], 80, 4) {
                // What is accepted can be used: every value is reached without a panic.
                effects.rows.iter().for_each(|rows| drop(format!("{:?}", rows.columns)));
            }
        }
    }
}

#[test]
fn all_kinds_in_their_order() {
    let mut writer = EffectsWriter::new();
    writer.state(0, &[(1, Some(b"one")), (0, None)]);
    let change = TimerChange { time: -5, key: 1, family: TimerFamily::Processing, delete: true };
    writer.timers(&[change]);
    writer.reject(2, 9, "bad");
    writer.counter(0, 3);
    let first = Chunk::copy_of(&writer.finish());
    let mut writer = EffectsWriter::new();
    writer.state(0, &[(0, Some(b"two"))]);
    let second = Chunk::copy_of(&writer.finish());
    let effects = EffectsReader::new(&function()).read(&[first, second], 3, 2).expect("the chunks are right");
    let state: Vec<_> = effects.state().map(|c| (c.key, c.value)).collect();
    assert_eq!(state, [(1, Some(&b"one"[..])), (0, None), (0, Some(&b"two"[..]))]);
    assert_eq!(effects.timers, [change]);
    assert_eq!(effects.rejects[0].code, 9);
    assert_eq!(effects.metrics, [(0, 3u64.to_le_bytes())]);
    assert!(!effects.is_empty());
    assert!(EffectsReader::new(&function()).read(&[], 3, 2).expect("nothing is fine").is_empty());
}

fn refusal(write: impl FnOnce(&mut EffectsWriter)) -> DecodeError {
    let mut writer = EffectsWriter::new();
    write(&mut writer);
    let chunk = Chunk::copy_of(&writer.finish());
    EffectsReader::new(&function()).read(&[chunk], 2, 2).map(drop).expect_err("it refers to what is not there")
}

#[test]
fn what_was_not_granted_is_refused() {
    for (what, error) in [
        ("output 1 of 1", refusal(|w| w.rows(1, 0, None, 0, |_| {}))),
        ("slot 1 of 1", refusal(|w| w.state(1, &[]))),
        ("key 2 of 2", refusal(|w| w.state(0, &[(2, None)]))),
        ("row 2 of 2", refusal(|w| w.reject(2, 0, ""))),
        ("metric 1 of 1", refusal(|w| w.counter(1, 1))),
    ] {
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_missing_value_where_none_may_be() {
    let schema = Schema::new(vec![Field::new("id", Type::I64, false)]);
    let nullable = Schema::new(vec![Field::new("id", Type::I64, true)]);
    let batch = RecordBatch::try_new(to_arrow(&nullable), vec![array(&Field::new("n", Type::I64, true), 9, 0)])
        .expect("it fits");
    let error = reader(schema).read(&[rows_chunk(&nullable, &batch, None)], 9, 0).map(drop).expect_err("nulls");
    assert!(error.to_string().contains("\"id\" is not nullable"), "{error}");
}

#[test]
fn text_that_is_not_utf8() {
    let schema = Schema::new(vec![Field::new("name", Type::Utf8, false)]);
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values([&b"fine"[..], b"\xff"]));
    let mut writer = EffectsWriter::new();
    writer.rows(0, 2, None, 3, |block| columns::put(block, &Field::new("b", Type::Binary, true), &bytes, 0..2));
    let chunk = Chunk::copy_of(&writer.finish());
    let error = reader(schema).read(&[chunk], 2, 0).map(drop).expect_err("FF is in no text");
    assert!(error.to_string().contains("\"name\"") && error.to_string().contains("UTF"), "{error}");
}

#[test]
fn rows_without_columns_are_counted_too() {
    let mut writer = EffectsWriter::new();
    for _ in 0..3 {
        let origins = [];
        writer.rows(0, 0, Some(&origins), 0, |_| {});
    }
    let effects = reader(Schema::default()).read(&[Chunk::copy_of(&writer.finish())], 5, 0).expect("no rows");
    assert_eq!(effects.rows.len(), 3);
    let mut writer = EffectsWriter::new();
    writer.rows(0, 5, None, 0, |_| {});
    let effects = reader(Schema::default()).read(&[Chunk::copy_of(&writer.finish())], 5, 0).expect("five rows");
    assert_eq!(effects.rows[0].columns.num_rows(), 5);
}
