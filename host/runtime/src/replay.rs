//! Runs a kept call again, in a fresh instance of the same module or of another build of it, and
//! tells what comes of it. It applies nothing, and knows no job that runs.

use crate::format;
use crate::fragment::kept::KeptCall;
use crate::wasm::{CallError, Effects, EffectsReader, Factory, block_rows};
use arrow_array::RecordBatch;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::frame::{Frame, Kind, Tag};
use wasmill_abi::manifest::{Function, MetricKind, Slot};
use wasmill_abi::{DecodeError, Field, Schema, Type};
use wasmill_core::plan::Format;

/// Lines that a guest logs in a replay; more are counted.
const LOG_LINES_MAX: usize = 100;

/// Why a call cannot be run again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("module {module} has no function {function:?}; it has {has}")]
    NoFunction { module: String, function: String, has: String },
    #[error(
        "function {function:?} of module {module} takes other {what} than the record was made for: {theirs} instead \
         of {ours}; only a build with the same {what} can be given this record"
    )]
    OtherShape { module: String, function: String, what: &'static str, theirs: String, ours: String },
    #[error("the recorded frame is damaged: {0}")]
    Frame(#[from] DecodeError),
}

/// What the guest was given, as JSON: `now_us`, `seed`, `epoch`, `watermark_us`, and its keys with their state.
pub fn input_of(call: &KeptCall, function: &Function) -> Result<Value, ReplayError> {
    let frame = Frame::read(&call.frame)?;
    let header = frame.header;
    let mut input = json!({
        "kind": match header.kind { Kind::Data => "rows", Kind::Right => "right", Kind::Timers => "timers" },
        "rows": header.rows, "timers": header.timers, "epoch": header.epoch,
        "now_us": header.now, "seed": header.seed,
    });
    if header.watermark != wasmill_abi::frame::NO_WATERMARK {
        input["watermark_us"] = header.watermark.into();
    }
    if let Some(schema) = function.key() {
        let keys = keys_of(&frame, schema)?;
        input["keys"] =
            keys.iter().enumerate().map(|(i, key)| state_of_key(&frame, function, key, i)).collect::<Result<_, _>>()?;
    }
    Ok(input)
}

fn state_of_key(frame: &Frame<'_>, function: &Function, key: &Value, i: usize) -> Result<Value, ReplayError> {
    let mut state = Map::new();
    // Maps, lists and merge slots do not come with the frame.
    let is_value = |slot: &wasmill_abi::manifest::Slot| slot.kind == wasmill_abi::manifest::SlotKind::Value;
    for (slot, declared) in function.slots().iter().enumerate().filter(|(_, slot)| is_value(slot)) {
        let value = stored(frame, slot as u16, i)?;
        state.insert(declared.name.clone(), if value.is_empty() { Value::Null } else { hex(value).into() });
    }
    Ok(json!({ "key": key, "state": state }))
}

/// Runs the call in a fresh instance of a module, and tells as JSON what it gives for this row (or
/// timer). The same call and module give the same, bit for bit.
pub fn run(call: &KeptCall, row: u32, factory: &Arc<Factory>) -> Result<Value, ReplayError> {
    let function = function_of(call, factory)?;
    let frame = Frame::read(&call.frame)?;
    let count = frame.header.rows.max(frame.header.timers);
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let log = log.clone();
        Arc::new(move |level, line: &str| {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.len() < LOG_LINES_MAX {
                log.push(format!("{level:?}: {line}"));
            }
        })
    };
    let chunks = factory
        .instantiate(&call.open, &call.limits, sink)
        .and_then(|mut instance| instance.process(&call.frame, count));
    let effects = chunks.and_then(|chunks| {
        let reader = EffectsReader::new(function);
        reader.read(&chunks, count, frame.header.keys).map_err(CallError::BadEffects)
    });
    let mut result = match effects {
        Ok(effects) => told(&effects, function, &frame, row)?,
        Err(error) => failed(&error),
    };
    let log = std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner));
    if !log.is_empty() {
        result["log"] = log.into();
    }
    Ok(result)
}

/// The function of the call, when the frame was made for one of its shape.
pub fn function_of<'f>(call: &KeptCall, factory: &'f Factory) -> Result<&'f Function, ReplayError> {
    let (name, module) = (call.open.function.clone(), short(factory.sha256()));
    let functions = &factory.manifest().functions;
    functions.iter().find(|f| f.name == name).ok_or_else(|| {
        let has = functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
        ReplayError::NoFunction { module, function: name, has }
    })
}

/// Refuses a build whose columns, key or state slots differ: the frame holds them by their place.
pub fn check_same_shape(recorded: &Function, other: &Function, factory: &Factory) -> Result<(), ReplayError> {
    let slots = |f: &Function| {
        let slots = f.slots().iter().map(|s| format!("{} (version {})", s.name, s.version));
        slots.collect::<Vec<_>>().join(", ")
    };
    let key = |f: &Function| f.key().map_or_else(|| "none".to_owned(), columns_of);
    for (what, ours, theirs) in [
        ("columns", columns_of(&recorded.input), columns_of(&other.input)),
        ("key columns", key(recorded), key(other)),
        ("state slots", slots(recorded), slots(other)),
    ] {
        let is_right = if what == "state slots" { reads_slots(recorded, other) } else { ours == theirs };
        if !is_right {
            let (module, function) = (short(factory.sha256()), other.name.clone());
            return Err(ReplayError::OtherShape { module, function, what, theirs, ours });
        }
    }
    Ok(())
}

/// Whether the slots have the same places, and their values can be read.
fn reads_slots(recorded: &Function, other: &Function) -> bool {
    let reads = |(ours, theirs): (&Slot, &Slot)| {
        ours.name == theirs.name && ours.kind == theirs.kind && theirs.readable().any(|v| v == ours.version)
    };
    recorded.slots().len() == other.slots().len() && recorded.slots().iter().zip(other.slots()).all(reads)
}

