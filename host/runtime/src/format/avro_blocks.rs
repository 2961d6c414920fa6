//! Batches as blocks of an Avro object container file, which can be appended to it at any time: a
//! file that ends behind a block is whole.
//!
//! All files of one schema have the same header and marker, so that each epoch's blocks go on with
//! the file as the last process left it. Blocks are compressed with deflate, which every reader has.

use super::FormatError;
use super::avro_rows::MARKER_BYTES;
use super::column_rows::check_batch;
use super::encode::Encoder;
use crate::schema::to_arrow;
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_avro::compression::CompressionCodec;
use arrow_avro::errors::AvroError;
use arrow_avro::schema::SCHEMA_METADATA_KEY;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use arrow_schema::SchemaRef;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use wasmill_abi::{Field, Schema, Type};

/// Rows in a block at most: what a reader decodes at once.
const BLOCK_ROWS: usize = 8192;

/// Encodes rows as blocks.
pub struct AvroBlocks {
    schema: Schema,
    /// With the Avro schema, as the writer wants it.
    arrow: SchemaRef,
    marker: [u8; MARKER_BYTES],
    header: Vec<u8>,
}

impl AvroBlocks {
    /// # Panics
    /// When the schema has a name or a type that Avro does not have; the check of the job refuses both.
    pub fn new(schema: &Schema) -> Self {
        let avro = record("row", None, &schema.fields).to_string();
        let marker: [u8; MARKER_BYTES] = *Sha256::digest(&avro).first_chunk().expect("a hash is longer");
        let metadata = [(SCHEMA_METADATA_KEY.to_owned(), avro)].into();
        let arrow = Arc::new(to_arrow(schema).as_ref().clone().with_metadata(metadata));
        let mut header = write(&arrow, None).expect("the job's check leaves names and types of Avro");
        header.truncate(header.len() - MARKER_BYTES);
        header.extend_from_slice(&marker);
        Self { schema: schema.clone(), arrow, marker, header }
    }

    fn block(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), String> {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.arrow.clone(), batch.columns().to_vec(), &options)
            .map_err(|e| e.to_string())?;
        let file = write(&self.arrow, Some(&batch)).map_err(|e| e.to_string())?;
        // The writer draws a marker for each file; ours takes its place.
        out.extend_from_slice(&file[self.header.len()..file.len() - MARKER_BYTES]);
        out.extend_from_slice(&self.marker);
        Ok(())
    }
}

/// A file of one block, or of none.
fn write(schema: &SchemaRef, batch: Option<&RecordBatch>) -> Result<Vec<u8>, AvroError> {
    let mut writer = WriterBuilder::new(schema.as_ref().clone())
        .with_compression(Some(CompressionCodec::Deflate))
        .build::<_, AvroOcfFormat>(Vec::new())?;
    batch.map_or(Ok(()), |batch| writer.write(batch))?;
    writer.finish()?;
    Ok(writer.into_inner())
}

impl Encoder for AvroBlocks {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        check_batch(batch, &self.schema, "Avro")?;
        let start = out.len();
        for first in (0..batch.num_rows()).step_by(BLOCK_ROWS) {
            let rows = batch.slice(first, BLOCK_ROWS.min(batch.num_rows() - first));
            self.block(&rows, out).map_err(|reason| {
                out.truncate(start);
                FormatError::Encode { format: "Avro", reason }
            })?;
        }
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        self.header.clone()
    }

    fn extension(&self) -> &'static str {
        "avro"
    }
}

/// Records have a name of their own in the whole schema: the columns on the way to them.
fn record(name: &str, namespace: Option<&str>, fields: &[Field]) -> Value {
    let inner = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}.{name}"));
    let field = |field: &Field| {
        let mut column = json!({ "name": field.name, "type": avro_type(&field.name, &inner, field) });
        if field.nullable {
            column["default"] = Value::Null;
        }
        column
    };
    let mut record = json!({ "type": "record", "name": name, "fields": fields.iter().map(field).collect::<Value>() });
    if let Some(namespace) = namespace {
        record["namespace"] = namespace.into();
    }
    record
}

fn avro_type(name: &str, namespace: &str, field: &Field) -> Value {
    let ty = match field.ty {
        Type::Bool => json!("boolean"),
        Type::I8 | Type::I16 | Type::I32 | Type::U8 | Type::U16 => json!("int"),
        // The check of the job refuses `uint64`; a value that does not fit would fail its batch.
        Type::I64 | Type::U32 | Type::U64 => json!("long"),
        Type::F32 => json!("float"),
        Type::F64 => json!("double"),
        Type::Utf8 => json!("string"),
        Type::Binary => json!("bytes"),
        Type::Timestamp => json!({ "type": "long", "logicalType": "timestamp-micros" }),
        Type::Date => json!({ "type": "int", "logicalType": "date" }),
        Type::Decimal { precision, scale } => {
            json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
        }
        Type::List => {
            json!({ "type": "array", "items": avro_type("item", &format!("{namespace}.{name}"), &field.children[0]) })
        }
        Type::Struct => record(name, Some(namespace), &field.children),
    };
    if field.nullable { json!(["null", ty]) } else { ty }
}
