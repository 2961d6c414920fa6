//! YAML as an editor sees it: the JSON value that a schema is held against.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The value of a document that is YAML and has no anchors.
pub fn value(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|e| e.expect("the text is YAML").0);
    node(&mut events).expect("the document has a value")
}

/// The next value; `None` at the end of a list or map.
fn node<'i>(events: &mut impl Iterator<Item = Event<'i>>) -> Option<Value> {
    loop {
        return match events.next().expect("a value ends before the document") {
            Event::Scalar(text, style, ..) => Some(scalar(&text, style == ScalarStyle::Plain)),
            Event::SequenceStart(..) => Some(Value::Array(std::iter::from_fn(|| node(events)).collect())),
            Event::MappingStart(..) => {
                let mut map = Map::new();
                while let Some(key) = node(events) {
                    let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                    map.insert(key, node(events).expect("a key has a value"));
                }
                Some(Value::Object(map))
            }
            Event::SequenceEnd | Event::MappingEnd => None,
            _ => continue,
        };
    }
}

fn scalar(text: &str, plain: bool) -> Value {
    match text {
        "" | "~" | "null" if plain => Value::Null,
        _ if plain => match serde_json::from_str(text) {
            Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
            _ => Value::String(text.to_owned()),
        },
        _ => Value::String(text.to_owned()),
    }
}
