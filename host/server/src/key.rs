//! Keys as users write and read them: a value alone, or a JSON array with one for each column.

use serde_json::Value as Json;
use wasmill_abi::calendar::{parse_date, write_date};
use wasmill_abi::decimal;
use wasmill_abi::key::{self, Value};
use wasmill_abi::{Schema, Shape, Type};
use wasmill_core::stored::Datum;

/// The encoded key that a text means. `["AMS", 3]` names all columns; for a key of one column the
/// value alone is enough, and text needs no quotes: `AMS`.
///
/// # Errors
/// What is wrong, with the columns.
pub fn parse(schema: Option<&Schema>, text: &str) -> Result<Vec<u8>, String> {
    let Some(schema) = schema else {
        return Err("the state was written before its key's columns were remembered; run the job once".to_owned());
    };
    let wanted = || format!("the key is ({schema})");
    let values = match serde_json::from_str::<Json>(text) {
        Ok(Json::Array(values)) if values.len() == schema.fields.len() => values,
        Ok(Json::Array(values)) => return Err(format!("{} values; {}", values.len(), wanted())),
        _ if schema.fields.len() != 1 => {
            return Err(format!("give a JSON array with a value for each column; {}", wanted()));
        }
        Ok(value) if !schema.fields[0].ty.is_variable() || value.is_string() || value.is_null() => vec![value],
        _ => vec![Json::String(text.to_owned())],
    };
    let mut out = Vec::new();
    for (field, value) in schema.fields.iter().zip(&values) {
        put(&field.ty, value, &mut out)
            .ok_or_else(|| format!("{value} is no {} for column {:?}; {}", field.ty, field.name, wanted()))?;
    }
    Ok(out)
}

fn put(ty: &Type, value: &Json, out: &mut Vec<u8>) -> Option<()> {
    macro_rules! int {
        ($put:ident, $rust:ty, $as:ident) => {
            key::$put(out, <$rust>::try_from(number(value, Json::$as)?).ok()?)
        };
    }
    if value.is_null() {
        key::put_null(out);
        return Some(());
    }
    match ty {
        Type::Bool => key::put_bool(out, value.as_bool().or_else(|| value.as_str()?.parse().ok())?),
        Type::I8 => int!(put_i8, i8, as_i64),
        Type::I16 => int!(put_i16, i16, as_i64),
        Type::I32 => int!(put_i32, i32, as_i64),
        Type::I64 => int!(put_i64, i64, as_i64),
        Type::U8 => int!(put_u8, u8, as_u64),
        Type::U16 => int!(put_u16, u16, as_u64),
        Type::U32 => int!(put_u32, u32, as_u64),
        Type::U64 => int!(put_u64, u64, as_u64),
        Type::F32 => key::put_f32(out, number(value, Json::as_f64)? as f32),
        Type::F64 => key::put_f64(out, number(value, Json::as_f64)?),
        Type::Timestamp => match value.as_str() {
            Some(text) if text.parse::<i64>().is_err() => {
                let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
                key::put_i64(out, time.timestamp_micros());
            }
            _ => int!(put_i64, i64, as_i64),
        },
        Type::Date => key::put_i32(out, parse_date(value.as_str()?)?),
        Type::Decimal { precision, scale } => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            key::put_i128(out, decimal::parse(&text, *precision, *scale).ok()?);
        }
        Type::Utf8 | Type::Binary => key::put_bytes(out, value.as_str()?.as_bytes()),
        Type::List | Type::Struct => return None,
    }
    Some(())
}

/// A number, or a text that is one.
fn number<T: std::str::FromStr>(value: &Json, of: fn(&Json) -> Option<T>) -> Option<T> {
    of(value).or_else(|| value.as_str()?.parse().ok())
}

/// A stored key with the names of its columns; its bytes, when they are not remembered or it is
/// none of them.
pub fn shown(schema: Option<&Schema>, key: &[u8]) -> Datum {
    let Some(schema) = schema else { return Datum::Bytes(key.to_vec()) };
    let types: Vec<Type> = schema.fields.iter().map(|f| f.ty).collect();
    let Ok(values) = key::decode(&types, key) else { return Datum::Bytes(key.to_vec()) };
    let named = schema.fields.iter().zip(values).map(|(field, value)| (field.name.clone(), datum(&field.ty, value)));
    Datum::Record(named.collect())
}

/// The key of an entry of a map, which is encoded like a key whose columns are the parts of its type.
pub fn entry(shape: &Shape, bytes: &[u8]) -> Datum {
    let (mut types, is_one) = (Vec::new(), !matches!(shape, Shape::Tuple(_) | Shape::Array(..)));
    let values = columns(shape, &mut types).and_then(|()| key::decode(&types, bytes).ok());
    let Some(values) = values else { return Datum::Bytes(bytes.to_vec()) };
    let mut parts: Vec<Datum> = types.iter().zip(values).map(|(ty, value)| datum(ty, value)).collect();
    if is_one && parts.len() == 1 { parts.remove(0) } else { Datum::List(parts) }
}

