//! Real guests, made by the SDK, in the host: the functions of `udf-examples/probe`.
//!
//! Needs the module: `wasmill build udf-examples/probe` writes it to `target/wasmill/probe.wasm`;
//! `WASMILL_PROBE` names it when it lies elsewhere.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use wasmill_abi::manifest::Function;
use wasmill_abi::open::OpenContext;
use wasmill_core::limits::Limits;
use wasmill_core::plan::Side;
use wasmill_runtime::batch::Batch;
use wasmill_runtime::schema::to_arrow;
use wasmill_runtime::wasm::frame::{Bytes, CallInfo, KeyColumns, KeySection, data_frame};
use wasmill_runtime::wasm::{Advice, CallError, Effects, EffectsReader, Factory, Instance, Runtime};

const INFO: CallInfo = CallInfo { epoch: 1, watermark: i64::MIN, now: 5, seed: 7, side: Side::Left };

static PROBE: LazyLock<Arc<Factory>> = LazyLock::new(|| {
    let path = std::env::var_os("WASMILL_PROBE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/wasmill/probe.wasm"),
        PathBuf::from,
    );
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; make it with `wasmill build udf-examples/probe`", path.display()));
    let runtime = Runtime::new(None).expect("the engine starts");
    Factory::load(&runtime, &bytes, &Limits::default()).expect("the probe is in order")
});

fn function(name: &str) -> &'static Function {
    PROBE.manifest().functions.iter().find(|f| f.name == name).expect("the probe has it")
}

fn open(name: &str, limits: &Limits) -> Instance {
    let context = OpenContext { function: name.to_owned(), parallelism: 1, ..OpenContext::default() };
    PROBE.instantiate(&context, limits, Arc::new(|_, _| {})).expect("it opens")
}

fn batch(name: &str, columns: Vec<ArrayRef>) -> Batch {
    let columns = RecordBatch::try_new(to_arrow(&function(name).input), columns).expect("the columns fit");
    let positions = vec![0; columns.num_rows()].into();
    Batch { columns, event_time: None, positions, ops: None }
}

fn call(
    name: &str,
    instance: &mut Instance,
    batch: &Batch,
    rows: std::ops::Range<usize>,
) -> Result<Effects, CallError> {
    let function = function(name);
    let all: Vec<usize> = (0..function.input.fields.len()).collect();
    let n = rows.len() as u32;
    let frame = data_frame(Vec::new(), &INFO, &function.input, &all, batch, rows, None).expect("there are no keys");
    Ok(EffectsReader::new(function).read(&instance.process(&frame, n)?, n, 0)?)
}

fn actions(actions: &[&str]) -> Batch {
    let ids: ArrayRef = Arc::new((0..actions.len() as i64).collect::<Int64Array>());
    batch("misbehave", vec![ids, Arc::new(StringArray::from(actions.to_vec()))])
}

fn misbehave(action: &str, limits: &Limits) -> CallError {
    let mut instance = open("misbehave", limits);
    let batch = actions(&["ok", action, "ok"]);
    let error = call("misbehave", &mut instance, &batch, 0..3).map(drop).expect_err(action);
    assert_eq!(call("misbehave", &mut instance, &batch, 0..1).map(drop), Err(CallError::Abandoned));
    let mut fresh = open("misbehave", limits);
    call("misbehave", &mut fresh, &batch, 0..1).expect("a fresh instance takes the other rows");
    error
}

#[test]
fn it_asks_for_nothing_but_effects_log_and_state() {
    // One of its functions reads maps, so the module asks for `state`.
    let asked = ["effects", "log", "state"].map(|name| format!("wasmill:function/{name}@0.1.0"));
    assert_eq!(PROBE.imports(), asked);
}

#[test]
fn a_panic_brings_its_message_and_place() {
    let error = misbehave("panic", &Limits::default());
    let CallError::Trap { panic: Some(panic), backtrace, .. } = &error else { panic!("{error:?}") };
    assert!(panic.starts_with("row 1 asked for a panic at "), "{panic}");
    assert!(panic.contains("misbehave.rs:"), "{panic}");
    assert!(backtrace.iter().any(|frame| frame.contains("probe::misbehave::misbehave")), "{backtrace:#?}");
}

#[test]
fn breaches() {
    let limits = Limits { deadline: Duration::from_millis(40), memory_bytes: 32 << 20, ..Limits::default() };
    for (action, kind) in [
        ("trap", "trap"),
        ("recurse", "trap"),
        ("loop", "deadline"),
        ("hunger", "memory"),
        ("flood", "effects-too-large"),
    ] {
        let roomy = Limits { deadline: Duration::from_secs(10), memory_bytes: 256 << 20, ..limits.clone() };
        let error = misbehave(action, if action == "flood" { &roomy } else { &limits });
        assert_eq!((error.kind(), error.advice()), (kind, Advice::Bisect), "{action}: {error}");
    }
}

