//! Plans of jobs that are right: routes, fragments, parallelism, settings.

use crate::support::{edited, plan, run, schema};
use insta::{assert_debug_snapshot, assert_snapshot};
use std::fmt::Write;
use std::time::Duration;
use wasmill_abi::manifest::ConfigValue;
use wasmill_core::job::Overrides;
use wasmill_core::plan::{
    EventTime, Format, FunctionCall, OnError, OperatorKind, Plan, SinkConnector, Source, SourceConnector,
};

/// The graph of a plan in a few lines.
fn graph(plan: &Plan) -> String {
    let mut out = String::new();
    for (i, op) in plan.operators.iter().enumerate() {
        let kind = match &op.kind {
            OperatorKind::Source(_) => "source".to_owned(),
            OperatorKind::Function(call) => {
                format!("{}/{} columns {:?} key {:?}", call.module, call.function.name, call.columns, call.key)
            }
            OperatorKind::Sink(_) => "sink".to_owned(),
        };
        let time = if op.event_time { " event time" } else { "" };
        writeln!(out, "{i} {} x{} fragment {}: {kind}{time}", op.name, op.parallelism, op.fragment.0)
            .expect("to a string");
        for input in &op.inputs {
            let from = &plan.operators[input.from.0];
            let output = &from.outputs[input.output].name;
            writeln!(out, "    from {}.{output} {:?}", from.name, input.route).expect("to a string");
        }
    }
    for (i, fragment) in plan.fragments.iter().enumerate() {
        let members: Vec<_> = fragment.operators.iter().map(|op| plan.operators[op.0].name.as_str()).collect();
        writeln!(out, "fragment {i} x{}: {}", fragment.parallelism, members.join(", ")).expect("to a string");
    }
    out
}

