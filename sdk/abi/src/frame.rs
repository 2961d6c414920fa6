//! The batch frame: everything a guest call is given, in one byte vector.
//!
//! ```text
//! header (64 bytes) | section table (16 bytes each) | sections, each 8-aligned
//! ```
//!
//! Sections are found by their tag and index; unknown tags are skipped, so new ones can be added.

use crate::block::{Block, BlockWriter};
use crate::wire::pad8;
use crate::{DecodeError, Schema};

/// The first four bytes of a frame.
pub const MAGIC: [u8; 4] = *b"WMF1";
/// The frame version that this crate writes and reads.
pub const VERSION: u16 = 1;
/// Bytes before the section table.
pub const HEADER_BYTES: usize = 64;
/// At most this many sections in a frame.
pub const SECTIONS_MAX: usize = 1024;
/// The watermark before any was seen.
pub const NO_WATERMARK: i64 = i64::MIN;

/// What the frame brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows of the input; of functions with two inputs, those of the left one.
    Data = 1,
    /// Timers that are due.
    Timers = 2,
    /// Rows of the right input.
    Right = 3,
}

/// What stands in a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// A block with the input's columns.
    Columns = 1,
    /// `i64` microseconds per row.
    EventTime = 2,
    /// A block with the key columns, one row per distinct key.
    Keys = 3,
    /// `u32` per row: which key it has.
    RowKey = 4,
    /// A block of one bytes column, one row per distinct key: the stored value of the slot that
    /// the section's index names; an empty value means that nothing is stored.
    State = 5,
    /// `i64` microseconds per timer.
    TimerTime = 6,
    /// `u32` per timer: which key it has.
    TimerKey = 7,
    /// `u8` per timer: its [`crate::effects::TimerFamily`].
    TimerFamily = 8,
    /// `u8` per row of a changelog: its [`crate::Op`]. Without it, every row is an insert.
    Op = 9,
}

/// The fixed part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    /// Rows in a data frame, else 0.
    pub rows: u32,
    /// Distinct keys; 0 for functions without keys.
    pub keys: u32,
    /// Timers in a timer frame, else 0.
    pub timers: u32,
    pub epoch: u64,
    /// The watermark before this batch, in microseconds; [`NO_WATERMARK`] before the first.
    pub watermark: i64,
    /// The only clock a guest sees: microseconds since 1970, frozen for the batch.
    pub now: i64,
    /// The only randomness a guest sees.
    pub seed: u64,
}

/// Writes a frame.
pub struct FrameWriter {
    out: Vec<u8>,
    next_entry: usize,
    table_end: usize,
}

impl FrameWriter {
    /// Starts a frame with exactly `sections` sections, in `out`, whose content is dropped and
    /// whose memory is used again.
    pub fn new(mut out: Vec<u8>, header: &Header, sections: usize) -> Self {
        out.clear();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.push(header.kind as u8);
        out.push(0);
        out.extend_from_slice(&0u32.to_le_bytes());
        for v in [header.rows, header.keys, header.timers] {
            out.extend_from_slice(&v.to_le_bytes());
        }
        out.extend_from_slice(&header.epoch.to_le_bytes());
        out.extend_from_slice(&header.watermark.to_le_bytes());
        out.extend_from_slice(&header.now.to_le_bytes());
        out.extend_from_slice(&header.seed.to_le_bytes());
        out.extend_from_slice(&(sections as u32).to_le_bytes());
        out.resize(HEADER_BYTES, 0);
        let table_end = HEADER_BYTES + sections * 16;
        out.resize(table_end, 0);
        Self { out, next_entry: HEADER_BYTES, table_end }
    }

    fn section(&mut self, tag: Tag, index: u16, fill: impl FnOnce(&mut Vec<u8>)) {
        assert!(self.next_entry < self.table_end, "more sections than announced");
        let start = self.out.len();
        fill(&mut self.out);
        let len = self.out.len() - start;
        self.out.resize(pad8(self.out.len()), 0);
        let entry = &mut self.out[self.next_entry..self.next_entry + 16];
        entry[0..2].copy_from_slice(&(tag as u16).to_le_bytes());
        entry[2..4].copy_from_slice(&index.to_le_bytes());
        entry[4..8].copy_from_slice(&(start as u32).to_le_bytes());
        entry[8..12].copy_from_slice(&(len as u32).to_le_bytes());
        self.next_entry += 16;
    }