fn columns_of(schema: &Schema) -> String {
    let columns = schema.fields.iter().map(|f| format!("{}: {:?}{}", f.name, f.ty, if f.nullable { "?" } else { "" }));
    columns.collect::<Vec<_>>().join(", ")
}

/// The first characters of a hash: enough to tell modules apart.
pub fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}

fn failed(error: &CallError) -> Value {
    let mut result = json!({ "outcome": "failed", "reason": error.kind(), "message": error.to_string() });
    if let CallError::Trap { backtrace, .. } = error {
        result["backtrace"] = backtrace.clone().into();
    }
    result
}

/// What a call gave for one row (or timer) of it, and for that row's key; metrics are the call's.
fn told(effects: &Effects, function: &Function, frame: &Frame<'_>, only: u32) -> Result<Value, ReplayError> {
    let mut rows = Vec::new();
    for out in &effects.rows {
        let output = &function.outputs[out.output];
        for (i, row) in json_rows(&out.columns, &output.schema).into_iter().enumerate() {
            if out.origins.as_ref().map_or(i as u32, |o| o[i]) == only {
                rows.push(json!({ "output": output.name, "row": row }));
            }
        }
    }
    let keys = match function.key() {
        Some(schema) => keys_of(frame, schema)?,
        None => Vec::new(),
    };
    let key = key_of(frame, only)?;
    let mut state = Vec::new();
    for change in effects.state().filter(|c| Some(c.key) == key) {
        let before = stored(frame, change.slot, change.key as usize)?;
        let hex_or_null = |value: &[u8]| if value.is_empty() { Value::Null } else { Value::from(hex(value)) };
        state.push(json!({
            "slot": function.slots()[usize::from(change.slot)].name,
            "key": keys[change.key as usize],
            "before": hex_or_null(before),
            "after": hex_or_null(change.value.unwrap_or_default()),
        }));
    }
    let timer = |t: &wasmill_abi::effects::TimerChange| {
        let family = match t.family {
            TimerFamily::Event => "event",
            TimerFamily::Processing => "processing",
        };
        json!({ "key": keys[t.key as usize], "family": family, "time_us": t.time, "deleted": t.delete })
    };
    let timers: Vec<_> = effects.timers.iter().filter(|t| Some(t.key) == key).map(timer).collect();
    let metrics = metrics(effects, function);
    if effects.late.contains(&only) {
        return Ok(json!({ "outcome": "late", "state": state, "timers": timers, "metrics": metrics }));
    }
    Ok(match effects.rejects.iter().find(|r| r.row == only) {
        Some(r) => json!({ "outcome": "rejected", "reason": "rejected", "code": r.code, "message": r.message,
            "state": state, "timers": timers, "metrics": metrics }),
        None => json!({ "outcome": "ok", "rows": rows, "state": state, "timers": timers, "metrics": metrics }),
    })
}

fn metrics(effects: &Effects, function: &Function) -> Value {
    let metric = |(id, payload): &(u16, [u8; 8])| {
        let metric = &function.metrics[usize::from(*id)];
        let value = match metric.kind {
            MetricKind::Counter => Value::from(u64::from_le_bytes(*payload)),
            MetricKind::Gauge => Value::from(f64::from_le_bytes(*payload)),
        };
        (metric.name.clone(), value)
    };
    effects.metrics.iter().map(metric).collect::<Map<_, _>>().into()
}

fn json_rows(rows: &RecordBatch, schema: &Schema) -> Vec<Value> {
    let mut text = Vec::new();
    if let Err(e) = format::encoder(Format::Ndjson, schema).encode(rows, &mut text) {
        return vec![Value::String(format!("cannot be shown: {e}")); rows.num_rows()];
    }
    let parse = |line: &[u8]| serde_json::from_slice(line).unwrap_or(Value::Null);
    text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(parse).collect()
}

/// The distinct keys of a frame, each as an object of its columns.
fn keys_of(frame: &Frame<'_>, schema: &Schema) -> Result<Vec<Value>, ReplayError> {
    let keys = block_rows(frame.section(Tag::Keys, 0)?.unwrap_or_default(), schema, frame.header.keys)?;
    Ok(json_rows(&keys, schema))
}

/// The index of the key that a row (or timer) has.
fn key_of(frame: &Frame<'_>, row: u32) -> Result<Option<u32>, DecodeError> {
    let header = frame.header;
    if header.keys == 0 {
        return Ok(None);
    }
    let keys = match header.kind {
        Kind::Data | Kind::Right => frame.array::<4>(Tag::RowKey, header.rows)?,
        Kind::Timers => frame.array::<4>(Tag::TimerKey, header.timers)?,
    };
    Ok(keys.get(row as usize).map(|key| u32::from_le_bytes(*key)))
}

/// What a slot holds for a key of the frame; empty when nothing is stored.
fn stored<'f>(frame: &Frame<'f>, slot: u16, key: usize) -> Result<&'f [u8], DecodeError> {
    let schema = Schema::new(vec![Field::new("value", Type::Binary, false)]);
    let block = frame.state(slot, &schema)?;
    let column = &block.columns[0];
    let ends = column.offsets.get(key..key + 2).ok_or_else(|| DecodeError::new("frame", "a key has no state"))?;
    let range = u32::from_le_bytes(ends[0]) as usize..u32::from_le_bytes(ends[1]) as usize;
    column.values.get(range).ok_or_else(|| DecodeError::new("frame", "a stored value lies outside of its block"))
}

/// The bytes of a value as people compare them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        write!(text, "{b:02x}").expect("text is always written to memory");
        text
    })
}
