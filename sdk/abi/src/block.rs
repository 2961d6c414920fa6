//! A block: the columns of some rows as Arrow's physical buffers.
//!
//! ```text
//! u32 rows | u32 buffers | u32 length of each buffer | padding to 8 | each buffer, padded to 8
//! ```
//!
//! Per column, in schema order: the validity bitmap (empty when every value is present), then for
//! text and bytes `rows + 1` `u32` offsets and the data, for lists the same offsets and the column
//! of all items, for structs a column per field, for all other types the values. Columns in a
//! column follow it at once, depth first; those of a missing struct hold any value there. Booleans
//! and validity are bit-packed, least significant bit first. Offsets start at 0.
//! Source of the layout: <https://arrow.apache.org/docs/format/Columnar.html>.

use crate::wire::pad8;
use crate::{DecodeError, Field, Schema, Type};

/// The buffers of one column, as they lie in a block.
#[derive(Debug, Clone)]
pub struct Column<'a> {
    pub ty: Type,
    pub rows: usize,
    /// One bit per row; empty when every value is present.
    pub validity: &'a [u8],
    /// `rows + 1` offsets for text, bytes and lists, otherwise empty.
    pub offsets: &'a [[u8; 4]],
    /// Values, or the data of text and bytes.
    pub values: &'a [u8],
    /// The items of lists, the fields of structs.
    pub children: Vec<Column<'a>>,
}

impl<'a> Column<'a> {
    /// Whether row `i` has a value.
    #[inline]
    pub fn is_valid(&self, i: usize) -> bool {
        self.validity.is_empty() || bit(self.validity, i)
    }

    /// The bytes of row `i` of a text or bytes column. Offsets were checked by [`Block::read`].
    #[inline]
    pub fn var(&self, i: usize) -> &'a [u8] {
        &self.values[self.range(i)]
    }

    /// The items of row `i` of a list column.
    #[inline]
    pub fn range(&self, i: usize) -> std::ops::Range<usize> {
        u32::from_le_bytes(self.offsets[i]) as usize..u32::from_le_bytes(self.offsets[i + 1]) as usize
    }

    /// Fixed-width values as arrays of `N` bytes.
    #[inline]
    pub fn fixed<const N: usize>(&self) -> &'a [[u8; N]] {
        self.values.as_chunks().0
    }
}

/// Bit `i` of a bitmap.
#[inline]
pub fn bit(bits: &[u8], i: usize) -> bool {
    bits[i / 8] >> (i % 8) & 1 == 1
}

/// A block that was checked: every buffer has the length its type demands, offsets rise and stay
/// inside the data. Text is *not* checked for UTF-8 here.
#[derive(Debug, Clone)]
pub struct Block<'a> {
    pub rows: usize,
    pub columns: Vec<Column<'a>>,
}

impl<'a> Block<'a> {
    /// Reads a block of `schema`, at most `rows_max` rows.
    pub fn read(schema: &Schema, bytes: &'a [u8], rows_max: usize) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes, rows_max)?;
        let mut columns = Vec::with_capacity(schema.fields.len());
        for field in &schema.fields {
            columns.push(cursor.column(field, cursor.rows)?);
        }
        cursor.finish()?;
        Ok(Self { rows: cursor.rows, columns })
    }
}

fn error(problem: String) -> DecodeError {
    DecodeError::new("block", problem)
}

