//! The loops of an author with the real binary: `wasmill test` with its golden files, and
//! `wasmill dev`, which rebuilds and goes on while the function is edited.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

fn wasmill(dir: &Path, args: &[&str]) -> Command {
    // One target directory for all new crates, kept between runs: the SDK compiles once.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-crates");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmill"));
    command.args(args).current_dir(dir).env("CARGO_TARGET_DIR", target).env_remove("RUST_BACKTRACE");
    command
}

fn output(dir: &Path, args: &[&str]) -> Output {
    wasmill(dir, args).output().expect("the binary was built for this test")
}

fn new_crate(name: &str, template: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory for the test");
    let made = output(home.path(), &["new", name, "--template", template]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let dir = home.path().join(name);
    (home, dir)
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("it is there");
    assert!(text.contains(from), "{} has no {from:?}", path.display());
    fs::write(path, text.replace(from, to)).expect("it is writable");
}

/// The one case of `wasmill test --golden-only --json`, and how it ended.
fn golden(dir: &Path, more: &[&str]) -> (Value, Option<i32>, String) {
    let args = [&["test", "--golden-only", "--json"], more].concat();
    let ended = output(dir, &args);
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    let cases: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {told}"));
    (cases[0].clone(), ended.status.code(), told)
}

#[test]
fn golden_files_are_held_against_the_component_and_rows_against_their_budget() {
    for template in ["map", "keyed"] {
        let (_home, dir) = new_crate(&format!("golden-{template}"), template);
        let file = dir.join("tests/golden/readings.ndjson");
        let (case, status, told) = golden(&dir, &[]);
        assert_eq!((&case["verdict"], status), (&"ok".into(), Some(0)), "{template}: {told}");
        assert_eq!((&case["rows"], &case["rows_out"], &case["dead_letters"]), (&4.into(), &2.into(), &1.into()));
        let fuel = case["fuel_per_row"].as_u64().expect("fuel is a number");
        assert!(fuel > 100, "{template}: a row costs {fuel}");
        assert_eq!(golden(&dir, &[]).0["fuel_per_row"], fuel, "{template}: fuel is the same every time");

        // A result that is not there must be missed, and blessed away.
        let right = fs::read_to_string(&file).expect("it is there");
        let wrong = right.replace("\"out\":{\"", "\"out\":{\"x\":1,\"");
        fs::write(&file, &wrong).expect("it is writable");
        let (case, status, told) = golden(&dir, &[]);
        assert_eq!((&case["verdict"], status), (&"differs".into(), Some(1)), "{told}");
        assert!(told.contains("golden-differs") && told.contains("result 1 of 3"), "{told}");
        let (case, status, _) = golden(&dir, &["--bless"]);
        assert_eq!((&case["verdict"], status), (&"ok".into(), Some(0)));
        assert_eq!(fs::read_to_string(&file).expect("it is there"), right);

        edit(&dir.join("Cargo.toml"), "fuel_per_row = 50000", "fuel_per_row = 100");
        let (case, status, told) = golden(&dir, &[]);
        assert_eq!((&case["verdict"], status), (&"over budget".into(), Some(1)), "{told}");
        assert!(told.contains("over-budget") && told.contains("the budget is 100"), "{told}");
    }
}

#[test]
fn golden_files_of_the_examples_hold() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../udf-examples");
    for (example, files) in [("flights", 2), ("nexmark", 2), ("probe", 1)] {
        let ended = output(&examples.join(example), &["test", "--golden-only", "--json"]);
        let told = String::from_utf8_lossy(&ended.stderr);
        let cases: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {told}"));
        assert_eq!(cases.as_array().map(Vec::len), Some(files), "{example}: {told}");
        assert_eq!(ended.status.code(), Some(0), "{example}: {told}");
    }
}

/// A `wasmill dev` whose lines are read as they come. Its drop ends it.
struct Session {
    child: Child,
    lines: Receiver<String>,
    told: Vec<String>,
}

impl Session {
    fn start(dir: &Path) -> Self {
        let mut child = wasmill(dir, &["dev", "job.yaml"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let err = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, told: Vec::new() }
    }

    /// Waits for a line that holds.
    fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(300);
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.told.push(line.clone());
                    if holds(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{what} was never told; it told:\n{}", self.told.join("\n"))
                }
            }
        }
    }

    fn terminate(mut self) -> Option<i32> {
        let signalled = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(signalled.expect("kill runs").success());
        self.child.wait().expect("it is our child").code()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Numbered readings, far more than the test waits for at the job's rate.
fn readings(count: u64) -> String {
    let row = |i: u64| {
        let (hour, minute, second) = (i / 3600, i / 60 % 60, i % 60);
        format!("{{\"sensor\":\"s{i}\",\"at\":\"2024-05-01T{hour:02}:{minute:02}:{second:02}Z\",\"celsius\":1.5}}\n")
    };
    (0..count).map(row).collect()
}

#[test]
fn an_edited_function_goes_on_where_the_one_before_was() {
    let (_home, dir) = new_crate("developed", "map");
    fs::write(dir.join("data/readings.ndjson"), readings(80_000)).expect("it is writable");
    edit(&dir.join("job.yaml"), "    path: data/readings.ndjson\n", "    path: data/readings.ndjson\n    rate: 200\n");
    let source = dir.join("src/lib.rs");

    let mut session = Session::start(&dir);
    session.until("the first output", |line| line.starts_with("out: cleaned") && line.ends_with("false"));
    let saved = Instant::now();
    edit(&source, "warm: celsius >= self.warm_from }", "warm: celsius < self.warm_from }");
    session.until("output of the new module", |line| line.starts_with("out: cleaned") && line.ends_with("true"));
    println!("from the save to new output: {:?}", saved.elapsed());

    // What does not build is told, and what ran goes on.
    edit(&source, "warm: celsius < self.warm_from }", "warm: celsius < self.warm_form }");
    session.until("the compiler's error", |line| line.contains("warm_form"));
    session.until("more output", |line| line.starts_with("out: cleaned") && line.ends_with("true"));
    edit(&source, "warm: celsius < self.warm_form }", "warm: celsius >= self.warm_from }");
    session.until("output of the mended module", |line| line.starts_with("out: cleaned") && line.ends_with("false"));

    // The job file is watched too, and one that is refused stops nothing.
    edit(&dir.join("job.yaml"), "rate: 200", "ratio: 200");
    session.until("the refusal", |line| line.contains("ratio"));
    session.until("more output", |line| line.starts_with("out: cleaned"));
    edit(&dir.join("job.yaml"), "ratio: 200", "rate: 100");
    session.until("a new start", |line| line.contains("starting job"));
    session.until("output of the new job", |line| line.starts_with("out: cleaned"));
    assert_eq!(session.terminate(), Some(0));

    // Each reading is there once, without a gap, across the changes.
    let files = fs::read_dir(dir.join("out")).expect("the job has written it").map(|f| f.expect("readable").path());
    let texts: Vec<String> = files.map(|f| fs::read_to_string(f).expect("it is text")).collect();
    let rows: Vec<&str> = texts.iter().flat_map(|text| text.lines().skip(1)).collect();
    let numbers = rows.iter().filter_map(|row| row[1..].split(',').next()?.parse::<u64>().ok());
    let numbers: BTreeSet<u64> = numbers.collect();
    assert_eq!(numbers.len(), rows.len(), "a reading stands twice");
    assert_eq!(numbers.last().copied(), Some(rows.len() as u64 - 1), "a reading is missing");
    assert!(rows.iter().any(|r| r.ends_with("true")) && rows.iter().any(|r| r.ends_with("false")));
}
