//! Paths that lead to something else than a file, with the real binary: every read ends, nothing
//! outside is touched, and the message names the path.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const JOB: &str = "\
job: lines
sources:
  lines: { connector: file, path: INPUT, format: ndjson, schema: { a: int64 } }
sinks:
  out: { connector: blackhole, input: lines }
";

fn wasmill(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmill"));
    command.args(args).current_dir(dir).env("XDG_CACHE_HOME", dir.join("cache"));
    command.output().expect("the binary was built for this test")
}

#[track_caller]
fn refuses(output: &Output, status: i32, told: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{text}");
    for told in told {
        assert!(text.contains(told), "it does not say {told:?} but:\n{text}");
    }
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a directory for the test");
    let made = Command::new("mkfifo").arg(home.path().join("pipe")).status().expect("mkfifo runs");
    assert!(made.success());
    home
}

#[test]
fn pipes_devices_and_directories_are_no_modules_and_no_jobs() {
    let home = home();
    for path in ["pipe", "/dev/zero"] {
        for verb in ["inspect", "check", "run"] {
            refuses(&wasmill(home.path(), &[verb, path]), 3, &[path, "a pipe or a device"]);
        }
    }
    for verb in ["inspect", "check", "run"] {
        refuses(&wasmill(home.path(), &[verb, "/"]), 3, &["it is a directory"]);
    }
    fs::write(home.path().join("large.yaml"), vec![b'#'; (1 << 20) + 1]).expect("it is writable");
    refuses(&wasmill(home.path(), &["check", "large.yaml"]), 3, &["large.yaml", "1048577 bytes, at most 1048576"]);
}

#[test]
fn pipes_devices_and_directories_are_no_inputs() {
    let home = home();
    fs::create_dir(home.path().join("data")).expect("it is writable");
    for (input, told) in [("pipe", "no regular file"), ("/dev/zero", "no regular file"), ("data", "write \"data/*\"")] {
        fs::write(home.path().join("job.yaml"), JOB.replace("INPUT", input)).expect("it is writable");
        refuses(&wasmill(home.path(), &["run", "job.yaml"]), 5, &[input, told]);
    }
}

#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let home = home();
    let path = |name: &str| home.path().join(name);
    fs::write(path("in.ndjson"), "{\"a\":1}\n").expect("it is writable");
    fs::write(path("job.yaml"), JOB.replace("INPUT", "in.ndjson")).expect("it is writable");
    fs::write(path("precious"), "mine").expect("it is writable");
    for (dir, target) in [("links", "../precious"), ("pipes", "../pipe")] {
        fs::create_dir(path(dir)).expect("it is writable");
        std::os::unix::fs::symlink(target, path(dir).join("LOCK")).expect("it is writable");
        refuses(&wasmill(home.path(), &["run", "job.yaml", "--state-dir", dir]), 4, &["LOCK", "not a regular file"]);
    }
    assert_eq!(fs::read_to_string(path("precious")).expect("it is still there"), "mine");
}

#[test]
fn an_error_that_quotes_escape_sequences_shows_them() {
    let home = home();
    fs::write(home.path().join("job.yaml"), "\"\\e[2Jgone\": 1\n").expect("it is writable");
    let output = wasmill(home.path(), &["check", "job.yaml"]);
    refuses(&output, 3, &["gone"]);
    assert!(!output.stderr.contains(&0x1b), "{:?}", String::from_utf8_lossy(&output.stderr));
}
