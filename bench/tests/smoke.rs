//! The benchmark runs and tells what it should, on a hundredth of its events. It says nothing about
//! how fast anything is.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn bench(out: &Path, args: &[&str]) -> (bool, String) {
    let bench = env!("CARGO_BIN_EXE_wasmill-bench");
    let wasmill = Path::new(bench).with_file_name("wasmill");
    assert!(wasmill.exists(), "{} is missing: run scripts/test, or `cargo build -p wasmill` first", wasmill.display());
    let output = Command::new(bench).arg("--wasmill").arg(wasmill).arg("--out").arg(out).args(args).output();
    let output = output.expect("the benchmark starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), told)
}

#[test]
fn a_small_run_fills_the_report() {
    let out = tempfile::tempdir().expect("a temporary directory can be made");
    let parts = ["throughput", "latency", "start"];
    let settings = ["--only", "w2,w3-1k,json", "--scale", "0.01", "--rounds", "1"];
    let (ok, told) = bench(out.path(), &[&parts[..], &settings[..]].concat());
    assert!(ok, "{told}");
    let text = std::fs::read_to_string(out.path().join("report.json")).expect("it was written");
    let report: Value = serde_json::from_str(&text).expect("it is JSON");
    let names: Vec<_> = report["throughput"].as_array().expect("a list").iter().map(|m| m["name"].clone()).collect();
    assert_eq!(names, ["w2", "w3-1k", "json-w1", "json-w3"]);
    for measured in report["throughput"].as_array().expect("a list") {
        for figure in ["/wasmill/events_per_s", "/wasmill/cpu_us_per_event", "/times/guest_ns", "/plain/loop_ns"] {
            let value = measured.pointer(figure).and_then(Value::as_f64);
            assert!(value.is_some_and(|v| v > 0.0), "{figure} of {measured}");
        }
    }
    let latency = &report["latency"];
    assert!(latency["p99_ms"].as_f64() >= latency["p50_ms"].as_f64(), "{latency}");
    assert!(report["start"]["restart_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{report}");
    assert!(told.contains("json-w3"), "{told}");
}

#[test]
fn a_workload_that_is_not_there_is_told() {
    let out = tempfile::tempdir().expect("a temporary directory can be made");
    let (ok, told) = bench(out.path(), &["throughput", "--only", "w9"]);
    assert!(!ok && told.contains("no workload is called w9") && told.contains("json-w1"), "{told}");
}
