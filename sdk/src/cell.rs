//! The Rust types that a column can have, and how one value is read from and put into a column.

use wasmill_abi::block::{BlockWriter, Column, bit};
use wasmill_abi::{DecodeError, Field, Type};

use crate::columns::{Bits, Fixed, Nullable, Var};
use crate::{Date, Timestamp};

/// A growing column. Rows are put in order; who puts them counts them.
pub trait Build: Default {
    /// Puts, as this row, the value that stands where a value is missing.
    fn put_default(&mut self, row: usize);
    /// Drops every row from `rows` on.
    fn truncate(&mut self, rows: usize);
    /// Bytes of the column while it has so many rows.
    fn bytes(&self, rows: usize) -> usize;
    /// Writes all buffers of the column's rows, validity first.
    fn write(&self, rows: usize, block: &mut BlockWriter<'_>) {
        block.buffer(&[]);
        self.write_values(rows, block);
    }
    /// Writes the buffers behind the validity.
    fn write_values(&self, rows: usize, block: &mut BlockWriter<'_>);
}

/// A Rust type that can be a field of a row.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a column",
    label = "not a column type",
    note = "columns are integers, floats, bool, String, &str, Vec<u8>, &[u8], Timestamp, Date, Decimal<P, S>, structs with #[derive(Row)], Vec of these, and Option of these"
)]
pub trait Cell {
    /// The column's type.
    const TYPE: Type;
    /// Whether values may be missing.
    const NULLABLE: bool;
    /// This type with the lifetime of what is read.
    type Of<'a>;
    /// A column that is ready to be read.
    type Reader<'a>;
    /// A column that is being written.
    type Builder: Build;

    /// The item of a list, the fields of a struct.
    fn children() -> Vec<Field> {
        Vec::new()
    }
    /// A column of this type.
    fn field(name: &str) -> Field {
        Field { children: Self::children(), ..Field::new(name, Self::TYPE, Self::NULLABLE) }
    }
    /// Prepares a column of this type.
    fn reader(column: Column<'_>) -> Result<Self::Reader<'_>, DecodeError>;
    /// The value of a row.
    fn get<'a>(reader: &Self::Reader<'a>, row: usize) -> Self::Of<'a>;
    /// Puts the value of a row.
    fn put(builder: &mut Self::Builder, row: usize, value: &Self::Of<'_>);
}

/// A cell that is always present, so that `Option` can be put around it.
pub trait Scalar: Cell {}

macro_rules! fixed {
    ($($rust:ty, $ty:ident, $width:literal, |$raw:ident| $read:expr, |$value:ident| $write:expr;)*) => {$(
        impl Cell for $rust {
            const TYPE: Type = Type::$ty;
            const NULLABLE: bool = false;
            type Of<'a> = $rust;
            type Reader<'a> = &'a [[u8; $width]];
            type Builder = Fixed<$width>;

            fn reader(column: Column<'_>) -> Result<Self::Reader<'_>, DecodeError> {
                Ok(column.fixed())
            }

            #[inline(always)]
            fn get<'a>(reader: &Self::Reader<'a>, row: usize) -> Self::Of<'a> {
                let $raw = reader[row];
                $read
            }

            #[inline(always)]
            fn put(builder: &mut Self::Builder, row: usize, $value: &$rust) {
                builder.put(row, $write);
            }
        }

        impl Scalar for $rust {}
    )*};
}

fixed! {
    i8, I8, 1, |raw| i8::from_le_bytes(raw), |v| v.to_le_bytes();
    i16, I16, 2, |raw| i16::from_le_bytes(raw), |v| v.to_le_bytes();
    i32, I32, 4, |raw| i32::from_le_bytes(raw), |v| v.to_le_bytes();
    i64, I64, 8, |raw| i64::from_le_bytes(raw), |v| v.to_le_bytes();
    u8, U8, 1, |raw| u8::from_le_bytes(raw), |v| v.to_le_bytes();
    u16, U16, 2, |raw| u16::from_le_bytes(raw), |v| v.to_le_bytes();
    u32, U32, 4, |raw| u32::from_le_bytes(raw), |v| v.to_le_bytes();
    u64, U64, 8, |raw| u64::from_le_bytes(raw), |v| v.to_le_bytes();
    f32, F32, 4, |raw| f32::from_le_bytes(raw), |v| v.to_le_bytes();
    f64, F64, 8, |raw| f64::from_le_bytes(raw), |v| v.to_le_bytes();
    Timestamp, Timestamp, 8, |raw| Timestamp::from_micros(i64::from_le_bytes(raw)), |v| v.micros().to_le_bytes();
    Date, Date, 4, |raw| Date::from_days(i32::from_le_bytes(raw)), |v| v.days().to_le_bytes();
}

