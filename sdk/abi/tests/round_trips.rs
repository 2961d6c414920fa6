//! Blocks, frames, effects, manifests and open contexts: what is written is read, and no bytes,
//! however mangled, make a reader panic.

use proptest::prelude::*;
use wasmill_abi::block::{Block, BlockWriter};
use wasmill_abi::effects::{self, Bounds, Effect, EffectsWriter, EntryChange, TimerChange, TimerFamily, state_schema};
use wasmill_abi::frame::{Frame, FrameWriter, Header, Kind, Tag};
use wasmill_abi::manifest::{
    ConfigField, ConfigValue, Function, FunctionKind, LateRows, Manifest, Metric, MetricKind, OlderValues, Output,
    Slot, SlotKind, SlotValues, Ttl, TtlFrom,
};
use wasmill_abi::open::OpenContext;
use wasmill_abi::wire::{get_varint, put_varint};
use wasmill_abi::{Field, Op, Schema, Shape, Type};

/// A column's buffers, made by hand from the layout in the documentation of `block`.
#[derive(Debug, Clone)]
struct Buffers(Vec<Vec<u8>>);

#[derive(Debug, Clone)]
struct Table {
    schema: Schema,
    rows: usize,
    columns: Vec<Buffers>,
}

impl Table {
    fn write(&self, block: &mut BlockWriter<'_>) {
        self.columns.iter().flat_map(|c| &c.0).for_each(|b| block.buffer(b));
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut BlockWriter::new(&mut out, self.rows, BlockWriter::buffers_of(&self.schema)));
        out
    }

    fn check(&self, block: &Block<'_>) {
        assert_eq!((block.rows, block.columns.len()), (self.rows, self.columns.len()));
        for (read, written) in block.columns.iter().zip(&self.columns) {
            let mut buffers = Vec::new();
            collect(read, &mut buffers);
            assert_eq!(buffers, written.0);
        }
    }
}

/// The buffers of a column as they were read, depth first.
fn collect<'a>(column: &wasmill_abi::block::Column<'a>, buffers: &mut Vec<&'a [u8]>) {
    buffers.push(column.validity);
    if !column.offsets.is_empty() {
        buffers.push(column.offsets.as_flattened());
    }
    if !column.ty.is_nested() {
        buffers.push(column.values);
    }
    column.children.iter().for_each(|child| collect(child, buffers));
}

/// Types three deep at most.
fn any_field() -> impl Strategy<Value = Field> {
    let decimal = Type::Decimal { precision: 38, scale: 2 };
    let plain = prop::sample::select(Type::ALL.into_iter().chain([decimal]).collect::<Vec<_>>());
    let plain = (plain, any::<bool>()).prop_map(|(ty, nullable)| Field::new("plain", ty, nullable));
    plain.prop_recursive(2, 6, 3, |inner| {
        let list = (inner.clone(), any::<bool>()).prop_map(|(item, nullable)| Field::list("list", item, nullable));
        let named = |(i, field): (usize, Field)| Field { name: format!("f{i}"), ..field };
        let fields = prop::collection::vec(inner, 1..4);
        let structs = (fields, any::<bool>()).prop_map(move |(fields, nullable)| {
            Field::structure("struct", fields.into_iter().enumerate().map(named).collect(), nullable)
        });
        prop_oneof![list, structs]
    })
}

