//! The dumps of `docs/reference/abi.md` are what this crate writes. With `WASMILL_BLESS=1` the page is
//! renewed, as `scripts/fix` does.

use std::fmt::Write;
use std::fs;
use wasmill_abi::block::{Block, BlockWriter};
use wasmill_abi::calls;
use wasmill_abi::effects::{EffectsWriter, EntryChange, TimerChange, TimerFamily};
use wasmill_abi::frame::{FrameWriter, Header, Kind, NO_WATERMARK, Tag};
use wasmill_abi::hash::{hash32, key_group};
use wasmill_abi::manifest::{ConfigValue, Function, FunctionKind, LateRows, Manifest, Output, Slot, SlotKind};
use wasmill_abi::open::OpenContext;
use wasmill_abi::wire::Writer;
use wasmill_abi::{ABI_MAJOR, ABI_MINOR, Field, Schema, Type, key};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/abi.md");

/// Offset, sixteen bytes in hexadecimal, and the bytes that are text.
fn dump(bytes: &[u8]) -> String {
    let mut out = "```text\n".to_owned();
    for (i, line) in bytes.chunks(16).enumerate() {
        let hex: Vec<_> = line.iter().map(|b| format!("{b:02x}")).collect();
        let text: String = line.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect();
        writeln!(out, "{:04x}  {:47}  {text}", i * 16, hex.join(" ")).expect("a string takes all");
    }
    out + "```\n"
}

fn column(name: &str, ty: Type) -> Schema {
    Schema::new(vec![Field::new(name, ty, false)])
}

fn function(name: &str, kind: FunctionKind, input: Schema, out: Schema) -> Function {
    let outputs = vec![Output { name: "out".into(), schema: out, changelog: false }];
    Function {
        name: name.into(),
        doc: String::new(),
        kind,
        input,
        outputs,
        config: Vec::new(),
        metrics: Vec::new(),
        right: None,
        late: LateRows::Handled,
        reads_changes: false,
    }
}

fn manifest(function: Function) -> Vec<u8> {
    let [name, version, sdk] = ["tiny", "0.1.0", "by hand"].map(str::to_owned);
    Manifest { name, version, sdk, functions: vec![function] }.encode()
}

fn words(words: &[&str], block: &mut BlockWriter<'_>) {
    block.buffer(&[]);
    let mut end = 0u32;
    let mut offsets = end.to_le_bytes().to_vec();
    for word in words {
        end += word.len() as u32;
        offsets.extend_from_slice(&end.to_le_bytes());
    }
    block.buffer(&offsets);
    block.buffer(words.concat().as_bytes());
}

fn header(kind: Kind, rows: u32, keys: u32, timers: u32) -> Header {
    let (epoch, now, seed) = (7, 1_700_000_000_000_000, 42);
    Header { kind, rows, keys, timers, epoch, watermark: NO_WATERMARK, now, seed }
}

fn frame_map() -> Vec<u8> {
    let mut frame = FrameWriter::new(Vec::new(), &header(Kind::Data, 2, 0, 0), 2);
    frame.block(Tag::Columns, 0, 2, 2, |block| {
        block.buffer(&[]);
        block.buffer(&[5i64, -1].map(i64::to_le_bytes).concat());
    });
    frame.i64s(Tag::EventTime, [1_000_000, 2_000_000]);
    frame.finish()
}

/// What is stored for `a` is version 1 of the number 3.
fn state(frame: &mut FrameWriter, keys: usize) {
    frame.block(Tag::State, 0, keys, 3, |block| {
        block.buffer(&[]);
        let ends: Vec<u8> = [0u32, 2, 2][..=keys].iter().flat_map(|end| end.to_le_bytes()).collect();
        block.buffer(&ends);
        block.buffer(&[1, 3]);
    });
}

fn frame_keyed() -> Vec<u8> {
    let mut frame = FrameWriter::new(Vec::new(), &header(Kind::Data, 3, 2, 0), 4);
    frame.block(Tag::Columns, 0, 3, 0, |_| {});
    frame.block(Tag::Keys, 0, 2, 3, |block| words(&["a", "b"], block));
    frame.u32s(Tag::RowKey, [0, 1, 0]);
    state(&mut frame, 2);
    frame.finish()
}

fn frame_timers() -> Vec<u8> {
    let mut frame = FrameWriter::new(Vec::new(), &header(Kind::Timers, 0, 1, 1), 5);
    frame.block(Tag::Keys, 0, 1, 3, |block| words(&["a"], block));
    state(&mut frame, 1);
    frame.i64s(Tag::TimerTime, [60_000_000]);
    frame.u32s(Tag::TimerKey, [0]);
    frame.bytes(Tag::TimerFamily, &[TimerFamily::Event as u8]);
    frame.finish()
}

fn effects_map() -> Vec<u8> {
    let mut effects = EffectsWriter::new();
    effects.rows(0, 1, Some(&[0]), 2, |block| {
        block.buffer(&[]);
        block.buffer(&5i64.to_le_bytes());
    });
    effects.reject(1, 0, "negative");
    effects.finish()
}

fn effects_keyed() -> Vec<u8> {
    let mut effects = EffectsWriter::new();
    effects.state(0, &[(0, Some(&[1, 5])), (1, None)]);
    effects.timers(&[TimerChange { time: 60_000_000, key: 0, family: TimerFamily::Event, delete: false }]);
    effects.finish()
}

fn effects_entries() -> Vec<u8> {
    let mut effects = EffectsWriter::new();
    effects.entries(1, &[EntryChange { key: 0, entry: Some(&own_key()), value: Some(b"v") }]);
    effects.late(&[2]);
    effects.finish()
}