impl Cell for bool {
    const TYPE: Type = Type::Bool;
    const NULLABLE: bool = false;
    type Of<'a> = bool;
    type Reader<'a> = &'a [u8];
    type Builder = Bits;

    fn reader(column: Column<'_>) -> Result<&[u8], DecodeError> {
        Ok(column.values)
    }

    #[inline(always)]
    fn get<'a>(reader: &Self::Reader<'a>, row: usize) -> Self::Of<'a> {
        bit(reader, row)
    }

    #[inline(always)]
    fn put(builder: &mut Bits, row: usize, value: &bool) {
        builder.put(row, *value);
    }
}

impl Scalar for bool {}

/// A text column whose data was checked to be UTF-8.
pub struct Text<'a> {
    offsets: &'a [[u8; 4]],
    data: &'a str,
}

impl<'a> Text<'a> {
    fn new(column: Column<'a>) -> Result<Self, DecodeError> {
        let data = std::str::from_utf8(column.values)
            .map_err(|e| DecodeError::new("text column", format!("not UTF-8: {e}")))?;
        let inside = |at: &[u8; 4]| data.is_char_boundary(u32::from_le_bytes(*at) as usize);
        if !data.is_ascii() && !column.offsets.iter().all(inside) {
            return Err(DecodeError::new("text column", "a value starts inside of a character"));
        }
        Ok(Self { offsets: column.offsets, data })
    }

    #[inline(always)]
    fn get(&self, row: usize) -> &'a str {
        let at = |i: usize| u32::from_le_bytes(self.offsets[i]) as usize;
        &self.data[at(row)..at(row + 1)]
    }
}

macro_rules! variable {
    ($($rust:ty, $of:ty, $ty:ident, $reader:ty, |$column:ident| $open:expr, |$cell:ident, $row:ident| $get:expr, $bytes:ident;)*) => {$(
        impl Cell for $rust {
            const TYPE: Type = Type::$ty;
            const NULLABLE: bool = false;
            type Of<'a> = $of;
            type Reader<'a> = $reader;
            type Builder = Var;

            fn reader($column: Column<'_>) -> Result<Self::Reader<'_>, DecodeError> {
                $open
            }

            #[inline(always)]
            fn get<'a>($cell: &Self::Reader<'a>, $row: usize) -> Self::Of<'a> {
                $get
            }

            #[inline(always)]
            fn put(builder: &mut Var, row: usize, value: &Self::Of<'_>) {
                builder.put(row, value.$bytes());
            }
        }

        impl Scalar for $rust {}
    )*};
}

variable! {
    &str, &'a str, Utf8, Text<'a>, |column| Text::new(column), |cell, row| cell.get(row), as_bytes;
    String, String, Utf8, Text<'a>, |column| Text::new(column), |cell, row| cell.get(row).to_owned(), as_bytes;
    &[u8], &'a [u8], Binary, Column<'a>, |column| Ok(column), |cell, row| cell.var(row), as_ref;
    Vec<u8>, Vec<u8>, Binary, Column<'a>, |column| Ok(column), |cell, row| cell.var(row).to_vec(), as_slice;
}

impl<T: Scalar> Cell for Option<T> {
    const TYPE: Type = T::TYPE;
    const NULLABLE: bool = true;
    type Of<'a> = Option<T::Of<'a>>;
    type Reader<'a> = (&'a [u8], T::Reader<'a>);
    type Builder = Nullable<T::Builder>;

    fn children() -> Vec<Field> {
        T::children()
    }

    fn reader(column: Column<'_>) -> Result<Self::Reader<'_>, DecodeError> {
        Ok((column.validity, T::reader(column)?))
    }

    #[inline(always)]
    fn get<'a>(reader: &Self::Reader<'a>, row: usize) -> Self::Of<'a> {
        let (validity, values) = reader;
        (validity.is_empty() || bit(validity, row)).then(|| T::get(values, row))
    }

    #[inline(always)]
    fn put(builder: &mut Self::Builder, row: usize, value: &Self::Of<'_>) {
        match value {
            Some(value) => T::put(builder.present(row), row, value),
            None => builder.put_default(row),
        }
    }
}
