//! Parquet: rows of a file, from any row on; and a whole file from the rows that were kept for it.
//!
//! A Parquet file can only be read once its footer is written, so a sink keeps its rows in a plain
//! form of our own first ([`KeptRows`]) and makes the file when it is full. The same kept rows give
//! the same file, byte for byte.

use super::column_rows::{ColumnRows, Damage, Place, check_batch, fitted};
use super::encode::Encoder;
use super::{FormatError, fit};
use crate::schema::to_arrow;
use crate::wasm::blocks;
use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use wasmill_abi::Schema;
use wasmill_abi::wire::{Reader, Writer};

/// The end of a name of a file whose rows are still gathered, and of the file that they become.
pub const OPEN_EXTENSION: &str = "parquet.open";
pub const CLOSED_EXTENSION: &str = "parquet";

/// What files of kept rows start with, followed by the schema in hex and the end of the line.
const KEPT_MAGIC: &str = "wasmill rows 1 ";
/// Larger than any block that a sink writes.
const BLOCK_BYTES_MAX: usize = 1 << 30;
/// Rows in a row group: what a reader takes at once, and about what the writer holds in memory.
const GROUP_ROWS: usize = 256 << 10;

/// The rows of a Parquet file, in order. Only the columns of the schema are read.
pub struct ParquetRows {
    reader: ParquetRecordBatchReader,
    schema: Schema,
}

impl ParquetRows {
    /// Opens a file behind its first `skip` rows; batches have at most `batch_rows`.
    ///
    /// # Errors
    /// The file is no Parquet file, is damaged, or does not have the columns of the schema.
    pub fn open(file: File, schema: &Schema, skip: u64, batch_rows: usize) -> Result<Self, FormatError> {
        let unreadable =
            |e: parquet::errors::ParquetError| FormatError::Unreadable { format: "Parquet", reason: e.to_string() };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
        let found = builder.schema().fields().clone();
        fit::check(schema, &found)?;
        let columns = schema.fields.iter().filter_map(|f| found.find(&f.name).map(|(i, _)| i));
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns);
        let skip = usize::try_from(skip)
            .map_err(|_| FormatError::Unreadable { format: "Parquet", reason: "too many rows".to_owned() })?;
        let reader = builder.with_projection(mask).with_batch_size(batch_rows).with_offset(skip).build();
        Ok(Self { reader: reader.map_err(unreadable)?, schema: schema.clone() })
    }
}

impl ColumnRows for ParquetRows {
    fn next(&mut self) -> Result<Option<RecordBatch>, Damage> {
        let batch = self.reader.next().transpose().map_err(|e| e.to_string());
        let fitted = batch.and_then(|batch| batch.map(|batch| fitted(&batch, &self.schema)).transpose());
        fitted.map_err(|reason| Damage { reason, offset: None })
    }

    fn place_of(&self, _: u64) -> Place {
        Place { offset: 0, skip: 0 }
    }
}

/// Encodes rows so that they can be appended, and a Parquet file be made of them: `u32` length and a
/// block of the ABI, again and again.
pub struct KeptRows {
    schema: Schema,
    block: Vec<u8>,
}

impl KeptRows {
    pub fn new(schema: &Schema) -> Self {
        Self { schema: schema.clone(), block: Vec::new() }
    }
}

impl Encoder for KeptRows {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        check_batch(batch, &self.schema, "Parquet")?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.block.clear();
        blocks::write(&mut self.block, &self.schema, batch);
        out.extend_from_slice(&(self.block.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.block);
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        let mut schema = Writer::new();
        self.schema.encode(&mut schema);
        let hex = crate::hex::encode(&schema.into_bytes());
        format!("{KEPT_MAGIC}{hex}\n").into_bytes()
    }

    fn extension(&self) -> &'static str {
        OPEN_EXTENSION
    }
}

/// Makes a Parquet file of kept rows; `kept` starts with their header.
///
/// # Errors
/// Those of `kept` and `out`; `InvalidData` when the kept rows are damaged.
pub fn close(kept: impl Read, out: impl Write + Send) -> io::Result<()> {
    let mut kept = BufReader::with_capacity(256 << 10, kept);
    let schema = read_header(&mut kept)?;
    let (arrow, properties) = (to_arrow(&schema), properties());
    let mut writer = ArrowWriter::try_new(out, arrow.clone(), Some(properties)).map_err(io::Error::other)?;
    while let Some(block) = read_block(&mut kept)? {
        let batch = blocks::read(&block, &schema, &arrow).map_err(|e| invalid(e.to_string()))?;
        writer.write(&batch).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

/// Nothing in a file may depend on when and where it is written.
fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(concat!("wasmill ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build()
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

fn read_header(kept: &mut impl BufRead) -> io::Result<Schema> {
    let mut line = String::new();
    // A schema is far smaller; the limit bounds what a strange file costs.
    kept.by_ref().take(16 << 20).read_line(&mut line)?;
    let hex = line.strip_prefix(KEPT_MAGIC).and_then(|l| l.strip_suffix('\n'));
    let hex = hex.ok_or_else(|| invalid("it does not start like a file of kept rows"))?;
    let bytes = crate::hex::decode(hex).ok_or_else(|| invalid("its schema is not in hex"))?;
    Schema::decode(&mut Reader::new("schema", &bytes)).map_err(|e| invalid(e.to_string()))
}

fn read_block(kept: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    kept.by_ref().take(4).read_to_end(&mut head)?;
    let Some(len) = head.first_chunk::<4>().map(|l| u32::from_le_bytes(*l) as usize) else {
        return if head.is_empty() { Ok(None) } else { Err(invalid("it ends inside of a length")) };
    };
    if len > BLOCK_BYTES_MAX {
        return Err(invalid(format!("a block claims {len} bytes")));
    }
    let mut block = Vec::new();
    kept.by_ref().take(len as u64).read_to_end(&mut block)?;
    if block.len() < len { Err(invalid("it ends inside of a block")) } else { Ok(Some(block)) }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
