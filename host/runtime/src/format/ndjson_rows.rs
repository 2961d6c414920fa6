//! The short way from a batch to NDJSON: columns of whole numbers, bools, texts and times. Its bytes
//! are those of arrow-json, which writes every other batch ([`super::encode`]).

use super::values::write_timestamp;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use wasmill_abi::{Field, Type};

/// Writes batches of one schema.
pub struct ShortRows {
    columns: Vec<(Vec<u8>, Type)>,
}

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
    Utf8(&'a StringArray),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
}

impl ShortRows {
    /// `None` when a column is of another type.
    pub fn new(fields: &[Field]) -> Option<Self> {
        let column = |(i, field): (usize, &Field)| {
            let is_short =
                !matches!(field.ty, Type::F32 | Type::F64 | Type::Binary | Type::Date | Type::Decimal { .. })
                    && !field.ty.is_nested();
            let mut key = vec![if i == 0 { b'{' } else { b',' }];
            serde_json::to_writer(&mut key, &field.name).expect("memory takes everything");
            key.push(b':');
            is_short.then_some((key, field.ty))
        };
        let columns = fields.iter().enumerate().map(column).collect::<Option<Vec<_>>>()?;
        (!columns.is_empty()).then_some(Self { columns })
    }

    /// Appends the rows of a batch of this schema.
    pub fn write(&self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let columns: Vec<_> =
            self.columns.iter().zip(batch.columns()).map(|((key, ty), array)| (key, Column::new(*ty, array))).collect();
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (key, column) in &columns {
                out.extend_from_slice(key);
                column.put(row, out, &mut text);
            }
            out.extend_from_slice(b"}\n");
        }
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
            Type::Utf8 => Column::Utf8(array.as_string()),
            Type::Timestamp => Column::Timestamp(array.as_primitive()),
            _ => unreachable!("such columns take the other way"),
        }
    }

    #[inline]
    fn put(&self, row: usize, out: &mut Vec<u8>, text: &mut String) {
        match self {
            Column::Bool(a) if a.is_valid(row) => put(out, if a.value(row) { b"true" } else { b"false" }),
            Column::I8(a) if a.is_valid(row) => number(out, a.value(row)),
            Column::I16(a) if a.is_valid(row) => number(out, a.value(row)),
            Column::I32(a) if a.is_valid(row) => number(out, a.value(row)),
            Column::I64(a) if a.is_valid(row) => number(out, a.value(row)),
            Column::U8(a) if a.is_valid(row) => number(out, a.value(row)),
            Column::U16(a) if a.is_valid(row) => number(out, a.value(row)),
            Column::U32(a) if a.is_valid(row) => number(out, a.value(row)),
            Column::U64(a) if a.is_valid(row) => number(out, a.value(row)),
            Column::Utf8(a) if a.is_valid(row) => quoted(out, a.value(row)),
            Column::Timestamp(a) if a.is_valid(row) => {
                text.clear();
                write_timestamp(text, a.value(row));
                out.push(b'"');
                put(out, text.as_bytes());
                out.push(b'"');
            }
            _ => put(out, b"null"),
        }
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    put(out, itoa::Buffer::new().format(value).as_bytes());
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    // In one pass that the compiler turns into vectors.
    if text.bytes().fold(false, |found, b| found | (b < 0x20) | (b == b'"') | (b == b'\\')) {
        return serde_json::to_writer(out, text).expect("memory takes everything");
    }
    out.push(b'"');
    put(out, text.as_bytes());
    out.push(b'"');
}
