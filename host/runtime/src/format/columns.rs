//! The columns of a batch while they grow, row by row. It knows no text format.

use super::ndjson_line::Short;
use super::nested::{ListBuilder, StructBuilder};
use super::values::Cell;
use crate::schema::{data_type, to_arrow};
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int8Builder,
    Int16Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder, UInt8Builder, UInt16Builder,
    UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use std::sync::Arc;
use wasmill_abi::{Field, Schema, Type};

/// Columns of one schema. Rows are added whole or not at all.
pub struct Columns {
    schema: Schema,
    arrow: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
}

impl Columns {
    pub fn new(schema: &Schema) -> Self {
        Self {
            schema: schema.clone(),
            arrow: to_arrow(schema),
            builders: schema.fields.iter().map(Builder::new).collect(),
            rows: 0,
        }
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds a row: one cell per column, each of the column's kind.
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<(), String> {
        debug_assert_eq!(row.len(), self.builders.len(), "one cell per column");
        self.no_value_is_missing(row.iter().map(|cell| *cell == Cell::Null))?;
        for (cell, builder) in row.iter().zip(&mut self.builders) {
            builder.append(cell);
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds a row that was read on the short way from this line.
    pub fn push_short(&mut self, row: &[Short], line: &str) -> Result<(), String> {
        debug_assert_eq!(row.len(), self.builders.len(), "one value per column");
        self.no_value_is_missing(row.iter().map(|value| *value == Short::Null))?;
        for (value, builder) in row.iter().zip(&mut self.builders) {
            builder.append_short(*value, line);
        }
        self.rows += 1;
        Ok(())
    }

    fn no_value_is_missing(&self, nulls: impl Iterator<Item = bool>) -> Result<(), String> {
        match nulls.zip(&self.schema.fields).find(|(is_null, field)| *is_null && !field.nullable) {
            None => Ok(()),
            Some((_, field)) => {
                Err(format!("column {:?} ({}) has no value, and is not nullable", field.name, field.type_text()))
            }
        }
    }

    pub fn finish(&mut self) -> RecordBatch {
        let columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(self.arrow.clone(), columns, &options)
            .expect("the builders were made from this schema, and nulls were checked")
    }
}

macro_rules! builders {
    ($($name:ident($builder:ty)),* $(,)?) => {
        pub(super) enum Builder { $($name($builder)),* }

        impl Builder {
            pub(super) fn finish(&mut self) -> ArrayRef {
                match self { $(Builder::$name(b) => Arc::new(b.finish())),* }
            }

            pub(super) fn append_null(&mut self) {
                match self { $(Builder::$name(b) => b.append_null()),* }
            }
        }
    };
}

builders! {
    Bool(BooleanBuilder), I8(Int8Builder), I16(Int16Builder), I32(Int32Builder), I64(Int64Builder),
    U8(UInt8Builder), U16(UInt16Builder), U32(UInt32Builder), U64(UInt64Builder),
    F32(Float32Builder), F64(Float64Builder), Utf8(StringBuilder), Binary(BinaryBuilder),
    Timestamp(TimestampMicrosecondBuilder), Date(Date32Builder), Decimal(Decimal128Builder),
    List(Box<ListBuilder>), Struct(Box<StructBuilder>),
}

impl Builder {
    pub(super) fn new(field: &Field) -> Self {
        match field.ty {
            Type::Bool => Builder::Bool(BooleanBuilder::new()),
            Type::I8 => Builder::I8(Int8Builder::new()),
            Type::I16 => Builder::I16(Int16Builder::new()),
            Type::I32 => Builder::I32(Int32Builder::new()),
            Type::I64 => Builder::I64(Int64Builder::new()),
            Type::U8 => Builder::U8(UInt8Builder::new()),
            Type::U16 => Builder::U16(UInt16Builder::new()),
            Type::U32 => Builder::U32(UInt32Builder::new()),
            Type::U64 => Builder::U64(UInt64Builder::new()),
            Type::F32 => Builder::F32(Float32Builder::new()),
            Type::F64 => Builder::F64(Float64Builder::new()),
            Type::Utf8 => Builder::Utf8(StringBuilder::new()),
            Type::Binary => Builder::Binary(BinaryBuilder::new()),
            Type::Timestamp => Builder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Type::Date => Builder::Date(Date32Builder::new()),
            Type::Decimal { .. } => Builder::Decimal(Decimal128Builder::new().with_data_type(data_type(field))),
            Type::List => Builder::List(Box::new(ListBuilder::new(field))),
            Type::Struct => Builder::Struct(Box::new(StructBuilder::new(field))),
        }
    }

    /// Range checks stand where the cell was made ([`super::values`]), so the casts lose nothing.
    pub(super) fn append(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Builder::Bool(b), Cell::Bool(v)) => b.append_value(*v),
            (Builder::I8(b), Cell::Int(v)) => b.append_value(*v as i8),
            (Builder::I16(b), Cell::Int(v)) => b.append_value(*v as i16),
            (Builder::I32(b), Cell::Int(v)) => b.append_value(*v as i32),
            (Builder::I64(b), Cell::Int(v)) => b.append_value(*v),
            (Builder::Timestamp(b), Cell::Int(v)) => b.append_value(*v),
            (Builder::Date(b), Cell::Int(v)) => b.append_value(*v as i32),
            (Builder::Decimal(b), Cell::Decimal(v)) => b.append_value(*v),
            (Builder::List(b), Cell::List(v)) => b.append(v),
            (Builder::Struct(b), Cell::Struct(v)) => b.append(v),
            (Builder::U8(b), Cell::Uint(v)) => b.append_value(*v as u8),
            (Builder::U16(b), Cell::Uint(v)) => b.append_value(*v as u16),
            (Builder::U32(b), Cell::Uint(v)) => b.append_value(*v as u32),
            (Builder::U64(b), Cell::Uint(v)) => b.append_value(*v),
            (Builder::F32(b), Cell::F32(v)) => b.append_value(*v),
            (Builder::F64(b), Cell::F64(v)) => b.append_value(*v),
            (Builder::Utf8(b), Cell::Text(v)) => b.append_value(v),
            (Builder::Binary(b), Cell::Bytes(v)) => b.append_value(v),
            (b, Cell::Null) => b.append_null(),
            (_, cell) => unreachable!("a cell of another kind than its column: {cell:?}"),
        }
    }

    /// The kinds that are frequent, at once; the others as cells.
    #[inline]
    fn append_short(&mut self, value: Short, line: &str) {
        match (self, value) {
            (Builder::I64(b), Short::Int(v)) => b.append_value(v),
            (Builder::Timestamp(b), Short::Int(v)) => b.append_value(v),
            (Builder::Utf8(b), Short::Text { start, end }) => b.append_value(&line[start as usize..end as usize]),
            (builder, value) => builder.append(&value.cell(line)),
        }
    }
}

/// The same allocation for cells that borrow from the next record.
pub fn recycle<'b>(mut row: Vec<Cell<'_>>) -> Vec<Cell<'b>> {
    row.clear();
    row.into_iter().map(|_| unreachable!("the vector was cleared")).collect()
}
