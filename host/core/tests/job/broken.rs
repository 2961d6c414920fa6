//! Many mistakes in one file: all are told at once, each in its place, none that follows from
//! another.

use crate::support::problems;
use insta::assert_snapshot;

#[test]
fn everything_at_once() {
    let text = "\
job: hourly-delays
epcoh: 200ms
modules:
  flights: flights.wasm
sources:
  departures:
    connector: file
    path: flights.ndjson
    schema: { date: timestamp, delay: int23, distance: int32, origin: string }
    event_time: { column: date }
  others:
    connector: file
    path: others.csv
    schema: { date: timestamp, delay: string, origin: string }
functions:
  clean:
    module: flights
    input: departures
    on_eror: skip
  scrub:
    module: flights
    function: clean
    input: others
    config: { max_delay: many }
  hourly:
    module: flights
    input: scrub
    key: [orgin]
sinks:
  result:
    connector: file
    format: csv
    input: houly
  late:
    connector: stdout
    input: clean.lat
";
    assert_snapshot!(problems(text), @r#"
    job.yaml:2:1: error[unknown-key]: the job has no key `epcoh`
      help: did you mean `epoch`?
    job.yaml:9:39: error[unknown-type]: `delay`: `int23` is not a type
      help: did you mean `int32`?
    job.yaml:19:5: error[unknown-key]: function `clean` has no key `on_eror`
      help: did you mean `on_error`?
    job.yaml:23:12: error[type-mismatch]: function `scrub` reads `delay: int32?`, but `others` has `delay: string`
    job.yaml:24:26: error[type-mismatch]: setting `max_delay` must be int16, found the text "many"
    job.yaml:28:11: error[unknown-column]: `scrub` has no column `orgin`, its columns are `date`, `origin`, `delay`
      help: did you mean `origin`?
    job.yaml:30:3: error[missing-key]: sink `result` needs the key `path`
    job.yaml:33:12: error[unknown-input]: there is no operator `houly`, the sources and functions are `departures`, `others`, `clean`, `scrub`, `hourly`
      help: did you mean `hourly`?
    job.yaml:36:12: error[unknown-output]: `clean` has no output `lat`, its outputs are `late`, `out`
      help: did you mean `late`?
    "#);
}

/// A typo in a section's name must not make every reference into it an error.
#[test]
fn a_misspelt_section_is_one_error() {
    let text = crate::support::edited(&[("functions:", "functons:")]);
    assert_snapshot!(problems(&text), @r#"
    job.yaml:11:1: error[unknown-key]: the job has no key `functons`
      help: did you mean `functions`?
    "#);
    let text = crate::support::edited(&[("modules:", "moduls:")]);
    assert_snapshot!(problems(&text), @r#"
    job.yaml:3:1: error[unknown-key]: the job has no key `moduls`
      help: did you mean `modules`?
    "#);
    let text = crate::support::edited(&[("sinks:", "snks:")]);
    assert_snapshot!(problems(&text), @r#"
    job.yaml:20:1: error[unknown-key]: the job has no key `snks`
      help: did you mean `sinks`?
    "#);
}
