//! Writes batches as NDJSON or CSV. The same batch gives the same bytes, always: what is published
//! twice after a crash must be the same (see the table in [`super`] for the forms of values).

use super::avro_blocks::AvroBlocks;
use super::ndjson_rows::ShortRows;
use super::parquet::KeptRows;
use super::values::write_timestamp;
use super::{FormatError, nested};
use crate::schema::to_arrow;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_cast::base64::{BASE64_STANDARD, b64_encode};
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use std::sync::Arc;
use wasmill_abi::Schema;
use wasmill_abi::calendar::write_date;
use wasmill_core::plan::Format;

/// Turns batches into bytes that can be appended to a file.
pub trait Encoder: Send {
    /// Appends the rows, of text each with its line's end. On an error `out` is as it was.
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError>;

    /// What stands at the start of each new file: the header line for CSV, the schema for Avro, nothing for NDJSON.
    fn header(&self) -> Vec<u8>;

    /// The end of a file's name, without the dot.
    fn extension(&self) -> &'static str;
}

/// An encoder for batches of `schema`.
pub fn encoder(format: Format, schema: &Schema) -> Box<dyn Encoder> {
    let text = Texts::new(schema);
    match format {
        Format::Ndjson => Box::new(Ndjson { text, short: ShortRows::new(&schema.fields) }),
        Format::Csv => Box::new(Csv { text }),
        Format::Parquet => Box::new(KeptRows::new(schema)),
        Format::Avro => Box::new(AvroBlocks::new(schema)),
    }
}

/// Replaces the columns whose text form is ours, not Arrow's: timestamps, dates and bytes.
struct Texts {
    from: SchemaRef,
    to: SchemaRef,
}

impl Texts {
    fn new(schema: &Schema) -> Self {
        let from = to_arrow(schema);
        let fields: Vec<Field> = from
            .fields()
            .iter()
            .map(|arrow| arrow.as_ref().clone().with_data_type(nested::text_type(arrow.data_type())))
            .collect();
        Self { from, to: Arc::new(ArrowSchema::new(fields)) }
    }

    fn check(&self, batch: &RecordBatch) -> Result<(), String> {
        let types = |schema: &SchemaRef| schema.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        let same = |(got, want): (&Arc<Field>, &Arc<Field>)| got.data_type() == want.data_type();
        let (got, want) = (batch.schema_ref(), &self.from);
        if got.fields().len() == want.fields().len() && got.fields().iter().zip(want.fields()).all(same) {
            return Ok(());
        }
        Err(format!("the batch has columns {:?}, the sink wants {:?}", types(got), types(want)))
    }

    fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch, String> {
        self.check(batch)?;
        let columns: Vec<ArrayRef> = batch.columns().iter().map(|c| nested::text_array(c, &column_text)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.to.clone(), columns, &options).map_err(|e| e.to_string())
    }
}

/// A column whose text form is ours.
fn column_text(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(..) => Arc::new(timestamps(column)),
        DataType::Date32 => Arc::new(dates(column)),
        DataType::Binary => Arc::new(b64_encode(&BASE64_STANDARD, column.as_binary::<i32>())),
        _ => column.clone(),
    }
}

fn dates(column: &ArrayRef) -> StringArray {
    let text = |days: i32| {
        let mut text = String::new();
        write_date(&mut text, days.into()).map(|()| text).expect("writing to a string does not fail")
    };
    column.as_primitive::<Date32Type>().iter().map(|days| days.map(text)).collect()
}

fn timestamps(column: &ArrayRef) -> StringArray {
    let column = column.as_primitive::<TimestampMicrosecondType>();
    let mut out = StringBuilder::with_capacity(column.len(), column.len() * 20);
    let mut text = String::new();
    for value in column {
        match value {
            None => out.append_null(),
            Some(micros) => {
                text.clear();
                write_timestamp(&mut text, micros);
                out.append_value(&text);
            }
        }
    }
    out.finish()
}

struct Ndjson {
    text: Texts,
    short: Option<ShortRows>,
}

impl Encoder for Ndjson {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let start = out.len();
        if let (Some(short), Ok(())) = (&self.short, self.text.check(batch)) {
            short.write(batch, out);
            return Ok(());
        }
        let written = self.text.convert(batch).and_then(|batch| {
            let mut writer = arrow_json::WriterBuilder::new()
                .with_explicit_nulls(true)
                .build::<_, arrow_json::writer::LineDelimited>(&mut *out);
            writer.write(&batch).and_then(|()| writer.finish()).map_err(|e| e.to_string())
        });
        written.map_err(|reason| {
            out.truncate(start);
            FormatError::Encode { format: "NDJSON", reason }
        })
    }

    fn header(&self) -> Vec<u8> {
        Vec::new()
    }

    fn extension(&self) -> &'static str {
        "ndjson"
    }
}

struct Csv {
    text: Texts,
}

impl Csv {
    fn write(&self, batch: &RecordBatch, header: Header, out: &mut Vec<u8>) -> Result<(), String> {
        let mut writer = arrow_csv::WriterBuilder::new().with_header(header == Header::Yes).build(out);
        writer.write(batch).map_err(|e| e.to_string())
    }
}

#[derive(PartialEq)]
enum Header {
    Yes,
    No,
}

impl Encoder for Csv {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let start = out.len();
        let written = self.text.convert(batch).and_then(|batch| self.write(&batch, Header::No, out));
        written.map_err(|reason| {
            out.truncate(start);
            FormatError::Encode { format: "CSV", reason }
        })
    }

    fn header(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&RecordBatch::new_empty(self.text.to.clone()), Header::Yes, &mut out)
            .expect("names are written into memory");
        out
    }

    fn extension(&self) -> &'static str {
        "csv"
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