struct Cursor<'a> {
    rows: usize,
    lengths: &'a [[u8; 4]],
    data: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(bytes: &'a [u8], rows_max: usize) -> Result<Self, DecodeError> {
        let word = |at: usize| -> Result<usize, DecodeError> {
            let w = bytes
                .get(at..at + 4)
                .ok_or_else(|| error(format!("{} bytes are too few for a header", bytes.len())))?;
            Ok(u32::from_le_bytes(w.try_into().expect("four bytes")) as usize)
        };
        let (rows, buffers) = (word(0)?, word(4)?);
        if rows > rows_max {
            return Err(error(format!("{rows} rows exceed the limit of {rows_max}")));
        }
        if buffers > Schema::COLUMNS_MAX * 3 {
            return Err(error(format!("{buffers} buffers are too many")));
        }
        let table_end = pad8(8 + buffers * 4);
        let Some((head, data)) = bytes.split_at_checked(table_end) else {
            return Err(error(format!("a table of {buffers} buffers does not fit into {} bytes", bytes.len())));
        };
        Ok(Self { rows, lengths: head[8..8 + buffers * 4].as_chunks().0, data })
    }

    fn buffer(&mut self, of: &str) -> Result<&'a [u8], DecodeError> {
        let Some((first, rest)) = self.lengths.split_first() else {
            return Err(error(format!("column {of:?} has no buffer")));
        };
        self.lengths = rest;
        let len = u32::from_le_bytes(*first) as usize;
        let Some((head, rest)) = self.data.split_at_checked(pad8(len)) else {
            return Err(error(format!("a buffer of column {of:?} claims {len} bytes, {} are left", self.data.len())));
        };
        self.data = rest;
        Ok(&head[..len])
    }

    /// Nothing here recurses deeper than the schema, whose depth is limited.
    fn column(&mut self, field: &Field, rows: usize) -> Result<Column<'a>, DecodeError> {
        let ty = field.ty;
        let expect = |what: &str, len: usize, want: usize| {
            if len == want {
                return Ok(());
            }
            Err(error(format!("{what} of column {:?} has {len} bytes, {rows} rows of {ty} need {want}", field.name)))
        };
        let validity = self.buffer(&field.name)?;
        if !validity.is_empty() {
            if !field.nullable {
                return Err(error(format!("column {:?} is not nullable but has a validity bitmap", field.name)));
            }
            expect("the validity bitmap", validity.len(), rows.div_ceil(8))?;
        }
        let mut column = Column { ty, rows, validity, offsets: &[], values: &[], children: Vec::new() };
        if ty.is_variable() || ty == Type::List {
            let offsets = self.buffer(&field.name)?;
            expect("the offsets buffer", offsets.len(), rows.saturating_add(1).saturating_mul(4))?;
            column.offsets = offsets.as_chunks().0;
        }
        match ty {
            Type::Utf8 | Type::Binary => {
                column.values = self.buffer(&field.name)?;
                check_offsets(&field.name, column.offsets, column.values.len())?;
            }
            Type::List => {
                let items = u32::from_le_bytes(column.offsets[rows]) as usize;
                check_offsets(&field.name, column.offsets, items)?;
                column.children.push(self.column(&field.children[0], items)?);
            }
            Type::Struct => {
                for child in &field.children {
                    column.children.push(self.column(child, rows)?);
                }
            }
            _ => {
                column.values = self.buffer(&field.name)?;
                let want = ty.width().map_or(rows.div_ceil(8), |w| rows.saturating_mul(w));
                expect("the values buffer", column.values.len(), want)?;
            }
        }
        Ok(column)
    }

    fn finish(&self) -> Result<(), DecodeError> {
        if !self.lengths.is_empty() || !self.data.is_empty() {
            return Err(error(format!("{} buffers and {} bytes left over", self.lengths.len(), self.data.len())));
        }
        Ok(())
    }
}

/// Offsets must start at 0, never fall, and end at `data_len`.
fn check_offsets(name: &str, offsets: &[[u8; 4]], data_len: usize) -> Result<(), DecodeError> {
    let at = |i: usize| u32::from_le_bytes(offsets[i]) as usize;
    let last = offsets.len() - 1;
    // One pass without an early exit, so that it vectorises.
    let rises = offsets.windows(2).fold(true, |ok, w| ok & (u32::from_le_bytes(w[0]) <= u32::from_le_bytes(w[1])));
    if at(0) == 0 && rises && at(last) == data_len {
        return Ok(());
    }
    Err(error(format!("offsets of column {name:?} do not rise from 0 to the data's length {data_len}")))
}

/// Writes a block into a byte vector that is 8-aligned at its current end.
///
/// The buffers are given in order by [`BlockWriter::buffer`]; their number must be the one given
/// to [`BlockWriter::new`].
pub struct BlockWriter<'v> {
    out: &'v mut Vec<u8>,
    next_length: usize,
    lengths_end: usize,
}

impl<'v> BlockWriter<'v> {
    /// The number of buffers that a block of `schema` has.
    pub fn buffers_of(schema: &Schema) -> usize {
        fn of(field: &Field) -> usize {
            let own = match field.ty {
                Type::Utf8 | Type::Binary => 3,
                Type::Struct => 1,
                _ => 2,
            };
            own + field.children.iter().map(of).sum::<usize>()
        }
        schema.fields.iter().map(of).sum()
    }

    pub fn new(out: &'v mut Vec<u8>, rows: usize, buffers: usize) -> Self {
        debug_assert_eq!(out.len() % 8, 0, "blocks start 8-aligned");
        out.extend_from_slice(&(rows as u32).to_le_bytes());
        out.extend_from_slice(&(buffers as u32).to_le_bytes());
        let next_length = out.len();
        let lengths_end = next_length + buffers * 4;
        out.resize(pad8(lengths_end), 0);
        Self { out, next_length, lengths_end }
    }

    fn length(&mut self, len: usize) {
        assert!(self.next_length < self.lengths_end, "more buffers than announced");
        self.out[self.next_length..self.next_length + 4].copy_from_slice(&(len as u32).to_le_bytes());
        self.next_length += 4;
    }

    /// The next buffer.
    pub fn buffer(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.resize(pad8(self.out.len()), 0);
    }

    /// The next buffer, which `fill` appends.
    pub fn buffer_with(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        fill(self.out);
        self.length(self.out.len() - start);
        self.out.resize(pad8(self.out.len()), 0);
    }
}
