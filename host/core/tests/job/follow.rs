//! `follow` and `idle_timeout` of a source.

use super::support::run;
use std::time::Duration;
use wasmill_core::job::Overrides;
use wasmill_core::plan::{Format, OperatorKind, Source, SourceConnector};

fn text(source: &str) -> String {
    let time = "event_time: { column: at, idle_timeout: 5s }";
    format!(
        "job: logs
sources: {{ log: {{ {source}, schema: {{ at: timestamp }}, {time} }} }}
sinks: {{ out: {{ connector: blackhole, input: log }} }}"
    )
}

fn source(source: &str) -> Source {
    let plan = run(&text(source), &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"));
    let OperatorKind::Source(source) = &plan.operators[0].kind else { panic!("sources come first") };
    source.clone()
}

#[track_caller]
fn refused(source: &str, why: &str) {
    let problems = run(&text(source), &Overrides::default()).expect_err("it must be refused");
    assert!(problems.contains(why), "{problems}");
}

#[test]
fn a_source_follows_its_files_when_it_says_so() {
    let followed = source("connector: file, path: a.ndjson, follow: true");
    assert_eq!(followed.connector, SourceConnector::Follow { path: "a.ndjson".into() });
    let idle = followed.event_time.and_then(|e| e.idle_timeout);
    assert_eq!(idle, Some(Duration::from_secs(5)));
    let read = source("connector: file, path: a.ndjson.gz, follow: false");
    assert_eq!(read.connector, SourceConnector::File { path: "a.ndjson.gz".into() });
}

#[test]
fn whole_files_are_no_streams() {
    assert_eq!(source("connector: file, path: a.parquet").format, Format::Parquet);
    refused(
        "connector: stdin, format: parquet",
        "error[whole-files]: `format`: connector `stdin` cannot have `parquet`",
    );
    assert_eq!(source("connector: file, path: a.avro.gz").format, Format::Avro);
    refused("connector: stdin, format: avro", "error[whole-files]: `format`: connector `stdin` cannot have `avro`");
    refused("connector: file, path: a.parquet.gz", "error[whole-files]: `path`: a Parquet file is read from its end");
}

#[test]
fn what_cannot_be_followed_is_refused() {
    refused("connector: file, path: a.ndjson.gz, follow: true", "a compressed file cannot be followed");
    refused("connector: file, path: a.csv, follow: true", "CSV cannot be followed");
    refused("connector: file, path: a.parquet, follow: true", "Parquet cannot be followed");
    refused("connector: file, path: a.avro, follow: true", "Avro cannot be followed");
    refused("connector: file, path: a.ndjson, follow: perhaps", "`true` or `false`");
    refused("connector: stdin, format: ndjson, follow: true", "cannot have the key `follow`");
}
