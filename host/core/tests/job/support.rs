//! The flights job, its module's manifest, and one helper per kind of test.

use std::collections::BTreeMap;
use wasmill_abi::manifest::{
    ConfigField, ConfigValue, Function, FunctionKind, LateRows, Manifest, Metric, MetricKind, Output, Slot, SlotKind,
};
use wasmill_abi::{Field, Schema, Type};
use wasmill_core::job::{self, Overrides};
use wasmill_core::plan::Plan;

/// A job that is right.
pub const FLIGHTS: &str = include_str!("flights.yaml");

/// A schema from `name: type, name: type?`.
pub fn schema(text: &str) -> Schema {
    let field = |part: &str| {
        let (name, ty) = part.trim().split_once(": ").expect("NAME: TYPE");
        let ty = ty.strip_suffix('?').map_or((ty, false), |ty| (ty, true));
        Field::new(name, Type::from_name(ty.0).expect("a type of the ABI"), ty.1)
    };
    Schema::new(text.split(',').map(field).collect())
}

fn output(name: &str, columns: &str) -> Output {
    Output { name: name.into(), schema: schema(columns), changelog: false }
}

fn setting(name: &str, ty: Type, default: Option<ConfigValue>, optional: bool) -> ConfigField {
    ConfigField { name: name.into(), ty, default, optional, doc: String::new() }
}

fn keyed(key: &str) -> FunctionKind {
    let slot = Slot::new("totals", SlotKind::Value, 1, "Totals");
    FunctionKind::Keyed { key: schema(key), slots: vec![slot] }
}

/// Cleans flights; the second output holds those that are late.
fn clean() -> Function {
    Function {
        name: "clean".into(),
        doc: "Drops flights without a plausible delay.".into(),
        kind: FunctionKind::Map,
        input: schema("origin: string, date: timestamp, delay: int32?"),
        outputs: vec![
            output("late", "origin: string, delay: int32"),
            output("out", "date: timestamp, origin: string, delay: int32"),
        ],
        config: vec![
            setting("max_delay", Type::I16, None, false),
            setting("scale", Type::F64, Some(ConfigValue::Float(1.0)), false),
            setting("label", Type::Utf8, None, true),
            setting("strict", Type::Bool, Some(ConfigValue::Bool(false)), false),
            setting("ratio", Type::F32, None, true),
            setting("bytes", Type::U64, None, true),
        ],
        right: None,
        late: LateRows::Handled,
        metrics: vec![Metric { name: "dropped".into(), kind: MetricKind::Counter }],
        reads_changes: false,
    }
}

fn hourly() -> Function {
    Function {
        name: "hourly".into(),
        doc: String::new(),
        kind: keyed("airport: string"),
        input: schema("delay: int32"),
        outputs: vec![output("totals", "origin: string, hour: timestamp, flights: uint32, delay: int64")],
        config: Vec::new(),
        right: None,
        late: LateRows::Handled,
        metrics: Vec::new(),
        reads_changes: false,
    }
}

/// A keyed function with several outputs of which none is the default, and a key of two columns.
fn routes() -> Function {
    Function {
        name: "routes".into(),
        kind: keyed("from: string, to: string"),
        input: schema("distance: int32"),
        outputs: vec![output("short", "from: string"), output("long", "from: string")],
        ..hourly()
    }
}

/// A function that nothing can be read from.
fn notify() -> Function {
    Function {
        name: "notify".into(),
        input: schema("origin: string"),
        outputs: Vec::new(),
        config: Vec::new(),
        ..clean()
    }
}

/// A keyed function with two inputs whose late rows leave it.
fn matched() -> Function {
    Function {
        name: "matched".into(),
        kind: keyed("id: uint64"),
        input: schema("cents: int64, at: timestamp"),
        right: Some(schema("cents: int64")),
        late: LateRows::Leave,
        outputs: vec![output("out", "id: uint64")],
        ..hourly()
    }
}

/// A keyed function of one input whose late rows leave it.
fn gate() -> Function {
    Function { name: "gate".into(), right: None, ..matched() }
}

pub fn manifests() -> BTreeMap<String, Manifest> {
    let manifest = |name: &str, functions| Manifest {
        name: name.into(),
        version: "1.0.0".into(),
        sdk: "wasmill-sdk 0.1.0".into(),
        functions,
    };
    BTreeMap::from([
        ("flights".to_owned(), manifest("flights", vec![clean(), hourly(), routes(), notify()])),
        ("single".to_owned(), manifest("single", vec![notify()])),
        ("shop".to_owned(), manifest("shop", vec![matched(), gate()])),
    ])
}

/// The flights job with parts of it replaced; each part must stand in it exactly once.
pub fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(FLIGHTS.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from:?} must stand once in the job");
        text.replace(from, to)
    })
}

/// What a caller does: everything that is wrong in a text, or the plan.
pub fn run(text: &str, overrides: &Overrides) -> Result<Plan, String> {
    let (spec, mut problems) = job::parse_lenient(text);
    if let Some(spec) = spec {
        match job::check(&spec, &manifests(), overrides) {
            Ok(plan) if problems.is_empty() => return Ok(plan),
            Ok(plan) => panic!("a plan from a job with problems: {plan:?}"),
            Err(more) => problems.extend(more),
        }
    }
    assert!(!problems.is_empty(), "refused without a reason");
    Err(problems.render("job.yaml"))
}

/// The problems of a text.
pub fn problems(text: &str) -> String {
    run(text, &Overrides::default()).expect_err("the job must be refused")
}

/// The problems of the flights job with edits.
pub fn edits(edits: &[(&str, &str)]) -> String {
    problems(&edited(edits))
}

/// The plan of the flights job with edits.
pub fn plan(edits: &[(&str, &str)]) -> Plan {
    run(&edited(edits), &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"))
}
