//! Files that are followed: what is appended, renamed, replaced, cut and removed, with a restart
//! between any two steps.

use super::*;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wasmill_abi::{Field, Schema, Type};
use wasmill_core::plan::{EventTime, Format};

struct Logs {
    dir: TempDir,
    source: Source,
    parallelism: u16,
    readers: Vec<Box<dyn SourceReader>>,
    positions: BTreeMap<String, Vec<u8>>,
    names: Arc<PartitionNames>,
    read: Vec<String>,
    watermarks: Vec<i64>,
    idle: usize,
}

impl Logs {
    fn new(pattern: &str) -> Self {
        let schema = Schema::new(vec![Field::new("n", Type::I64, false)]);
        let connector = SourceConnector::Follow { path: pattern.into() };
        let source = Source { connector, format: Format::Ndjson, schema, op: None, event_time: None, rate: None };
        Self {
            dir: tempfile::tempdir().expect("a temporary directory can be made"),
            source,
            parallelism: 1,
            readers: Vec::new(),
            positions: BTreeMap::new(),
            names: Arc::default(),
            read: Vec::new(),
            watermarks: Vec::new(),
            idle: 0,
        }
    }

    fn append(&self, file: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.dir.path().join(file)).expect("opens");
        file.write_all(text.as_bytes()).expect("it can be written");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.dir.path().join(from), self.dir.path().join(to)).expect("it can be renamed");
    }

    fn open(&mut self) -> Result<(), SourceError> {
        for subtask in 0..self.parallelism {
            let reader = open_source(SourceOptions {
                source: &self.source,
                base: self.dir.path(),
                subtask,
                parallelism: self.parallelism,
                batch_rows: 2,
                batch_bytes: 1 << 20,
                partitions: &BTreeMap::new(),
                names: &self.names,
                restored: &self.positions,
            })?;
            self.readers.push(reader);
        }
        Ok(())
    }

    /// What a crash leaves: a reader that goes on from the positions of the last one.
    fn restart(&mut self) {
        self.stop();
        self.open().expect("it goes on");
    }

    fn stop(&mut self) {
        for reader in std::mem::take(&mut self.readers) {
            self.positions.extend(reader.positions());
        }
    }

    fn step(&mut self) -> Result<(), SourceError> {
        for reader in &mut self.readers {
            match reader.next()? {
                Next::Rows(rows) => {
                    assert!(rows.dead.is_empty(), "{:?}", rows.dead);
                    let mut out = Vec::new();
                    let mut encoder = crate::format::encoder(Format::Ndjson, &self.source.schema);
                    encoder.encode(&rows.batch.columns, &mut out).expect("a batch of the schema");
                    let text = String::from_utf8(out).expect("text");
                    let number = |line: &str| line.trim_matches(|c: char| !c.is_ascii_digit()).to_owned();
                    self.read.extend(text.lines().map(number));
                }
                Next::Watermark(watermark) => self.watermarks.push(watermark),
                Next::Idle => self.idle += 1,
                Next::Pending => {}
                Next::End => panic!("a followed source has no end"),
            }
        }
        Ok(())
    }

    /// Reads until so many rows came, and looks whether they are these.
    #[track_caller]
    fn reads(&mut self, expected: &str) {
        let expected: Vec<_> = expected.split_whitespace().collect();
        let started = Instant::now();
        while self.read.len() < expected.len() && started.elapsed() < Duration::from_secs(60) {
            self.step().expect("it can be read");
        }
        assert_eq!(self.read, expected);
        self.read.clear();
    }
}

