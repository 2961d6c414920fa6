//! Avro in and out through the binary: files of another engine, rolled files, every place at which
//! the process can die, deaths at any time, and files that are damaged.

use serde_json::json;
use std::fs;
use wasmill_tests::{Running, TestJob, root, until};

const COLUMNS: &str = "{ id: int64, at: timestamp, day: date?, price: \"decimal(20,2)?\", name: string?, \
                       tags: \"list<string?>?\", address: \"struct<zip: string?, street: string?>?\" }";

/// From files to files, without a function, slow enough for several epochs.
fn copying(name: &str, source: &str, sink: &str) -> TestJob {
    TestJob::new(&format!(
        "job: {name}
epoch: 20ms
sources:
  rows: {{ connector: file, path: {source}, rate: 60000, schema: {COLUMNS} }}
sinks:
  out: {{ connector: file, path: out, input: rows, {sink} }}
"
    ))
}

/// What another job reads in an Avro sink's directory, as lines.
fn read_back(job: &TestJob) -> Vec<String> {
    let reader = copying("back", &job.path("out/*.avro").display().to_string(), "format: ndjson");
    reader.run(&[]).ok();
    assert_eq!(reader.dead_letters("back"), Vec::<serde_json::Value>::new());
    lines(&reader)
}

fn lines(job: &TestJob) -> Vec<String> {
    job.parts("out").concat().lines().map(str::to_owned).collect()
}

