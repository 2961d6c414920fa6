//! Every decoder against bytes that were bred to break it: none panics, none reads beyond its input,
//! and whatever decodes keeps the promises of its type. `tests/corpus` is replayed first.

mod engine;
mod seeds;

use engine::{Report, Target};
use std::path::Path;
use wasmill_abi::block::{Block, BlockWriter, Column, bit};
use wasmill_abi::effects::{self, Bounds, Effect};
use wasmill_abi::frame::{Frame, FrameWriter, Kind, Tag};
use wasmill_abi::key::{self, Value};
use wasmill_abi::manifest::Manifest;
use wasmill_abi::open::OpenContext;
use wasmill_abi::{DecodeError, Field, Schema, Type, calls};

const ROWS_MAX: usize = 64;

type Checked = Result<(), String>;

fn fuzz(name: &str, seeds: Vec<Vec<u8>>, repair: fn(&mut [u8]), check: &dyn Fn(&[u8]) -> Checked) -> Report {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    assert!(!engine::corpus(&corpus).is_empty(), "{} is empty", corpus.display());
    for seed in &seeds {
        assert_eq!(check(seed), Ok(()), "the writers of {name} write what its reader refuses");
    }
    engine::run(&Target { name, corpus, seeds, repair, check })
}

/// The fuzzer came this far in: else it fuzzes nothing but the front door.
#[track_caller]
fn reached(report: &Report, words: &[&str]) {
    for word in words {
        let any = report.outcomes.keys().any(|outcome| outcome.contains(word));
        assert!(any, "no input reached {word:?} in {} rounds: {:#?}", report.rounds, report.outcomes.keys());
    }
}

fn said(error: DecodeError) -> String {
    error.to_string()
}

fn inside(whole: &[u8], part: &[u8]) {
    let (whole, part) = (whole.as_ptr_range(), part.as_ptr_range());
    assert!(part.is_empty() || (whole.start <= part.start && part.end <= whole.end), "read beyond the input");
}

fn check_column(input: &[u8], column: &Column<'_>, nullable: bool) {
    let rows = column.rows;
    assert!(column.validity.is_empty() || (nullable && column.validity.len() == rows.div_ceil(8)));
    for part in [column.validity, column.offsets.as_flattened(), column.values] {
        inside(input, part);
    }
    let valid = (0..rows).filter(|&row| column.is_valid(row)).count();
    assert!(nullable || valid == rows);
    match column.ty {
        Type::Utf8 | Type::Binary => {
            let bytes: usize = (0..rows).map(|row| column.var(row).len()).sum();
            assert_eq!(bytes, column.values.len(), "rows leave data between them");
        }
        Type::List => {
            let items: usize = (0..rows).map(|row| column.range(row).len()).sum();
            assert_eq!(items, column.children[0].rows, "rows leave items between them");
        }
        Type::Struct => assert!(column.children.iter().all(|child| child.rows == rows)),
        Type::Bool => assert!((0..rows).filter(|&row| bit(column.values, row)).count() <= rows),
        ty => assert_eq!(Some(column.values.len()), ty.width().map(|w| w * rows)),
    }
}

fn check_tree(input: &[u8], column: &Column<'_>, field: &Field) {
    assert_eq!(column.ty, field.ty);
    check_column(input, column, field.nullable);
    assert_eq!(column.children.len(), field.children.len());
    column.children.iter().zip(&field.children).for_each(|(column, field)| check_tree(input, column, field));
}

fn put_column(column: &Column<'_>, out: &mut BlockWriter<'_>) {
    out.buffer(column.validity);
    if column.ty.is_variable() || column.ty == Type::List {
        out.buffer(column.offsets.as_flattened());
    }
    if !column.ty.is_nested() {
        out.buffer(column.values);
    }
    column.children.iter().for_each(|child| put_column(child, out));
}

