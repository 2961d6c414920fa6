//! Columns of a file that has a schema of its own, fitted to the columns that a job reads: found by
//! name, and taken in another type only when no value changes.

use super::FormatError;
use crate::schema::data_type;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, ListArray, StructArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field as ArrowField, Fields, TimeUnit};
use std::sync::Arc;
use wasmill_abi::{Field, Schema, Type};

/// Checks that a file holds the columns of a schema.
///
/// # Errors
/// A column is missing, or has a type that cannot be read as the one in the schema, or a field of a
/// struct or an item of a list may be missing and must not be.
pub fn check(schema: &Schema, found: &Fields) -> Result<(), FormatError> {
    schema.fields.iter().try_for_each(|field| {
        let Some((_, column)) = found.find(&field.name) else {
            let found = found.iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", ");
            return Err(FormatError::NoColumn { column: field.name.clone(), found });
        };
        check_column(field, column.data_type(), &field.name)
    })
}

fn check_column(field: &Field, found: &DataType, place: &str) -> Result<(), FormatError> {
    let other = || FormatError::OtherType {
        column: place.to_owned(),
        wanted: field.type_text().to_string(),
        found: found.to_string(),
    };
    let child = |child: &Field, column: &ArrowField| {
        let place = format!("{place}.{}", child.name);
        if column.is_nullable() && !child.nullable {
            return Err(FormatError::MayBeMissing { column: place, wanted: child.type_text().to_string() });
        }
        check_column(child, column.data_type(), &place)
    };
    match (field.ty, found) {
        (Type::List, DataType::List(item) | DataType::LargeList(item)) => child(&field.children[0], item.as_ref()),
        (Type::Struct, DataType::Struct(columns)) => field.children.iter().try_for_each(|wanted| {
            let (_, column) = columns.find(&wanted.name).ok_or_else(other)?;
            child(wanted, column.as_ref())
        }),
        (ty, found) if is_lossless(ty, found) => Ok(()),
        _ => Err(other()),
    }
}

/// Whether each value of a column that is not nested can be one of this type. Times below a
/// microsecond are cut off, as in text.
fn is_lossless(ty: Type, found: &DataType) -> bool {
    use DataType::*;
    let signed = |bits: u32| match found {
        Int8 => 8 <= bits,
        Int16 => 16 <= bits,
        Int32 => 32 <= bits,
        Int64 => 64 <= bits,
        UInt8 => 8 < bits,
        UInt16 => 16 < bits,
        UInt32 => 32 < bits,
        _ => false,
    };
    let unsigned = |bits: u32| match found {
        UInt8 => 8 <= bits,
        UInt16 => 16 <= bits,
        UInt32 => 32 <= bits,
        UInt64 => 64 <= bits,
        _ => false,
    };
    let found = match found {
        Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    match ty {
        Type::Bool => *found == Boolean,
        Type::I8 => signed(8),
        Type::I16 => signed(16),
        Type::I32 => signed(32),
        Type::I64 => signed(64),
        Type::U8 => unsigned(8),
        Type::U16 => unsigned(16),
        Type::U32 => unsigned(32),
        Type::U64 => unsigned(64),
        Type::F32 => matches!(found, Float16 | Float32),
        Type::F64 => matches!(found, Float16 | Float32 | Float64),
        Type::Utf8 => matches!(found, Utf8 | LargeUtf8 | Utf8View),
        Type::Binary => matches!(found, Binary | LargeBinary | BinaryView | FixedSizeBinary(_)),
        Type::Timestamp => matches!(found, Timestamp(..)),
        Type::Date => *found == Date32,
        Type::Decimal { precision, scale } => match found {
            Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) => {
                let (precision, scale) = (i16::from(precision), i16::from(scale));
                i16::from(*s) <= scale && i16::from(*p) - i16::from(*s) <= precision - scale
            }
            _ => false,
        },
        Type::List | Type::Struct => false,
    }
}

/// A column that passed [`check`], as the schema's column.
///
/// # Errors
/// A value has no place in the type, such as a time beyond the range of microseconds.
pub fn fit(column: &ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    match (field.ty, data_type(field)) {
        (Type::List, DataType::List(item)) => {
            let lists = match column.data_type() {
                DataType::LargeList(item) => arrow_cast::cast(column, &DataType::List(item.clone()))?,
                _ => column.clone(),
            };
            let lists = lists.as_list::<i32>();
            let items = fit(lists.values(), &field.children[0])?;
            let array = ListArray::try_new(item, lists.offsets().clone(), items, lists.nulls().cloned())?;
            Ok(Arc::new(array))
        }
        (Type::Struct, DataType::Struct(fields)) => {
            let structs = column.as_struct();
            let child = |child: &Field| {
                let column = structs.column_by_name(&child.name);
                let missing = || ArrowError::SchemaError(format!("the field {:?} is missing", child.name));
                fit(column.ok_or_else(missing)?, child)
            };
            let children = field.children.iter().map(child).collect::<Result<_, _>>()?;
            Ok(Arc::new(StructArray::try_new(fields, children, structs.nulls().cloned())?))
        }
        (Type::Timestamp, _) => timestamps(column),
        (_, wanted) => exactly(column, &wanted),
    }
}

fn exactly(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(column, wanted, &CastOptions { safe: false, ..CastOptions::default() })
}

/// The same points in time, whatever their zone; without a zone they are UTC, as in text.
fn timestamps(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let DataType::Timestamp(unit, _) = column.data_type() else {
        return Err(ArrowError::CastError(format!("{} is no time", column.data_type())));
    };
    let plain = exactly(&exactly(column, &DataType::Int64)?, &DataType::Timestamp(*unit, None))?;
    let micros = exactly(&plain, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    Ok(Arc::new(micros.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("UTC")))
}