fn lines(numbers: &[u32]) -> String {
    numbers.iter().map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

#[test]
fn what_is_appended_is_read_and_a_line_that_is_not_whole_is_waited_for() {
    let mut logs = Logs::new("*.ndjson");
    logs.open().expect("a pattern that matches nothing yet is fine");
    logs.append("a.ndjson", &lines(&[1, 2, 3]));
    logs.reads("1 2 3");
    logs.append("a.ndjson", "{\"n\":");
    logs.append("b.ndjson", &lines(&[10]));
    logs.reads("10");
    logs.restart();
    logs.append("a.ndjson", "4}\n");
    logs.reads("4");
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_one_that_has_its_name() {
    for restart in [false, true] {
        let mut logs = Logs::new("app.log");
        logs.append("app.log", &lines(&[1]));
        logs.open().expect("opens");
        logs.reads("1");
        if restart {
            logs.stop();
        }
        logs.append("app.log", &lines(&[2]));
        logs.rename("app.log", "app.log.1");
        logs.append("app.log", &lines(&[4, 5]));
        logs.append("app.log.1", &lines(&[3]));
        if restart {
            logs.open().expect("the file is found under its new name");
        }
        logs.reads("2 3 4 5");
        logs.restart();
        logs.append("app.log", &lines(&[6]));
        logs.reads("6");
    }
}

#[test]
fn a_renamed_file_that_matches_as_well_is_not_read_again() {
    let mut logs = Logs::new("app.log*");
    logs.append("app.log", &lines(&[1]));
    logs.open().expect("opens");
    logs.reads("1");
    logs.rename("app.log", "app.log.1");
    logs.append("app.log", &lines(&[2]));
    logs.reads("2");
    logs.restart();
    logs.append("app.log", &lines(&[3]));
    logs.reads("3");
    // It was read to its end; whoever writes to it again is heard.
    logs.append("app.log.1", &lines(&[4]));
    logs.reads("4");
    fs::write(logs.dir.path().join("app.log.2.gz"), b"not read").expect("it can be written");
    logs.append("app.log", &lines(&[5]));
    logs.reads("5");
}

#[test]
fn a_last_line_without_an_end_is_a_row_once_its_file_was_rotated() {
    let mut logs = Logs::new("app.log");
    logs.append("app.log", "{\"n\":1}\n{\"n\":2}");
    logs.open().expect("opens");
    logs.reads("1");
    logs.rename("app.log", "old");
    logs.append("app.log", &lines(&[3]));
    logs.reads("2 3");
}

#[test]
fn directories_are_shared_by_subtasks_whatever_their_number() {
    let mut logs = Logs::new("*/app.log");
    (0..6).for_each(|n| fs::create_dir(logs.dir.path().join(n.to_string())).expect("it can be made"));
    for (round, parallelism) in [1u16, 3, 2].into_iter().enumerate() {
        logs.stop();
        logs.parallelism = parallelism;
        let base = 100 * round as u32;
        for file in 0..6 {
            logs.append(&format!("{file}/app.log"), &lines(&[base + file]));
        }
        logs.open().expect("opens");
        let started = Instant::now();
        while logs.read.len() < 6 && started.elapsed() < Duration::from_secs(60) {
            logs.step().expect("it can be read");
        }
        let mut read: Vec<u32> = logs.read.drain(..).map(|n| n.parse().expect("a number")).collect();
        read.sort_unstable();
        assert_eq!(read, (base..base + 6).collect::<Vec<_>>(), "parallelism {parallelism}");
    }
}

#[test]
fn a_file_that_is_cut_is_refused_with_what_to_do() {
    let refused = |change: &dyn Fn(&Path)| {
        let mut logs = Logs::new("app.log");
        logs.append("app.log", &lines(&[1, 2, 3]));
        logs.open().expect("opens");
        logs.reads("1 2 3");
        change(&logs.dir.path().join("app.log"));
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if let Err(error) = logs.step() {
                return error.to_string();
            }
        }
        panic!("it was not noticed");
    };
    let cut = |path: &Path| OpenOptions::new().write(true).open(path).and_then(|f| f.set_len(4)).expect("it is cut");
    let error = refused(&cut);
    assert!(error.contains("only 4 bytes") && error.contains("copytruncate"), "{error}");
    let error = refused(&|path| fs::write(path, lines(&[7, 8, 9, 10])).expect("it is written over"));
    assert!(error.contains("first 24 bytes are different"), "{error}");
}

#[test]
fn a_file_that_is_gone_before_its_end_was_read_is_missed_at_the_start() {
    let mut logs = Logs::new("app.log");
    logs.append("app.log", &lines(&[1]));
    logs.open().expect("opens");
    logs.reads("1");
    logs.stop();
    fs::remove_file(logs.dir.path().join("app.log")).expect("it can be removed");
    let error = logs.open().expect_err("rows may be lost").to_string();
    assert!(error.contains("app.log") && error.contains("vanished"), "{error}");
}

#[test]
fn a_file_that_does_not_grow_stops_holding_event_time_back() {
    let mut logs = Logs::new("*.log");
    logs.source.schema = Schema::new(vec![Field::new("n", Type::Timestamp, false)]);
    let idle_timeout = Some(Duration::from_millis(50));
    logs.source.event_time = Some(EventTime { column: 0, max_delay: Duration::ZERO, every_rows: 1, idle_timeout });
    let at = |second: u32| format!("{{\"n\":\"1970-01-01T00:00:{second:02}Z\"}}\n");
    logs.append("a.log", &at(1));
    logs.append("b.log", &at(2));
    logs.append("b.log", &at(9));
    logs.open().expect("opens");
    let started = Instant::now();
    while logs.idle == 0 && started.elapsed() < Duration::from_secs(60) {
        logs.step().expect("it can be read");
    }
    assert_eq!(logs.watermarks.last(), Some(&8_999_999), "the file that is ahead counts when all are idle");
    assert_eq!(logs.idle, 1);
}