fn put(block: &Block<'_>, out: &mut BlockWriter<'_>) {
    block.columns.iter().for_each(|column| put_column(column, out));
}

fn add_buffers<'a>(column: &Column<'a>, all: &mut Vec<[&'a [u8]; 3]>) {
    all.push([column.validity, column.offsets.as_flattened(), column.values]);
    column.children.iter().for_each(|child| add_buffers(child, all));
}

fn buffers<'a>(block: &Block<'a>) -> Vec<[&'a [u8]; 3]> {
    let mut all = Vec::new();
    block.columns.iter().for_each(|column| add_buffers(column, &mut all));
    all
}

/// A block keeps its promises, and reads the same when it is written again.
fn check_block(input: &[u8], schema: &Schema, block: &Block<'_>) {
    assert_eq!(block.columns.len(), schema.fields.len());
    for (column, field) in block.columns.iter().zip(&schema.fields) {
        assert_eq!(column.rows, block.rows);
        check_tree(input, column, field);
    }
    let mut again = Vec::new();
    put(block, &mut BlockWriter::new(&mut again, block.rows, BlockWriter::buffers_of(schema)));
    let read = Block::read(schema, &again, block.rows).expect("what was read can be written and read");
    assert_eq!((read.rows, buffers(&read)), (block.rows, buffers(block)));
}

#[test]
fn blocks() {
    let schemas = [seeds::everything(), seeds::key_schema(), Schema::default()];
    let report = fuzz("block", seeds::blocks(), |_| {}, &|input| {
        let read = |schema| Block::read(schema, input, ROWS_MAX).map(|block| check_block(input, schema, &block));
        let results: Vec<_> = schemas.iter().map(read).collect();
        // One schema at most fits, and its error says most.
        results.into_iter().min_by_key(Result::is_err).expect("there are schemas").map_err(said)
    });
    reached(
        &report,
        &["fine", "exceed the limit", "left over", "claims", "not nullable", "do not rise", "has # bytes"],
    );
}

/// Reads all of a frame, as a guest does.
fn check_frame(input: &[u8]) -> Result<(), DecodeError> {
    let frame = Frame::read(input)?;
    let header = frame.header;
    let (every, key, state) = (seeds::everything(), seeds::key_schema(), effects::state_schema());
    let keys = frame.keys(&key)?;
    check_block(input, &key, &keys);
    let slots = [frame.state(0, &state)?, frame.state(1, &state)?];
    for slot in &slots {
        assert_eq!(slot.rows, header.keys as usize);
        check_block(input, &state, slot);
    }
    let mut again = FrameWriter::new(vec![1; 9], &header, 6);
    again.block(Tag::Keys, 0, keys.rows, BlockWriter::buffers_of(&key), |b| put(&keys, b));
    for (i, slot) in slots.iter().enumerate() {
        again.block(Tag::State, i as u16, slot.rows, 3, |b| put(slot, b));
    }
    match header.kind {
        Kind::Data | Kind::Right => {
            let columns = frame.columns(&every)?;
            assert_eq!(columns.rows, header.rows as usize);
            check_block(input, &every, &columns);
            let times = frame.array::<8>(Tag::EventTime, header.rows)?;
            let keys = frame.array::<4>(Tag::RowKey, header.rows)?;
            assert!(times.len() == columns.rows && keys.len() == columns.rows);
            again.block(Tag::Columns, 0, columns.rows, BlockWriter::buffers_of(&every), |b| put(&columns, b));
            again.bytes(Tag::EventTime, times.as_flattened());
            again.bytes(Tag::RowKey, keys.as_flattened());
        }
        Kind::Timers => {
            let (times, keys) =
                (frame.array::<8>(Tag::TimerTime, header.timers)?, frame.array::<4>(Tag::TimerKey, header.timers)?);
            let families = frame.array::<1>(Tag::TimerFamily, header.timers)?;
            for part in [times.as_flattened(), keys.as_flattened(), families.as_flattened()] {
                inside(input, part);
            }
            again.bytes(Tag::TimerTime, times.as_flattened());
            again.bytes(Tag::TimerKey, keys.as_flattened());
            again.bytes(Tag::TimerFamily, families.as_flattened());
        }
    }
    let again = again.finish();
    let read = Frame::read(&again).expect("what was read can be written and read");
    assert_eq!((read.header, buffers(&read.keys(&key)?)), (header, buffers(&keys)));
    Ok(())
}

