//! Changelogs and views: who may read them, what sinks write, how views are keyed.

use crate::support::schema;
use std::collections::BTreeMap;
use wasmill_abi::manifest::{Function, FunctionKind, LateRows, Manifest, Output};
use wasmill_core::job::{self, Overrides};
use wasmill_core::plan::{OperatorKind, Plan, Route, Sink, SinkConnector};

/// A function whose output is a changelog.
fn function(name: &str, reads_changes: bool) -> Function {
    let columns = schema("shop: string, total: int64");
    Function {
        name: name.into(),
        doc: String::new(),
        kind: FunctionKind::Map,
        input: columns.clone(),
        right: None,
        late: LateRows::Handled,
        outputs: vec![Output { name: "out".into(), schema: columns, changelog: true }],
        config: Vec::new(),
        metrics: Vec::new(),
        reads_changes,
    }
}

/// A keyed function whose late rows leave it.
fn gate() -> Function {
    let kind = FunctionKind::Keyed { key: schema("shop: string"), slots: Vec::new() };
    Function { kind, late: LateRows::Leave, ..function("gate", true) }
}

fn run(functions: &str, sink: &str) -> Result<Plan, String> {
    let text = format!(
        "job: a
parallelism: 4
modules: {{ m: m.wasm }}
sources:
  sales: {{ connector: file, path: sales.csv, schema: {{ shop: string, total: int64 }} }}
functions:
  totals: {{ module: m, function: totals, input: sales }}
{functions}
sinks:
  out: {{ {sink} }}
"
    );
    let (spec, problems) = job::parse_lenient(&text);
    let module = Manifest {
        name: "m".into(),
        version: "1.0.0".into(),
        sdk: String::new(),
        functions: vec![function("totals", false), function("again", true), gate()],
    };
    let Some(spec) = spec.filter(|_| problems.is_empty()) else { return Err(problems.render("job.yaml")) };
    let manifests = BTreeMap::from([("m".to_owned(), module)]);
    job::check(&spec, &manifests, &Overrides::default()).map_err(|problems| problems.render("job.yaml"))
}

fn sink(plan: &Plan) -> &Sink {
    match &plan.operators.last().expect("the sink comes last").kind {
        OperatorKind::Sink(sink) => sink,
        other => panic!("the sink comes last, not {other:?}"),
    }
}

#[track_caller]
fn refused(functions: &str, sink: &str, words: &[&str]) {
    let told = run(functions, sink).expect_err("the job is refused");
    words.iter().for_each(|words| assert!(told.contains(words), "{words:?} is missing in: {told}"));
}

#[test]
fn a_changelog_is_only_given_to_who_reads_changelogs() {
    let file = "connector: file, path: out, format: csv, input: next";
    run("  next: { module: m, function: again, input: totals }", file).expect("`again` reads changelogs");
    run("  next: { module: m, function: again, input: sales }", file).expect("and streams that only append");
    refused(
        "  next: { module: m, function: totals, input: [sales, totals] }",
        file,
        &["`totals` is a changelog", "function `totals`, which `next` calls", "READS_CHANGES"],
    );
}

#[test]
fn a_sink_writes_operations_into_a_column_that_is_free() {
    let plan = run("", "connector: file, path: out, format: csv, input: totals").expect("the job is right");
    assert_eq!(sink(&plan).schema.to_string(), "op: string, shop: string, total: int64");
    let plan = run("", "connector: stdout, op: change, input: [totals, sales]").expect("the job is right");
    assert_eq!(sink(&plan).schema.to_string(), "change: string, shop: string, total: int64");
    let plan = run("", "connector: stdout, input: sales").expect("the job is right");
    assert_eq!((sink(&plan).schema.to_string().as_str(), sink(&plan).writes_op), ("shop: string, total: int64", false));
    refused("", "connector: stdout, op: shop, input: totals", &["column `shop`", "`op: NAME` that no column has"]);
    refused("", "connector: stdout, op: change, input: sales", &["`op`", "is no changelog", "remove `op`"]);
}