fn column(field: &Field, rows: usize) -> BoxedStrategy<Buffers> {
    let bytes = |n: usize| prop::collection::vec(any::<u8>(), n);
    let validity = if field.nullable {
        prop_oneof![Just(Vec::new()), bytes(rows.div_ceil(8))].boxed()
    } else {
        Just(Vec::new()).boxed()
    };
    match field.ty {
        Type::Struct => {
            let children: Vec<_> = field.children.iter().map(|child| column(child, rows)).collect();
            return (validity, children).prop_map(|(v, children)| joined(vec![v], children)).boxed();
        }
        Type::List | Type::Utf8 | Type::Binary => {}
        _ => {
            let values = bytes(field.ty.width().map_or(rows.div_ceil(8), |w| w * rows));
            return (validity, values).prop_map(|(v, values)| Buffers(vec![v, values])).boxed();
        }
    }
    let lengths = prop::collection::vec(0usize..6, rows);
    let field = field.clone();
    let values = lengths.prop_flat_map(move |lengths| {
        let ends = lengths.iter().scan(0, |end, len| {
            *end += len;
            Some(*end as u32)
        });
        let offsets: Vec<u8> = std::iter::once(0).chain(ends).flat_map(u32::to_le_bytes).collect();
        let inside = lengths.iter().sum();
        let data = match field.children.first() {
            Some(item) => column(item, inside),
            None => bytes(inside).prop_map(|data| Buffers(vec![data])).boxed(),
        };
        (Just(offsets), data)
    });
    (validity, values).prop_map(|(v, (offsets, data))| joined(vec![v, offsets], vec![data])).boxed()
}

fn joined(mut own: Vec<Vec<u8>>, children: Vec<Buffers>) -> Buffers {
    own.extend(children.into_iter().flat_map(|child| child.0));
    Buffers(own)
}

fn table(rows: usize) -> impl Strategy<Value = Table> {
    prop::collection::vec(any_field(), 1..5).prop_flat_map(move |fields| {
        let field = |(i, field): (usize, Field)| Field { name: format!("c{i}"), ..field };
        let schema = Schema::new(fields.into_iter().enumerate().map(field).collect());
        let columns: Vec<_> = schema.fields.iter().map(|f| column(f, rows)).collect();
        columns.prop_map(move |columns| Table { schema: schema.clone(), rows, columns })
    })
}

fn any_table() -> impl Strategy<Value = Table> {
    (0usize..20).prop_flat_map(table)
}

/// Ways in which bytes go bad: overwritten places, and a cut or longer end.
fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, prop::sample::Index, bool)> {
    let byte = prop_oneof![Just(0u8), Just(1u8), Just(255u8), any::<u8>()];
    (prop::collection::vec((any::<prop::sample::Index>(), byte), 1..6), any::<prop::sample::Index>(), any::<bool>())
}

