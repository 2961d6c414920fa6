//! How rows stand in bytes: NDJSON and CSV, read into Arrow and written from it.
//!
//! This room knows single records and whole batches; it knows no files, offsets or watermarks.
//!
//! What is read is never bent to fit: a number with a fraction in an integer column, a number out
//! of range, or text in a number's place that is not that number fails its record, and only it.
//!
//! | type | NDJSON | CSV |
//! |---|---|---|
//! | bool | `true`, `false` | the same, in any case |
//! | integers | a whole number, also as text | a whole number |
//! | floats | a number, also as text (`"NaN"`, `"inf"`); written as null when not finite | a number, `NaN`, `inf` |
//! | string | text | the field as it stands |
//! | bytes | base64 (RFC 4648, padded) | the same |
//! | timestamp | RFC 3339 text; without an offset it is UTC; below a microsecond it is cut off | the same |
//! | date | ISO 8601 text, `"2001-01-31"` | the same |
//! | decimal | a number, also as text, with at most the digits of its type; written with all digits behind the point | the same |
//! | list | an array | none |
//! | struct | an object; keys that the type does not name are ignored | none |
//! | null | `null`, or no such key | the empty field |
//!
//! In CSV, an empty field is null in a nullable column (so an empty text there comes back as
//! null) and the empty text in a non-nullable one.
//!
//! Parquet and Avro have types of their own; `fit` says which of them are read as which.

mod avro_blocks;
pub mod avro_rows;
pub mod column_rows;
mod columns;
mod csv;
mod encode;
mod fit;
mod ndjson;
mod ndjson_line;
mod ndjson_rows;
mod nested;
pub mod parquet;
mod values;

pub use encode::{Encoder, encoder};

use arrow_array::RecordBatch;
use wasmill_abi::Schema;
use wasmill_core::plan::Format;

/// What is wrong with an encoding or with the start of an input. Reject the input or the plan.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error(
        "column {column:?} is not in the CSV header ({header}); add it to the file, or remove it from the source's schema"
    )]
    MissingColumn { column: String, header: String },
    #[error("column {column:?} stands twice in the CSV header; rename one of them")]
    DoubleColumn { column: String },
    #[error("the CSV header cannot be read: {reason}; the first line must name the columns")]
    Header { reason: String },
    #[error("column {column:?} is not in the file, whose columns are {found}; correct the source's schema")]
    NoColumn { column: String, found: String },
    #[error(
        "column {column:?} has the type {found} in the file, which cannot be read as {wanted} without changing values; declare it in the source's schema as what it is"
    )]
    OtherType { column: String, wanted: String, found: String },
    #[error(
        "column {column:?} may be missing in the file, but the source's schema says {wanted}; declare it as {wanted}?"
    )]
    MayBeMissing { column: String, wanted: String },
    #[error("it cannot be read as {format}: {reason}; replace it by an intact copy and start the job again")]
    Unreadable { format: &'static str, reason: String },
    #[error("rows cannot be written as {format}: {reason}")]
    Encode { format: &'static str, reason: String },
}

/// Turns records (the bytes of one row, without the line's end) into Arrow rows.
pub trait Decoder: Send {
    /// Adds one record, or says why it is not a row; then nothing of it was added.
    fn push(&mut self, record: &[u8]) -> Result<(), String>;

    /// Rows added since the last [`Self::finish`].
    fn rows(&self) -> usize;

    /// The rows since the last call, as a batch of the whole schema.
    fn finish(&mut self) -> RecordBatch;
}

/// A decoder for records of `schema`. `header` is the first record of a CSV input, `None` for
/// formats that have none.
pub fn decoder(format: Format, schema: &Schema, header: Option<&[u8]>) -> Result<Box<dyn Decoder>, FormatError> {
    match format {
        Format::Ndjson => Ok(Box::new(ndjson::NdjsonDecoder::new(schema))),
        Format::Csv => Ok(Box::new(csv::CsvDecoder::new(schema, header.unwrap_or_default())?)),
        Format::Parquet | Format::Avro => {
            Err(FormatError::Unreadable { format: "lines", reason: "it holds columns".to_owned() })
        }
    }
}

/// Whether the first record of an input names the columns.
pub fn has_header(format: Format) -> bool {
    match format {
        Format::Ndjson | Format::Parquet | Format::Avro => false,
        Format::Csv => true,
    }
}
