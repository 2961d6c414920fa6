//! Columns between Arrow and blocks: copied out, with their offsets rebased, and read back without a
//! copy. It knows no frames and no effects.

use crate::schema::to_arrow;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ByteArrayType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, GenericByteArray, ListArray, PrimitiveArray,
    RecordBatch, RecordBatchOptions, StringArray, StructArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer, ToByteSlice};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use std::ops::Range;
use std::sync::Arc;
use wasmill_abi::block::{Block, BlockWriter, Column};
use wasmill_abi::{DecodeError, Field, Schema, Type};

#[cfg(target_endian = "big")]
compile_error!("frames are little-endian, and columns are copied as they lie in memory");

/// Appends the buffers of some rows of a column, depth first. Of a struct, only the fields that
/// `field` names are taken.
///
/// # Panics
/// When the array cannot be read as this field: the plan was checked against the schemas.
pub(super) fn put(block: &mut BlockWriter<'_>, field: &Field, array: &dyn Array, rows: Range<usize>) {
    // In a struct that is missing, values may be missing that otherwise must not be.
    let nulls = array.nulls().filter(|_| field.nullable).map(|n| n.slice(rows.start, rows.len()));
    let nulls = nulls.filter(|n| n.null_count() > 0);
    match &nulls {
        Some(nulls) => put_bits(block, nulls.inner()),
        None => block.buffer(&[]),
    }
    match field.ty {
        Type::Bool => put_bits(block, &array.as_boolean().values().slice(rows.start, rows.len())),
        Type::I8 => put_fixed::<Int8Type>(block, array, rows),
        Type::I16 => put_fixed::<Int16Type>(block, array, rows),
        Type::I32 => put_fixed::<Int32Type>(block, array, rows),
        Type::I64 => put_fixed::<Int64Type>(block, array, rows),
        Type::U8 => put_fixed::<UInt8Type>(block, array, rows),
        Type::U16 => put_fixed::<UInt16Type>(block, array, rows),
        Type::U32 => put_fixed::<UInt32Type>(block, array, rows),
        Type::U64 => put_fixed::<UInt64Type>(block, array, rows),
        Type::F32 => put_fixed::<Float32Type>(block, array, rows),
        Type::F64 => put_fixed::<Float64Type>(block, array, rows),
        Type::Timestamp => put_fixed::<TimestampMicrosecondType>(block, array, rows),
        Type::Utf8 => put_variable(block, array.as_string(), rows),
        Type::Binary => put_variable(block, array.as_binary(), rows),
        Type::Date => put_fixed::<Date32Type>(block, array, rows),
        Type::Decimal { .. } => put_fixed::<Decimal128Type>(block, array, rows),
        Type::List => {
            let lists = array.as_list::<i32>();
            let items = put_offsets(block, lists.value_offsets(), rows);
            put(block, &field.children[0], lists.values(), items);
        }
        Type::Struct => {
            let columns = children(field, array.as_struct());
            columns.for_each(|(child, column)| put(block, child, column, rows.clone()));
        }
    }
}

/// The fields of a struct with their columns.
fn children<'a>(field: &'a Field, array: &'a StructArray) -> impl Iterator<Item = (&'a Field, &'a ArrayRef)> {
    let column = move |child: &Field| array.column_by_name(&child.name).expect("the plan found each field by its name");
    field.children.iter().map(move |child| (child, column(child)))
}

/// Bytes that the rows of a column take.
///
/// # Panics
/// When the array cannot be read as this field.
pub(crate) fn bytes(field: &Field, array: &dyn Array) -> usize {
    let rows = array.len();
    let values = match field.ty {
        Type::Utf8 => variable_bytes(array.as_string::<i32>()),
        Type::Binary => variable_bytes(array.as_binary::<i32>()),
        Type::List => {
            let (offsets, lists) = (array.as_list::<i32>().value_offsets(), array.as_list::<i32>());
            let (first, last) = (offsets[0] as usize, offsets[rows] as usize);
            size_of_val(offsets) + bytes(&field.children[0], &lists.values().slice(first, last - first))
        }
        Type::Struct => children(field, array.as_struct()).map(|(child, column)| bytes(child, column)).sum(),
        fixed => fixed.width().map_or(rows.div_ceil(8), |width| width * rows),
    };
    values + array.nulls().map_or(0, |_| rows.div_ceil(8))
}

