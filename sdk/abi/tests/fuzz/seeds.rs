//! Inputs in order, made by the writers: what the fuzzers start from.

use wasmill_abi::block::BlockWriter;
use wasmill_abi::effects::{EffectsWriter, EntryChange, TimerChange, TimerFamily};
use wasmill_abi::frame::{FrameWriter, Header, Kind, NO_WATERMARK, Tag};
use wasmill_abi::manifest::{
    ConfigField, ConfigValue, Function, FunctionKind, LateRows, Manifest, Metric, MetricKind, OlderValues, Output,
    Slot, SlotKind, SlotValues, Ttl, TtlFrom,
};
use wasmill_abi::open::OpenContext;
use wasmill_abi::{Field, Schema, Shape, Type, calls, key};

/// Every type, present and nullable.
pub fn everything() -> Schema {
    let field = |nullable: bool| move |ty: Type| Field::new(format!("{ty}{nullable}"), ty, nullable);
    let plain = || Type::ALL.into_iter().chain([Type::Decimal { precision: 38, scale: 2 }]);
    let mut fields: Vec<Field> = plain().map(field(false)).chain(plain().map(field(true))).collect();
    for nullable in [false, true] {
        let texts = Field::list("texts", Field::new("item", Type::Utf8, true), nullable);
        let points = vec![Field::new("x", Type::I64, false), texts.clone()];
        fields.push(Field::list(format!("lists{nullable}"), texts, nullable));
        fields.push(Field::structure(format!("points{nullable}"), points, nullable));
    }
    Schema::new(fields)
}

/// A key of two columns.
pub fn key_schema() -> Schema {
    Schema::new(vec![Field::new("name", Type::Utf8, false), Field::new("at", Type::Timestamp, true)])
}

/// The buffers of some rows: no value missing, or every second one.
fn columns(schema: &Schema, rows: usize, block: &mut BlockWriter<'_>) {
    schema.fields.iter().for_each(|field| column(field, rows, block));
}

fn column(field: &Field, rows: usize, block: &mut BlockWriter<'_>) {
    let bits: Vec<u8> =
        (0..rows.div_ceil(8)).map(|byte| 0b0101_0101 & ((1u16 << (rows - byte * 8).min(8)) - 1) as u8).collect();
    let offsets = |block: &mut BlockWriter<'_>| {
        block.buffer_with(|out| (0..=rows as u32).for_each(|i| out.extend_from_slice(&(i * 2).to_le_bytes())));
    };
    block.buffer(if field.nullable { &bits } else { &[] });
    match field.ty {
        Type::Struct => field.children.iter().for_each(|child| column(child, rows, block)),
        Type::List => {
            offsets(block);
            column(&field.children[0], rows * 2, block);
        }
        Type::Utf8 | Type::Binary => {
            offsets(block);
            block.buffer(&b"ab".repeat(rows));
        }
        _ => {
            let bytes = field.ty.width().map_or(bits.len(), |width| width * rows);
            block.buffer_with(|out| out.extend((0..bytes).map(|i| i as u8 & 1)));
        }
    }
}

fn block_of(schema: &Schema, rows: usize) -> Vec<u8> {
    let mut out = Vec::new();
    columns(schema, rows, &mut BlockWriter::new(&mut out, rows, BlockWriter::buffers_of(schema)));
    out
}

pub fn blocks() -> Vec<Vec<u8>> {
    let schemas = [everything(), key_schema(), Schema::default()];
    schemas.iter().flat_map(|schema| [0, 1, 3, 8].map(|rows| block_of(schema, rows))).collect()
}