/// Writes the total length where a header has it, so that mutations come further than to its check.
fn total_at(input: &mut [u8], at: usize) {
    let len = input.len() as u32;
    if let Some(bytes) = input.get_mut(at..at + 4) {
        bytes.copy_from_slice(&len.to_le_bytes());
    }
}

#[test]
fn frames() {
    let check = |input: &[u8]| check_frame(input).map_err(said);
    let report = fuzz("frame", seeds::frames(), |input| total_at(input, 8), &check);
    let words =
        ["fine", "claims", "unknown kind", "table is cut off", "outside of the frame", "is missing", "the header says"];
    reached(&report, &words);
}

fn check_effects(input: &[u8]) -> Result<(), DecodeError> {
    let outputs = [seeds::everything(), seeds::key_schema()];
    let bounds = Bounds { outputs: &outputs, slots: 4, metrics: 2, rows: 3, keys: 2, rows_max: ROWS_MAX };
    let number = |n: &[u8; 4]| u32::from_le_bytes(*n);
    for effect in effects::read(input, &bounds)? {
        match effect {
            Effect::Rows { output, origins, block, .. } => {
                check_block(input, &outputs[usize::from(output)], &block);
                match origins {
                    None => assert!(block.rows <= 3),
                    Some(origins) => {
                        inside(input, origins.as_flattened());
                        assert!(origins.len() == block.rows && origins.iter().all(|o| number(o) < 3));
                    }
                }
            }
            Effect::State { slot, keys, values } => {
                assert!(slot < 4 && keys.len() == values.rows && keys.iter().all(|k| number(k) < 2));
                check_column(input, &values, true);
            }
            Effect::Entries { slot, entries } => {
                assert!(slot < 4);
                for change in entries {
                    assert!(change.key < 2);
                    inside(input, change.entry.unwrap_or_default());
                    inside(input, change.value.unwrap_or_default());
                }
            }
            Effect::Timers(timers) => assert!(timers.iter().all(|t| t.key < 2)),
            Effect::Reject { row, message, .. } => {
                inside(input, message.as_bytes());
                assert!(row < 3);
            }
            Effect::Metric { metric, .. } => assert!(metric < 2),
            Effect::Late(rows) => assert!(rows.iter().all(|row| *row < 3) && rows.is_sorted()),
        }
    }
    Ok(())
}

#[test]
fn effects() {
    let check = |input: &[u8]| check_effects(input).map_err(said);
    let report = fuzz("effects", seeds::effects(), |input| total_at(input, 12), &check);
    let words = [
        "fine",
        "output #",
        "slot #",
        "key # of",
        "metric #",
        "input row #",
        "rejects row",
        "not UTF-#",
        "unknown record",
    ];
    reached(&report, &words);
}

#[test]
fn manifests() {
    let report = fuzz("manifest", seeds::manifests(), |_| {}, &|input| {
        let manifest = Manifest::decode(input).map_err(said)?;
        let bytes = manifest.encode();
        // An older minor version is served; all else has one form.
        assert_eq!((&bytes[..6], &bytes[8..]), (&input[..6], &input[8..]));
        Ok(())
    });
    let words =
        ["fine", "unknown kind", "type code", "stands twice", "the module speaks ABI", "exceeds the limit", "UTF-#"];
    reached(&report, &words);
}