fn call<'p>(plan: &'p Plan, name: &str) -> &'p FunctionCall {
    match plan.operators.iter().find(|op| op.name == name).map(|op| &op.kind) {
        Some(OperatorKind::Function(call)) => call,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn flights() {
    let plan = plan(&[]);
    assert_snapshot!(graph(&plan), @r#"
    0 departures x2 fragment 0: source event time
    1 clean x2 fragment 0: flights/clean columns [3, 0, 1] key [] event time
        from departures.out Local
    2 hourly x2 fragment 1: flights/hourly columns [2] key [1] event time
        from clean.out ByKey { columns: [1] }
    3 result x2 fragment 1: sink event time
        from hourly.totals Local
    fragment 0 x2: departures, clean
    fragment 1 x2: hourly, result
    "#);
    assert_eq!((plan.job.as_str(), plan.key_groups), ("hourly-delays", 128));
    assert_eq!((plan.epoch, plan.drain_timeout), (Duration::from_millis(200), Duration::from_secs(30)));
    assert_eq!(plan.limits, Default::default());
    let OperatorKind::Source(source) = &plan.operators[0].kind else { panic!("a source stands first") };
    let expected = Source {
        connector: SourceConnector::File { path: "data/flights-*.ndjson.gz".into() },
        format: Format::Ndjson,
        schema: schema("date: timestamp, delay: int32?, distance: int32, origin: string, destination: string"),
        op: None,
        event_time: Some(EventTime {
            column: 0,
            max_delay: Duration::from_secs(300),
            every_rows: 1000,
            idle_timeout: None,
        }),
        rate: None,
    };
    assert_eq!(source, &expected);
    let OperatorKind::Sink(sink) = &plan.operators[3].kind else { panic!("the sink stands last") };
    let file =
        SinkConnector::File { path: "out/hourly".into(), roll_bytes: 1 << 30, roll_age: Duration::from_secs(86400) };
    assert_eq!((&sink.connector, sink.format), (&file, Format::Csv));
    assert_eq!(sink.schema, schema("origin: string, hour: timestamp, flights: uint32, delay: int64"));
    assert_eq!(call(&plan, "clean").on_error, OnError::DeadLetter);
    assert_eq!(call(&plan, "hourly").key_types, [wasmill_abi::Type::Utf8]);
}

#[test]
fn settings_are_converted_and_defaults_filled_in() {
    assert_debug_snapshot!(call(&plan(&[]), "clean").config, @r#"
    [
        (
            "max_delay",
            Int(
                1440,
            ),
        ),
        (
            "scale",
            Float(
                1.0,
            ),
        ),
        (
            "strict",
            Bool(
                false,
            ),
        ),
    ]
    "#);
    let all = "{ max_delay: 0x10, scale: 2, label: '5', strict: true, ratio: .inf, bytes: 18446744073709551615 }";
    let plan = plan(&[("{ max_delay: 1440 }", all)]);
    let value = |name: &str| call(&plan, "clean").config.iter().find(|c| c.0 == name).map(|c| c.1.clone());
    assert_eq!(value("max_delay"), Some(ConfigValue::Int(16)));
    assert_eq!(value("scale"), Some(ConfigValue::Float(2.0)));
    assert_eq!(value("label"), Some(ConfigValue::Str("5".into())));
    assert_eq!(value("strict"), Some(ConfigValue::Bool(true)));
    assert_eq!(value("ratio"), Some(ConfigValue::Float(f64::INFINITY)));
    assert_eq!(value("bytes"), Some(ConfigValue::Int(u64::MAX.into())));
    let null = crate::support::plan(&[("{ max_delay: 1440 }", "{ max_delay: 1, label: null }")]);
    assert!(call(&null, "clean").config.iter().all(|c| c.0 != "label"));
}

#[test]
fn every_setting_of_the_job_arrives() {
    let settings =
        "parallelism: 2\nepoch: 1s\ndrain_timeout: 5s\nkey_groups: 64\nlimits: { memory: 16MiB, deadline: 1s }";
    let sink = "roll: { bytes: 1MiB, age: 10m }\n    input: hourly";
    let plan = plan(&[("parallelism: 2", settings), ("input: hourly", sink), ("max_delay: 5m", "every: 7")]);
    assert_eq!((plan.epoch, plan.drain_timeout), (Duration::from_secs(1), Duration::from_secs(5)));
    assert_eq!((plan.key_groups, plan.limits.memory_bytes), (64, 16 << 20));
    assert_eq!((plan.limits.deadline, plan.limits.batch_rows), (Duration::from_secs(1), 4096));
    let OperatorKind::Sink(sink) = &plan.operators[3].kind else { panic!("the sink stands last") };
    let SinkConnector::File { roll_bytes, roll_age, .. } = &sink.connector else { panic!("a file sink") };
    assert_eq!((*roll_bytes, *roll_age), (1 << 20, Duration::from_secs(600)));
    let OperatorKind::Source(source) = &plan.operators[0].kind else { panic!("a source stands first") };
    let event_time = source.event_time.as_ref().expect("the job says so");
    assert_eq!((event_time.max_delay, event_time.every_rows), (Duration::ZERO, 7));
}

/// Operators stand behind their inputs whatever the order in the file.
#[test]
fn sections_and_operators_in_any_order() {
    let text = "
sinks: { last: { connector: blackhole, input: b } }
functions:
  b: { module: flights, function: clean, input: a, config: { max_delay: 1 } }
  a: { module: flights, function: clean, input: late-source, config: { max_delay: 1 } }
sources:
  late-source: { connector: file, path: a.csv.zst, schema: { origin: string, date: timestamp, delay: int32 } }
modules: { flights: f.wasm }
job: '7'
";
    let plan = run(text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
    assert_snapshot!(graph(&plan), @r#"
    0 late-source x1 fragment 0: source
    1 a x1 fragment 0: flights/clean columns [0, 1, 2] key []
        from late-source.out Local
    2 b x1 fragment 0: flights/clean columns [1, 0, 2] key []
        from a.out Local
    3 last x1 fragment 0: sink
        from b.out Local
    fragment 0 x1: late-source, a, b, last
    "#);
}

/// Unions, fan-out, an operator of another parallelism, a keyed union, a source that nobody reads.
#[test]
fn routes_and_fragments() {
    let text = "
job: wide
parallelism: 4
modules: { flights: f.wasm }
sources:
  files: { connector: file, path: a.csv, schema: { origin: string, date: timestamp, delay: int32 } }
  piped: { connector: stdin, format: csv, schema: { origin: string, date: timestamp, delay: int32 } }
  unread: { connector: file, path: b.csv, schema: { x: bytes }, parallelism: 3, rate: 100 }
functions:
  one: { module: flights, function: clean, input: files, config: { max_delay: 1 } }
  two: { module: flights, function: clean, input: piped, config: { max_delay: 1 } }
  wide: { module: flights, function: clean, input: piped, parallelism: 8, config: { max_delay: 1 } }
  totals: { module: flights, function: hourly, input: [one.late, two.late], key: origin, parallelism: 2 }
  union: { module: flights, function: clean, input: [one, two.out], config: { max_delay: 1 } }
sinks:
  a: { connector: stdout, input: one }
  b: { connector: stdout, input: [totals], parallelism: 1 }
  c: { connector: blackhole, input: union }
  d: { connector: blackhole, input: wide.late }
";
    let plan = run(text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
    assert_snapshot!(graph(&plan), @r#"
    0 files x4 fragment 0: source
    1 piped x1 fragment 1: source
    2 unread x3 fragment 2: source
    3 one x4 fragment 0: flights/clean columns [0, 1, 2] key []
        from files.out Local
    4 two x1 fragment 1: flights/clean columns [0, 1, 2] key []
        from piped.out Local
    5 wide x8 fragment 3: flights/clean columns [0, 1, 2] key []
        from piped.out Forward
    6 totals x2 fragment 4: flights/hourly columns [1] key [0]
        from one.late ByKey { columns: [0] }
        from two.late ByKey { columns: [0] }
    7 union x4 fragment 5: flights/clean columns [1, 0, 2] key []
        from one.out Forward
        from two.out Forward
    8 a x4 fragment 0: sink
        from one.out Local
    9 b x1 fragment 6: sink
        from totals.totals Forward
    10 c x4 fragment 5: sink
        from union.out Local
    11 d x8 fragment 3: sink
        from wide.late Local
    fragment 0 x4: files, one, a
    fragment 1 x1: piped, two
    fragment 2 x3: unread
    fragment 3 x8: wide, d
    fragment 4 x2: totals
    fragment 5 x4: union, c
    fragment 6 x1: b
    "#);
    let OperatorKind::Source(unread) = &plan.operators[2].kind else { panic!("a source") };
    assert_eq!(unread.rate, Some(100));
    for (i, fragment) in plan.fragments.iter().enumerate() {
        for op in &fragment.operators {
            assert_eq!(plan.operators[op.0].fragment.0, i);
            assert_eq!(plan.operators[op.0].parallelism, fragment.parallelism);
        }
    }
}

#[test]
fn overrides_replace_the_jobs_settings_and_no_operators() {
    let own = "    key: origin\n    parallelism: 3";
    let overrides = Overrides { parallelism: Some(5), epoch: Some(Duration::from_millis(10)) };
    let plan = run(&edited(&[("    key: origin", own)]), &overrides).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(plan.epoch, Duration::from_millis(10));
    let parallelism: Vec<_> = plan.operators.iter().map(|op| (op.name.as_str(), op.parallelism)).collect();
    assert_eq!(parallelism, [("departures", 5), ("clean", 5), ("hourly", 3), ("result", 3)]);
}
