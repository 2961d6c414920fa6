//! Parquet in and out through the binary: files of other engines, rolled files, and every place at
//! which the process can die while a file is closed.

use serde_json::json;
use std::fs;
use wasmill_tests::{Running, TestJob, root};

const COLUMNS: &str = "{ id: int64, day: date?, price: \"decimal(20,2)?\", tags: \"list<string?>?\" }";

fn data(name: &str) -> std::path::PathBuf {
    root().join("tests/data/parquet").join(name)
}

/// From files to files, without a function.
fn copying(name: &str, source: &str, sink: &str) -> TestJob {
    TestJob::new(&format!(
        "job: {name}
epoch: 20ms
sources:
  rows: {{ connector: file, path: {source}, schema: {COLUMNS} }}
sinks:
  out: {{ connector: file, path: out, input: rows, {sink} }}
"
    ))
}

fn names(job: &TestJob) -> Vec<String> {
    let entries = fs::read_dir(job.path("out")).expect("the sink made it").map(|e| e.expect("an entry").file_name());
    let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What another job reads in a Parquet sink's directory, as lines.
fn read_back(job: &TestJob) -> Vec<String> {
    let reader = copying("back", &job.path("out/*.parquet").display().to_string(), "format: ndjson");
    reader.run(&[]).ok();
    assert_eq!(reader.dead_letters("back"), Vec::<serde_json::Value>::new());
    reader.parts("out").concat().lines().map(str::to_owned).collect()
}

fn made_row(id: u64) -> String {
    let tags = if id.is_multiple_of(3) { "null".to_owned() } else { format!("[\"t{id}\",null]") };
    format!(r#"{{"id":{id},"day":"2001-01-{:02}","price":{id}.05,"tags":{tags}}}"#, id % 28 + 1)
}

fn made_rows(count: u64) -> Vec<String> {
    (0..count).map(made_row).collect()
}

#[test]
fn files_of_other_engines_are_read_and_rows_with_holes_are_dead() {
    for engine in ["pyarrow", "duckdb"] {
        let job = TestJob::new(&format!(
            "job: holes
sources:
  rows: {{ connector: file, path: {path}, schema: {{ price: \"decimal(20,2)\", id: int64 }} }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: rows }}
",
            path = data(&format!("{engine}.parquet")).display()
        ));
        job.run(&[]).ok();
        let rows = job.csv_rows("out");
        assert_eq!(rows.len(), 8, "{engine}: {rows:?}");
        assert!(rows.contains(&"1111111101111111.03,9".to_owned()), "{rows:?}");
        let letters = job.dead_letters("holes");
        let lines: Vec<_> = letters.iter().map(|l| l["at"]["line"].clone()).collect();
        assert_eq!(lines, [json!(4), json!(8)], "{engine}");
        assert_eq!(letters[0]["bytes"], json!(r#"{"price":null,"id":3}"#));
    }
}

#[test]
fn rolled_files_hold_each_row_once() {
    let rows = made_rows(20_000);
    let job = copying("rolled", "in.ndjson, rate: 60000", "format: parquet, roll: { bytes: 64KiB }");
    job.write("in.ndjson", rows.join("\n"));
    job.run(&[]).ok();
    let names = names(&job);
    assert!(names.len() > 2, "{names:?}");
    assert!(names.iter().all(|name| name.ends_with(".parquet")), "{names:?}");
    assert_eq!(read_back(&job), rows);
    // A job that is started again goes on with a new file, wherever the former ones have gone.
    fs::remove_file(job.path("out").join(&names[0])).expect("it was there");
    job.write("more.ndjson", made_row(7));
    let yaml = fs::read_to_string(job.path("job.yaml")).expect("there").replace("in.ndjson", "./*.ndjson");
    job.write("job.yaml", yaml);
    job.run(&[]).ok();
    let back = read_back(&job);
    assert_eq!(back.last(), Some(&made_row(7)));
}

#[test]
fn a_crash_at_every_point_leaves_each_row_in_one_file() {
    let rows = made_rows(20_000);
    for point in [
        "close.before@1",
        "close.before@3",
        "close.after@1",
        "close.after@2",
        "publish.before@2",
        "publish.half@2",
        "publish.half@4",
        "publish.after@3",
        "commit.synced@3",
        "finish.before@1",
        "finish.after@1",
    ] {
        let job = copying("killed", "in.ndjson, rate: 60000", "format: parquet, roll: { bytes: 128KiB }");
        job.write("in.ndjson", rows.join("\n"));
        let mut command = job.command(&["--quiet"]);
        command.env("WASMILL_FAILPOINTS", point);
        let died = Running::start(command).wait().expect("it ends in time");
        assert_eq!(died.code(), None, "{point} was not reached: {}", died.stderr);
        // What is closed can be read at any time, and is a part of the whole.
        if names(&job).iter().any(|name| name.ends_with(".parquet") && !name.starts_with('.')) {
            let part = read_back(&job);
            assert!(rows.starts_with(&part), "{point}: {} rows are no start of the input", part.len());
        }
        job.run(&[]).ok();
        assert_eq!(read_back(&job), rows, "{point}");
        assert!(names(&job).iter().all(|name| name.ends_with(".parquet")), "{point}: {:?}", names(&job));
    }
}

#[test]
fn a_parquet_source_goes_on_at_the_row_where_it_was_killed() {
    let rows = made_rows(20_000);
    let made = copying("made", "in.ndjson", "format: parquet, roll: { bytes: 256KiB }");
    made.write("in.ndjson", rows.join("\n"));
    made.run(&[]).ok();
    let source = made.path("out/*.parquet").display().to_string();
    for point in ["commit.synced@2", "publish.half@3", "subtask.barrier@4", "commit.before@5"] {
        let job = copying("resumed", &source, "format: ndjson");
        let yaml = fs::read_to_string(job.path("job.yaml")).expect("there");
        // Slow enough for several epochs.
        job.write("job.yaml", yaml.replace("schema:", "rate: 100000, schema:"));
        let mut command = job.command(&["--quiet"]);
        command.env("WASMILL_FAILPOINTS", point);
        let died = Running::start(command).wait().expect("it ends in time");
        assert_eq!(died.code(), None, "{point} was not reached: {}", died.stderr);
        job.run(&[]).ok();
        assert_eq!(job.parts("out").concat().lines().collect::<Vec<_>>(), rows, "{point}");
    }
}