#[test]
fn refused_rows_and_errors() {
    let mut instance = open("misbehave", &Limits::default());
    let effects =
        call("misbehave", &mut instance, &actions(&["ok", "reject", "drop", "ok"]), 0..4).expect("it goes on");
    assert_eq!(effects.rejects.len(), 1);
    assert_eq!((effects.rejects[0].row, effects.rejects[0].code), (1, 42));
    let ids: Vec<i64> =
        effects.rows.iter().flat_map(|r| r.columns.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    assert_eq!(ids, [0, 3], "the refused row's output is undone");
    for (action, advice) in [("transient", Advice::Retry), ("fatal", Advice::Stop)] {
        let error = call("misbehave", &mut instance, &actions(&["ok", action]), 0..2).map(drop).expect_err(action);
        assert_eq!(error.advice(), advice, "{error}");
        assert!(instance.is_usable());
    }
    call("misbehave", &mut instance, &actions(&["ok"]), 0..1).expect("it goes on after an orderly error");
}

#[test]
fn ten_thousand_rounds_do_not_grow() {
    let mut instance = open("misbehave", &Limits::default());
    let batch = actions(&["ok"; 64]);
    let mut run = |rounds: usize| {
        (0..rounds).for_each(|_| drop(call("misbehave", &mut instance, &batch, 0..64).expect("all is well")));
        instance.memory_bytes()
    };
    let before = run(100);
    assert_eq!(run(10_000), before);
}

#[test]
fn a_keyed_function_gets_and_gives_state() {
    let function = function("ledger");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a", "b", "a"])),
        Arc::new(Int64Array::from(vec![1, 2, 3])),
        Arc::new(Int64Array::from(vec![10, 20, 30])),
        Arc::new(StringArray::from(vec!["ok", "reject", "ok"])),
    ];
    let batch = batch("ledger", columns);
    let empty = Bytes { offsets: &[0, 0, 0], bytes: &[] };
    let state: Vec<_> = (0..function.slots().len() as u16).map(|slot| (slot, empty)).collect();
    let keyed = KeySection {
        schema: function.key().expect("it is keyed"),
        keys: 2,
        columns: KeyColumns::FirstRows { rows: &[0, 1], columns: &[0] },
        row_key: &[0, 1, 0],
        state: &state,
    };
    let frame = data_frame(Vec::new(), &INFO, &function.input, &[0, 1, 2, 3], &batch, 0..3, Some(&keyed));
    let mut instance = open("ledger", &Limits::default());
    let chunks = instance.process(&frame.expect("the keys are right"), 3).expect("it goes well");
    let effects = EffectsReader::new(function).read(&chunks, 3, 2).expect("the effects are right");
    assert!(effects.state().all(|change| change.key == 0), "the refused row wrote nothing");
    assert!(effects.state().count() > 0);
    let balances = effects.rows[0].columns.column(2).as_primitive::<Int64Type>();
    assert_eq!(balances.values(), &[10, 40]);
}

/// A column of the echo function: values that differ from row to row, every third one missing when
/// the column may have none.
fn column(field: &arrow_schema::Field, rows: usize, seed: u64) -> ArrayRef {
    let numbers = (0..rows as u64).map(|i| (i ^ seed).wrapping_mul(0x9e37_79b9) % 97);
    let missing = |i: u64| field.is_nullable() && i.is_multiple_of(3);
    let numbers: Int64Array = numbers.map(|n| (!missing(n)).then_some(n as i64)).collect();
    let cast = |to: &arrow_schema::DataType| arrow_cast::cast(&numbers, to);
    cast(field.data_type())
        .or_else(|_| arrow_cast::cast(&cast(&arrow_schema::DataType::Utf8)?, field.data_type()))
        .expect("numbers become anything")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rows_of_every_type_come_back(rows in 0..200usize, skip in 0..20usize, seed in any::<u64>()) {
        let schema = to_arrow(&function("echo").input);
        let columns = schema.fields().iter().map(|f| column(f, rows + skip, seed)).collect();
        let batch = batch("echo", columns);
        let mut instance = open("echo", &Limits::default());
        let effects = call("echo", &mut instance, &batch, skip..skip + rows).expect("it only echoes");
        let back: Vec<&RecordBatch> = effects.rows.iter().map(|r| &r.columns).collect();
        let back = arrow_select::concat::concat_batches(&schema, back).expect("they have one schema");
        prop_assert_eq!(back, batch.columns.slice(skip, rows));
    }
}

#[test]
fn rows_of_nothing_but_missing_values_come_back() {
    let schema = to_arrow(&function("echo").input);
    let columns = schema.fields().iter().map(|f| match f.is_nullable() {
        true => new_null_array(f.data_type(), 9),
        false => column(f, 9, 1),
    });
    let batch = batch("echo", columns.collect());
    let mut instance = open("echo", &Limits::default());
    let effects = call("echo", &mut instance, &batch, 0..9).expect("it only echoes");
    assert_eq!(effects.rows[0].columns, batch.columns);
}
