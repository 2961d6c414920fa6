//! Reads NDJSON: one JSON object a line. Built on serde_json, which is strict about every byte of
//! the line; arrow-json's reader is not (it takes `{"a":1 "b":2}` for a row and 1.5 for the
//! integer 1), and a batch of it fails as a whole.

use super::Decoder;
use super::columns::{Columns, recycle};
use super::ndjson_line::{Short, ShortLines};
use super::nested::{self, Place};
use super::values::{self, Cell};
use arrow_array::RecordBatch;
use hashbrown::HashMap;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use wasmill_abi::{Field, Schema, Type};

pub struct NdjsonDecoder {
    columns: Columns,
    names: HashMap<String, usize, foldhash::fast::FixedState>,
    short: ShortLines,
    /// One value per column, for the short way.
    short_row: Vec<Short>,
    /// Kept between records for its allocation.
    row: Vec<Cell<'static>>,
}

impl NdjsonDecoder {
    pub fn new(schema: &Schema) -> Self {
        let names = schema.fields.iter().enumerate().map(|(i, f)| (f.name.clone(), i)).collect();
        Self {
            columns: Columns::new(schema),
            names,
            short: ShortLines::new(&schema.fields),
            short_row: vec![Short::Null; schema.fields.len()],
            row: Vec::new(),
        }
    }
}

impl NdjsonDecoder {
    /// Any line: fills the cells of a row that are all null, or says what is wrong.
    fn read<'a>(&self, text: &'a str, row: &mut [Cell<'a>]) -> Result<(), String> {
        let mut json = serde_json::Deserializer::from_str(text);
        let object = Object { fields: &self.columns.schema().fields, names: &self.names, row };
        json.deserialize_map(object).and_then(|()| json.end()).map_err(|e| reason(&e))
    }
}

impl Decoder for NdjsonDecoder {
    fn push(&mut self, record: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(record).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to() + 1))?;
        self.short_row.fill(Short::Null);
        if self.short.read(text, &mut self.short_row) {
            return self.columns.push_short(&self.short_row, text);
        }
        let mut row = recycle(std::mem::take(&mut self.row));
        row.resize(self.columns.schema().fields.len(), Cell::Null);
        let result = self.read(text, &mut row).and_then(|()| self.columns.push(&row));
        self.row = recycle(row);
        result
    }

    fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn finish(&mut self) -> RecordBatch {
        self.columns.finish()
    }
}

/// serde_json speaks of line 1; here every record is one line.
fn reason(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let place = format!(" at line {} column {}", e.line(), e.column());
    format!("{} at byte {}", text.strip_suffix(&place).unwrap_or(&text), e.column())
}

/// Reads an object into the cells of a row. Of a key that stands twice, the last value counts.
struct Object<'r, 'de> {
    fields: &'r [Field],
    names: &'r HashMap<String, usize, foldhash::fast::FixedState>,
    row: &'r mut [Cell<'de>],
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Lines mostly have their keys in the same order as the schema, so the next one is a good guess.
        let mut guess = 0;
        while let Some(found) = map.next_key_seed(Key { fields: self.fields, names: self.names, guess })? {
            let Some(index) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.row[index] = map.next_value_seed(Value::new(&self.fields[index], None))?;
            guess = index + 1;
        }
        Ok(())
    }
}

/// Finds the column that a key names.
struct Key<'r> {
    fields: &'r [Field],
    names: &'r HashMap<String, usize, foldhash::fast::FixedState>,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Option<usize>, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        match self.fields.get(self.guess) {
            Some(field) if field.name == key => Ok(Some(self.guess)),
            _ => Ok(self.names.get(key).copied()),
        }
    }
}

/// Reads the value of one column.
pub(super) struct Value<'r> {
    pub field: &'r Field,
    pub place: Place<'r>,
}

impl<'r> Value<'r> {
    /// The value of a column, or of one in a nested column.
    pub(super) fn new(field: &'r Field, parent: Option<&'r Place<'r>>) -> Self {
        Self { field, place: Place { name: &field.name, parent } }
    }

    fn named<'de, E: serde::de::Error>(&self, cell: Result<Cell<'de>, String>) -> Result<Cell<'de>, E> {
        let (place, ty) = (self.place.to_string(), self.field.type_text());
        cell.map_err(|problem| E::custom(format!("column {place:?} ({ty}): {problem}")))
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Cell<'de>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Cell<'de>, D::Error> {
        match self.field.ty {
            Type::Decimal { .. } => {
                let read = nested::decimal(self.field.ty, d)?;
                self.named(read)
            }
            _ => d.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for column {:?}", self.field.type_text(), self.place.to_string())
    }

    fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Cell<'de>, E> {
        match self.field.ty {
            Type::Bool => Ok(Cell::Bool(v)),
            _ => Err(E::invalid_type(serde::de::Unexpected::Bool(v), &self)),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Cell<'de>, E> {
        match self.field.ty {
            Type::F32 => Ok(Cell::F32(v as f32)),
            Type::F64 => Ok(Cell::F64(v as f64)),
            ty if is_integer(ty) => self.named(values::int(ty, v)),
            _ => Err(E::invalid_type(serde::de::Unexpected::Signed(v), &self)),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Cell<'de>, E> {
        match self.field.ty {
            Type::F32 => Ok(Cell::F32(v as f32)),
            Type::F64 => Ok(Cell::F64(v as f64)),
            ty if is_integer(ty) => self.named(values::uint(ty, v)),
            _ => Err(E::invalid_type(serde::de::Unexpected::Unsigned(v), &self)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Cell<'de>, E> {
        match self.field.ty {
            Type::F32 if (v as f32).is_infinite() => self.named(Err(format!("{v} is out of range"))),
            Type::F32 => Ok(Cell::F32(v as f32)),
            Type::F64 => Ok(Cell::F64(v)),
            ty if is_integer(ty) => self.named(values::whole(ty, v)),
            _ => Err(E::invalid_type(serde::de::Unexpected::Float(v), &self)),
        }
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, v: &'de str) -> Result<Cell<'de>, E> {
        match self.field.ty {
            Type::Utf8 => Ok(Cell::Text(Cow::Borrowed(v))),
            _ => self.visit_str(v),
        }
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Cell<'de>, E> {
        match self.field.ty {
            Type::Utf8 => Ok(Cell::Text(Cow::Owned(v.to_owned()))),
            Type::Bool | Type::List | Type::Struct => Err(E::invalid_type(serde::de::Unexpected::Str(v), &self)),
            ty => self.named(values::parse(ty, v)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Cell<'de>, A::Error> {
        match self.field.ty {
            Type::List => nested::list(&self, items),
            _ => Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Cell<'de>, A::Error> {
        match self.field.ty {
            Type::Struct => nested::structure(&self, fields),
            _ => Err(serde::de::Error::invalid_type(serde::de::Unexpected::Map, &self)),
        }
    }
}

fn is_integer(ty: Type) -> bool {
    matches!(ty, Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::U8 | Type::U16 | Type::U32 | Type::U64)
}

#[cfg(test)]
#[path = "ndjson_tests.rs"]
mod tests;
