//! Sources from the outside: the same rows, dead lines and watermarks whatever the batches and
//! wherever reading is resumed; and inputs that are damaged, missing or not the same any more.

use super::stdin_source::StdinSource;
use super::*;
use crate::batch::Position;
use crate::format::encoder;
use proptest::prelude::*;
use std::fs;
use std::io::{self, Read, Write};
use std::time::Duration;
use tempfile::TempDir;
use wasmill_abi::{Field, Schema, Type};
use wasmill_core::plan::{EventTime, Format};

fn source(pattern: &str, format: Format, every_rows: u32) -> Source {
    let schema = Schema::new(vec![
        Field::new("t", Type::Timestamp, false),
        Field::new("n", Type::I32, false),
        Field::new("s", Type::Utf8, true),
    ]);
    let max_delay = Duration::from_micros(3);
    let event_time = Some(EventTime { column: 0, max_delay, every_rows, idle_timeout: None });
    let connector = SourceConnector::File { path: pattern.into() };
    Source { connector, format, schema, op: None, event_time, rate: None }
}

/// What a source gave, one entry per row, dead line and watermark.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Row { position: Position, event_time: i64, text: String },
    Dead(DeadLine),
    Watermark(i64),
}

fn items_of(rows: &Rows, schema: &Schema) -> Vec<Item> {
    let batch = &rows.batch;
    assert_eq!(batch.positions.len(), batch.rows());
    let mut out = Vec::new();
    encoder(Format::Ndjson, schema).encode(&batch.columns, &mut out).expect("a batch of the schema");
    let texts = std::str::from_utf8(&out).expect("text").lines();
    let times = batch.event_time.as_ref().expect("this source has event time");
    let mut items: Vec<(u64, Item)> = batch
        .positions
        .iter()
        .zip(times.iter())
        .zip(texts)
        .map(|((&p, &event_time), text)| {
            (p, Item::Row { position: Position::unpack(p), event_time, text: text.to_owned() })
        })
        .chain(rows.dead.iter().map(|d| (d.position, Item::Dead(d.clone()))))
        .collect();
    items.sort_by_key(|(p, _)| *p);
    items.into_iter().map(|(_, i)| i).collect()
}

struct Job<'a> {
    dir: &'a Path,
    source: Source,
    subtask: u16,
    parallelism: u16,
    batch_rows: usize,
    batch_bytes: usize,
    numbers: BTreeMap<String, u16>,
}

impl<'a> Job<'a> {
    fn new(dir: &'a Path, source: Source) -> Self {
        let found = list_partitions(&source, dir).expect("a good pattern");
        let numbers = found.into_iter().zip(0..).collect();
        Self { dir, source, subtask: 0, parallelism: 1, batch_rows: 4096, batch_bytes: 1 << 20, numbers }
    }

    fn open(&self, restored: &BTreeMap<String, Vec<u8>>) -> Result<Box<dyn SourceReader>, SourceError> {
        open_source(SourceOptions {
            source: &self.source,
            base: self.dir,
            subtask: self.subtask,
            parallelism: self.parallelism,
            batch_rows: self.batch_rows,
            batch_bytes: self.batch_bytes,
            partitions: &self.numbers,
            names: &Arc::default(),
            restored,
        })
    }

    /// Everything, with a restart after every `restart_after` answers (0: never).
    fn run(&self, restart_after: usize) -> Result<Vec<Item>, SourceError> {
        let mut reader = self.open(&BTreeMap::new())?;
        let mut items = Vec::new();
        let mut watermark = i64::MIN;
        let mut answers = 0;
        loop {
            let answer = reader.next()?;
            // A watermark that is repeated after a restart is no progress; else this would never end.
            answers += usize::from(!matches!(answer, Next::Watermark(w) if w == watermark));
            match answer {
                Next::Rows(rows) => {
                    assert!(rows.batch.rows() + rows.dead.len() <= self.batch_rows);
                    items.extend(items_of(&rows, &self.source.schema));
                }
                Next::Watermark(w) => {
                    // After a restart the present watermark is repeated.
                    assert!(w > watermark || (restart_after > 0 && w == watermark), "{w} after {watermark}");
                    if w > watermark {
                        items.push(Item::Watermark(w));
                    }
                    watermark = w;
                }
                Next::Pending | Next::Idle => {}
                Next::End => return Ok(items),
            }
            if restart_after > 0 && answers >= restart_after {
                answers = 0;
                reader = self.open(&reader.positions().into_iter().collect())?;
            }
        }
    }

