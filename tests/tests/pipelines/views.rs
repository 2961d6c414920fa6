//! Views that a job is changed under: lines that were kept must still be rows of what it shows.

use wasmill_tests::TestJob;

/// A view of what one person bought last.
fn job() -> TestJob {
    let job = TestJob::new(
        "job: views
sources:
  sales: { connector: file, path: '*.csv', schema: { who: string, what: string, cents: int64 } }
sinks:
  newest: { connector: file, mode: upsert, key: who, path: out, format: csv, input: sales }
",
    );
    job.write("a.csv", "who,what,cents\nann,tea,5\nbob,tea,5\nann,jam,7\n");
    job
}

fn change(job: &TestJob, from: &str, to: &str) {
    let text = std::fs::read_to_string(job.path("job.yaml")).expect("it was written");
    assert!(text.contains(from), "{text}");
    job.write("job.yaml", text.replace(from, to));
}

#[test]
fn a_view_whose_lines_would_mean_something_else_is_refused_until_they_are_dropped() {
    for (from, to, told) in [
        ("key: who", "key: what", "by the key (who: string), and the job now keys it by (what: string)"),
        ("format: csv", "format: ndjson", "are kept as csv"),
        ("cents: int64", "cents: int32", "cents: int64"),
    ] {
        let job = job();
        job.run(&[]).ok();
        let shown = job.csv_rows("out");
        assert_eq!(shown, ["ann,jam,7", "bob,tea,5"]);
        change(&job, from, to);
        job.write("b.csv", "who,what,cents\ncid,jam,9\n");
        let refused = job.run(&[]);
        assert_eq!(refused.code(), Some(3), "{to}: {}", refused.stderr);
        assert!(refused.stderr.contains(told) && refused.stderr.contains("newest"), "{to}: {}", refused.stderr);
        assert_eq!(job.csv_rows("out"), shown, "{to}: what was refused has written");
        // What the message says helps.
        let mut drop = std::process::Command::new(wasmill_tests::wasmill());
        drop.arg("state").arg(job.path("job.yaml")).args(["--drop", "newest"]);
        wasmill_tests::Running::start(drop).wait().expect("it ends").ok();
        job.run(&[]).ok();
        let view = if to.contains("ndjson") { "out/view.ndjson" } else { "out/view.csv" };
        let view = std::fs::read_to_string(job.path(view)).expect("it is written");
        assert!(view.contains("cid") && !view.contains("ann"), "{to}: {view}");
    }
}

#[test]
fn a_view_goes_on_when_nothing_of_its_lines_has_changed() {
    let job = job();
    job.run(&["--parallelism", "1"]).ok();
    change(&job, "key: who", "every: 2s, key: [who]");
    job.write("b.csv", "who,what,cents\nann,tea,1\ncid,jam,9\n");
    job.run(&["--parallelism", "3"]).ok();
    assert_eq!(job.csv_rows("out"), ["ann,tea,1", "bob,tea,5", "cid,jam,9"]);
}
