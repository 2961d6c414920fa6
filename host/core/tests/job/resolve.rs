//! What is wrong only when operators, modules and schemas meet.

use crate::support::{edited, manifests};
use crate::support::{edits, problems, run};
use insta::assert_snapshot;
use std::time::Duration;
use wasmill_core::job::{self, Overrides, Problem};

#[test]
fn modules_and_functions() {
    assert_snapshot!(edits(&[("module: flights\n    input: departures", "module: flihgts\n    input: departures")]), @r#"
    job.yaml:13:13: error[unknown-module]: there is no module `flihgts`, the modules are `flights`
      help: did you mean `flights`?
    "#);
    assert_snapshot!(edits(&[("    input: departures", "    function: claen\n    input: departures")]), @r#"
    job.yaml:14:15: error[unknown-function]: module `flights` has no function `claen`, its functions are `clean`, `hourly`, `routes`, `notify`
      help: did you mean `clean`?
    "#);
    assert_snapshot!(edits(&[("  clean:", "  scrub:"), ("input: clean.out", "input: scrub")]), @r#"
    job.yaml:12:3: error[ambiguous-function]: module `flights` has several functions and none is called `scrub`
      help: say which with `function`: `clean`, `hourly`, `routes`, `notify`
    "#);
}

#[test]
fn inputs() {
    assert_snapshot!(edits(&[("input: departures", "input: [departure, result]")]), @r#"
    job.yaml:14:13: error[unknown-input]: there is no operator `departure`, the sources and functions are `departures`, `clean`, `hourly`
      help: did you mean `departures`?
    job.yaml:14:24: error[unknown-input]: `result` is a sink, nothing can be read from it
      help: read what the sink reads
    "#);
    assert_snapshot!(edits(&[("input: clean.out", "input: clean.outt")]), @r#"
    job.yaml:18:12: error[unknown-output]: `clean` has no output `outt`, its outputs are `late`, `out`
      help: did you mean `out`?
    "#);
    assert_snapshot!(edits(&[("input: departures", "input: departures.late")]), @r#"
    job.yaml:14:12: error[unknown-output]: `departures` has no output `late`, its outputs are `out`
    "#);
    assert_snapshot!(edits(&[("input: departures", "input: [departures, departures.out]")]), @r#"
    job.yaml:14:25: error[duplicate-input]: `clean` reads this output twice
      help: name it once
    "#);
    let routes = "  routes: { module: flights, input: departures, key: [origin, destination] }\nsinks:";
    assert_snapshot!(edits(&[("sinks:", routes), ("input: hourly", "input: routes")]), @r#"
    job.yaml:26:12: error[ambiguous-output]: `routes` has several outputs and none is called `out`
      help: say which: `routes.short`, `routes.long`
    "#);
    let notify = "  notify: { module: single, input: departures }\nsinks:";
    let parts = [("sinks:", notify), ("input: hourly", "input: notify"), ("modules:", "modules:\n  single: a.wasm")];
    assert_snapshot!(edits(&parts), @r#"
    job.yaml:27:12: error[unknown-output]: `notify` has no output, nothing can be read from it
    "#);
}

#[test]
fn unions() {
    assert_snapshot!(edits(&[("input: hourly", "input: [clean.late, hourly, clean.out]")]), @r#"
    job.yaml:25:25: error[union-mismatch]: the inputs of `result` differ: `clean.late` has the columns (origin: string, delay: int32), `hourly` has (origin: string, hour: timestamp, flights: uint32, delay: int64)
      help: a union needs the same columns, with the same types, in the same order
    job.yaml:25:33: error[union-mismatch]: the inputs of `result` differ: `clean.late` has the columns (origin: string, delay: int32), `clean.out` has (date: timestamp, origin: string, delay: int32)
      help: a union needs the same columns, with the same types, in the same order
    "#);
    let cancelled = "  cancelled:\n    connector: stdin\n    format: csv\n    schema: { date: timestamp, delay: int32?, \
                     distance: int32, origin: string, destination: string }\nfunctions:";
    let parts = [("functions:", cancelled), ("input: departures", "input: [departures, cancelled]")];
    assert_snapshot!(edits(&parts), @r#"
    job.yaml:18:25: error[event-time-mismatch]: `clean` unites `departures`, which has event time, with `cancelled`, which has none
      help: give both sources an `event_time`, or neither
    "#);
}

#[test]
fn columns() {
    assert_snapshot!(edits(&[("delay: \"int32?\"", "dealy: int32"), ("date: timestamp", "date: string?"), ("origin: string", "origin: string?")]), @r#"
    job.yaml:10:27: error[type-mismatch]: event time must be a `timestamp` column without `?`, but the schema says `date: string?`
      help: declare it as `date: timestamp`, or take another column
    job.yaml:14:12: error[nullable-column]: function `clean` reads `origin: string`, but `departures` has `origin: string?`
      help: values may be missing: make the field an `Option` in the function, or leave the rows without a value out before
    job.yaml:14:12: error[type-mismatch]: function `clean` reads `date: timestamp`, but `departures` has `date: string?`
    job.yaml:14:12: error[missing-column]: function `clean` needs the column `delay: int32?`, but `departures` has only (date: string?, dealy: int32, distance: int32, origin: string?, destination: string)
      help: did you mean `dealy`?
    "#);
    assert_snapshot!(edits(&[("date: timestamp", "date: timestamp?")]), @r#"
    job.yaml:10:27: error[nullable-column]: event time must be a `timestamp` column without `?`, but the schema says `date: timestamp?`
      help: declare it as `date: timestamp`, or take another column
    job.yaml:14:12: error[nullable-column]: function `clean` reads `date: timestamp`, but `departures` has `date: timestamp?`
      help: values may be missing: make the field an `Option` in the function, or leave the rows without a value out before
    "#);
    assert_snapshot!(edits(&[("column: date", "column: dat")]), @r#"
    job.yaml:10:27: error[unknown-column]: the schema of `departures` has no column `dat`, its columns are `date`, `delay`, `distance`, `origin`, `destination`
      help: did you mean `date`?
    "#);
    assert_snapshot!(edits(&[("column: date", "column: origin")]), @r#"
    job.yaml:10:27: error[type-mismatch]: event time must be a `timestamp` column without `?`, but the schema says `origin: string`
      help: declare it as `origin: timestamp`, or take another column
    "#);
}

#[test]
fn keys() {
    assert_snapshot!(edits(&[("    key: origin\n", "")]), @r#"
    job.yaml:16:3: error[key-required]: function `hourly` calls the keyed `hourly` and needs a `key`
      help: name the columns for its key (airport: string)
    "#);
    assert_snapshot!(edits(&[("    key: origin\n", "    kye: origin\n")]), @r#"
    job.yaml:19:5: error[unknown-key]: function `hourly` has no key `kye`
      help: did you mean `key`?
    "#);
    assert_snapshot!(edits(&[("    input: departures", "    key: origin\n    input: departures")]), @r#"
    job.yaml:14:10: error[key-refused]: function `clean` works on rows one by one and takes no `key`
      help: remove `key`
    "#);
    assert_snapshot!(edits(&[("key: origin", "key: [origin, delay]")]), @r#"
    job.yaml:19:10: error[key-mismatch]: `key` has 2 columns, function `hourly` has a key of 1
      help: name one column for each of (airport: string)
    "#);
    assert_snapshot!(edits(&[("key: origin", "key: orign")]), @r#"
    job.yaml:19:10: error[unknown-column]: `clean.out` has no column `orign`, its columns are `date`, `origin`, `delay`
      help: did you mean `origin`?
    "#);
    assert_snapshot!(edits(&[("key: origin", "key: [delay]")]), @r#"
    job.yaml:19:11: error[type-mismatch]: the key needs `airport: string`, but `clean.out` has `delay: int32`
    "#);
    let routes = |key: &str| format!("  routes: {{ module: flights, input: departures, key: {key} }}\nsinks:");
    assert_snapshot!(edits(&[("sinks:", &routes("[origin, origin]"))]), @r#"
    job.yaml:20:63: error[duplicate-column]: `origin` stands twice in the key
    "#);
    assert_snapshot!(edits(&[("sinks:", &routes("[origin, destination]")), ("destination: string", "destination: string?")]), @r#"
    job.yaml:20:63: error[nullable-column]: the key needs `to: string`, but `departures` has `destination: string?`
      help: values may be missing: make the field an `Option` in the function, or leave the rows without a value out before
    "#);
}

#[test]
fn settings() {
    assert_snapshot!(edits(&[("{ max_delay: 1440 }", "{ max_dely: 1440 }")]), @r#"
    job.yaml:15:15: error[unknown-setting]: function `clean` has no setting `max_dely`, its settings are `max_delay`, `scale`, `label`, `strict`, `ratio`, `bytes`
      help: did you mean `max_delay`?
    "#);
    assert_snapshot!(edits(&[("    config: { max_delay: 1440 }\n", "")]), @r#"
    job.yaml:12:3: error[missing-setting]: function `clean` needs the setting `max_delay` (int16)
      help: add it to `config` of `clean`
    "#);
    let wrong = "{ max_delay: 32768, scale: x, label: 5, strict: 0, ratio: 1e39, bytes: -1, other: 1 }";
    assert_snapshot!(edits(&[("{ max_delay: 1440 }", wrong)]), @r#"
    job.yaml:15:26: error[out-of-range]: setting `max_delay` is 32768, int16 goes from -32768 to 32767
    job.yaml:15:40: error[type-mismatch]: setting `scale` must be float64, found the text "x"
    job.yaml:15:50: error[type-mismatch]: setting `label` must be string, found the whole number 5
      help: put the value into quotes to make it text
    job.yaml:15:61: error[type-mismatch]: setting `strict` must be bool, found the whole number 0
    job.yaml:15:71: error[out-of-range]: setting `ratio` is 1e39, float32 goes from -3.4028235e38 to 3.4028235e38
    job.yaml:15:84: error[out-of-range]: setting `bytes` is -1, uint64 goes from 0 to 18446744073709551615
    job.yaml:15:88: error[unknown-setting]: function `clean` has no setting `other`, its settings are `max_delay`, `scale`, `label`, `strict`, `ratio`, `bytes`
    "#);
    assert_snapshot!(edits(&[("{ max_delay: 1440 }", "{ max_delay: 1.5, scale: null, bytes: 18446744073709551616 }")]), @r#"
    job.yaml:15:26: error[type-mismatch]: setting `max_delay` must be int16, found the number 1.5
    job.yaml:15:38: error[type-mismatch]: setting `scale` must be float64, found nothing
    job.yaml:15:51: error[out-of-range]: setting `bytes` is 18446744073709551616, uint64 goes from 0 to 18446744073709551615
    "#);
}

#[test]
fn cycles() {
    let pair = "  a: { module: flights, function: clean, input: [departures, b], config: { max_delay: 1 } }\n  \
                b: { module: flights, function: clean, input: a, config: { max_delay: 1 } }\n  \
                c: { module: flights, function: clean, input: c, config: { max_delay: 1 } }\nsinks:";
    let parts = [("sinks:", pair), ("input: hourly", "input: [hourly, c]")];
    assert_snapshot!(edits(&parts), @r#"
    job.yaml:20:62: error[union-mismatch]: the inputs of `a` differ: `departures` has the columns (date: timestamp, delay: int32?, distance: int32, origin: string, destination: string), `b` has (date: timestamp, origin: string, delay: int32)
      help: a union needs the same columns, with the same types, in the same order
    job.yaml:20:62: error[cycle]: operators read from each other in a circle: a -> b -> a
      help: rows must flow from sources to sinks: remove one of these inputs
    job.yaml:22:49: error[cycle]: operators read from each other in a circle: c -> c
      help: rows must flow from sources to sinks: remove one of these inputs
    job.yaml:28:21: error[union-mismatch]: the inputs of `result` differ: `hourly` has the columns (origin: string, hour: timestamp, flights: uint32, delay: int64), `c` has (date: timestamp, origin: string, delay: int32)
      help: a union needs the same columns, with the same types, in the same order
    "#);
}

#[test]
fn sinks() {
    assert_snapshot!(problems("job: a\nsources: { a: { connector: stdin, format: csv, schema: { a: string } } }\nsinks:\n"), @r#"
    job.yaml:1:1: error[no-sink]: job has no sink: nothing would come out of it
      help: add one under `sinks`; connector `blackhole` drops every row
    "#);
    let second = "sinks:\n  again: { connector: file, path: ./out/x/../hourly/, format: ndjson, input: clean }";
    assert_snapshot!(edits(&[("sinks:", second)]), @r#"
    job.yaml:24:11: error[shared-directory]: sinks `again` and `result` write into the same directory out/hourly
      help: give each file sink a directory of its own
    "#);
}

#[test]
fn parallelism_and_overrides() {
    assert_snapshot!(edits(&[("parallelism: 2", "parallelism: 9\nkey_groups: 8")]), @r#"
    job.yaml:2:14: error[too-few-key-groups]: keyed function `hourly` has parallelism 9, but there are only 8 key groups
      help: lower the parallelism to 8 or less, or raise `key_groups`
    "#);
    assert_snapshot!(edits(&[("parallelism: 2", "key_groups: 8"), ("    key: origin", "    key: origin\n    parallelism: 16")]), @r#"
    job.yaml:20:18: error[too-few-key-groups]: keyed function `hourly` has parallelism 16, but there are only 8 key groups
      help: lower the parallelism to 8 or less, or raise `key_groups`
    "#);
    let run = |parallelism, epoch_ms: u64| {
        let overrides = Overrides { parallelism: Some(parallelism), epoch: Some(Duration::from_millis(epoch_ms)) };
        run(&edited(&[]), &overrides).expect_err("must be refused")
    };
    assert_snapshot!(run(129, 200), @r#"
    job.yaml: error[too-few-key-groups]: keyed function `hourly` has parallelism 129, but there are only 128 key groups
      help: lower the parallelism to 128 or less, or raise `key_groups`
    "#);
    assert_snapshot!(run(0, 5), @r#"
    job.yaml: error[out-of-range]: the parallelism given from outside of the file is 0, it must be from 1 to 256
    job.yaml: error[out-of-range]: the epoch given from outside of the file is 5ms, it must be from 10ms to 1h
    "#);
}

/// The caller says why a module is missing; nothing that follows from it is reported.
#[test]
fn a_missing_module_hides_only_what_depends_on_it() {
    let text = edited(&[("input: hourly", "input: [hourly, clane]"), ("column: date", "column: dat")]);
    let spec = job::parse(&text).unwrap_or_else(|p| panic!("{p}"));
    let mut problems = job::check(&spec, &Default::default(), &Overrides::default()).expect_err("no manifest");
    for (name, path, span) in spec.modules() {
        problems.push(Problem::new("bad-module", span, format!("module `{name}`: no file {}", path.display())));
    }
    assert_snapshot!(problems.render("job.yaml"), @r#"
    job.yaml:4:12: error[bad-module]: module `flights`: no file target/wasmill/flights.wasm
    job.yaml:10:27: error[unknown-column]: the schema of `departures` has no column `dat`, its columns are `date`, `delay`, `distance`, `origin`, `destination`
      help: did you mean `date`?
    job.yaml:25:21: error[unknown-input]: there is no operator `clane`, the sources and functions are `departures`, `clean`, `hourly`
      help: did you mean `clean`?
    "#);

    let spec = job::parse(&edited(&[])).unwrap_or_else(|p| panic!("{p}"));
    let problems = job::check(&spec, &Default::default(), &Overrides::default()).expect_err("no manifest");
    assert!(problems.is_empty(), "the caller knows what is wrong: {problems}");
}

#[test]
fn an_unused_module_may_be_missing() {
    let spec = job::parse(&edited(&[("modules:", "modules:\n  unused: x.wasm")])).unwrap_or_else(|p| panic!("{p}"));
    assert!(job::check(&spec, &manifests(), &Overrides::default()).is_ok());
}
