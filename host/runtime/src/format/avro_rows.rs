//! Rows of an Avro object container file, block by block, from any row on.
//!
//! A file is a header that holds the schema, then blocks: how many rows, how many bytes, the bytes,
//! and the marker that the header ends with
//! (<https://avro.apache.org/docs/1.12.0/specification/#object-container-files>). Blocks are taken
//! out and checked here, and their bytes are decoded by arrow-avro, whose own reader of files takes
//! one that was cut off for a whole one.

use super::column_rows::{ColumnRows, Damage, Place, fitted};
use super::{FormatError, fit};
use arrow_array::RecordBatch;
use arrow_avro::compression::CompressionCodec;
use arrow_avro::errors::AvroError;
use arrow_avro::reader::{HeaderInfo, ReaderBuilder, read_header_info};
use arrow_schema::SchemaRef;
use std::io::{self, BufReader, Read};
use wasmill_abi::Schema;

pub const MARKER_BYTES: usize = 16;
const HEADER_BYTES_MAX: usize = 16 << 20;
/// Rows and bytes of one block; what is beyond is damage, or would not fit into memory.
const BLOCK_ROWS_MAX: i64 = 1 << 24;
const BLOCK_BYTES_MAX: i64 = 256 << 20;
const READ_BYTES: usize = 128 << 10;

/// What stands at the start of a file, and how its rows are read.
pub struct AvroHeader {
    bytes: Vec<u8>,
    marker: [u8; MARKER_BYTES],
    /// The columns that are decoded; `None` for all.
    projection: Option<Vec<usize>>,
    schema: Schema,
}

impl AvroHeader {
    /// Reads the header of a file from its start, of whose columns those of the schema are wanted.
    ///
    /// # Errors
    /// It is no header, or the file does not have the columns.
    pub fn read(input: impl Read, schema: &Schema) -> Result<Self, FormatError> {
        let unreadable = |reason: String| FormatError::Unreadable { format: "Avro", reason };
        let (bytes, info) = read_header(input).map_err(unreadable)?;
        check_codec(&info).map_err(unreadable)?;
        let mut header = Self { bytes, marker: info.sync(), projection: None, schema: schema.clone() };
        let found = header.found().map_err(unreadable)?;
        fit::check(schema, found.fields())?;
        let columns: Vec<usize> = schema.fields.iter().filter_map(|f| found.index_of(&f.name).ok()).collect();
        let types = columns.iter().map(|&i| found.field(i).data_type());
        header.projection = Some(columns.clone());
        // A column whose type is defined in one that is not wanted cannot be projected.
        let same = |projected: SchemaRef| projected.fields().iter().map(|f| f.data_type()).eq(types);
        if !header.found().is_ok_and(same) {
            header.projection = None;
        }
        Ok(header)
    }

    /// Where the first block starts.
    pub fn first_block(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn builder(&self, rows: usize) -> ReaderBuilder {
        let builder = ReaderBuilder::new().with_batch_size(rows);
        match &self.projection {
            Some(columns) => builder.with_projection(columns.clone()),
            None => builder,
        }
    }

    /// The columns that are decoded, as they stand in the file.
    fn found(&self) -> Result<SchemaRef, String> {
        self.builder(1).build(self.bytes.as_slice()).map(|reader| reader.schema()).map_err(|e| e.to_string())
    }

    /// Decodes a block; `bytes` end with the marker. `None` when it has no rows.
    fn decode(&self, rows: usize, bytes: &[u8]) -> Result<Option<RecordBatch>, String> {
        let mut start = self.bytes.clone();
        // Twice the rows, in batches of as many as there are: bytes that are left behind the last row
        // become a second batch, or fail, where the reader would wait for their end forever.
        write_long(&mut start, 2 * rows.max(1) as i64);
        write_long(&mut start, (bytes.len() - MARKER_BYTES) as i64);
        let mut reader = self.builder(rows.max(1)).build(start.as_slice().chain(bytes)).map_err(|e| e.to_string())?;
        let mut batch = None;
        if rows > 0 {
            batch = reader.next().transpose().map_err(|e| e.to_string())?.filter(|batch| batch.num_rows() == rows);
            batch.as_ref().ok_or("it holds fewer rows than it says")?;
        }
        if reader.next().is_some() {
            return Err("it holds more bytes than its rows need".to_owned());
        }
        batch.map(|batch| fitted(&batch, &self.schema)).transpose()
    }
}

fn read_header(mut input: impl Read) -> Result<(Vec<u8>, HeaderInfo), String> {
    let mut bytes = Vec::new();
    loop {
        let more = bytes.len().clamp(4096, HEADER_BYTES_MAX) as u64;
        let read = input.by_ref().take(more).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        match read_header_info(bytes.as_slice()) {
            Ok(info) => {
                bytes.truncate(usize::try_from(info.header_len()).expect("it lies in the bytes"));
                return Ok((bytes, info));
            }
            Err(AvroError::EOF(_)) if read == 0 => return Err("it ends inside of its header".to_owned()),
            Err(AvroError::EOF(_)) if bytes.len() <= HEADER_BYTES_MAX => {}
            Err(AvroError::EOF(_)) => return Err(format!("its header is longer than {HEADER_BYTES_MAX} bytes")),
            Err(e) => return Err(format!("its header is damaged: {e}")),
        }
    }
}

fn check_codec(info: &HeaderInfo) -> Result<(), String> {
    match info.compression().map_err(|e| e.to_string())? {
        None | Some(CompressionCodec::Deflate | CompressionCodec::Snappy | CompressionCodec::ZStandard) => Ok(()),
        Some(other) => Err(format!("its codec is {other:?}, and only null, deflate, snappy and zstandard are read")),
    }
}

/// The rows of a file, in order. Only the columns of the schema are given.
pub struct AvroRows<I> {
    header: AvroHeader,
    input: BufReader<I>,
    /// Where the next block starts.
    offset: u64,
    /// The block that was read last, or the one to begin with.
    block: Block,
    /// Rows of the next block that were read before.
    skip: u64,
}

/// A block's place among the rows of its file.
struct Block {
    offset: u64,
    first_row: u64,
    /// The row behind its last one; unknown until it was read.
    end_row: Option<u64>,
}

impl<I: Read> AvroRows<I> {
    /// `input` stands at `at`, and `row` is the number of the next row, from 0.
    pub fn new(header: AvroHeader, input: I, at: Place, row: u64) -> Self {
        let block = Block { offset: at.offset, first_row: row - at.skip.min(row), end_row: None };
        Self { header, input: BufReader::with_capacity(READ_BYTES, input), offset: at.offset, block, skip: at.skip }
    }