fn variable_bytes<T: ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>) -> usize {
    let offsets = array.value_offsets();
    size_of_val(offsets) + (offsets[offsets.len() - 1] - offsets[0]) as usize
}

fn put_fixed<T: ArrowPrimitiveType>(block: &mut BlockWriter<'_>, array: &dyn Array, rows: Range<usize>) {
    block.buffer(array.as_primitive::<T>().values()[rows].to_byte_slice());
}

/// Bits from any bit offset; those behind the last row are 0, so that equal rows give equal bytes.
fn put_bits(block: &mut BlockWriter<'_>, bits: &BooleanBuffer) {
    let len = bits.len();
    let aligned = bits.sliced();
    block.buffer_with(|out| {
        out.extend_from_slice(&aligned[..len.div_ceil(8)]);
        if let Some(last) = out.last_mut().filter(|_| !len.is_multiple_of(8)) {
            *last &= (1 << (len % 8)) - 1;
        }
    });
}

/// Offsets, moved so that they start at 0, and their data.
fn put_variable<T: ByteArrayType<Offset = i32>>(
    block: &mut BlockWriter<'_>,
    array: &GenericByteArray<T>,
    rows: Range<usize>,
) {
    let data = put_offsets(block, array.value_offsets(), rows);
    block.buffer(&array.value_data()[data]);
}

/// Returns the range between the first and the last offset.
fn put_offsets(block: &mut BlockWriter<'_>, offsets: &[i32], rows: Range<usize>) -> Range<usize> {
    let offsets = &offsets[rows.start..=rows.end];
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    block.buffer_with(|out| {
        let start = out.len();
        out.resize(start + offsets.len() * 4, 0);
        let slots = out[start..].as_chunks_mut::<4>().0;
        slots.iter_mut().zip(offsets).for_each(|(slot, offset)| *slot = (offset - first).to_le_bytes());
    });
    first as usize..last as usize
}

fn malformed(problem: impl Into<String>) -> DecodeError {
    DecodeError::new("effects", problem)
}

/// The part of a chunk that `bytes` is.
///
/// # Panics
/// When `bytes` does not lie in the chunk.
pub(super) fn part(chunk: &Buffer, bytes: &[u8]) -> Buffer {
    if bytes.is_empty() {
        return Buffer::default();
    }
    let offset = bytes.as_ptr().addr().checked_sub(chunk.as_ptr().addr()).expect("the bytes lie in the chunk");
    chunk.slice_with_length(offset, bytes.len())
}

/// The rows of a block that stands alone.
pub(crate) fn block_rows(bytes: &[u8], schema: &Schema, rows_max: u32) -> Result<RecordBatch, DecodeError> {
    let chunk = Buffer::from(bytes);
    let block = Block::read(schema, &chunk, rows_max as usize)?;
    batch(&chunk, &block, schema, &to_arrow(schema))
}

