//! The author's road with the real binary: `new`, the crate's own tests, `build`, `inspect`,
//! `check`, `run`; and how each of them refuses.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const WASMILL: &str = env!("CARGO_BIN_EXE_wasmill");

fn wasmill(dir: &Path, args: &[&str]) -> Output {
    // One target directory for all new crates, kept between runs: the SDK compiles once.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-crates");
    let mut command = Command::new(WASMILL);
    command.args(args).current_dir(dir).env("CARGO_TARGET_DIR", target).env_remove("RUST_BACKTRACE");
    command.output().expect("the binary was built for this test")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn succeeds(output: Output) -> String {
    assert!(output.status.success(), "{}\n{}{}", output.status, stdout(&output), stderr(&output));
    stdout(&output)
}

/// The output must end with this status and say this on stderr, and nothing on stdout.
#[track_caller]
fn refuses(output: Output, status: i32, told: &str) {
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(text.contains(told), "it does not say {told:?} but:\n{text}");
    assert_eq!(stdout(&output), "");
}

/// Rows of all CSV files of a directory, sorted, without their header lines.
fn rows(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).expect("the job has written it").map(|f| f.expect("it can be read").path());
    let texts =
        files.filter(|f| f.extension().is_some_and(|e| e == "csv")).map(|f| fs::read_to_string(f).expect("text"));
    let mut rows: Vec<String> = texts.flat_map(|t| t.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect();
    rows.sort();
    rows
}

/// Tests that build need different names: crates of one name would share their file in the target
/// directory.
fn new_crate(name: &str, template: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory for the test");
    succeeds(wasmill(home.path(), &["new", name, "--template", template]));
    let dir = home.path().join(name);
    (home, dir)
}

/// Goes the whole road and returns the job's rows and the summary of its run.
fn road(template: &str) -> (Vec<String>, Value) {
    let name = format!("road-of-{template}");
    let (_home, dir) = new_crate(&name, template);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-crates");
    let tests = Command::new("cargo").arg("test").current_dir(&dir).env("CARGO_TARGET_DIR", target).output();
    let tests = succeeds(tests.expect("cargo runs"));
    assert!(tests.contains("test result: ok. 2 passed") || tests.contains("test result: ok. 3 passed"), "{tests}");

    let built: Value = serde_json::from_str(&succeeds(wasmill(&dir, &["build", "--json"]))).expect("one JSON object");
    let seen: Value =
        serde_json::from_str(&succeeds(wasmill(&dir, &["inspect", "--json", &format!("target/wasmill/{name}.wasm")])))
            .expect("one JSON object");
    assert_eq!(built["sha256"], seen["sha256"]);
    assert_eq!(built["functions"], seen["functions"]);
    assert!(built["bytes"].as_u64().is_some_and(|b| b > 1000), "{built}");

    succeeds(wasmill(&dir, &["check", "job.yaml"]));
    let run = wasmill(&dir, &["run", "job.yaml", "--json"]);
    assert_eq!(stdout(&run), "");
    let told = stderr(&run);
    succeeds(run);
    let last = told.lines().rfind(|l| l.contains("\"summary\"")).expect("the run ends with a summary");
    let summary = serde_json::from_str(last).expect("a line of JSON");
    (rows(&dir.join("out")), summary)
}

#[test]
fn a_new_map_builds_passes_its_tests_and_runs() {
    let (rows, summary) = road("map");
    assert_eq!(rows.len(), 178);
    assert_eq!((&summary["rows_in"], &summary["dead_letters"]), (&180.into(), &2.into()));
    assert_eq!(summary["finished"], true);
    assert!(rows.iter().all(|r| r.ends_with("true") || r.ends_with("false")), "{}", rows[0]);
}

#[test]
fn a_new_keyed_function_builds_passes_its_tests_and_runs() {
    let (rows, summary) = road("keyed");
    assert_eq!(rows.len(), 60);
    assert_eq!((&summary["rows_in"], &summary["dead_letters"]), (&180.into(), &0.into()));
    for sensor in ["cellar", "kitchen", "roof"] {
        assert_eq!(rows.iter().filter(|r| r.starts_with(&format!("{sensor},"))).count(), 20, "{sensor}");
    }
}

#[test]
fn the_manifest_is_readable_and_ends_with_a_job() {
    let (_home, dir) = new_crate("averages", "keyed");
    let text = succeeds(wasmill(&dir, &["build", "--out", "out/mine.wasm"]));
    for told in ["keyed by sensor: string", "minutes: Minutes, version 1", "celsius: float64", "sha256", "modules:\n"] {
        assert!(text.contains(told), "{told} is missing:\n{text}");
    }
    assert!(dir.join("out/mine.wasm").is_file() && !dir.join("target").exists());
}

#[test]
fn new_overwrites_nothing_and_checks_its_arguments() {
    let (home, dir) = new_crate("readings", "map");
    let job = fs::read(dir.join("job.yaml")).expect("it was made");
    refuses(wasmill(home.path(), &["new", "readings", "--template", "keyed"]), 2, "is not empty");
    assert_eq!(fs::read(dir.join("job.yaml")).expect("it is still there"), job);
    refuses(wasmill(home.path(), &["new", "Readings"]), 2, "is no name for a function crate");
    refuses(wasmill(home.path(), &["new", "other", "--sdk", "/nowhere"]), 2, "--sdk");
    assert!(!home.path().join("other").exists());
}

#[test]
fn build_says_what_a_crate_lacks() {
    let home = tempfile::tempdir().expect("a directory for the test");
    refuses(wasmill(home.path(), &["build"]), 2, "wasmill new");
    let crate_with = |lib: &str, source: &str| {
        let manifest =
            format!("[package]\nname = \"bare\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{lib}\n[workspace]\n");
        fs::create_dir_all(home.path().join("src")).expect("it is writable");
        fs::write(home.path().join("Cargo.toml"), manifest).expect("it is writable");
        fs::write(home.path().join("src/lib.rs"), source).expect("it is writable");
    };
    crate_with("", "");
    refuses(wasmill(home.path(), &["build"]), 2, "crate-type = [\"cdylib\", \"rlib\"]");
    crate_with("[lib]\ncrate-type = [\"cdylib\"]", "");
    refuses(wasmill(home.path(), &["build"]), 3, "wasmill_sdk::export!");
    crate_with("[lib]\ncrate-type = [\"cdylib\"]", "fn broken(");
    refuses(wasmill(home.path(), &["build"]), 1, "does not compile");
    assert!(!home.path().join("target").exists(), "a refused module must not be written");
}

#[test]
fn inspect_refuses_what_is_not_ours() {
    let home = tempfile::tempdir().expect("a directory for the test");
    let write = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).expect("it is writable");
    write("text.wasm", b"not a module");
    write("core.wasm", b"\0asm\x01\0\0\0");
    write("empty-component.wasm", b"\0asm\x0d\0\x01\0");
    refuses(wasmill(home.path(), &["inspect", "gone.wasm"]), 2, "gone.wasm");
    for name in ["text.wasm", "core.wasm", "empty-component.wasm"] {
        refuses(wasmill(home.path(), &["inspect", name]), 3, name);
    }
    let line = stderr(&wasmill(home.path(), &["inspect", "--json", "text.wasm"]));
    let error: Value = serde_json::from_str(&line).expect("one line of JSON");
    assert_eq!((&error["event"], &error["status"]), (&"error".into(), &3.into()));
}

#[test]
fn all_mistakes_of_a_job_are_told_at_once_with_their_places() {
    let (_home, dir) = new_crate("readings", "map");
    let job = fs::read_to_string(dir.join("job.yaml")).expect("it was made");
    let wrong = job.replace("format: csv", "fromat: csv").replace("celsius: float64?", "celsius: float?");
    fs::write(dir.join("wrong.yaml"), wrong).expect("it is writable");
    for verb in ["check", "run"] {
        let told = stderr(&wasmill(&dir, &[verb, "wrong.yaml"]));
        assert!(told.contains("did you mean `format`?"), "{verb}: {told}");
        assert!(told.contains("`float` is not a type"), "{verb}: {told}");
        assert!(told.contains("target/wasmill/readings.wasm"), "{verb}: {told}");
        refuses(wasmill(&dir, &[verb, "wrong.yaml"]), 3, "wrong.yaml:");
    }
}
