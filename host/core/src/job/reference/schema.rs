//! The JSON Schema of the job file, draft 2020-12, for editors that complete and check as one types.
//! It knows shapes only: names that must exist, and what a module asks for, are for `wasmill check`.

use crate::job::keys::{Fallback, JOB, Key, Kind, Literal, Need, Section};
use crate::job::settings::{NAME_MAX, OPERATORS_MAX};
use crate::units::{format_duration, format_size};
use serde_json::{Map, Value, json};
use wasmill_abi::{Schema, Type};

/// The schema as text, with a line break at its end.
pub fn schema() -> String {
    let mut root = object(&JOB);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Wasmill job",
        "$defs": {
            "operator_name": { "type": "string", "pattern": format!("^[a-z][a-z0-9_-]{{0,{}}}$", NAME_MAX - 1) },
            "names": {
                "oneOf": [
                    { "type": "string", "minLength": 1 },
                    { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1, "maxItems": OPERATORS_MAX },
                ],
            },
            // A map holds the fields of a struct.
            "column_type": {
                "type": ["string", "object"],
                "pattern": column_types(),
                "additionalProperties": { "$ref": "#/$defs/column_type" },
                "minProperties": 1,
            },
        },
    });
    root.extend(head.as_object().expect("it was written as one").clone());
    let mut text = serde_json::to_string_pretty(&Value::Object(root)).expect("maps with text keys can be written");
    text.push('\n');
    text
}

/// A map with fixed keys; what depends on `connector` stands in conditions.
fn object(section: &Section) -> Map<String, Value> {
    let properties: Map<_, _> = section.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<_> = section.keys.iter().filter(|k| k.need == Need::Always).map(|k| k.name).collect();
    let conditions: Vec<_> = connectors(section).into_iter().filter_map(|c| condition(section, c)).collect();
    let mut object = Map::new();
    object.insert("type".into(), json!("object"));
    object.insert("additionalProperties".into(), json!(false));
    object.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".into(), json!(required));
    }
    if !conditions.is_empty() {
        object.insert("allOf".into(), json!(conditions));
    }
    object
}

fn connectors(section: &Section) -> Vec<&'static str> {
    let connector = section.keys.iter().find(|k| k.name == "connector");
    match connector.map(|k| k.kind) {
        Some(Kind::Word(words)) => words(),
        _ => Vec::new(),
    }
}

/// Which keys one connector needs, and which it cannot have.
fn condition(section: &Section, connector: &str) -> Option<Value> {
    let needed = |k: &&Key| matches!(k.need, Need::With(with) if with.contains(&connector));
    let needed: Vec<_> = section.keys.iter().filter(needed).map(|k| k.name).collect();
    let refused = section.keys.iter().filter(|k| !k.only.is_empty() && !k.only.contains(&connector));
    let refused: Map<_, _> = refused.map(|k| (k.name.to_owned(), json!(false))).collect();
    if needed.is_empty() && refused.is_empty() {
        return None;
    }
    Some(json!({
        "if": { "properties": { "connector": { "const": connector } }, "required": ["connector"] },
        "then": { "required": needed, "properties": refused },
    }))
}

fn property(key: &Key) -> Value {
    let mut property = kind(key.kind);
    let mut doc = plain(key.doc);
    if let Fallback::Told(told) = key.fallback {
        doc += &format!(" Default: {}.", plain(told));
    }
    if !key.only.is_empty() {
        doc += &format!(" Only with connector {}.", key.only.join(" or "));
    }
    property.insert("description".into(), json!(doc));
    if let Fallback::Is(value) = key.fallback {
        property.insert("default".into(), literal(&value()));
    }
    if let Some(example) = example(key) {
        property.insert("examples".into(), json!([example]));
    }
    Value::Object(property)
}

fn literal(value: &Literal) -> Value {
    match value {
        Literal::Flag(flag) => json!(flag),
        Literal::Number(number) => json!(number),
        Literal::Text(text) => json!(text),
    }
}

/// Examples of single values; maps and lists are shown in the guide only.
fn example(key: &Key) -> Option<Value> {
    let example = Some(key.example).filter(|e| !e.is_empty() && !e.starts_with(['[', '{']))?;
    match key.kind {
        Kind::Flag => Some(json!(example == "true")),
        Kind::Number { .. } => example.parse::<u64>().ok().map(|number| json!(number)),
        _ => Some(json!(example)),
    }
}

/// Links and code marks are for the guide.
fn plain(doc: &str) -> String {
    let mut out = String::new();
    let mut rest = doc;
    while let Some((before, link)) = rest.split_once('[') {
        let Some((text, tail)) = link.split_once("](") else { break };
        let Some((_, after)) = tail.split_once(')') else { break };
        out += before;
        out += text;
        rest = after;
    }
    (out + rest).replace('`', "")
}

fn kind(kind: Kind) -> Map<String, Value> {
    let value = match kind {
        Kind::JobName => json!({
            "type": ["string", "integer"],
            "pattern": format!("^[a-z0-9][a-z0-9_-]{{0,{}}}$", NAME_MAX - 1),
        }),
        Kind::Text | Kind::Path => json!({ "type": "string", "minLength": 1 }),
        Kind::Number { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Duration { min, max } => json!({
            "type": "string",
            "pattern": "^[0-9]+(us|ms|s|m|h)$",
            "$comment": format!("from {} to {}", format_duration(min), format_duration(max)),
        }),
        Kind::Size { min, max } => json!({
            "type": ["string", "integer"],
            "pattern": "^[0-9]+(KiB|MiB|GiB)?$",
            "minimum": min,
            "maximum": max,
            "$comment": format!("from {} to {}", format_size(min), format_size(max)),
        }),
        Kind::Word(words) => json!({ "enum": words() }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Address => address(),
        Kind::AddressOr(section) => json!({ "anyOf": [address(), nullable(section)] }),
        Kind::Names => json!({ "$ref": "#/$defs/names" }),
        Kind::NamesOr(section) => json!({ "anyOf": [{ "$ref": "#/$defs/names" }, nullable(section)] }),
        Kind::Paths => entries(&json!({ "type": "string", "minLength": 1 })),
        Kind::Columns => json!({
            "type": "object",
            "minProperties": 1,
            "maxProperties": Schema::COLUMNS_MAX,
            "propertyNames": { "minLength": 1 },
            "additionalProperties": { "$ref": "#/$defs/column_type" },
        }),
        Kind::Settings => json!({
            "type": ["object", "null"],
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        }),
        Kind::Map(section) => nullable(section),
        Kind::Entries(section) => entries(&Value::Object(object(section))),
    };
    value.as_object().expect("each of them is a map").clone()
}

/// A port, or text; what addresses look like is for the check.
fn address() -> Value {
    json!({ "type": ["string", "integer"], "minLength": 1 })
}

/// A map that may also stand there empty, as in `limits:` alone.
fn nullable(section: &Section) -> Value {
    let mut map = object(section);
    map.insert("type".into(), json!(["object", "null"]));
    Value::Object(map)
}

fn entries(value: &Value) -> Value {
    json!({
        "type": ["object", "null"],
        "maxProperties": OPERATORS_MAX,
        "propertyNames": { "$ref": "#/$defs/operator_name" },
        "additionalProperties": value,
    })
}

fn column_types() -> String {
    let names: Vec<_> = Type::ALL.iter().map(|t| t.name()).collect();
    format!(r"^({}|decimal *\(.*\)|list *<.*>|struct *<.*>|\{{.*\}})\??$", names.join("|"))
}