#[test]
fn a_source_may_be_a_changelog() {
    let source = |op: &str| {
        let text = format!(
            "job: a
sources:
  changes: {{ connector: stdin, format: csv, schema: {{ op: string, shop: string?, at: timestamp }}, op: {{ column: {op} }} }}
sinks:
  out: {{ connector: stdout, op: change, input: changes }}
"
        );
        let spec = job::parse(&text).map_err(|problems| problems.render("job.yaml"))?;
        job::check(&spec, &BTreeMap::new(), &Overrides::default()).map_err(|problems| problems.render("job.yaml"))
    };
    let plan = source("op").expect("the job is right");
    assert_eq!(plan.operators[0].outputs[0].schema.to_string(), "shop: string?, at: timestamp");
    assert_eq!(sink(&plan).schema.to_string(), "change: string, shop: string?, at: timestamp");
    for (op, words) in [("ops", "did you mean `op`?"), ("shop", "`shop: string?`"), ("at", "`at: timestamp`")] {
        let told = source(op).expect_err("the job is refused");
        assert!(told.contains(words), "{words:?} is missing in: {told}");
    }
}

#[test]
fn a_view_reads_by_its_key() {
    let view = "connector: file, mode: upsert, path: out, format: csv, input: totals, every: 5s, key";
    let plan = run("", &format!("{view}: [total, shop]")).expect("the job is right");
    assert_eq!(
        (sink(&plan).key.as_slice(), sink(&plan).schema.to_string().as_str()),
        (&[1, 0][..], "shop: string, total: int64")
    );
    assert!(matches!(&sink(&plan).connector, SinkConnector::View { every, .. } if every.as_secs() == 5));
    let operator = plan.operators.last().expect("the sink comes last");
    assert_eq!((operator.inputs[0].route.clone(), operator.parallelism), (Route::ByKey { columns: vec![1, 0] }, 4));
    refused("", &format!("{view}: [shop, shop]"), &["`shop` stands twice"]);
    refused("", &format!("{view}: shops"), &["no column `shops`", "did you mean `shop`?"]);
}

#[test]
fn what_does_not_go_together_is_told() {
    let view = "connector: file, mode: upsert, path: out, format: csv, input: totals";
    refused("", view, &["needs the key `key`"]);
    refused("", &format!("{view}, key: shop, roll: {{ age: 1h }}"), &["`roll`", "replaced as a whole"]);
    refused("", &format!("{view}, key: shop, op: op"), &["`op`", "rows and no operations"]);
    for format in ["parquet", "avro"] {
        let view = view.replace("csv", format);
        refused(
            "",
            &format!("{view}, key: shop"),
            &[&format!("a view cannot have `{format}`"), "take `ndjson` or `csv`"],
        );
    }
    refused("", "connector: stdout, mode: upsert, key: shop, input: totals", &["`mode`", "writes no files"]);
    refused("", "connector: file, path: out, format: csv, key: shop, input: totals", &["`key`", "`mode: upsert`"]);
    refused("", &format!("{view}, key: shop, parallelism: 200"), &["view `out` has parallelism 200", "128 key groups"]);
}

#[test]
fn late_rows_of_a_changelog_are_one() {
    let gates = "  a: { module: m, function: gate, input: totals, key: shop }
  b: { module: m, function: gate, input: a.late, key: shop }
  c: { module: m, function: gate, input: sales, key: shop }";
    let late = |input: &str| format!("connector: file, path: o, format: csv, input: {input}");
    for input in ["a.late", "b.late"] {
        let plan = run(gates, &late(input)).expect("the job is in order");
        assert!(sink(&plan).writes_op, "{input}");
    }
    let plan = run(gates, &late("c.late")).expect("the job is in order");
    assert!(!sink(&plan).writes_op, "sales are only appended");
    refused(
        &format!("{gates}\n  d: {{ module: m, function: totals, input: b.late }}"),
        &late("d"),
        &["`b.late` is a changelog", "READS_CHANGES"],
    );
}
