//! The example `sessions` as it stands in `examples/`: DuckDB's answer, through kills.

use crate::{answer, flights_path};
use wasmill_tests::{Running, TestJob, module, root, until};

#[test]
fn sessions_are_duckdbs_through_kills() {
    let text = std::fs::read_to_string(root().join("examples/sessions/job.yaml")).expect("the example is there");
    let replaced = [
        ("../../target/wasmill/sessions.wasm", module("sessions").display().to_string()),
        ("../../udf-examples/flights/data/flights-200k.ndjson.gz", flights_path().display().to_string()),
        ("    connector: file\n    path: /", "    rate: 100000\n    connector: file\n    path: /".to_owned()),
        ("parallelism: 2\n", "parallelism: 2\nepoch: 20ms\n".to_owned()),
    ];
    let text = replaced.iter().fold(text, |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "the example has {from:?} once");
        text.replace(from, to)
    });
    let answer = answer("udf-examples/sessions/data/flights_sessions.csv.gz");
    for parallelism in ["1", "3"] {
        let job = TestJob::new(&text);
        for _ in 0..4 {
            let mut running = Running::start(job.command(&["--parallelism", parallelism, "--quiet"]));
            let before = job.csv_rows("out").len();
            until("more sessions are out", || running.has_ended() || job.csv_rows("out").len() > before + 500);
            running.kill().expect("it is gone");
        }
        job.run(&["--parallelism", parallelism]).ok();
        assert!(job.csv_rows("out") == answer, "parallelism {parallelism}: other sessions");
        assert!(job.csv_rows("late").is_empty(), "the flights are in order");
    }
}
