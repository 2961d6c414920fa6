//! Keys in a harness: from columns to encoded bytes, and back to a block of key columns.

use std::collections::BTreeMap;

use wasmill_abi::block::{Block, BlockWriter, Column, bit};
use wasmill_abi::key::{self, Value};
use wasmill_abi::{Schema, Type};

use crate::Decimal;
use crate::cell::Build;
use crate::cell::Cell;

/// The distinct keys of a batch, and which one each row has.
#[derive(Default)]
pub(super) struct Keys {
    pub distinct: Vec<Vec<u8>>,
    pub of_rows: Vec<u32>,
    index: BTreeMap<Vec<u8>, u32>,
}

impl Keys {
    /// The keys of a block's rows, made of these columns.
    pub fn of_block(block: &Block<'_>, columns: &[usize]) -> Self {
        let mut keys = Self::default();
        for row in 0..block.rows {
            let mut key = Vec::new();
            columns.iter().for_each(|&c| encode(&block.columns[c], row, &mut key));
            keys.add(key);
        }
        keys
    }

    /// The key of the next row or timer.
    pub fn add(&mut self, key: Vec<u8>) {
        let next = self.distinct.len() as u32;
        let index = *self.index.entry(key.clone()).or_insert(next);
        if index == next {
            self.distinct.push(key);
        }
        self.of_rows.push(index);
    }

    /// Writes the distinct keys as a block.
    pub fn write(&self, schema: &Schema, block: &mut BlockWriter<'_>) {
        let types: Vec<Type> = schema.fields.iter().map(|f| f.ty).collect();
        let decode = |k: &Vec<u8>| key::decode(&types, k).expect("it was encoded here");
        let rows: Vec<Vec<Value>> = self.distinct.iter().map(decode).collect();
        for (i, ty) in types.iter().enumerate() {
            write_column(*ty, rows.iter().map(|row| &row[i]), block);
        }
    }
}

fn encode(column: &Column<'_>, row: usize, out: &mut Vec<u8>) {
    macro_rules! put {
        ($put:ident, $rust:ty) => {
            key::$put(out, <$rust>::from_le_bytes(column.fixed()[row]))
        };
    }
    if !column.is_valid(row) {
        return key::put_null(out);
    }
    match column.ty {
        Type::Bool => key::put_bool(out, bit(column.values, row)),
        Type::I8 => put!(put_i8, i8),
        Type::I16 => put!(put_i16, i16),
        Type::I32 | Type::Date => put!(put_i32, i32),
        Type::I64 | Type::Timestamp => put!(put_i64, i64),
        Type::U8 => put!(put_u8, u8),
        Type::U16 => put!(put_u16, u16),
        Type::U32 => put!(put_u32, u32),
        Type::U64 => put!(put_u64, u64),
        Type::F32 => put!(put_f32, f32),
        Type::F64 => put!(put_f64, f64),
        Type::Decimal { .. } => put!(put_i128, i128),
        Type::Utf8 | Type::Binary => key::put_bytes(out, column.var(row)),
        Type::List | Type::Struct => panic!("a {} is no key", column.ty),
    }
}

fn write_column<'v>(ty: Type, values: impl Iterator<Item = &'v Value>, block: &mut BlockWriter<'_>) {
    macro_rules! write {
        ($rust:ty, $($pattern:pat => $value:expr),+) => {{
            let mut builder = <Option<$rust> as Cell>::Builder::default();
            let mut rows = 0;
            for value in values {
                let value: Option<$rust> = match value {
                    $($pattern => Some($value),)+
                    _ => None,
                };
                <Option<$rust> as Cell>::put(&mut builder, rows, &value);
                rows += 1;
            }
            builder.write(rows, block);
        }};
    }
    match ty {
        Type::Bool => write!(bool, Value::Bool(v) => *v),
        Type::I8 => write!(i8, Value::Int(v) => *v as i8),
        Type::I16 => write!(i16, Value::Int(v) => *v as i16),
        Type::I32 | Type::Date => write!(i32, Value::Int(v) => *v as i32),
        Type::I64 | Type::Timestamp => write!(i64, Value::Int(v) => *v),
        Type::U8 => write!(u8, Value::UInt(v) => *v as u8),
        Type::U16 => write!(u16, Value::UInt(v) => *v as u16),
        Type::U32 => write!(u32, Value::UInt(v) => *v as u32),
        Type::U64 => write!(u64, Value::UInt(v) => *v),
        Type::F32 => write!(f32, Value::Float(v) => *v as f32),
        Type::F64 => write!(f64, Value::Float(v) => *v),
        // The digits are no part of a block: any decimal with the units will do.
        Type::Decimal { .. } => write!(Decimal<38, 0>, Value::Decimal(v) => Decimal::of_column(*v)),
        Type::Utf8 => write!(String, Value::Str(v) => v.clone()),
        Type::Binary => write!(Vec<u8>, Value::Bytes(v) => v.clone()),
        Type::List | Type::Struct => panic!("a {ty} is no key"),
    }
}
