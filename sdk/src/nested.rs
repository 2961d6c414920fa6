//! Columns of lists: how `Vec<T>` is read and written. What structs need is made by `derive(Row)`.

use wasmill_abi::block::{BlockWriter, Column};
use wasmill_abi::{DecodeError, Field, Type};

use crate::cell::{Build, Cell, Scalar};
use crate::columns::Fixed;
use crate::{Date, Decimal, Timestamp};

/// A cell that can stand in a list: all but `u8`, for `Vec<u8>` is a column of bytes.
pub trait Item: Cell {}

macro_rules! items {
    ($($rust:ty),*) => { $(impl Item for $rust {})* };
}
items!(i8, i16, i32, i64, u16, u32, u64, f32, f64, bool, Timestamp, Date, &str, String, &[u8], Vec<u8>);
impl<const P: u8, const S: u8> Item for Decimal<P, S> {}
impl<T: Scalar> Item for Option<T> {}
impl<T: Item> Item for Vec<T> {}

/// The next column in a nested one.
pub fn child<'a>(children: &mut std::vec::IntoIter<Column<'a>>) -> Result<Column<'a>, DecodeError> {
    children.next().ok_or_else(|| DecodeError::new("nested column", "a column in it is missing"))
}

/// A column of lists, ready to be read.
pub struct List<'a, R> {
    offsets: &'a [[u8; 4]],
    items: R,
}

/// A column of lists that is being written: where each one ends, and the items of all.
#[derive(Default)]
pub struct ListBuilder<B> {
    ends: Fixed<4>,
    items: B,
}

impl<B: Build> ListBuilder<B> {
    /// The number of items in the lists before this row.
    fn items_before(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |last| u32::from_le_bytes(self.ends.get(last)) as usize)
    }
}

impl<B: Build> Build for ListBuilder<B> {
    fn put_default(&mut self, row: usize) {
        let end = self.items_before(row) as u32;
        self.ends.put(row, end.to_le_bytes());
    }

    fn truncate(&mut self, rows: usize) {
        let items = self.items_before(rows);
        self.items.truncate(items);
    }

    fn bytes(&self, rows: usize) -> usize {
        (rows + 1) * 4 + self.items.bytes(self.items_before(rows))
    }

    fn write_values(&self, rows: usize, block: &mut BlockWriter<'_>) {
        block.buffer_with(|out| {
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(self.ends.until(rows));
        });
        self.items.write(self.items_before(rows), block);
    }
}

impl<T: Item> Cell for Vec<T> {
    const TYPE: Type = Type::List;
    const NULLABLE: bool = false;
    type Of<'a> = Vec<T::Of<'a>>;
    type Reader<'a> = List<'a, T::Reader<'a>>;
    type Builder = ListBuilder<T::Builder>;

    fn children() -> Vec<Field> {
        vec![T::field(Field::ITEM)]
    }

    fn reader(column: Column<'_>) -> Result<Self::Reader<'_>, DecodeError> {
        let offsets = column.offsets;
        Ok(List { offsets, items: T::reader(child(&mut column.children.into_iter())?)? })
    }

    #[inline]
    fn get<'a>(reader: &Self::Reader<'a>, row: usize) -> Self::Of<'a> {
        let at = |i: usize| u32::from_le_bytes(reader.offsets[i]) as usize;
        (at(row)..at(row + 1)).map(|i| T::get(&reader.items, i)).collect()
    }

    #[inline]
    fn put(builder: &mut Self::Builder, row: usize, value: &Self::Of<'_>) {
        let start = builder.items_before(row);
        value.iter().enumerate().for_each(|(i, item)| T::put(&mut builder.items, start + i, item));
        builder.ends.put(row, ((start + value.len()) as u32).to_le_bytes());
    }
}

impl<T: Item> Scalar for Vec<T> {}

impl<const P: u8, const S: u8> Cell for Decimal<P, S> {
    const TYPE: Type = Type::Decimal { precision: P, scale: S };
    const NULLABLE: bool = false;
    type Of<'a> = Decimal<P, S>;
    type Reader<'a> = &'a [[u8; 16]];
    type Builder = Fixed<16>;

    fn reader(column: Column<'_>) -> Result<Self::Reader<'_>, DecodeError> {
        Ok(column.fixed())
    }

    #[inline(always)]
    fn get<'a>(reader: &Self::Reader<'a>, row: usize) -> Self::Of<'a> {
        Decimal::of_column(i128::from_le_bytes(reader[row]))
    }

    #[inline(always)]
    fn put(builder: &mut Self::Builder, row: usize, value: &Self::Of<'_>) {
        builder.put(row, value.units().to_le_bytes());
    }
}

impl<const P: u8, const S: u8> Scalar for Decimal<P, S> {}