fn own_key() -> Vec<u8> {
    let mut own = Vec::new();
    key::put_bytes(&mut own, b"k");
    own
}

/// A request for an entry, its answer, and a page with it.
fn entry_calls() -> String {
    let (mut asked, mut found, mut page) = (Vec::new(), Vec::new(), calls::start_page());
    calls::put_asked(&mut asked, 1, &own_key());
    calls::put_found(&mut found, Some(b"v"));
    calls::put_entry(&mut page, &own_key(), b"v");
    calls::set_more(&mut page);
    [asked, found, page].map(|bytes| dump(&bytes)).join("\n")
}

fn nested() -> Schema {
    let price = Type::decimal(12, 2).expect("there is such a type");
    let tags = Field::list("tags", Field::new("", Type::Utf8, true), false);
    Schema::new(vec![Field::new("price", price, false), tags])
}

fn block_nested() -> Vec<u8> {
    let (schema, mut out) = (nested(), Vec::new());
    let mut block = BlockWriter::new(&mut out, 2, BlockWriter::buffers_of(&schema));
    block.buffer(&[]);
    block.buffer(&[1250i128, -5].map(i128::to_le_bytes).concat());
    block.buffer(&[]);
    block.buffer(&[0u32, 2, 2].map(u32::to_le_bytes).concat());
    block.buffer(&[0b01]);
    block.buffer(&[0u32, 1, 1].map(u32::to_le_bytes).concat());
    block.buffer(b"a");
    assert!(Block::read(&schema, &out, 2).is_ok(), "the dump is a block");
    out
}

fn schema_bytes(schema: &Schema) -> Vec<u8> {
    let mut writer = Writer::new();
    schema.encode(&mut writer);
    writer.into_bytes()
}

fn keys() -> String {
    let mut out = "| key | bytes | hash | group of 128 |\n|---|---|---|---|\n".to_owned();
    let mut row = |shown: &str, put: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        put(&mut bytes);
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let hash = hash32(&bytes);
        writeln!(out, "| {shown} | `{hex}` | `{hash:08x}` | {} |", key_group(hash, 128)).expect("a string takes all");
    };
    row("string `a`", &|out| key::put_bytes(out, b"a"));
    row("bytes `61 00 62`", &|out| key::put_bytes(out, b"a\0b"));
    row("int32 -1", &|out| key::put_i32(out, -1));
    row("uint64 256", &|out| key::put_u64(out, 256));
    row("date 1970-01-02", &|out| key::put_i32(out, 1));
    row("decimal(12,2) 12.50", &|out| key::put_i128(out, 1250));
    row("float64 -2.0", &|out| key::put_f64(out, -2.0));
    row("missing, then bool true", &|out| {
        key::put_null(out);
        key::put_bool(out, true);
    });
    out
}

/// What stands between the marks of each dump.
fn parts() -> Vec<(&'static str, String)> {
    let fields = vec![Field::new("origin", Type::Utf8, false), Field::new("delay", Type::I32, true)];
    let n = column("n", Type::I64);
    let word = column("word", Type::Utf8);
    let slots = vec![Slot::new("n", SlotKind::Value, 1, "u64")];
    let counted = Schema::new(vec![Field::new("word", Type::Utf8, false), Field::new("n", Type::U64, false)]);
    let count = function("count", FunctionKind::Keyed { key: word, slots }, Schema::default(), counted);
    let open = OpenContext {
        function: "positive".into(),
        job: "j".into(),
        operator: "o".into(),
        subtask: 0,
        parallelism: 2,
        config: vec![("least".into(), ConfigValue::Int(-1))],
    };
    vec![
        ("schema", dump(&schema_bytes(&Schema::new(fields)))),
        ("schema-nested", dump(&schema_bytes(&nested()))),
        ("block-nested", dump(&block_nested())),
        ("manifest-map", dump(&manifest(function("positive", FunctionKind::Map, n.clone(), n)))),
        ("manifest-keyed", dump(&manifest(count))),
        ("open", dump(&open.encode())),
        ("frame-map", dump(&frame_map())),
        ("frame-keyed", dump(&frame_keyed())),
        ("frame-timers", dump(&frame_timers())),
        ("effects-map", dump(&effects_map())),
        ("effects-keyed", dump(&effects_keyed())),
        ("effects-entries", dump(&effects_entries())),
        ("calls", entry_calls()),
        ("keys", keys()),
    ]
}

#[test]
fn the_dumps_of_the_page_are_what_this_crate_writes() {
    let page = fs::read_to_string(PAGE).expect("the page is there");
    let mut made = page.clone();
    let version = ("version", format!("ABI {ABI_MAJOR}.{ABI_MINOR}"));
    for (name, text) in parts().into_iter().map(|(name, text)| (name, format!("\n{text}"))).chain([version]) {
        let (start, end) = (format!("<!-- dump:{name} -->"), format!("<!-- /dump:{name} -->"));
        let from = made.find(&start).unwrap_or_else(|| panic!("the page has no {start}")) + start.len();
        let to = made.find(&end).unwrap_or_else(|| panic!("the page has no {end}"));
        made.replace_range(from..to, &text);
    }
    if std::env::var_os("WASMILL_BLESS").is_some() {
        fs::write(PAGE, &made).expect("the checkout can be written");
        return;
    }
    let differ = page.lines().zip(made.lines()).position(|(a, b)| a != b).map_or(0, |at| at + 1);
    assert!(page == made, "docs/reference/abi.md, line {differ}, is not what the code writes; run scripts/fix");
}
