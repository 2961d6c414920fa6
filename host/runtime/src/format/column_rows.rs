//! Rows of a file that holds a schema of its own, batch by batch, as the columns that a job reads.

use super::{FormatError, fit};
use crate::schema::to_arrow;
use arrow_array::{RecordBatch, RecordBatchOptions};
use wasmill_abi::{Field, Schema};

/// The rows of one file, in order.
pub trait ColumnRows: Send {
    /// The next rows; `None` at the end. Columns may have missing values where the schema has none:
    /// the caller looks for them.
    ///
    /// # Errors
    /// The file is damaged, or a value has no place in its column's type.
    fn next(&mut self) -> Result<Option<RecordBatch>, Damage>;

    /// Where reading goes on at this row, one of the last batch or the one behind it.
    fn place_of(&self, row: u64) -> Place;
}

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In bytes of the uncompressed file; 0 in formats that are not read from front to back.
    pub offset: u64,
    /// Rows behind `offset` that were read before.
    pub skip: u64,
}

/// What is wrong with a file.
#[derive(Debug)]
pub struct Damage {
    pub reason: String,
    /// Everything before this byte of the uncompressed file was intact; `None` in formats that are
    /// not read from front to back.
    pub offset: Option<u64>,
}

/// The same columns, all of them nullable.
pub fn with_nulls(schema: &Schema) -> Schema {
    Schema::new(schema.fields.iter().map(|f| Field { nullable: true, ..f.clone() }).collect())
}

/// A batch of a file whose columns passed `fit::check`, as the schema's columns, all nullable.
///
/// # Errors
/// A value has no place in its column's type.
pub fn fitted(batch: &RecordBatch, schema: &Schema) -> Result<RecordBatch, String> {
    let column = |field: &Field| {
        let column = batch.column_by_name(&field.name).ok_or_else(|| format!("column {:?} is gone", field.name))?;
        fit::fit(column, field).map_err(|e| format!("column {:?} ({}): {e}", field.name, field.type_text()))
    };
    let columns = schema.fields.iter().map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let nullable = to_arrow(&with_nulls(schema));
    RecordBatch::try_new_with_options(nullable, columns, &options).map_err(|e| e.to_string())
}

/// Whether a sink's batch has the columns of its schema.
pub fn check_batch(batch: &RecordBatch, schema: &Schema, format: &'static str) -> Result<(), FormatError> {
    let (got, want) = (batch.schema(), to_arrow(schema));
    let types = |s: &arrow_schema::Schema| s.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
    if types(&got) == types(&want) {
        return Ok(());
    }
    Err(FormatError::Encode { format, reason: format!("the batch has columns {got}, the sink wants {want}") })
}
