//! Random values, and the blocks that rows of them make: every type, missing values, odd floats,
//! text of more than one byte a character.

use wasmill_abi::block::{Block, BlockWriter, bit};
use wasmill_abi::{Field, Schema, Type};
use wasmill_tests::Random;

/// One value of a row, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Null,
    Bool(bool),
    /// As wide as the column's type.
    Fixed(Vec<u8>),
    /// Text or bytes.
    Var(Vec<u8>),
}

impl Cell {
    pub fn text(text: &str) -> Self {
        Self::Var(text.as_bytes().to_vec())
    }

    pub fn i64(v: i64) -> Self {
        Self::Fixed(v.to_le_bytes().to_vec())
    }

    pub fn i32(v: i32) -> Self {
        Self::Fixed(v.to_le_bytes().to_vec())
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Cell::Fixed(bytes) | Cell::Var(bytes) => bytes,
            Cell::Null | Cell::Bool(_) => &[],
        }
    }
}

pub type Row = Vec<Cell>;

const TEXTS: [&str; 6] = ["", "a", "größer", "日本", "\0", "a longer text that no small buffer holds"];

/// Any value of a column.
pub fn any(field: &Field, random: &mut Random) -> Cell {
    if field.nullable && random.below(3) == 0 {
        return Cell::Null;
    }
    match field.ty {
        Type::Bool => Cell::Bool(random.below(2) == 0),
        Type::Utf8 => Cell::text(TEXTS[random.below(TEXTS.len() as u64) as usize]),
        Type::Binary => Cell::Var((0..random.below(9)).map(|_| random.number() as u8).collect()),
        Type::F32 if random.below(4) == 0 => {
            let odd = [f32::NAN, -f32::NAN, -0.0, f32::INFINITY, f32::from_bits(0x7fa0_0001), f32::from_bits(1)];
            Cell::Fixed(odd[random.below(6) as usize].to_bits().to_le_bytes().to_vec())
        }
        Type::F64 if random.below(4) == 0 => {
            let odd = [f64::NAN, -f64::NAN, -0.0, f64::NEG_INFINITY, f64::from_bits(0x7ff4_0000_0000_0001), f64::MIN];
            Cell::Fixed(odd[random.below(6) as usize].to_bits().to_le_bytes().to_vec())
        }
        ty => {
            let width = ty.width().expect("all other types are of fixed width");
            let extreme = [0, u64::MAX, i64::MIN as u64, i64::MAX as u64][random.below(4) as usize];
            let value = if random.below(4) == 0 { extreme } else { random.number() };
            Cell::Fixed(value.to_le_bytes()[..width].to_vec())
        }
    }
}

/// Writes rows as the buffers of a block.
pub fn put(schema: &Schema, rows: &[Row], block: &mut BlockWriter<'_>) {
    for (i, field) in schema.fields.iter().enumerate() {
        let column = || rows.iter().map(move |row| &row[i]);
        let all_there = column().all(|cell| *cell != Cell::Null);
        block.buffer(&if all_there { Vec::new() } else { bits(column().map(|cell| *cell != Cell::Null)) });
        if field.ty.is_variable() {
            block.buffer_with(|out| {
                let mut end = 0u32;
                out.extend_from_slice(&end.to_le_bytes());
                for cell in column() {
                    end += cell.bytes().len() as u32;
                    out.extend_from_slice(&end.to_le_bytes());
                }
            });
            block.buffer_with(|out| column().for_each(|cell| out.extend_from_slice(cell.bytes())));
        } else if let Some(width) = field.ty.width() {
            block.buffer_with(|out| {
                for cell in column() {
                    let start = out.len();
                    out.extend_from_slice(cell.bytes());
                    out.resize(start + width, 0);
                }
            });
        } else {
            block.buffer(&bits(column().map(|cell| *cell == Cell::Bool(true))));
        }
    }
}

fn bits(values: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut bits = Vec::new();
    for (i, value) in values.enumerate() {
        if i % 8 == 0 {
            bits.push(0);
        }
        bits[i / 8] |= u8::from(value) << (i % 8);
    }
    bits
}

/// The rows of a block.
pub fn rows(block: &Block<'_>) -> Vec<Row> {
    let cell = |column: &wasmill_abi::block::Column<'_>, row: usize| {
        if !column.is_valid(row) {
            return Cell::Null;
        }
        match column.ty.width() {
            _ if column.ty.is_variable() => Cell::Var(column.var(row).to_vec()),
            Some(width) => Cell::Fixed(column.values[row * width..][..width].to_vec()),
            None => Cell::Bool(bit(column.values, row)),
        }
    };
    (0..block.rows).map(|row| block.columns.iter().map(|column| cell(column, row)).collect()).collect()
}