fn made_row(id: u64) -> String {
    let tags = if id.is_multiple_of(3) { "null".to_owned() } else { format!("[\"t{id}\",null]") };
    let address = if id.is_multiple_of(5) { "null".to_owned() } else { format!(r#"{{"zip":null,"street":"s{id}"}}"#) };
    let (second, day) = (id % 60, id % 28 + 1);
    format!(
        r#"{{"id":{id},"at":"2001-01-01T00:00:{second:02}Z","day":"2001-01-{day:02}","price":{id}.05,"name":"n{id}","tags":{tags},"address":{address}}}"#
    )
}

fn made_rows(count: u64) -> Vec<String> {
    (0..count).map(made_row).collect()
}

/// An Avro file with these rows, and its job, whose directory it lies in.
fn avro_file(rows: &[String]) -> (TestJob, std::path::PathBuf) {
    let job = copying("made", "in.ndjson", "format: avro");
    job.write("in.ndjson", rows.join("\n"));
    job.run(&[]).ok();
    let path = job.path("out/part-00000-00000.avro");
    (job, path)
}

fn die_at(job: &TestJob, point: &str) {
    let mut command = job.command(&["--quiet"]);
    command.env("WASMILL_FAILPOINTS", point);
    let died = Running::start(command).wait().expect("it ends in time");
    assert_eq!(died.code(), None, "{point} was not reached: {}", died.stderr);
}

#[test]
fn files_of_another_engine_are_read_and_rows_with_holes_are_dead() {
    for codec in ["null", "deflate", "snappy", "zstandard"] {
        let job = TestJob::new(&format!(
            "job: holes
sources:
  rows: {{ connector: file, path: {path}, schema: {{ price: \"decimal(20,2)\", id: int64 }} }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: rows }}
",
            path = root().join(format!("tests/data/avro/{codec}.avro")).display()
        ));
        job.run(&[]).ok();
        let rows = job.csv_rows("out");
        assert_eq!(rows.len(), 8, "{codec}: {rows:?}");
        assert!(rows.contains(&"1111111101111111.03,9".to_owned()), "{rows:?}");
        let letters = job.dead_letters("holes");
        let lines: Vec<_> = letters.iter().map(|l| l["at"]["line"].clone()).collect();
        assert_eq!(lines, [json!(4), json!(8)], "{codec}");
        assert_eq!(letters[0]["bytes"], json!(r#"{"price":null,"id":3}"#));
    }
}

#[test]
fn rolled_files_hold_each_row_once() {
    let rows = made_rows(20_000);
    let job = copying("rolled", "in.ndjson", "format: avro, roll: { bytes: 64KiB }");
    job.write("in.ndjson", rows.join("\n"));
    job.run(&[]).ok();
    let count = fs::read_dir(job.path("out")).expect("the sink made it").count();
    assert!(count > 2, "{count} files");
    assert_eq!(read_back(&job), rows);
}

#[test]
fn a_crash_at_every_point_leaves_each_row_in_one_file() {
    let rows = made_rows(20_000);
    for point in [
        "source.barrier@2",
        "subtask.barrier@3",
        "commit.before@2",
        "commit.synced@1",
        "commit.synced@3",
        "publish.before@2",
        "publish.half@1",
        "publish.half@4",
        "publish.after@3",
        "finish.before@1",
        "finish.after@1",
    ] {
        let job = copying("killed", "in.ndjson", "format: avro, roll: { bytes: 128KiB }");
        job.write("in.ndjson", rows.join("\n"));
        die_at(&job, point);
        job.run(&[]).ok();
        assert_eq!(read_back(&job), rows, "{point}");
    }
}

#[test]
fn a_source_goes_on_inside_of_the_block_where_it_was_killed() {
    let rows = made_rows(20_000);
    let (_made, source) = avro_file(&rows);
    // Blocks are as large as batches: watermarks make a batch end inside of one.
    for point in ["commit.synced@2", "publish.half@3", "subtask.barrier@4", "commit.before@5"] {
        let job = copying("resumed", &source.display().to_string(), "format: ndjson");
        let yaml = fs::read_to_string(job.path("job.yaml")).expect("there");
        job.write("job.yaml", yaml.replace("schema:", "event_time: { column: at, every: 100 }, schema:"));
        die_at(&job, point);
        job.run(&[]).ok();
        assert_eq!(lines(&job), rows, "{point}");
    }
}

#[test]
fn kills_at_any_time_lose_and_double_nothing() {
    let rows = made_rows(60_000);
    let (_made, source) = avro_file(&rows);
    let job = copying("tormented", &source.display().to_string(), "format: avro, roll: { bytes: 256KiB }");
    let size = || -> u64 {
        let Ok(files) = fs::read_dir(job.path("out")) else { return 0 };
        files.filter_map(|f| f.ok()?.metadata().ok()).map(|m| m.len()).sum()
    };
    for _ in 0..8 {
        let before = size();
        let mut running = Running::start(job.command(&["--quiet"]));
        until("more was published", || running.has_ended() || size() > before);
        running.kill().expect("it can be killed");
    }
    job.run(&[]).ok();
    assert_eq!(read_back(&job), rows);
}

#[test]
fn a_damaged_file_is_told_with_its_name_and_place() {
    let rows = made_rows(20_000);
    let (made, path) = avro_file(&rows);
    let whole = fs::read(&path).expect("it was written");
    let run = |bytes: &[u8]| {
        made.write("damaged.avro", bytes);
        let job = copying("damaged", &made.path("damaged.avro").display().to_string(), "format: ndjson");
        let ended = job.run(&[]);
        assert_ne!(ended.code(), Some(0), "{}", ended.stderr);
        assert!(ended.stderr.contains("damaged.avro"), "{}", ended.stderr);
        (ended.stderr, job)
    };
    let (told, job) = run(&whole[..whole.len() - 5]);
    assert!(told.contains("error[input-damaged]") && told.contains("it ends inside of a block"), "{told}");
    let read = lines(&job);
    assert!(rows.starts_with(&read) && read.len() < rows.len(), "{} rows", read.len());
    let mut other = whole.clone();
    other[whole.len() / 2] ^= 0xff;
    let (told, _) = run(&other);
    assert!(told.contains("is damaged behind byte"), "{told}");
    let (told, _) = run(b"something else");
    assert!(told.contains("cannot be read as Avro"), "{told}");
    // Put right, the job goes on where it stopped.
    made.write("damaged.avro", &whole);
    job.run(&[]).ok();
    assert_eq!(lines(&job), rows);
}