fn damaged(mut bytes: Vec<u8>, how: &(Vec<(prop::sample::Index, u8)>, prop::sample::Index, bool)) -> Vec<u8> {
    for (at, byte) in &how.0 {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    if how.2 {
        bytes.truncate(how.1.index(bytes.len()));
    }
    bytes
}

/// Touches every value, as a guest or a host would.
fn walk(block: &Block<'_>) -> usize {
    fn sum(column: &wasmill_abi::block::Column<'_>) -> usize {
        let cell = |row: usize| {
            let inside = match column.ty {
                Type::Utf8 | Type::Binary => column.var(row).len(),
                Type::List => column.range(row).len(),
                _ => 0,
            };
            usize::from(column.is_valid(row)) + inside
        };
        (0..column.rows).map(cell).sum::<usize>() + column.children.iter().map(sum).sum::<usize>()
    }
    block.columns.iter().map(sum).sum()
}

fn header(kind: Kind, rows: usize, keys: u32) -> Header {
    let (rows, timers) = if kind == Kind::Data { (rows as u32, 0) } else { (0, rows as u32) };
    Header { kind, rows, keys, timers, epoch: 7, watermark: -5, now: i64::MAX, seed: u64::MAX }
}

fn frame(input: &Table, keys: &Table, state: &Table) -> Vec<u8> {
    let head = header(Kind::Data, input.rows, keys.rows as u32);
    let mut frame = FrameWriter::new(vec![9; 3], &head, 5);
    let buffers = |t: &Table| BlockWriter::buffers_of(&t.schema);
    frame.block(Tag::Columns, 0, input.rows, buffers(input), |b| input.write(b));
    frame.i64s(Tag::EventTime, (0..input.rows as i64).map(|t| -t));
    frame.block(Tag::Keys, 0, keys.rows, buffers(keys), |b| keys.write(b));
    frame.u32s(Tag::RowKey, (0..input.rows as u32).map(|r| r % keys.rows.max(1) as u32));
    frame.block(Tag::State, 1, state.rows, buffers(state), |b| state.write(b));
    frame.finish()
}

/// Reads all of a frame, as a guest does; the sum keeps the reads from being optimised away.
fn read_frame(bytes: &[u8], input: &Schema, keys: &Schema) -> Result<usize, wasmill_abi::DecodeError> {
    let frame = Frame::read(bytes)?;
    let rows = walk(&frame.columns(input)?) + walk(&frame.keys(keys)?) + walk(&frame.state(1, &state_schema())?);
    let times = frame.array::<8>(Tag::EventTime, frame.header.rows)?.len();
    Ok(rows + times + frame.array::<4>(Tag::RowKey, frame.header.rows)?.len())
}

fn state_table(rows: usize) -> impl Strategy<Value = Table> {
    column(&state_schema().fields[0], rows).prop_map(move |column| Table {
        schema: state_schema(),
        rows,
        columns: vec![column],
    })
}

fn frame_parts() -> impl Strategy<Value = (Table, Table, Table)> {
    (any_table(), 1usize..6).prop_flat_map(|(input, keys)| (Just(input), table(keys), state_table(keys)))
}

const TIMERS: [TimerChange; 2] = [
    TimerChange { time: i64::MIN, key: 0, family: TimerFamily::Event, delete: false },
    TimerChange { time: 5, key: 3, family: TimerFamily::Processing, delete: true },
];

const ENTRIES: [EntryChange<'static>; 3] = [
    EntryChange { key: 3, entry: Some(b"entry"), value: Some(b"") },
    EntryChange { key: 0, entry: Some(b""), value: None },
    EntryChange { key: 1, entry: None, value: Some(b"value") },
];

fn chunk(output: &Table, origins: Option<&[u32]>) -> Vec<u8> {
    let mut writer = EffectsWriter::new();
    let buffers = BlockWriter::buffers_of(&output.schema);
    writer.rows(1, output.rows, origins, buffers, |b| output.write(b));
    writer.state(2, &[(3, Some(b"value")), (0, None), (1, Some(b""))]);
    writer.entries(1, &ENTRIES);
    writer.timers(&TIMERS);
    writer.reject(19, 7, "größer");
    writer.late(&[0, 7, 19]);
    writer.counter(0, 3);
    writer.gauge(1, -0.5);
    writer.finish()
}

fn bounds(outputs: &[Schema]) -> Bounds<'_> {
    Bounds { outputs, slots: 3, metrics: 2, rows: 20, keys: 4, rows_max: 20 }
}

