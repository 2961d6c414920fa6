//! Encoding the key of each row of a batch, column by column, as [`wasmill_abi::key`] defines it.

use crate::state::ByteList;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use std::ops::Range;
use wasmill_abi::{Type, key};

/// Takes the encoded keys of rows, one by one.
pub trait KeySink {
    /// A key of a length that is known when this is compiled; all keys of the same rows have it.
    fn fixed<const N: usize>(&mut self, key: &[u8; N]);
    /// A key of any length.
    fn any(&mut self, key: &[u8]);
}

/// Encodes the keys of rows. It holds nothing but memory that is used again.
#[derive(Debug, Default)]
pub struct RowKeys(ByteList);

/// A key column with its type resolved once.
enum Column<'a> {
    Bool(&'a BooleanArray),
    I8(&'a PrimitiveArray<Int8Type>),
    I16(&'a PrimitiveArray<Int16Type>),
    I32(&'a PrimitiveArray<Int32Type>),
    I64(&'a PrimitiveArray<Int64Type>),
    U8(&'a PrimitiveArray<UInt8Type>),
    U16(&'a PrimitiveArray<UInt16Type>),
    U32(&'a PrimitiveArray<UInt32Type>),
    U64(&'a PrimitiveArray<UInt64Type>),
    F32(&'a PrimitiveArray<Float32Type>),
    F64(&'a PrimitiveArray<Float64Type>),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
    Date(&'a PrimitiveArray<Date32Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>),
    Utf8(&'a StringArray),
    Binary(&'a BinaryArray),
}

impl RowKeys {
    /// Gives the keys of `rows` to the sink, in their order. `columns` are positions in `batch`, of
    /// these types.
    pub fn each(
        &mut self,
        batch: &RecordBatch,
        columns: &[usize],
        types: &[Type],
        rows: Range<usize>,
        sink: &mut impl KeySink,
    ) {
        let columns: Vec<_> = columns.iter().zip(types).map(|(&c, &ty)| Column::new(ty, batch.column(c))).collect();
        match columns.as_slice() {
            [only] if only.array().null_count() == 0 => match only {
                Column::I32(a) => a.values()[rows].iter().for_each(|&v| sink.fixed(&key::of_i32(v))),
                Column::I64(a) => a.values()[rows].iter().for_each(|&v| sink.fixed(&key::of_i64(v))),
                Column::U32(a) => a.values()[rows].iter().for_each(|&v| sink.fixed(&key::of_u32(v))),
                Column::U64(a) => a.values()[rows].iter().for_each(|&v| sink.fixed(&key::of_u64(v))),
                Column::Timestamp(a) => a.values()[rows].iter().for_each(|&v| sink.fixed(&key::of_i64(v))),
                Column::Date(a) => a.values()[rows].iter().for_each(|&v| sink.fixed(&key::of_i32(v))),
                Column::Utf8(a) => self.encode(rows, sink, |out, i| key::put_bytes(out, a.value(i).as_bytes())),
                other => self.encode(rows, sink, |out, i| other.put(out, i)),
            },
            columns => self.encode(rows, sink, |out, i| columns.iter().for_each(|c| c.put(out, i))),
        }
    }

    /// In two passes: a key that is read while its bytes are still on their way to memory waits for
    /// them.
    fn encode(&mut self, rows: Range<usize>, sink: &mut impl KeySink, put: impl Fn(&mut Vec<u8>, usize)) {
        self.0.clear();
        for i in rows {
            self.0.push_with(|out| put(out, i));
        }
        self.0.iter().for_each(|key| sink.any(key));
    }
}

impl<'a> Column<'a> {
    fn new(ty: Type, array: &'a ArrayRef) -> Self {
        match ty {
            Type::Bool => Column::Bool(array.as_boolean()),
            Type::I8 => Column::I8(array.as_primitive()),
            Type::I16 => Column::I16(array.as_primitive()),
            Type::I32 => Column::I32(array.as_primitive()),
            Type::I64 => Column::I64(array.as_primitive()),
            Type::U8 => Column::U8(array.as_primitive()),
            Type::U16 => Column::U16(array.as_primitive()),
            Type::U32 => Column::U32(array.as_primitive()),
            Type::U64 => Column::U64(array.as_primitive()),
            Type::F32 => Column::F32(array.as_primitive()),
            Type::F64 => Column::F64(array.as_primitive()),
            Type::Timestamp => Column::Timestamp(array.as_primitive()),
            Type::Utf8 => Column::Utf8(array.as_string()),
            Type::Binary => Column::Binary(array.as_binary()),
            Type::Date => Column::Date(array.as_primitive()),
            Type::Decimal { .. } => Column::Decimal(array.as_primitive()),
            Type::List | Type::Struct => unreachable!("the plan has no nested keys"),
        }
    }

    fn put(&self, out: &mut Vec<u8>, i: usize) {
        if self.array().is_null(i) {
            return key::put_null(out);
        }
        match self {
            Column::Bool(a) => key::put_bool(out, a.value(i)),
            Column::I8(a) => key::put_i8(out, a.value(i)),
            Column::I16(a) => key::put_i16(out, a.value(i)),
            Column::I32(a) => key::put_i32(out, a.value(i)),
            Column::I64(a) => key::put_i64(out, a.value(i)),
            Column::U8(a) => key::put_u8(out, a.value(i)),
            Column::U16(a) => key::put_u16(out, a.value(i)),
            Column::U32(a) => key::put_u32(out, a.value(i)),
            Column::U64(a) => key::put_u64(out, a.value(i)),
            Column::F32(a) => key::put_f32(out, a.value(i)),
            Column::F64(a) => key::put_f64(out, a.value(i)),
            Column::Timestamp(a) => key::put_i64(out, a.value(i)),
            Column::Date(a) => key::put_i32(out, a.value(i)),
            Column::Decimal(a) => key::put_i128(out, a.value(i)),
            Column::Utf8(a) => key::put_bytes(out, a.value(i).as_bytes()),
            Column::Binary(a) => key::put_bytes(out, a.value(i)),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Column::Bool(a) => a,
            Column::I8(a) => a,
            Column::I16(a) => a,
            Column::I32(a) => a,
            Column::I64(a) => a,
            Column::U8(a) => a,
            Column::U16(a) => a,
            Column::U32(a) => a,
            Column::U64(a) => a,
            Column::F32(a) => a,
            Column::F64(a) => a,
            Column::Timestamp(a) => a,
            Column::Date(a) => a,
            Column::Decimal(a) => a,
            Column::Utf8(a) => a,
            Column::Binary(a) => a,
        }
    }
}