/// A checked block of a chunk as a record batch over the chunk's own memory. Text is checked here.
pub(super) fn batch(
    chunk: &Buffer,
    block: &Block<'_>,
    schema: &Schema,
    arrow: &SchemaRef,
) -> Result<RecordBatch, DecodeError> {
    let columns = block.columns.iter().zip(&schema.fields).zip(arrow.fields());
    let columns = columns.map(|((column, field), arrow)| {
        let array = read(chunk, column, arrow.data_type());
        array.map_err(|e| malformed(format!("column {:?}: {e}", field.name)))
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(block.rows));
    RecordBatch::try_new_with_options(arrow.clone(), columns, &options).map_err(|e| malformed(e.to_string()))
}

/// Recurses no deeper than the schema.
fn read(chunk: &Buffer, column: &Column<'_>, arrow: &DataType) -> Result<ArrayRef, ArrowError> {
    let rows = column.rows;
    let values = part(chunk, column.values);
    let nulls = match column.validity {
        [] => None,
        bits => Some(NullBuffer::new(BooleanBuffer::new(part(chunk, bits), 0, rows))),
    };
    Ok(match column.ty {
        Type::Bool => Arc::new(BooleanArray::new(BooleanBuffer::new(values, 0, rows), nulls)),
        Type::I8 => primitive::<Int8Type>(values, rows, nulls)?,
        Type::I16 => primitive::<Int16Type>(values, rows, nulls)?,
        Type::I32 => primitive::<Int32Type>(values, rows, nulls)?,
        Type::I64 => primitive::<Int64Type>(values, rows, nulls)?,
        Type::U8 => primitive::<UInt8Type>(values, rows, nulls)?,
        Type::U16 => primitive::<UInt16Type>(values, rows, nulls)?,
        Type::U32 => primitive::<UInt32Type>(values, rows, nulls)?,
        Type::U64 => primitive::<UInt64Type>(values, rows, nulls)?,
        Type::F32 => primitive::<Float32Type>(values, rows, nulls)?,
        Type::F64 => primitive::<Float64Type>(values, rows, nulls)?,
        Type::Timestamp => {
            let values = ScalarBuffer::new(values, 0, rows);
            let array = PrimitiveArray::<TimestampMicrosecondType>::try_new(values, nulls)?;
            Arc::new(array.with_data_type(arrow.clone()))
        }
        Type::Date => primitive::<Date32Type>(values, rows, nulls)?,
        Type::Decimal { precision, .. } => {
            let array = PrimitiveArray::<Decimal128Type>::try_new(aligned(values, rows), nulls)?;
            // The type comes first: the digits are checked against its scale, too.
            let array = array.with_data_type(arrow.clone());
            array.validate_decimal_precision(precision)?;
            Arc::new(array)
        }
        Type::List => {
            let DataType::List(item) = arrow else { return Err(other_type(arrow)) };
            let items = column.children.first().ok_or_else(|| other_type(arrow))?;
            let items = read(chunk, items, item.data_type())?;
            Arc::new(ListArray::try_new(item.clone(), offsets(chunk, column, items.len())?, items, nulls)?)
        }
        Type::Struct => {
            let DataType::Struct(fields) = arrow else { return Err(other_type(arrow)) };
            let children = column.children.iter().zip(fields).map(|(c, f)| read(chunk, c, f.data_type()));
            Arc::new(StructArray::try_new(fields.clone(), children.collect::<Result<_, _>>()?, nulls)?)
        }
        Type::Utf8 => Arc::new(StringArray::try_new(offsets(chunk, column, values.len())?, values, nulls)?),
        Type::Binary => Arc::new(BinaryArray::try_new(offsets(chunk, column, values.len())?, values, nulls)?),
    })
}

fn primitive<T: ArrowPrimitiveType>(
    values: Buffer,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    // Blocks pad every buffer to 8 bytes and chunks are aligned to 64 or more, so values are aligned.
    Ok(Arc::new(PrimitiveArray::<T>::try_new(ScalarBuffer::new(values, 0, rows), nulls)?))
}

fn other_type(arrow: &DataType) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("is not {arrow}"))
}

/// Values of 16 bytes. Blocks align to 8, so that every second one has to be copied.
fn aligned(values: Buffer, rows: usize) -> ScalarBuffer<i128> {
    let is_aligned = values.as_ptr().addr().is_multiple_of(align_of::<i128>());
    let values = if is_aligned { values } else { Buffer::from_slice_ref(values.as_slice()) };
    ScalarBuffer::new(values, 0, rows)
}

/// Offsets of text, bytes or lists; that they rise from 0 to `end` was checked with the block.
fn offsets(chunk: &Buffer, column: &Column<'_>, end: usize) -> Result<OffsetBuffer<i32>, ArrowError> {
    if i32::try_from(end).is_err() {
        return Err(ArrowError::InvalidArgumentError("has 2 GiB of data or more".to_owned()));
    }
    let offsets = part(chunk, column.offsets.as_flattened());
    Ok(OffsetBuffer::new(ScalarBuffer::new(offsets, 0, column.rows + 1)))
}
