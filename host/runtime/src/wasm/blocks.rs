//! Batches as blocks outside of a guest call, for rows that are kept in a file.

use super::columns;
use super::guest::Chunk;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use wasmill_abi::block::{Block, BlockWriter};
use wasmill_abi::{DecodeError, Schema};

/// Rows in one block: more than any batch has.
const ROWS_MAX: usize = 1 << 24;

/// Writes all rows of a batch into an empty buffer.
///
/// # Panics
/// When the batch does not have the columns of the schema.
pub fn write(out: &mut Vec<u8>, schema: &Schema, batch: &RecordBatch) {
    let rows = batch.num_rows();
    let mut block = BlockWriter::new(out, rows, BlockWriter::buffers_of(schema));
    for (field, column) in schema.fields.iter().zip(batch.columns()) {
        columns::put(&mut block, field, column, 0..rows);
    }
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The bytes are damaged.
pub fn read(bytes: &[u8], schema: &Schema, arrow: &SchemaRef) -> Result<RecordBatch, DecodeError> {
    let chunk = Chunk::copy_of(bytes);
    let block = Block::read(schema, chunk.bytes(), ROWS_MAX)?;
    columns::batch(chunk.buffer(), &block, schema, arrow)
}
