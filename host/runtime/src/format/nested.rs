//! Lists, structs and decimals on their way in and out of the text formats. What a plain value looks
//! like is decided beside this file; nothing here recurses deeper than the schema.

use super::columns::Builder;
use super::ndjson::Value;
use super::values::{self, Cell};
use crate::schema::data_type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use wasmill_abi::{Field, Type};

/// Where a value stands, for messages: `address.zip`.
#[derive(Debug, Clone, Copy)]
pub struct Place<'r> {
    pub name: &'r str,
    pub parent: Option<&'r Place<'r>>,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)
    }
}

/// A decimal from the digits that stand in the line, as a number or as text.
pub fn decimal<'de, D: Deserializer<'de>>(ty: Type, d: D) -> Result<Result<Cell<'de>, String>, D::Error> {
    let raw = <&RawValue>::deserialize(d)?.get();
    Ok(match raw.as_bytes().first() {
        Some(b'n') => Ok(Cell::Null),
        Some(b'"') => {
            let text: Cow<'_, str> = serde_json::from_str(raw).map_err(D::Error::custom)?;
            values::parse(ty, &text)
        }
        Some(b'-' | b'0'..=b'9') => values::parse(ty, raw),
        _ => Err(format!("{} is not a number", values::short(raw))),
    })
}

/// The items of a list.
pub fn list<'de, A: SeqAccess<'de>>(of: &Value<'_>, mut items: A) -> Result<Cell<'de>, A::Error> {
    let item = &of.field.children[0];
    let mut cells = Vec::new();
    while let Some(cell) = items.next_element_seed(Value::new(item, Some(&of.place)))? {
        check_present(item, &of.place, &cell)?;
        cells.push(cell);
    }
    Ok(Cell::List(cells))
}

/// The fields of a struct. Of a key that stands twice, the last value counts.
pub fn structure<'de, A: MapAccess<'de>>(of: &Value<'_>, mut map: A) -> Result<Cell<'de>, A::Error> {
    let fields = &of.field.children;
    let mut cells = vec![Cell::Null; fields.len()];
    while let Some(key) = map.next_key::<Cow<'de, str>>()? {
        match fields.iter().position(|f| f.name == key) {
            Some(at) => cells[at] = map.next_value_seed(Value::new(&fields[at], Some(&of.place)))?,
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    fields.iter().zip(&cells).try_for_each(|(field, cell)| check_present(field, &of.place, cell))?;
    Ok(Cell::Struct(cells))
}

fn check_present<E: Error>(field: &Field, parent: &Place<'_>, cell: &Cell<'_>) -> Result<(), E> {
    if field.nullable || *cell != Cell::Null {
        return Ok(());
    }
    let place = Place { name: &field.name, parent: Some(parent) }.to_string();
    Err(E::custom(format!("column {place:?} ({}) has no value, and is not nullable", field.type_text())))
}

/// A growing column of lists.
pub struct ListBuilder {
    item: FieldRef,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    items: Builder,
}

impl ListBuilder {
    pub fn new(field: &Field) -> Self {
        let DataType::List(item) = data_type(field) else { unreachable!("a list is a list in Arrow") };
        let items = Builder::new(&field.children[0]);
        Self { item, offsets: vec![0], nulls: NullBufferBuilder::new(0), items }
    }

    pub fn append(&mut self, cells: &[Cell<'_>]) {
        cells.iter().for_each(|cell| self.items.append(cell));
        // A batch is far smaller than 2 GiB of text.
        self.offsets.push(self.offsets[self.offsets.len() - 1] + cells.len() as i32);
        self.nulls.append_non_null();
    }

    pub fn append_null(&mut self) {
        self.offsets.push(self.offsets[self.offsets.len() - 1]);
        self.nulls.append_null();
    }

    pub fn finish(&mut self) -> ListArray {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        ListArray::new(self.item.clone(), offsets, self.items.finish(), self.nulls.finish())
    }
}

/// A growing column of structs.
pub struct StructBuilder {
    fields: Fields,
    nulls: NullBufferBuilder,
    children: Vec<Builder>,
}

impl StructBuilder {
    pub fn new(field: &Field) -> Self {
        let DataType::Struct(fields) = data_type(field) else { unreachable!("a struct is a struct in Arrow") };
        let children = field.children.iter().map(Builder::new).collect();
        Self { fields, nulls: NullBufferBuilder::new(0), children }
    }

    pub fn append(&mut self, cells: &[Cell<'_>]) {
        self.children.iter_mut().zip(cells).for_each(|(child, cell)| child.append(cell));
        self.nulls.append_non_null();
    }

    pub fn append_null(&mut self) {
        self.children.iter_mut().for_each(Builder::append_null);
        self.nulls.append_null();
    }

    pub fn finish(&mut self) -> StructArray {
        let children = self.children.iter_mut().map(Builder::finish).collect();
        StructArray::new(self.fields.clone(), children, self.nulls.finish())
    }
}

/// The type that a column has once all values whose text form is ours are text.
pub fn text_type(of: &DataType) -> DataType {
    let text_field = |f: &FieldRef| Arc::new(f.as_ref().clone().with_data_type(text_type(f.data_type())));
    match of {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Binary => DataType::Utf8,
        DataType::List(item) => DataType::List(text_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(text_field).collect()),
        other => other.clone(),
    }
}

/// The column of [`text_type`]; `leaf` turns columns that are not nested into theirs.
pub fn text_array(column: &ArrayRef, leaf: &impl Fn(&ArrayRef) -> ArrayRef) -> ArrayRef {
    match (column.data_type(), text_type(column.data_type())) {
        (DataType::List(_), DataType::List(item)) => {
            let lists = column.as_list::<i32>();
            let (first, last) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
            let items = lists.values().slice(first as usize, (last - first) as usize);
            let offsets: ScalarBuffer<i32> = lists.value_offsets().iter().map(|o| o - first).collect();
            let items = text_array(&items, leaf);
            Arc::new(ListArray::new(item, OffsetBuffer::new(offsets), items, lists.nulls().cloned()))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let structs = column.as_struct();
            let children = structs.columns().iter().map(|c| text_array(c, leaf)).collect();
            Arc::new(StructArray::new(fields, children, structs.nulls().cloned()))
        }
        _ => leaf(column),
    }
}
