//! What is wrong with a file by itself: YAML, keys, kinds, ranges.

use crate::support::{edits, problems};
use insta::assert_snapshot;
use wasmill_core::job::{FILE_BYTES_MAX, LIMITS, parse};

#[test]
fn yaml_that_is_none() {
    assert_snapshot!(problems("job: a\n  sources: b\n"), @r#"
    job.yaml:2:10: error[yaml-syntax]: mapping values are not allowed in this context
    "#);
    assert_snapshot!(problems("job: [a\n"), @r#"
    job.yaml:2:1: error[yaml-syntax]: while parsing a flow sequence, expected ',' or ']'
    "#);
    assert_snapshot!(problems(""), @r#"
    job.yaml:1:1: error[empty-file]: the job file is empty
      help: a job needs at least the keys `job`, `sources` and `sinks`
    "#);
    assert_snapshot!(problems("# only a comment\n"), @r#"
    job.yaml:1:1: error[empty-file]: the job file is empty
      help: a job needs at least the keys `job`, `sources` and `sinks`
    "#);
    assert_snapshot!(problems("- job\n"), @r#"
    job.yaml:1:1: error[wrong-kind]: the job must be a map, found a list
      help: its keys are `job`, `parallelism`, `epoch`, `drain_timeout`, `key_groups`, `metrics`, `limits`, `modules`, `sources`, `functions`, `sinks`
    "#);
    assert_snapshot!(problems("just words\n"), @r#"
    job.yaml:1:1: error[wrong-kind]: the job must be a map, found the text "just words"
      help: its keys are `job`, `parallelism`, `epoch`, `drain_timeout`, `key_groups`, `metrics`, `limits`, `modules`, `sources`, `functions`, `sinks`
    "#);
    assert_snapshot!(problems("job: a\n---\njob: b\n"), @r#"
    job.yaml:2:1: error[yaml-document]: a job file holds one document, here starts another
      help: put each job into a file of its own
    "#);
}

#[test]
fn bombs() {
    assert_snapshot!(problems(&"#".repeat(FILE_BYTES_MAX + 1)), @r#"
    job.yaml: error[file-too-large]: the job file has 1048577 bytes, at most 1MiB are allowed
    "#);
    assert_snapshot!(problems(&format!("job: {}", "[".repeat(100))), @r#"
    job.yaml:1:21: error[too-deep]: maps and lists are nested more than 16 deep
    "#);
    assert_snapshot!(problems(&"- ".repeat(100_000)), @r#"
    job.yaml:1:33: error[too-deep]: maps and lists are nested more than 16 deep
    "#);
    let laughs = "job: &a x\nsources: &b [*a, *a]\nsinks: [*b, *b]\n";
    assert_snapshot!(problems(laughs), @r#"
    job.yaml:1:6: error[yaml-anchor]: anchors and aliases are not allowed in a job file
      help: write the value out where it is needed
    job.yaml:2:10: error[yaml-anchor]: anchors and aliases are not allowed in a job file
      help: write the value out where it is needed
    job.yaml:2:10: error[wrong-kind]: `sources`: expected a map from names to sources, found a list
    job.yaml:2:14: error[yaml-anchor]: anchors and aliases are not allowed in a job file
      help: write the value out where it is needed
    job.yaml:2:18: error[yaml-anchor]: anchors and aliases are not allowed in a job file
      help: write the value out where it is needed
    job.yaml:3:8: error[wrong-kind]: `sinks`: expected a map from names to sinks, found a list
    job.yaml:3:9: error[yaml-anchor]: anchors and aliases are not allowed in a job file
      help: write the value out where it is needed
    job.yaml:3:13: error[yaml-anchor]: anchors and aliases are not allowed in a job file
      help: write the value out where it is needed
    "#);
    assert_snapshot!(edits(&[("job: hourly-delays", "job: !!str hourly-delays")]), @r#"
    job.yaml:1:6: error[yaml-tag]: tags are not allowed in a job file
      help: leave the tag out; put text that looks like a number into quotes
    "#);
}

/// Files of the largest size whose every part is wrong: the work per part must not grow with them.
#[test]
fn hostile_files_are_refused_quickly() {
    let keys: String = (0..50_000).map(|i| format!("nonsense-{i}: 1\n")).collect();
    let names = |i: usize| format!("[{}]", vec![format!("unknown-{i}"); 1000].join(","));
    let sinks: String = (0..60).map(|i| format!("  s{i}: {{ connector: stdout, input: {} }}\n", names(i))).collect();
    let many: String = (0..900).map(|i| format!("  t{i}: {{ connector: stdout, input: a }}\n")).collect();
    let source = "job: a\nsources: { a: { connector: stdin, format: csv, schema: { a: string } } }\nsinks:\n";
    for text in [keys, format!("{source}{sinks}{many}")] {
        assert!(text.len() < FILE_BYTES_MAX);
        assert!(problems(&text).lines().last().is_some_and(|line| line.starts_with("job.yaml: and ")));
    }
}

#[test]
fn more_problems_than_anybody_reads_are_counted() {
    let keys: String = (0..1000).map(|i| format!("nonsense-{i}: 1\n")).collect();
    let rendered = problems(&keys);
    assert_eq!(rendered.matches("error[unknown-key]").count(), 200);
    assert!(rendered.ends_with("job.yaml: and 802 more\n"), "{}", &rendered[rendered.len() - 200..]);
}

#[test]
fn keys() {
    assert_snapshot!(edits(&[("parallelism:", "paralelism:")]), @r#"
    job.yaml:2:1: error[unknown-key]: the job has no key `paralelism`
      help: did you mean `parallelism`?
    "#);
    assert_snapshot!(edits(&[("    module: flights\n    input: departures", "    modul: flights\n    input: departures")]), @r#"
    job.yaml:13:5: error[unknown-key]: function `clean` has no key `modul`
      help: did you mean `module`?
    "#);
    assert_snapshot!(edits(&[("parallelism: 2", "parallelism: 2\nparallelism: 3")]), @r#"
    job.yaml:3:1: error[duplicate-key]: `parallelism` stands twice in this map, first in line 2
      help: remove one of the two
    "#);
    assert_snapshot!(edits(&[("    path: out/hourly\n    format: csv\n", "")]), @r#"
    job.yaml:21:3: error[missing-key]: sink `result` needs the key `format`
    job.yaml:21:3: error[missing-key]: sink `result` needs the key `path`
    "#);
    assert_snapshot!(edits(&[("    input: departures\n", "    zzz: 1\n")]), @r#"
    job.yaml:12:3: error[missing-key]: function `clean` needs the key `input`
    job.yaml:14:5: error[unknown-key]: function `clean` has no key `zzz`
      help: the keys are `module`, `function`, `input`, `key`, `on_error`, `parallelism`, `config`
    "#);
    assert_snapshot!(edits(&[("job: hourly-delays", "[a]: hourly-delays")]), @r#"
    job.yaml:1:1: error[wrong-kind]: a key must be a name, found a list
    job.yaml:1:1: error[missing-key]: the job needs the key `job`
    "#);
    assert_snapshot!(problems("job: a\n"), @r#"
    job.yaml:1:1: error[missing-key]: the job needs the key `sources`
    "#);
    assert_snapshot!(edits(&[("column: date, max_delay: 5m", "colum: date, delay: 5m, every: 0")]), @r#"
    job.yaml:10:19: error[unknown-key]: `event_time` has no key `colum`
      help: did you mean `column`?
    job.yaml:10:32: error[unknown-key]: `event_time` has no key `delay`
      help: the keys are `column`, `max_delay`, `every`, `idle_timeout`
    job.yaml:10:50: error[out-of-range]: `every`: 0 is out of range, it must be from 1 to 1000000000
    "#);
}

#[test]
fn keys_that_do_not_go_together() {
    let stdin = "connector: stdin\n    format: csv\n    parallelism: 2";
    assert_snapshot!(edits(&[("connector: file\n    path: data", &format!("{stdin}\n    path: data"))]), @r#"
    job.yaml:9:18: error[out-of-range]: `parallelism`: source `departures` reads stdin, its parallelism can only be 1
    job.yaml:10:5: error[unexpected-key]: source `departures` cannot have the key `path`: connector `stdin` has none
      help: remove it
    "#);
    assert_snapshot!(edits(&[("connector: file\n    path: out/hourly", "connector: stdout\n    path: x\n    roll: {}")]), @r#"
    job.yaml:23:5: error[unexpected-key]: sink `result` cannot have the key `path`: connector `stdout` writes no files
      help: remove it
    job.yaml:24:5: error[unexpected-key]: sink `result` cannot have the key `roll`: connector `stdout` writes no files
      help: remove it
    "#);
    assert_snapshot!(edits(&[("flights-*.ndjson.gz", "flights-*.json.gz")]), @r#"
    job.yaml:6:3: error[missing-key]: source `departures` needs the key `format`
    "#);
}

#[test]
fn kinds() {
    let kinds = [
        ("parallelism: 2", "parallelism: two"),
        ("  flights: target/wasmill/flights.wasm", "  flights: [target]"),
        ("path: data/flights-*.ndjson.gz", "path: 7"),
        ("input: departures", "input: { a: b }"),
        ("config: { max_delay: 1440 }", "config: { max_delay: [1] }"),
        ("key: origin", "key: []"),
        ("input: hourly", "input:"),
    ];
    assert_snapshot!(edits(&kinds), @r#"
    job.yaml:2:14: error[wrong-kind]: `parallelism`: expected a whole number, found the text "two"
    job.yaml:4:12: error[wrong-kind]: `flights`: expected text, found a list
    job.yaml:8:11: error[wrong-kind]: `path`: expected text, found `7`
      help: put it into quotes to make it text
    job.yaml:14:12: error[missing-key]: `input` needs the key `left`
    job.yaml:14:12: error[missing-key]: `input` needs the key `right`
    job.yaml:14:14: error[unknown-key]: `input` has no key `a`
      help: the keys are `left`, `right`
    job.yaml:15:26: error[wrong-kind]: `max_delay`: expected a single value, found a list
    job.yaml:19:10: error[out-of-range]: `key`: the list has 0 names, it must have from 1 to 1000
    job.yaml:25:10: error[wrong-kind]: `input`: expected text, found nothing
    "#);
    assert_snapshot!(edits(&[("config: { max_delay: 1440 }", "config: 5")]), @r#"
    job.yaml:15:13: error[wrong-kind]: `config`: expected a map from settings to values, found `5`
    "#);
    assert_snapshot!(problems("job: a\nsources: [a]\nfunctions: 3\nsinks:\n  a: 1\n"), @r#"
    job.yaml:2:10: error[wrong-kind]: `sources`: expected a map from names to sources, found a list
    job.yaml:3:12: error[wrong-kind]: `functions`: expected a map from names to functions, found `3`
    job.yaml:5:6: error[wrong-kind]: sink `a` must be a map, found `1`
      help: its keys are `connector`, `path`, `format`, `input`, `roll`, `mode`, `key`, `every`, `op`, `parallelism`
    "#);
    assert_snapshot!(problems("job: a\nlimits: 3\nsources: { a: { connector: file, path: '', schema: [a] } }\nsinks:\n"), @r#"
    job.yaml:1:1: error[no-sink]: job has no sink: nothing would come out of it
      help: add one under `sinks`; connector `blackhole` drops every row
    job.yaml:2:9: error[wrong-kind]: `limits` must be a map, found `3`
      help: its keys are `memory`, `batch_rows`, `batch_bytes`, `deadline`, `deadline_per_row`, `effects`, `log_line`, `log_lines_per_second`, `module`, `compile_time`, `state_cache`, `outbox`, `replays`, `timer_rounds`
    job.yaml:3:40: error[bad-value]: `path`: the text is empty
    job.yaml:3:52: error[wrong-kind]: `schema`: expected a map from column names to types, found a list
    "#);
}

#[test]
fn values() {
    let values = [
        ("job: hourly-delays", "job: Hourly Delays"),
        ("parallelism: 2", "parallelism: 257\nepoch: 5ms\ndrain_timeout: 30\nkey_groups: -1"),
        ("connector: file\n    path: data", "connector: flie\n    path: data"),
        ("format: csv", "format: xml"),
        ("delay: \"int32?\", distance: int32", "delay: integer, distance: int23?"),
        ("max_delay: 5m", "max_delay: 1.5m"),
        ("    input: clean.out", "    input: clean.out\n    on_error: ignore"),
        ("  clean:", "  Clean:"),
        ("input: clean.out", "input: Clean.out"),
        ("input: hourly", "input: hourly\n    roll: { bytes: 1GB, age: 0s }"),
    ];
    assert_snapshot!(edits(&values), @r#"
    job.yaml:1:6: error[bad-name]: `job`: `Hourly Delays` is not a valid name
      help: a name starts with a lower-case letter or a digit, goes on with lower-case letters, digits, `_` and `-`, and has at most 64 characters
    job.yaml:2:14: error[out-of-range]: `parallelism`: 257 is out of range, it must be from 1 to 256
    job.yaml:3:8: error[out-of-range]: `epoch`: 5ms is out of range, it must be from 10ms to 1h
    job.yaml:4:16: error[bad-value]: `drain_timeout`: "30" is not a duration: write a whole number and a unit (us, ms, s, m or h), for example 200ms
    job.yaml:5:13: error[out-of-range]: `key_groups`: -1 is out of range, it must be from 1 to 32768
    job.yaml:10:16: error[unknown-value]: `connector`: `flie` is not one of `file`, `stdin`, `generator`
      help: did you mean `file`?
    job.yaml:12:39: error[unknown-type]: `delay`: `integer` is not a type
      help: the types are `bool`, `int8`, `int16`, `int32`, `int64`, `uint8`, `uint16`, `uint32`, `uint64`, `float32`, `float64`, `string`, `bytes`, `timestamp`, `date`, `decimal`, `list`, `struct`
    job.yaml:12:58: error[unknown-type]: `distance`: `int23` is not a type
      help: did you mean `int32`?
    job.yaml:13:44: error[bad-value]: `max_delay`: "1.5m" is not a duration: write a whole number and a unit (us, ms, s, m or h), for example 200ms
    job.yaml:15:3: error[bad-name]: `functions`: `Clean` is not a valid name
      help: a name starts with a lower-case letter, goes on with lower-case letters, digits, `_` and `-`, and has at most 64 characters
    job.yaml:15:3: error[ambiguous-function]: module `flights` has several functions and none is called `Clean`
      help: say which with `function`: did you mean `clean`?
    job.yaml:22:15: error[unknown-value]: `on_error`: `ignore` is not one of `fail`, `skip`, `dead-letter`
    job.yaml:28:13: error[unknown-value]: `format`: `xml` is not one of `ndjson`, `csv`, `parquet`, `avro`
    job.yaml:30:20: error[bad-value]: `bytes`: "1GB" is not a size: write a whole number of bytes, or one with a unit (KiB, MiB or GiB), for example 64MiB
    job.yaml:30:30: error[out-of-range]: `age`: 0s is out of range, it must be from 1s to 8784h
    "#);
    assert_snapshot!(edits(&[("{ date: timestamp, delay: \"int32?\", distance: int32, origin: string, destination: string }", "{}")]), @r#"
    job.yaml:9:13: error[out-of-range]: `schema`: 0 columns, it must have from 1 to 1024
    "#);
}

#[test]
fn limits() {
    let limits = "parallelism: 2\nlimits: { memroy: 1MiB, batch_rows: 0, deadline: 50, log_line: 1, outbox: 8GiB, module: { a: b } }";
    assert_snapshot!(edits(&[("parallelism: 2", limits)]), @r#"
    job.yaml:3:11: error[unknown-key]: `limits` has no key `memroy`
      help: did you mean `memory`?
    job.yaml:3:37: error[out-of-range]: `batch_rows`: 0 is out of range, it must be from 1 to 1048576
    job.yaml:3:50: error[bad-value]: `deadline`: "50" is not a duration: write a whole number and a unit (us, ms, s, m or h), for example 200ms
    job.yaml:3:64: error[out-of-range]: `log_line`: 1 is out of range, it must be from 64 to 1MiB
    job.yaml:3:75: error[out-of-range]: `outbox`: 8GiB is out of range, it must be from 1MiB to 4GiB
    job.yaml:3:89: error[wrong-kind]: `module`: expected a size such as `64MiB`, found a map
    "#);
}

#[test]
fn every_limit_is_read_at_its_bounds_and_refused_beyond() {
    let text = |key: &str, value: &str| {
        "job: a\nsources: { a: { connector: stdin, format: csv, schema: { a: string } } }\n\
         sinks: { b: { connector: stdout, input: a } }\nlimits: { KEY: VALUE }\n"
            .replace("KEY", key)
            .replace("VALUE", value)
    };
    for limit in LIMITS {
        for bound in [limit.min, limit.max] {
            let spec = parse(&text(limit.key, &limit.unit.format(bound))).unwrap_or_else(|p| panic!("{p}"));
            assert_eq!(limit.get(&spec.limits), bound, "{}", limit.key);
        }
        let beyond = [limit.min.checked_sub(1), limit.max.checked_add(1)];
        for value in beyond.into_iter().flatten() {
            let problems = parse(&text(limit.key, &limit.unit.format(value))).expect_err(limit.key);
            assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["out-of-range"], "{}", limit.key);
        }
    }
}

#[test]
fn names_are_unique_across_sections() {
    assert_snapshot!(edits(&[("  result:", "  departures:"), ("    input: hourly\n", "    input: clean.late\n")]), @r#"
    job.yaml:21:3: error[duplicate-name]: `departures` names a source in line 6 and a sink here
      help: operators need different names: their state is found by them
    "#);
    let many: String = (0..1001).map(|i| format!("  s{i}: {{ connector: stdout, input: departures }}\n")).collect();
    let many_modules: String = (0..1001).map(|i| format!("  m{i}: m.wasm\n")).collect();
    assert_snapshot!(edits(&[("modules:\n", &format!("modules:\n{many_modules}"))]), @r#"
    job.yaml:1004:3: error[too-many-modules]: the job has 1002 modules, at most 1000 are allowed
    "#);
    assert_snapshot!(edits(&[("input: hourly", &format!("input: [{}]", "a, ".repeat(1001)))]), @r#"
    job.yaml:25:12: error[out-of-range]: `input`: the list has 1001 names, it must have from 1 to 1000
    "#);
    assert_snapshot!(edits(&[("sinks:\n", &format!("sinks:\n{many}"))]), @r#"
    job.yaml:1018:3: error[too-many-operators]: the job has 1005 operators, at most 1000 are allowed
    "#);
}