    fn all(&self) -> Vec<Item> {
        self.run(0).expect("a good input")
    }

    fn error(&self) -> String {
        self.run(0).expect_err("a bad input").to_string()
    }
}

fn json(time_us: i64, n: i32) -> String {
    format!("{{\"t\":\"1970-01-01T00:00:00.{time_us:06}Z\",\"n\":{n},\"s\":\"x\"}}\n")
}

fn dir_of(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).expect("written");
    }
    dir
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    e.write_all(bytes).expect("memory");
    e.finish().expect("memory")
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

#[derive(Debug, Clone)]
enum Line {
    Good(i64, i32),
    /// A quoted field with line ends in it.
    Long(i64, i32),
    Bad(String),
    Empty,
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        6 => (0i64..100, any::<i32>()).prop_map(|(t, n)| Line::Good(t, n)),
        1 => (0i64..100, any::<i32>()).prop_map(|(t, n)| Line::Long(t, n)),
        1 => "[a-z{},]{1,10}".prop_map(Line::Bad),
        1 => Just(Line::Empty),
    ]
}

fn content(format: Format, lines: &[Line]) -> Vec<u8> {
    let mut out = String::new();
    if format == Format::Csv {
        out.push_str("s,n,other,t\r\n");
    }
    for line in lines {
        match (line, format) {
            (Line::Good(t, n) | Line::Long(t, n), Format::Ndjson) => out.push_str(&json(*t, *n)),
            (Line::Good(t, n), Format::Csv) => out.push_str(&format!("x,{n},,1970-01-01T00:00:00.{t:06}Z\r\n")),
            (Line::Long(t, n), Format::Csv) => {
                out.push_str(&format!("\"x\n\r\ny\",{n},,1970-01-01T00:00:00.{t:06}Z\n"))
            }
            (Line::Good(..) | Line::Long(..), other) => unreachable!("{other:?} has no lines"),
            (Line::Bad(text), _) => out.push_str(&format!("{text}\n")),
            (Line::Empty, _) => out.push('\n'),
        }
    }
    out.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn batches_and_resumes_change_nothing(
        files in proptest::collection::vec((proptest::collection::vec(line(), 0..25), 0u8..3), 1..5),
        csv in any::<bool>(),
        every_rows in 1u32..8,
        parallelism in 1u16..3,
        batch_rows in 1usize..9,
        batch_bytes in 1usize..300,
        restart_after in 1usize..5,
    ) {
        let format = if csv { Format::Csv } else { Format::Ndjson };
        let dir = tempfile::tempdir().expect("a directory");
        let (mut good, mut subtasks) = (0, 0);
        for (i, (lines, compression)) in files.iter().enumerate() {
            good += lines.iter().filter(|l| matches!(l, Line::Good(..) | Line::Long(..))).count();
            let bytes = content(format, lines);
            let (end, bytes) = match compression {
                0 => ("", bytes),
                // Two members, cut anywhere.
                1 => (".gz", { let (a, b) = bytes.split_at(bytes.len() / 2); [gzip(a), gzip(b)].concat() }),
                _ => (".zst", { let (a, b) = bytes.split_at(bytes.len() / 2); [zst(a), zst(b)].concat() }),
            };
            fs::write(dir.path().join(format!("f{i}{end}")), bytes).expect("written");
        }
        for subtask in 0..parallelism {
            let whole = Job { subtask, parallelism, ..Job::new(dir.path(), source("f*", format, every_rows)) };
            let expect = whole.all();
            subtasks += expect.iter().filter(|i| matches!(i, Item::Row { .. })).count();
            let cut = Job { batch_rows, batch_bytes, ..whole };
            prop_assert_eq!(&cut.all(), &expect);
            prop_assert_eq!(&cut.run(restart_after).expect("a good input"), &expect);
        }
        prop_assert_eq!(subtasks, good, "every row of every file, once");
    }
}

#[test]
fn dead_lines_say_where_and_why_and_the_others_pass() {
    let text = format!("{}oops\n\n{}{{\"n\":1}}\n", json(5, 1), json(6, 2));
    let dir = dir_of(&[("a.ndjson", text.as_bytes())]);
    let items = Job::new(dir.path(), source("*.ndjson", Format::Ndjson, 100)).all();
    let line_bytes = json(5, 1).len() as u64;
    let [Item::Row { position: p0, event_time: 5, .. }, Item::Dead(d1), Item::Row { position: p3, .. }, Item::Dead(d4)] =
        &items[..]
    else {
        panic!("{items:#?}");
    };
    assert_eq!((p0.row, p3.row), (0, 3));
    assert_eq!(
        (d1.partition.as_str(), d1.line, d1.offset, d1.bytes.as_slice()),
        ("a.ndjson", 2, line_bytes, &b"oops"[..])
    );
    assert_eq!(Position::unpack(d1.position), Position { partition: 0, row: 1 });
    assert!(d1.reason.contains("expected value at byte 1"), "{}", d1.reason);
    assert_eq!((d4.line, d4.offset), (5, 2 * line_bytes + 6));
    assert!(d4.reason.contains("column \"t\" (timestamp) has no value"), "{}", d4.reason);
}