#[test]
fn types_that_do_not_exist_are_refused() {
    let refused = |field: Field, expected: &str| {
        let mut writer = wasmill_abi::wire::Writer::new();
        Schema::new(vec![field]).encode(&mut writer);
        let bytes = writer.into_bytes();
        let read = Schema::decode(&mut wasmill_abi::wire::Reader::new("schema", &bytes));
        let error = read.expect_err("a type that does not exist").to_string();
        assert!(error.contains(expected), "{error}");
    };
    let int = || Field::new("n", Type::I8, false);
    let nest = |depth: usize| (1..depth).fold(int(), |item, _| Field::list("deep", item, false));
    refused(Field::new("d", Type::Decimal { precision: 0, scale: 0 }, false), "no decimal type");
    refused(Field::new("d", Type::Decimal { precision: 39, scale: 0 }, false), "no decimal type");
    refused(Field::new("d", Type::Decimal { precision: 3, scale: 4 }, false), "no decimal type");
    refused(Field::new("s", Type::Struct, false), "0 children");
    refused(Field { children: vec![int(), int()], ..Field::new("l", Type::List, false) }, "2 children");
    refused(nest(Field::DEPTH_MAX + 1), "nested deeper than 8 types");
    let wide = |n: usize| Field::structure("s", vec![int(); n], false);
    refused(wide(Schema::COLUMNS_MAX), "more than 1024 columns");
    for fine in [nest(Field::DEPTH_MAX), wide(Schema::COLUMNS_MAX - 1)] {
        let (mut writer, schema) = (wasmill_abi::wire::Writer::new(), Schema::new(vec![fine]));
        schema.encode(&mut writer);
        let bytes = writer.into_bytes();
        assert_eq!(Schema::decode(&mut wasmill_abi::wire::Reader::new("schema", &bytes)), Ok(schema));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_read_as_written(table in any_table()) {
        table.check(&Block::read(&table.schema, &table.bytes(), table.rows).expect("just written"));
    }

    #[test]
    fn frames_read_as_written((input, keys, state) in frame_parts()) {
        let bytes = frame(&input, &keys, &state);
        let frame = Frame::read(&bytes).expect("just written");
        prop_assert_eq!(frame.header, header(Kind::Data, input.rows, keys.rows as u32));
        input.check(&frame.columns(&input.schema).expect("just written"));
        keys.check(&frame.keys(&keys.schema).expect("just written"));
        state.check(&frame.state(1, &state.schema).expect("just written"));
        prop_assert!(frame.section(Tag::State, 0).expect("an intact table").is_none());
        let times = frame.array::<8>(Tag::EventTime, input.rows as u32).expect("just written");
        prop_assert!(times.iter().zip(0i64..).all(|(t, i)| i64::from_le_bytes(*t) == -i));
    }

    #[test]
    fn effects_read_as_written(table in any_table(), in_step in any::<bool>()) {
        let origins: Vec<u32> = (0..table.rows as u32).map(|i| i / 2).collect();
        let bytes = chunk(&table, (!in_step).then_some(&origins));
        let schemas = [Schema::default(), table.schema.clone()];
        let effects = effects::read(&bytes, &bounds(&schemas)).expect("just written");
        let [Effect::Rows { output: 1, origins: read, block, .. }, Effect::State { slot: 2, keys, values },
            Effect::Entries { slot: 1, entries }, Effect::Timers(timers), Effect::Reject { row: 19, code: 7, message: "größer" },
            Effect::Late(late),
            Effect::Metric { metric: 0, payload: three }, Effect::Metric { metric: 1, payload: half }] = &effects[..]
        else {
            panic!("other effects than were written: {effects:?}");
        };
        table.check(block);
        let read: Option<Vec<u32>> = read.map(|o| o.iter().map(|v| u32::from_le_bytes(*v)).collect());
        prop_assert_eq!(read, (!in_step).then_some(origins));
        prop_assert_eq!(keys.iter().map(|k| k[0]).collect::<Vec<_>>(), [3, 0, 1]);
        let stored: Vec<_> = (0..3).map(|i| values.is_valid(i).then(|| values.var(i))).collect();
        prop_assert_eq!(stored, [Some(&b"value"[..]), None, Some(b"")]);
        prop_assert_eq!(&entries[..], &ENTRIES[..]);
        prop_assert_eq!(&timers[..], &TIMERS[..]);
        prop_assert_eq!(&late[..], &[0, 7, 19]);
        prop_assert_eq!((u64::from_le_bytes(*three), f64::from_le_bytes(*half)), (3, -0.5));
    }

    #[test]
    fn damaged_blocks_do_not_panic(table in any_table(), how in damage()) {
        let bytes = damaged(table.bytes(), &how);
        if let Ok(block) = Block::read(&table.schema, &bytes, 20) {
            walk(&block);
        }
    }

    #[test]
    fn damaged_frames_do_not_panic((input, keys, state) in frame_parts(), how in damage()) {
        let bytes = damaged(frame(&input, &keys, &state), &how);
        if let Ok(sum) = read_frame(&bytes, &input.schema, &keys.schema) {
            prop_assert!(sum < usize::MAX);
        }
    }

    #[test]
    fn damaged_effects_do_not_panic(table in any_table(), how in damage()) {
        let bytes = damaged(chunk(&table, None), &how);
        let schemas = [Schema::default(), table.schema.clone()];
        for effect in effects::read(&bytes, &bounds(&schemas)).unwrap_or_default() {
            match effect {
                Effect::Rows { block, .. } => { walk(&block); }
                Effect::State { keys, values, .. } => {
                    for (i, key) in keys.iter().enumerate() {
                        prop_assert!(u32::from_le_bytes(*key) < 4);
                        values.var(i);
                    }
                }
                Effect::Entries { entries, .. } => prop_assert!(entries.iter().all(|change| change.key < 4)),
                Effect::Timers(timers) => prop_assert!(timers.iter().all(|t| t.key < 4)),
                Effect::Reject { row, .. } => prop_assert!(row < 20),
                Effect::Metric { metric, .. } => prop_assert!(metric < 2),
                Effect::Late(rows) => prop_assert!(rows.iter().all(|row| *row < 20)),
            }
        }
    }

    #[test]
    fn damaged_manifests_and_contexts_do_not_panic(how in damage()) {
        // Whatever is read must survive another round.
        if let Ok(read) = Manifest::decode(&damaged(manifest().encode(), &how)) {
            prop_assert_eq!(Manifest::decode(&read.encode()).map(|m| m.name), Ok(read.name));
        }
        if let Ok(read) = OpenContext::decode(&damaged(context().encode(), &how)) {
            prop_assert_eq!(OpenContext::decode(&read.encode()).map(|c| c.job), Ok(read.job));
        }
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), table in any_table()) {
        let schemas = [table.schema.clone()];
        prop_assert!(Frame::read(&bytes).is_err());
        prop_assert!(effects::read(&bytes, &bounds(&schemas)).is_err());
        prop_assert!(Manifest::decode(&bytes).is_err() && OpenContext::decode(&bytes).is_err());
        if let Ok(block) = Block::read(&table.schema, &bytes, 20) {
            walk(&block);
        }
    }

    #[test]
    fn varints_read_as_written(v in any::<u32>(), tail in any::<[u8; 2]>()) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, v);
        bytes.extend_from_slice(&tail);
        prop_assert_eq!(get_varint(&bytes), Ok((v, &tail[..])));
    }
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