/// Frames of rows and of timers, with the key of [`key_schema`] and two slots.
pub fn frames() -> Vec<Vec<u8>> {
    let header =
        |kind, rows, timers| Header { kind, rows, keys: 2, timers, epoch: 1, watermark: NO_WATERMARK, now: 5, seed: 7 };
    let keyed = |frame: &mut FrameWriter| {
        frame.block(Tag::Keys, 0, 2, BlockWriter::buffers_of(&key_schema()), |b| columns(&key_schema(), 2, b));
        for slot in 0..2 {
            let schema = wasmill_abi::effects::state_schema();
            frame.block(Tag::State, slot, 2, 3, |b| columns(&schema, 2, b));
        }
    };
    let mut rows = FrameWriter::new(Vec::new(), &header(Kind::Data, 3, 0), 6);
    rows.block(Tag::Columns, 0, 3, BlockWriter::buffers_of(&everything()), |b| columns(&everything(), 3, b));
    rows.i64s(Tag::EventTime, [1, -2, 3]);
    keyed(&mut rows);
    rows.u32s(Tag::RowKey, [0, 1, 0]);
    let mut timers = FrameWriter::new(Vec::new(), &header(Kind::Timers, 0, 2), 6);
    timers.i64s(Tag::TimerTime, [i64::MIN, i64::MAX]);
    timers.u32s(Tag::TimerKey, [1, 0]);
    timers.bytes(Tag::TimerFamily, &[0, 1]);
    keyed(&mut timers);
    let mut right = FrameWriter::new(Vec::new(), &header(Kind::Right, 3, 0), 6);
    right.block(Tag::Columns, 0, 3, BlockWriter::buffers_of(&everything()), |b| columns(&everything(), 3, b));
    right.i64s(Tag::EventTime, [1, -2, 3]);
    keyed(&mut right);
    right.u32s(Tag::RowKey, [1, 1, 0]);
    vec![rows.finish(), timers.finish(), right.finish()]
}

/// Chunks for the outputs [`everything`] and [`key_schema`], two values, a map, a sum and two metrics.
pub fn effects() -> Vec<Vec<u8>> {
    let mut all = EffectsWriter::new();
    for (output, schema) in [everything(), key_schema()].iter().enumerate() {
        let buffers = BlockWriter::buffers_of(schema);
        all.rows(output as u16, 3, Some(&[0, 0, 2]), buffers, |b| columns(schema, 3, b));
        all.rows(output as u16, 2, None, buffers, |b| columns(schema, 2, b));
    }
    all.state(1, &[(1, Some(b"value")), (0, None)]);
    all.state(0, &[(0, Some(b""))]);
    all.entries(
        2,
        &[
            EntryChange { key: 1, entry: Some(b"entry"), value: Some(b"value") },
            EntryChange { key: 0, entry: Some(b""), value: None },
            EntryChange { key: 1, entry: None, value: None },
        ],
    );
    all.entries(3, &[EntryChange { key: 0, entry: None, value: Some(b"12345678") }]);
    all.timers(&[
        TimerChange { time: i64::MIN, key: 0, family: TimerFamily::Event, delete: false },
        TimerChange { time: 5, key: 1, family: TimerFamily::Processing, delete: true },
    ]);
    all.reject(2, 7, "größer");
    all.late(&[0, 2]);
    all.counter(0, 3);
    all.gauge(1, -0.5);
    let mut small = EffectsWriter::new();
    small.rows(1, 1, None, BlockWriter::buffers_of(&key_schema()), |b| columns(&key_schema(), 1, b));
    small.state(0, &[]);
    vec![all.finish(), small.finish(), EffectsWriter::new().finish()]
}

/// A description that has everything in it.
fn described() -> SlotValues {
    let boxed = |shape: Shape| Box::new(shape);
    let named = |name: &str, shape| (name.to_owned(), shape);
    let variants = vec![
        named("None", Shape::Unit),
        named("Some", Shape::Option(boxed(Shape::Outer(1)))),
        named("Both", Shape::Tuple(vec![Shape::Str, Shape::Timestamp])),
        named("Named", Shape::Struct { name: String::new(), fields: vec![named("x", Shape::Char)] }),
    ];
    let fields = vec![
        named("list", Shape::List(boxed(Shape::F64))),
        named("array", Shape::Array(4, boxed(Shape::U8))),
        named("map", Shape::Map(boxed(Shape::Str), boxed(Shape::I128))),
        named("choice", Shape::Enum { name: "Choice".to_owned(), variants }),
    ];
    let older = vec![OlderValues { version: 1, shape: Shape::U32 }, OlderValues { version: 2, shape: Shape::Unknown }];
    let shape = Shape::Struct { name: "Totals".to_owned(), fields };
    SlotValues { shape, entry_key: Some(Shape::Bytes), older }
}