#[test]
fn open_contexts() {
    let report = fuzz("open", seeds::opens(), |_| {}, &|input| {
        let context = OpenContext::decode(input).map_err(said)?;
        assert_eq!(context.encode(), input);
        Ok(())
    });
    reached(&report, &["fine", "unknown kind", "a flag must be", "exceeds the limit", "UTF-#", "left over"]);
}

#[test]
fn calls() {
    let report = fuzz("calls", seeds::calls(), |_| {}, &|input| {
        let asked = calls::read_asked(input, 2);
        for (key, entry) in asked.iter().flatten() {
            assert!(*key < 2);
            inside(input, entry);
        }
        let found = calls::read_found(input, 2);
        found.iter().flatten().flatten().for_each(|value| inside(input, value));
        let page = calls::read_page(input);
        for (key, value) in page.iter().flat_map(|page| &page.entries) {
            inside(input, key);
            inside(input, value);
        }
        // Each input is meant for one of the three at most.
        asked.map(drop).or(found.map(drop)).or(page.map(drop)).map_err(said)
    });
    reached(&report, &["fine", "starts with # or #", "bytes expected"]);
}

fn encode(ty: Type, value: &Value, out: &mut Vec<u8>) {
    match (ty, value) {
        (_, Value::Null) => key::put_null(out),
        (Type::Bool, Value::Bool(v)) => key::put_bool(out, *v),
        (Type::I8, Value::Int(v)) => key::put_i8(out, (*v).try_into().expect("it fits its type")),
        (Type::I16, Value::Int(v)) => key::put_i16(out, (*v).try_into().expect("it fits its type")),
        (_, Value::Decimal(v)) => key::put_i128(out, *v),
        (Type::I32 | Type::Date, Value::Int(v)) => key::put_i32(out, (*v).try_into().expect("it fits its type")),
        (Type::I64 | Type::Timestamp, Value::Int(v)) => key::put_i64(out, *v),
        (Type::U8, Value::UInt(v)) => key::put_u8(out, (*v).try_into().expect("it fits its type")),
        (Type::U16, Value::UInt(v)) => key::put_u16(out, (*v).try_into().expect("it fits its type")),
        (Type::U32, Value::UInt(v)) => key::put_u32(out, (*v).try_into().expect("it fits its type")),
        (Type::U64, Value::UInt(v)) => key::put_u64(out, *v),
        (Type::F32, Value::Float(v)) => key::put_f32(out, *v as f32),
        (Type::F64, Value::Float(v)) => key::put_f64(out, *v),
        (Type::Utf8, Value::Str(v)) => key::put_bytes(out, v.as_bytes()),
        (Type::Binary, Value::Bytes(v)) => key::put_bytes(out, v),
        (ty, value) => panic!("a {ty} was decoded to {value:?}"),
    }
}

/// Values as they compare: every NaN is one, and so is every zero.
fn shown(values: &[Value]) -> String {
    format!("{values:?}").replace("-NaN", "NaN").replace("Float(-0.0)", "Float(0.0)")
}

#[test]
fn keys() {
    let lists = seeds::key_types();
    let report = fuzz("key", seeds::keys(), |_| {}, &|input| {
        let read = |types: &Vec<Type>| -> Result<(), DecodeError> {
            let values = key::decode(types, input)?;
            assert_eq!(values.len(), types.len());
            let mut again = Vec::new();
            types.iter().zip(&values).for_each(|(ty, value)| encode(*ty, value, &mut again));
            let read = key::decode(types, &again).expect("what was decoded can be encoded and decoded");
            assert_eq!(shown(&read), shown(&values));
            Ok(())
        };
        let results: Vec<_> = lists.iter().map(read).collect();
        let outcome = results.iter().find(|r| r.is_ok()).or(results.first()).expect("there are lists");
        outcome.clone().map_err(said)
    });
    reached(&report, &["fine", "is missing", "marker #", "needs # bytes", "not terminated", "UTF-#", "left over"]);
}
