//! How the project's types stand in Arrow. The only place that knows; it converts no data.

use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use std::sync::Arc;
use wasmill_abi::{Schema, Type};

/// The Arrow type of a column. Timestamps are microseconds with the time zone `UTC`.
pub fn data_type(field: &wasmill_abi::Field) -> DataType {
    match field.ty {
        Type::Bool => DataType::Boolean,
        Type::I8 => DataType::Int8,
        Type::I16 => DataType::Int16,
        Type::I32 => DataType::Int32,
        Type::I64 => DataType::Int64,
        Type::U8 => DataType::UInt8,
        Type::U16 => DataType::UInt16,
        Type::U32 => DataType::UInt32,
        Type::U64 => DataType::UInt64,
        Type::F32 => DataType::Float32,
        Type::F64 => DataType::Float64,
        Type::Utf8 => DataType::Utf8,
        Type::Binary => DataType::Binary,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Date => DataType::Date32,
        Type::Decimal { precision, scale } => {
            DataType::Decimal128(precision, i8::try_from(scale).expect("a scale is at most 38"))
        }
        Type::List => DataType::List(Arc::new(arrow_field(&field.children[0]))),
        Type::Struct => DataType::Struct(field.children.iter().map(arrow_field).collect()),
    }
}

fn arrow_field(field: &wasmill_abi::Field) -> Field {
    Field::new(field.name.as_str(), data_type(field), field.nullable)
}

/// The Arrow schema with the same columns in the same order.
pub fn to_arrow(schema: &Schema) -> SchemaRef {
    Arc::new(ArrowSchema::new(schema.fields.iter().map(arrow_field).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_an_arrow_type_of_the_same_width() {
        let decimal = Type::Decimal { precision: 12, scale: 2 };
        for ty in Type::ALL.into_iter().chain([decimal]) {
            let field = wasmill_abi::Field::new("c", ty, false);
            assert_eq!(data_type(&field).primitive_width(), ty.width(), "{ty}");
        }
    }

    #[test]
    fn names_order_and_nullability_are_kept() {
        let schema = Schema::new(vec![
            wasmill_abi::Field::new("b", Type::Utf8, true),
            wasmill_abi::Field::new("a", Type::Timestamp, false),
        ]);
        let arrow = to_arrow(&schema);
        assert_eq!(arrow.fields().len(), 2);
        assert_eq!((arrow.field(0).name().as_str(), arrow.field(0).is_nullable()), ("b", true));
        assert_eq!((arrow.field(1).name().as_str(), arrow.field(1).is_nullable()), ("a", false));
    }
}