    /// A section that is a block of `rows` rows and `buffers` buffers, written by `fill`.
    pub fn block(
        &mut self,
        tag: Tag,
        index: u16,
        rows: usize,
        buffers: usize,
        fill: impl FnOnce(&mut BlockWriter<'_>),
    ) {
        self.section(tag, index, |out| fill(&mut BlockWriter::new(out, rows, buffers)));
    }

    /// A section of bytes as they are.
    pub fn bytes(&mut self, tag: Tag, bytes: &[u8]) {
        self.section(tag, 0, |out| out.extend_from_slice(bytes));
    }

    /// A section of `u32`s.
    pub fn u32s(&mut self, tag: Tag, values: impl IntoIterator<Item = u32>) {
        self.section(tag, 0, |out| values.into_iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes())));
    }

    /// A section of `i64`s.
    pub fn i64s(&mut self, tag: Tag, values: impl IntoIterator<Item = i64>) {
        self.section(tag, 0, |out| values.into_iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes())));
    }

    /// The finished frame.
    pub fn finish(mut self) -> Vec<u8> {
        assert_eq!(self.next_entry, self.table_end, "fewer sections than announced");
        let len = self.out.len() as u32;
        self.out[8..12].copy_from_slice(&len.to_le_bytes());
        self.out
    }
}

/// A frame whose header and section table were checked.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    pub header: Header,
    bytes: &'a [u8],
    table: &'a [[u8; 16]],
}

fn error(problem: impl Into<String>) -> DecodeError {
    DecodeError::new("frame", problem)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl<'a> Frame<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() < HEADER_BYTES || bytes[..4] != MAGIC {
            return Err(error(format!("{} bytes without the magic {:?}", bytes.len(), "WMF1")));
        }
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        if version != VERSION {
            return Err(error(format!("version {version}, this build reads version {VERSION}")));
        }
        let kind = match bytes[6] {
            1 => Kind::Data,
            2 => Kind::Timers,
            3 => Kind::Right,
            other => return Err(error(format!("unknown kind {other}"))),
        };
        if u32_at(bytes, 8) as usize != bytes.len() {
            return Err(error(format!("claims {} bytes, has {}", u32_at(bytes, 8), bytes.len())));
        }
        let sections = u32_at(bytes, 56) as usize;
        if sections > SECTIONS_MAX {
            return Err(error(format!("{sections} sections exceed the limit of {SECTIONS_MAX}")));
        }
        let table = bytes
            .get(HEADER_BYTES..HEADER_BYTES + sections * 16)
            .ok_or_else(|| error("the section table is cut off"))?;
        let header = Header {
            kind,
            rows: u32_at(bytes, 12),
            keys: u32_at(bytes, 16),
            timers: u32_at(bytes, 20),
            epoch: u64_at(bytes, 24),
            watermark: u64_at(bytes, 32) as i64,
            now: u64_at(bytes, 40) as i64,
            seed: u64_at(bytes, 48),
        };
        Ok(Self { header, bytes, table: table.as_chunks().0 })
    }

    /// The bytes of a section, if the frame has it.
    pub fn section(&self, tag: Tag, index: u16) -> Result<Option<&'a [u8]>, DecodeError> {
        let is_it = |e: &&[u8; 16]| e[0..2] == (tag as u16).to_le_bytes() && e[2..4] == index.to_le_bytes();
        let Some(entry) = self.table.iter().find(is_it) else {
            return Ok(None);
        };
        let (start, len) = (u32_at(entry, 4) as usize, u32_at(entry, 8) as usize);
        let bytes = start.checked_add(len).and_then(|end| self.bytes.get(start..end));
        bytes.map(Some).ok_or_else(|| error(format!("section {tag:?} lies outside of the frame")))
    }

    fn required(&self, tag: Tag, index: u16) -> Result<&'a [u8], DecodeError> {
        self.section(tag, index)?.ok_or_else(|| error(format!("section {tag:?} {index} is missing")))
    }

    /// The input's columns.
    pub fn columns(&self, schema: &Schema) -> Result<Block<'a>, DecodeError> {
        self.block(Tag::Columns, 0, schema, self.header.rows)
    }

    /// The distinct keys of this batch.
    pub fn keys(&self, schema: &Schema) -> Result<Block<'a>, DecodeError> {
        self.block(Tag::Keys, 0, schema, self.header.keys)
    }

    /// The stored values of a slot, one row per distinct key.
    pub fn state(&self, slot: u16, schema: &Schema) -> Result<Block<'a>, DecodeError> {
        self.block(Tag::State, slot, schema, self.header.keys)
    }

    fn block(&self, tag: Tag, index: u16, schema: &Schema, rows: u32) -> Result<Block<'a>, DecodeError> {
        let block = Block::read(schema, self.required(tag, index)?, rows as usize)?;
        if block.rows == rows as usize {
            return Ok(block);
        }
        Err(error(format!("section {tag:?} has {} rows, the header says {rows}", block.rows)))
    }

    /// A section of `count` values of `N` bytes each.
    pub fn array<const N: usize>(&self, tag: Tag, count: u32) -> Result<&'a [[u8; N]], DecodeError> {
        let (values, rest) = self.required(tag, 0)?.as_chunks::<N>();
        if values.len() == count as usize && rest.is_empty() {
            return Ok(values);
        }
        Err(error(format!("section {tag:?} has {} values, the header says {count}", values.len())))
    }
}