    fn next_row(&self) -> u64 {
        self.block.end_row.unwrap_or(self.block.first_row)
    }

    /// The next block: the number of its rows, and its bytes with the marker.
    fn read_block(&mut self) -> Result<Option<(usize, Vec<u8>)>, String> {
        let Some((rows, rows_len)) = read_long(&mut self.input)? else { return Ok(None) };
        let cut = "it ends inside of a block";
        let (len, len_len) = read_long(&mut self.input)?.ok_or(cut)?;
        if !(0..=BLOCK_ROWS_MAX).contains(&rows) || !(0..=BLOCK_BYTES_MAX).contains(&len) {
            let max = format!("{BLOCK_ROWS_MAX} rows and {BLOCK_BYTES_MAX} bytes are possible");
            return Err(format!("a block claims {rows} rows in {len} bytes, at most {max}"));
        }
        let mut bytes = Vec::new();
        let whole = len as u64 + MARKER_BYTES as u64;
        self.input.by_ref().take(whole).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if (bytes.len() as u64) < whole {
            return Err(cut.to_owned());
        }
        if !bytes.ends_with(&self.header.marker) {
            return Err("a block does not end with the marker of its file".to_owned());
        }
        let first_row = self.next_row();
        self.block = Block { offset: self.offset, first_row, end_row: Some(first_row + rows as u64) };
        self.offset += rows_len + len_len + whole;
        Ok(Some((rows as usize, bytes)))
    }
}

impl<I: Read + Send> ColumnRows for AvroRows<I> {
    fn next(&mut self) -> Result<Option<RecordBatch>, Damage> {
        loop {
            let start = self.offset;
            let damage = |reason| Damage { reason, offset: Some(start) };
            let Some((rows, bytes)) = self.read_block().map_err(damage)? else { return Ok(None) };
            let skip = std::mem::take(&mut self.skip) as usize;
            if skip > rows {
                return Err(damage(format!("{skip} rows of a block were read before, and it has {rows}")));
            }
            let decoded = self.header.decode(rows, &bytes);
            if let Some(batch) = decoded.map_err(|reason| damage(format!("a block of {rows} rows: {reason}")))? {
                return Ok(Some(batch.slice(skip, rows - skip)));
            }
        }
    }

    fn place_of(&self, row: u64) -> Place {
        match self.block.end_row {
            Some(end) if row >= end => Place { offset: self.offset, skip: 0 },
            _ => Place { offset: self.block.offset, skip: row - self.block.first_row },
        }
    }
}

/// A number and the length of its bytes; `None` at the end of the input.
fn read_long(input: &mut impl Read) -> Result<Option<(i64, u64)>, String> {
    let mut number = 0_u64;
    for i in 0..10 {
        let mut byte = [0];
        match input.read_exact(&mut byte) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof && i == 0 => return Ok(None),
            read => read.map_err(|e| e.to_string())?,
        }
        number |= u64::from(byte[0] & 0x7f) << (7 * i);
        if byte[0] < 0x80 {
            return Ok(Some(((number >> 1) as i64 ^ -((number & 1) as i64), i + 1)));
        }
    }
    Err("a number has more than 10 bytes".to_owned())
}

fn write_long(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
#[path = "avro_tests.rs"]
mod tests;
