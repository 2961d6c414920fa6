//! Stored values for people and for programs. Texts in them are strangers'.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};
use wasmill_core::printable::one_line;
use wasmill_core::stored::Datum;

/// A point in time as text; its microseconds, where no calendar reaches.
pub fn time(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| micros.to_string(), |t| t.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// On one line, as Rust would print it: `{ sum: 5, last: "AMS" }`.
pub fn text(datum: &Datum) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match datum {
        Datum::Null => "null".to_owned(),
        Datum::Bool(v) => v.to_string(),
        Datum::Int(v) => v.to_string(),
        Datum::UInt(v) => v.to_string(),
        Datum::Float(v) => format!("{v:?}"),
        Datum::Text(v) => format!("\"{}\"", one_line(&v.replace('\\', "\\\\").replace('"', "\\\""))),
        Datum::Bytes(v) => hex(v),
        Datum::Time(v) => time(*v),
        Datum::List(items) => format!("[{}]", list(items.iter().map(text).collect())),
        Datum::Map(entries) => {
            format!("{{{}}}", list(entries.iter().map(|(k, v)| format!("{}: {}", text(k), text(v))).collect()))
        }
        Datum::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{}: {}", one_line(name), text(value)));
            format!("{{ {} }}", list(fields.collect()))
        }
        Datum::Variant(name, value) => match &**value {
            Datum::Null => one_line(name).into_owned(),
            value @ (Datum::Record(_) | Datum::List(_)) => format!("{} {}", one_line(name), text(value)),
            value => format!("{}({})", one_line(name), text(value)),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("0x{digits}")
}

/// Integers beyond 64 bits and numbers that are none become text; times are text; maps whose keys
/// are no texts are lists of pairs.
pub fn json(datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Bool(v) => json!(v),
        Datum::Int(v) => i64::try_from(*v).map_or_else(|_| json!(v.to_string()), Value::from),
        Datum::UInt(v) => u64::try_from(*v).map_or_else(|_| json!(v.to_string()), Value::from),
        Datum::Float(v) => {
            if v.is_finite() {
                json!(v)
            } else {
                json!(v.to_string())
            }
        }
        Datum::Text(v) => json!(v),
        Datum::Bytes(v) => json!(hex(v)),
        Datum::Time(v) => json!(time(*v)),
        Datum::List(items) => items.iter().map(json).collect(),
        Datum::Map(entries) => {
            let texts: Option<Map<String, Value>> = entries
                .iter()
                .map(|(k, v)| if let Datum::Text(k) = k { Some((k.clone(), json(v))) } else { None })
                .collect();
            texts.map_or_else(|| entries.iter().map(|(k, v)| json!([json(k), json(v)])).collect(), Value::Object)
        }
        Datum::Record(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), json(value))).collect())
        }
        Datum::Variant(name, value) => match &**value {
            Datum::Null => json!(name),
            value => json!({ name.as_str(): json(value) }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{json, text};
    use wasmill_core::stored::Datum;

    #[test]
    fn values_are_shown_for_people_and_for_programs() {
        let named = |name: &str, value| Datum::Variant(name.to_owned(), Box::new(value));
        let record = Datum::Record(vec![
            ("sum".into(), Datum::Int(-5)),
            ("at".into(), Datum::Time(1_500_000)),
            ("said".into(), Datum::Text("a \"b\"\u{1b}".into())),
            ("kinds".into(), Datum::List(vec![named("None", Datum::Null), named("One", Datum::UInt(1))])),
            ("by".into(), Datum::Map(vec![(Datum::Int(1), Datum::Bytes(vec![1, 255]))])),
        ]);
        assert_eq!(
            text(&record),
            r#"{ sum: -5, at: 1970-01-01T00:00:01.500Z, said: "a \"b\"\u{1b}", kinds: [None, One(1)], by: {1: 0x01ff} }"#
        );
        assert_eq!(
            json(&record).to_string(),
            r#"{"at":"1970-01-01T00:00:01.500Z","by":[[1,"0x01ff"]],"kinds":["None",{"One":1}],"said":"a \"b\"\u001b","sum":-5}"#
        );
        assert_eq!(json(&Datum::UInt(u128::MAX)), u128::MAX.to_string());
        assert_eq!(json(&Datum::Float(f64::INFINITY)), "inf");
    }
}