fn manifest() -> Manifest {
    let schema = Schema::new(Type::ALL.map(|ty| Field::new(ty.name(), ty, ty.is_variable())).to_vec());
    let setting = |name: &str, ty, default| ConfigField {
        name: name.to_owned(),
        ty,
        default,
        optional: name == "d",
        doc: "what it does".to_owned(),
    };
    let config = vec![
        setting("a", Type::I64, Some(ConfigValue::Int(-5))),
        setting("b", Type::F64, Some(ConfigValue::Float(0.5))),
        setting("c", Type::Utf8, Some(ConfigValue::from("text"))),
        setting("d", Type::Bool, None),
    ];
    let mut slot = Slot::new("s", SlotKind::Value, 3, "Totals");
    slot.values = described();
    let ttl = Ttl { micros: 5, from: TtlFrom::Update, clock: TimerFamily::Processing };
    let seen = Slot { name: "seen".to_owned(), kind: SlotKind::Map, ttl: Some(ttl), ..slot.clone() };
    let sum = Slot { name: "sum".to_owned(), kind: SlotKind::Sum, ..slot.clone() };
    let metric = |name: &str, kind| Metric { name: name.to_owned(), kind };
    let keyed = Function {
        name: "keyed".to_owned(),
        doc: "A function.".to_owned(),
        kind: FunctionKind::Keyed { key: schema.clone(), slots: vec![slot, seen, sum] },
        input: schema.clone(),
        outputs: vec![Output { name: "out".to_owned(), schema: schema.clone(), changelog: false }],
        config,
        right: None,
        late: LateRows::Handled,
        metrics: vec![metric("m", MetricKind::Counter), metric("n", MetricKind::Gauge)],
        reads_changes: false,
    };
    let map = Function { name: "map".to_owned(), kind: FunctionKind::Map, ..keyed.clone() };
    let right = Some(Schema::new(vec![Field::new("r", Type::U8, false)]));
    let two = Function { name: "two".to_owned(), right, late: LateRows::Leave, ..keyed.clone() };
    let (name, version, sdk) = ("crate".to_owned(), "1.2.3".to_owned(), "sdk 0".to_owned());
    Manifest { name, version, sdk, functions: vec![keyed, map, two] }
}