#[test]
fn files_advance_together_in_event_time() {
    let lines = |from: i64, to: i64| (from..to).map(|t| json(t * 10, 0)).collect::<String>();
    let dir = dir_of(&[("a", lines(0, 8).as_bytes()), ("b", lines(4, 10).as_bytes())]);
    let items = Job::new(dir.path(), source("?", Format::Ndjson, 2)).all();
    let watermarks: Vec<i64> =
        items.iter().filter_map(|i| if let Item::Watermark(w) = i { Some(*w) } else { None }).collect();
    // a: 6 26 46 66, b: 46 66 86; a is first where they are equal, and no longer counts when it is done.
    assert_eq!(watermarks, [6, 26, 46, 66, 86]);
    let mut highest = i64::MIN;
    for item in &items {
        match item {
            Item::Watermark(w) => highest = *w,
            Item::Row { event_time, .. } => assert!(*event_time > highest, "{event_time} is late at {highest}"),
            Item::Dead(_) => {}
        }
    }
}

#[test]
fn positions_hold_when_files_come_and_parallelism_changes() {
    let dir = dir_of(&[("b", json(1, 1).as_bytes()), ("d", json(2, 2).as_bytes())]);
    let source = source("?", Format::Ndjson, 1);
    let job = Job::new(dir.path(), source.clone());
    let mut reader = job.open(&BTreeMap::new()).expect("opens");
    while !matches!(reader.next().expect("a good input"), Next::End) {}
    let restored: BTreeMap<_, _> = reader.positions().into_iter().collect();
    fs::write(dir.path().join("a"), json(3, 3)).expect("written");
    let numbers = BTreeMap::from([("a".into(), 2), ("b".into(), 0), ("d".into(), 1)]);
    let mut rows = Vec::new();
    for subtask in 0..2 {
        let mut reader =
            Job { subtask, parallelism: 2, numbers: numbers.clone(), ..Job::new(dir.path(), source.clone()) }
                .open(&restored)
                .expect("opens");
        loop {
            match reader.next().expect("a good input") {
                Next::Rows(r) => rows.extend(items_of(&r, &source.schema).into_iter().map(|i| (subtask, i))),
                Next::End => break,
                _ => {}
            }
        }
    }
    assert!(
        matches!(&rows[..], [(0, Item::Row { position: Position { partition: 2, row: 0 }, event_time: 3, .. })]),
        "{rows:?}"
    );
}

#[test]
fn more_files_than_are_open_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    for i in 0..150i64 {
        fs::write(dir.path().join(format!("{i:03}")), json(i, 0) + &json(i + 1, 1)).expect("written");
    }
    let job = Job::new(dir.path(), source("*", Format::Ndjson, 1));
    let items = job.all();
    assert_eq!(items.iter().filter(|i| matches!(i, Item::Row { .. })).count(), 300);
    assert_eq!(job.run(7).expect("a good input"), items);
}