fn columns(shape: &Shape, types: &mut Vec<Type>) -> Option<()> {
    types.push(match shape {
        Shape::Bool => Type::Bool,
        Shape::I8 => Type::I8,
        Shape::I16 => Type::I16,
        Shape::I32 => Type::I32,
        Shape::I64 => Type::I64,
        Shape::U8 => Type::U8,
        Shape::U16 => Type::U16,
        Shape::U32 => Type::U32,
        Shape::U64 => Type::U64,
        Shape::Str => Type::Utf8,
        Shape::Bytes => Type::Binary,
        Shape::Timestamp => Type::Timestamp,
        Shape::List(inner) if **inner == Shape::U8 => Type::Binary,
        Shape::Tuple(parts) => return parts.iter().try_for_each(|part| columns(part, types)),
        Shape::Array(n, part) => return (0..*n).try_for_each(|_| columns(part, types)),
        _ => return None,
    });
    Some(())
}

fn datum(ty: &Type, value: Value) -> Datum {
    match value {
        Value::Null => Datum::Null,
        Value::Bool(v) => Datum::Bool(v),
        Value::Int(v) if *ty == Type::Timestamp => Datum::Time(v),
        Value::Int(v) if *ty == Type::Date => text_of(|out| write_date(out, v)),
        Value::Int(v) => Datum::Int(v.into()),
        Value::Decimal(v) => match ty {
            Type::Decimal { scale, .. } => text_of(|out| decimal::write(out, v, *scale)),
            _ => Datum::Int(v),
        },
        Value::UInt(v) => Datum::UInt(v.into()),
        Value::Float(v) => Datum::Float(v),
        Value::Str(v) => Datum::Text(v),
        Value::Bytes(v) => Datum::Bytes(v),
    }
}

fn text_of(write: impl FnOnce(&mut String) -> std::fmt::Result) -> Datum {
    let mut text = String::new();
    write(&mut text).expect("text is always written to memory");
    Datum::Text(text)
}

#[cfg(test)]
mod tests {
    use super::{entry, parse, shown};
    use wasmill_abi::{Field, Schema, Shape, Type, key};
    use wasmill_core::stored::Datum;

    fn schema(types: &[(&str, Type)]) -> Schema {
        Schema::new(types.iter().map(|(name, ty)| Field::new(*name, *ty, true)).collect())
    }

    #[test]
    fn keys_are_written_as_people_write_them() {
        for (ty, text, datum) in [
            (Type::Utf8, "AMS", Datum::Text("AMS".into())),
            (Type::Utf8, "12", Datum::Text("12".into())),
            (Type::Utf8, r#"["12"]"#, Datum::Text("12".into())),
            (Type::Utf8, "null", Datum::Null),
            (Type::I32, "-5", Datum::Int(-5)),
            (Type::U64, "[18446744073709551615]", Datum::UInt(u64::MAX.into())),
            (Type::Bool, "true", Datum::Bool(true)),
            (Type::F64, "0.5", Datum::Float(0.5)),
            (Type::Timestamp, "1970-01-01T00:00:01Z", Datum::Time(1_000_000)),
            (Type::Timestamp, "1000000", Datum::Time(1_000_000)),
        ] {
            let schema = schema(&[("k", ty)]);
            let key = parse(Some(&schema), text).unwrap_or_else(|e| panic!("{ty} {text}: {e}"));
            assert_eq!(shown(Some(&schema), &key), Datum::Record(vec![("k".into(), datum)]), "{ty} {text}");
        }
    }

    #[test]
    fn entries_of_maps_show_their_own_keys() {
        let mut bytes = Vec::new();
        key::put_u64(&mut bytes, 7);
        assert_eq!(entry(&Shape::U64, &bytes), Datum::UInt(7));
        key::put_bytes(&mut bytes, b"AMS");
        let pair = Shape::Tuple(vec![Shape::U64, Shape::Str]);
        assert_eq!(entry(&pair, &bytes), Datum::List(vec![Datum::UInt(7), Datum::Text("AMS".into())]));
        assert_eq!(entry(&Shape::Str, &bytes), Datum::Bytes(bytes.clone()), "it is another type");
    }

    #[test]
    fn what_is_no_key_is_told_with_the_columns() {
        let two = schema(&[("from", Type::Utf8), ("hour", Type::I32)]);
        for (text, told) in [
            ("AMS", "give a JSON array"),
            (r#"["AMS"]"#, "1 values"),
            (r#"["AMS", "x"]"#, "is no int32 for column \"hour\""),
            (r#"["AMS", 99999999999]"#, "is no int32"),
        ] {
            let error = parse(Some(&two), text).expect_err("it is no key");
            assert!(error.contains(told) && error.contains("(from: string?, hour: int32?)"), "{error}");
        }
        assert!(parse(Some(&two), r#"["AMS", 3]"#).is_ok());
    }
}