pub fn manifests() -> Vec<Vec<u8>> {
    let setting = |name: &str, ty, default, optional| {
        let doc = "what it does".to_owned();
        ConfigField { name: name.to_owned(), ty, default, optional, doc }
    };
    let mut slot = Slot::new("s", SlotKind::Value, 3, "Totals");
    slot.values = described();
    let lives = |kind, from, clock| Slot {
        ttl: Some(Ttl { micros: 60_000_000, from, clock }),
        ..Slot::new(format!("{kind:?}"), kind, 1, "T")
    };
    let slots = vec![
        slot,
        lives(SlotKind::Map, TtlFrom::Create, TimerFamily::Event),
        lives(SlotKind::List, TtlFrom::Update, TimerFamily::Processing),
        Slot { ttl: None, ..lives(SlotKind::Sum, TtlFrom::Update, TimerFamily::Event) },
    ];
    let keyed = Function {
        name: "keyed".to_owned(),
        doc: "A function.".to_owned(),
        kind: FunctionKind::Keyed { key: key_schema(), slots },
        input: everything(),
        outputs: vec![Output { name: "out".to_owned(), schema: key_schema(), changelog: false }],
        config: vec![
            setting("a", Type::I64, Some(ConfigValue::Int(-5)), false),
            setting("b", Type::F64, Some(ConfigValue::Float(f64::NAN)), false),
            setting("c", Type::Utf8, Some(ConfigValue::from("text")), false),
            setting("d", Type::Bool, None, true),
        ],
        right: None,
        late: LateRows::Handled,
        metrics: vec![
            Metric { name: "m".to_owned(), kind: MetricKind::Counter },
            Metric { name: "n".to_owned(), kind: MetricKind::Gauge },
        ],
        reads_changes: false,
    };
    let mut map = Function { name: "map".to_owned(), kind: FunctionKind::Map, ..keyed.clone() };
    map.input = key_schema();
    let two = Function { name: "two".to_owned(), right: Some(key_schema()), late: LateRows::Leave, ..keyed.clone() };
    let named = |functions| Manifest {
        name: "crate".to_owned(),
        version: "1.2.3".to_owned(),
        sdk: "sdk 0".to_owned(),
        functions,
    };
    vec![named(vec![keyed, map.clone(), two]).encode(), named(vec![map]).encode()]
}

pub fn opens() -> Vec<Vec<u8>> {
    let config = vec![
        ("int".to_owned(), ConfigValue::Int(u64::MAX.into())),
        ("flag".to_owned(), ConfigValue::Bool(true)),
        ("text".to_owned(), ConfigValue::from("größer")),
        ("float".to_owned(), ConfigValue::Float(-0.0)),
    ];
    let full = OpenContext {
        function: "keyed".to_owned(),
        job: "job".to_owned(),
        operator: "totals".to_owned(),
        subtask: 1,
        parallelism: 4,
        config,
    };
    vec![full.encode(), OpenContext::default().encode()]
}

/// A request, an answer and a page.
pub fn calls() -> Vec<Vec<u8>> {
    let (mut asked, mut found, mut page) = (Vec::new(), Vec::new(), calls::start_page());
    calls::put_asked(&mut asked, 1, b"entry");
    calls::put_asked(&mut asked, 0, b"");
    calls::put_found(&mut found, Some(b"value"));
    calls::put_found(&mut found, None);
    calls::put_entry(&mut page, b"key", b"value");
    calls::put_entry(&mut page, b"", b"");
    calls::set_more(&mut page);
    vec![asked, found, page, calls::start_page()]
}

/// The columns that keys are decoded with.
pub fn key_types() -> Vec<Vec<Type>> {
    let decimal = Type::Decimal { precision: 38, scale: 2 };
    let mut lists = vec![
        Type::ALL.into_iter().chain([decimal]).collect(),
        vec![decimal],
        vec![Type::List],
        vec![Type::Utf8, Type::I64],
        vec![],
    ];
    lists.extend(Type::ALL.map(|ty| vec![ty]));
    lists
}

pub fn keys() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    key::put_bool(&mut all, true);
    key::put_i8(&mut all, -1);
    key::put_i16(&mut all, i16::MIN);
    key::put_null(&mut all);
    key::put_i64(&mut all, i64::MAX);
    key::put_u8(&mut all, 1);
    key::put_u16(&mut all, 2);
    key::put_u32(&mut all, 3);
    key::put_u64(&mut all, u64::MAX);
    key::put_f32(&mut all, -1.5);
    key::put_f64(&mut all, f64::NAN);
    key::put_bytes(&mut all, "größer".as_bytes());
    key::put_bytes(&mut all, &[0, 1, 0, 0]);
    key::put_i64(&mut all, 5);
    key::put_i32(&mut all, -1);
    key::put_i128(&mut all, i128::MIN);
    let mut pair = Vec::new();
    key::put_bytes(&mut pair, b"JFK");
    key::put_i64(&mut pair, -5);
    let mut text = Vec::new();
    key::put_bytes(&mut text, b"a\0b");
    vec![all, pair, text, vec![key::NULL], Vec::new()]
}