#[test]
fn damaged_archives_stop_behind_the_last_whole_line_and_go_on_when_mended() {
    // Text that does not compress well, so that a cut loses rows.
    let text: String = (0..2000).map(|i: i64| json(i, (i * 7_919_777 % 1_000_003) as i32)).collect();
    for (name, whole) in [("a.gz", gzip(text.as_bytes())), ("a.zst", zst(text.as_bytes()))] {
        let dir = dir_of(&[(name, &whole[..whole.len() / 2])]);
        let job = Job { batch_rows: 10, ..Job::new(dir.path(), source("a.*", Format::Ndjson, 50)) };
        let mut reader = job.open(&BTreeMap::new()).expect("opens");
        let mut items = Vec::new();
        let error = loop {
            match reader.next() {
                Ok(Next::Rows(r)) => items.extend(items_of(&r, &job.source.schema)),
                Ok(Next::End) => panic!("{name}: a cut archive has no end"),
                Ok(_) => {}
                Err(e) => break e,
            }
        };
        assert!(matches!(error, SourceError::Corrupt { .. }), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
        let restored: BTreeMap<_, _> = reader.positions().into_iter().collect();
        fs::write(dir.path().join(name), &whole).expect("written");
        let mut reader = job.open(&restored).expect("mended");
        loop {
            match reader.next().expect("mended") {
                Next::Rows(r) => items.extend(items_of(&r, &job.source.schema)),
                Next::End => break,
                _ => {}
            }
        }
        let rows: Vec<Item> = job.all().into_iter().filter(|i| !matches!(i, Item::Watermark(_))).collect();
        assert_eq!(items, rows, "{name}");
    }
    let dir = dir_of(&[("a.gz", b"not gzip at all, just text"), ("b.gz", b""), ("c.zst", b"nor Zstandard")]);
    for name in ["a.gz", "b.gz", "c.zst"] {
        let error = Job::new(dir.path(), source(name, Format::Ndjson, 1)).error();
        assert!(error.contains(name) && error.contains("is damaged"), "{error}");
    }
}

#[test]
fn inputs_that_are_not_the_same_any_more_are_refused() {
    let text = json(1, 1) + &json(2, 2) + &json(3, 3);
    let dir = dir_of(&[("a", text.as_bytes())]);
    let path = dir.path().join("a");
    let job = Job { batch_rows: 1, ..Job::new(dir.path(), source("a", Format::Ndjson, 10)) };
    let mut reader = job.open(&BTreeMap::new()).expect("opens");
    assert!(matches!(reader.next(), Ok(Next::Rows(_))));
    let half: BTreeMap<_, _> = reader.positions().into_iter().collect();
    while !matches!(reader.next().expect("a good input"), Next::End) {}
    let done: BTreeMap<_, _> = reader.positions().into_iter().collect();
    let refused = |restored: &BTreeMap<_, _>, expect: &str| {
        let error = job.open(restored).err().expect(expect).to_string();
        assert!(error.contains(expect) && error.contains(path.to_str().expect("text")), "{error}");
    };

    fs::write(&path, &text[..text.len() - 1]).expect("written");
    refused(&half, "bytes and has");
    fs::write(&path, text.replace("\"n\":1", "\"n\":9")).expect("written");
    refused(&half, "first 150 bytes are different");
    fs::write(&path, text.clone() + &json(4, 4)).expect("written");
    refused(&done, "put new rows into a new file");
    job.open(&half).expect("a file that grows before its end was read is no other file");
    fs::remove_file(&path).expect("removed");
    refused(&half, "has vanished");
    assert!(matches!(job.open(&done).expect("all was read").next(), Ok(Next::End)));
}

#[test]
fn csv_headers_are_checked_before_the_first_row() {
    let dir = dir_of(&[("a.csv", b"t,n\n"), ("b.csv", b""), ("c.csv", b"n,s,t\n")]);
    let error = Job::new(dir.path(), source("a.csv", Format::Csv, 1)).error();
    assert!(error.contains("a.csv") && error.contains("column \"s\" is not in the CSV header"), "{error}");
    for empty in ["b.csv", "c.csv"] {
        assert_eq!(Job::new(dir.path(), source(empty, Format::Csv, 1)).all(), []);
    }
}

#[test]
fn patterns() {
    let row = json(1, 1);
    let dir = dir_of(&[("b.ndjson", row.as_bytes()), ("a.ndjson", row.as_bytes()), (".c.ndjson", row.as_bytes())]);
    fs::create_dir(dir.path().join("d.ndjson")).expect("made");
    let list = |pattern: &str| list_partitions(&source(pattern, Format::Ndjson, 1), dir.path());
    assert_eq!(list("*.ndjson").expect("two files"), ["a.ndjson", "b.ndjson"]);
    let absolute = dir.path().join("a*").display().to_string();
    assert_eq!(list(&absolute).expect("one file"), [dir.path().join("a.ndjson").display().to_string()]);
    let error = list("in/*.csv").expect_err("no such file").to_string();
    assert!(error.contains("\"in/*.csv\"") && error.contains(&dir.path().join("in").display().to_string()), "{error}");
    assert!(matches!(list("a[.ndjson"), Err(SourceError::Pattern { .. })));
}

#[test]
fn a_line_over_the_limit_is_dead_and_the_next_one_is_a_row() {
    let text = json(1, 1) + &"x".repeat(records::RECORD_BYTES_MAX + 1) + "\n" + &json(2, 2);
    let dir = dir_of(&[("a", text.as_bytes())]);
    let items = Job::new(dir.path(), source("a", Format::Ndjson, 10)).all();
    let [Item::Row { .. }, Item::Dead(dead), Item::Row { position: Position { row: 2, .. }, .. }] = &items[..] else {
        panic!("{} items", items.len());
    };
    assert_eq!((dead.line, dead.bytes.len()), (2, records::DEAD_BYTES_MAX));
    assert!(dead.reason.contains("limit of 16777216 bytes"), "{}", dead.reason);
}

/// A pipe whose other end the test holds.
struct Pipe(crossbeam_channel::Receiver<Vec<u8>>);

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Ok(bytes) = self.0.recv() else {
            return Ok(0);
        };
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

/// The answers up to the first that is not `Pending`.
fn next_of(reader: &mut dyn SourceReader) -> Next {
    loop {
        match reader.next().expect("a good input") {
            Next::Pending => {}
            next => return next,
        }
    }
}

fn stdin_source(format: Format) -> Source {
    Source { connector: SourceConnector::Stdin, ..source("", format, 2) }
}

fn open_stdin(source: &Source, pipe: Pipe, restored: &BTreeMap<String, Vec<u8>>) -> StdinSource {
    let partitions = BTreeMap::from([(STDIN.to_owned(), 0)]);
    let options = SourceOptions {
        source,
        base: Path::new(""),
        subtask: 0,
        parallelism: 1,
        batch_rows: 100,
        batch_bytes: 1 << 20,
        partitions: &partitions,
        names: &Arc::default(),
        restored,
    };
    StdinSource::open(options, pipe).expect("opens")
}

#[test]
fn standard_input_gives_rows_as_they_come() {
    let (tx, rx) = crossbeam_channel::unbounded();
    let source = stdin_source(Format::Ndjson);
    let mut reader = open_stdin(&source, Pipe(rx), &BTreeMap::new());
    assert!(!reader.replayable());
    assert!(matches!(reader.next(), Ok(Next::Pending)));
    let text = json(1, 1) + "bad\n" + &json(9, 2) + &json(5, 3);
    let (first, second) = text.split_at(json(1, 1).len() + 2);
    let send = |s: &str| tx.send(s.as_bytes().to_vec()).expect("the reader lives");

    send(first);
    let Next::Rows(rows) = next_of(&mut reader) else { panic!("rows are due") };
    assert_eq!(items_of(&rows, &source.schema).len(), 1);
    send(second);
    let Next::Rows(rows) = next_of(&mut reader) else { panic!("rows are due") };
    assert!(
        matches!(&items_of(&rows, &source.schema)[..], [Item::Dead(d), Item::Row { event_time: 9, .. }] if d.line == 2 && d.partition == STDIN)
    );
    assert!(matches!(next_of(&mut reader), Next::Watermark(5)));
    let Next::Rows(rows) = next_of(&mut reader) else { panic!("rows are due") };
    assert_eq!(rows.batch.rows(), 1);
    assert_eq!(reader.event_time_now(), Some(9));
    let restored: BTreeMap<_, _> = reader.positions().into_iter().collect();
    drop(tx);
    assert!(matches!(next_of(&mut reader), Next::End));

    // Another process, another pipe: lines are counted on, and the watermark is repeated.
    let (tx, rx) = crossbeam_channel::unbounded();
    tx.send(json(7, 4).into_bytes()).expect("the receiver lives");
    drop(tx);
    let mut reader = open_stdin(&source, Pipe(rx), &restored);
    assert!(matches!(next_of(&mut reader), Next::Watermark(5)));
    let Next::Rows(rows) = next_of(&mut reader) else { panic!("rows are due") };
    assert_eq!(rows.batch.positions.to_vec(), [4]);
    assert!(matches!(next_of(&mut reader), Next::End));
}

#[test]
fn standard_input_with_a_header() {
    let (tx, rx) = crossbeam_channel::unbounded();
    for piece in ["s,", "n,t\n", "\"a\n", "b\",1,1970-01-01T00:00:00Z"] {
        tx.send(piece.as_bytes().to_vec()).expect("the receiver lives");
    }
    drop(tx);
    let source = stdin_source(Format::Csv);
    let mut reader = open_stdin(&source, Pipe(rx), &BTreeMap::new());
    let Next::Rows(rows) = next_of(&mut reader) else { panic!("rows are due") };
    assert_eq!(rows.batch.positions.to_vec(), [1]);
    assert_eq!(items_of(&rows, &source.schema).len(), 1);
    assert!(matches!(next_of(&mut reader), Next::End));
}