fn context() -> OpenContext {
    OpenContext {
        function: "keyed".to_owned(),
        job: "job".to_owned(),
        operator: "totals".to_owned(),
        subtask: 1,
        parallelism: 4,
        config: vec![("a".to_owned(), ConfigValue::Int(u64::MAX.into())), ("d".to_owned(), ConfigValue::Bool(true))],
    }
}

#[test]
fn manifests_and_contexts_read_as_written() {
    assert_eq!(Manifest::decode(&manifest().encode()), Ok(manifest()));
    assert_eq!(OpenContext::decode(&context().encode()), Ok(context()));
}

#[test]
fn manifests_with_a_name_twice_are_refused() {
    let mut twice = manifest();
    twice.functions[1].name = "keyed".to_owned();
    let error = Manifest::decode(&twice.encode()).expect_err("the name stands twice");
    assert_eq!(error.problem, "function \"keyed\" is empty or stands twice");
}

#[test]
fn a_time_to_live_of_nothing_is_refused() {
    let mut never = manifest();
    if let FunctionKind::Keyed { slots, .. } = &mut never.functions[0].kind {
        slots[1].ttl = Some(Ttl { micros: 0, from: TtlFrom::Create, clock: TimerFamily::Event });
    }
    let error = Manifest::decode(&never.encode()).expect_err("nothing lives that short");
    assert!(error.problem.starts_with("slot \"seen\" lives 0 microseconds"), "{error}");
}

#[test]
fn operations_of_a_changelog_are_read_and_checked() {
    let schemas = [Schema::new(vec![Field::new("n", Type::I64, false)])];
    let chunk = |origins: Option<&[u32]>, ops: &[u8]| {
        let mut writer = EffectsWriter::new();
        writer.changes(0, 3, origins, Some(ops), 2, |block| {
            block.buffer(&[]);
            block.buffer(&[7; 24]);
        });
        writer.finish()
    };
    for origins in [None, Some(&[0, 0, 19][..])] {
        let bytes = chunk(origins, &[1, 2, 3]);
        let effects = effects::read(&bytes, &bounds(&schemas)).expect("just written");
        let [Effect::Rows { output: 0, ops: Some([1, 2, 3]), block, .. }] = &effects[..] else {
            panic!("other effects than were written: {effects:?}");
        };
        assert_eq!(block.columns[0].fixed::<8>()[2], [7; 8]);
        let told = effects::read(&chunk(origins, &[1, 4, 3]), &bounds(&schemas)).expect_err("there is no operation 4");
        assert!(told.problem.contains("unknown operation 4"), "{told}");
    }
    for op in Op::ALL {
        assert_eq!((Op::from_code(op.code()), Op::from_sign(op.sign())), (Some(op), Some(op)));
    }
    assert_eq!(Op::ALL.map(Op::factor), [1, -1, 1, -1]);
    assert_eq!((Op::from_code(4), Op::from_sign("U")), (None, None));
}
