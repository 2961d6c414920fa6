//! Reads CSV records (RFC 4180; csv-core splits the fields). Columns are found by the names in the
//! header, in any order; columns that the schema does not name are ignored.

use super::columns::{Columns, recycle};
use super::values::{self, Cell};
use super::{Decoder, FormatError};
use arrow_array::RecordBatch;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use std::borrow::Cow;
use wasmill_abi::{Field, Schema, Type};

pub struct CsvDecoder {
    columns: Columns,
    splitter: Splitter,
    /// Fields of every record.
    width: usize,
    /// For each column of the schema, the field that holds it.
    field_of: Vec<usize>,
    /// Kept between records for its allocation.
    row: Vec<Cell<'static>>,
}

impl CsvDecoder {
    /// `header` is the first record of the input.
    pub fn new(schema: &Schema, header: &[u8]) -> Result<Self, FormatError> {
        let mut splitter = Splitter::new();
        let unreadable = |reason: String| FormatError::Header { reason };
        if header.is_empty() {
            return Err(unreadable("it is empty".to_owned()));
        }
        // A header cannot have more fields than bytes and one.
        let width = splitter.split(header, header.len() + 1).map_err(unreadable)?;
        let text = std::str::from_utf8(header).map_err(|e| unreadable(e.to_string()))?;
        let names: Vec<&[u8]> = (0..width).map(|i| splitter.field(i)).collect();
        let field_of = schema
            .fields
            .iter()
            .map(|f| {
                let mut found = names.iter().enumerate().filter(|(_, n)| **n == f.name.as_bytes()).map(|(i, _)| i);
                match (found.next(), found.next()) {
                    (Some(i), None) => Ok(i),
                    (Some(_), Some(_)) => Err(FormatError::DoubleColumn { column: f.name.clone() }),
                    (None, _) => Err(FormatError::MissingColumn {
                        column: f.name.clone(),
                        header: text.chars().take(1000).collect(),
                    }),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { columns: Columns::new(schema), splitter, width, field_of, row: Vec::new() })
    }
}

impl Decoder for CsvDecoder {
    fn push(&mut self, record: &[u8]) -> Result<(), String> {
        // Fields are cut at ASCII bytes, so that they are UTF-8 when the record is.
        std::str::from_utf8(record).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to() + 1))?;
        let found = self.splitter.split(record, self.width)?;
        if found != self.width {
            return Err(format!("{found} fields, but the header has {}", self.width));
        }
        let mut row = recycle(std::mem::take(&mut self.row));
        let mut result = Ok(());
        for (field, &at) in self.columns.schema().fields.iter().zip(&self.field_of) {
            match std::str::from_utf8(self.splitter.field(at)).map_err(|e| e.to_string()).and_then(|t| cell(field, t)) {
                Ok(cell) => row.push(cell),
                Err(problem) => {
                    result = Err(format!("column {:?} ({}): {problem}", field.name, field.type_text()));
                    break;
                }
            }
        }
        let result = result.and_then(|()| self.columns.push(&row));
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

fn cell<'a>(field: &Field, text: &'a str) -> Result<Cell<'a>, String> {
    match field.ty {
        _ if text.is_empty() && field.nullable => Ok(Cell::Null),
        Type::Utf8 => Ok(Cell::Text(Cow::Borrowed(text))),
        Type::Binary if text.is_empty() => Ok(Cell::Bytes(Vec::new())),
        _ if text.is_empty() => Ok(Cell::Null),
        ty => values::parse(ty, text),
    }
}

/// Splits one record into unquoted fields.
struct Splitter {
    reader: Reader,
    data: Vec<u8>,
    /// Where each field ends in `data`.
    ends: Vec<usize>,
}

impl Splitter {
    fn new() -> Self {
        let reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        Self { reader, data: Vec::new(), ends: Vec::new() }
    }

    /// The number of fields; more than `fields_max` are an error.
    fn split(&mut self, record: &[u8], fields_max: usize) -> Result<usize, String> {
        self.reader.reset();
        // Quotes only vanish, so fields never need more than the record. csv-core asks for one
        // byte and one field to spare.
        self.data.resize(self.data.len().max(record.len() + 2), 0);
        self.ends.resize(self.ends.len().max(fields_max + 1), 0);
        let (mut written, mut fields) = (0, 0);
        for part in [record, b"\n"] {
            let (result, _, w, f) =
                self.reader.read_record(part, &mut self.data[written..], &mut self.ends[fields..=fields_max]);
            written += w;
            fields += f;
            match result {
                ReadRecordResult::Record => return Ok(fields),
                ReadRecordResult::OutputEndsFull => {
                    return Err(format!("more than {fields_max} fields, as in the header"));
                }
                ReadRecordResult::OutputFull => return Err("fields are longer than their record".to_owned()),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            }
        }
        Err("a quoted field has no closing quote".to_owned())
    }

    fn field(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.data[start..self.ends[i]]
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
