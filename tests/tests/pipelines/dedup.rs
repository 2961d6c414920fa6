//! The example `dedup`, as its job file stands: the first payment of each id, for an hour.

use wasmill_tests::{TestJob, module, root};

const EXAMPLE: &str = "examples/dedup";

fn example() -> TestJob {
    let read = |name: &str| std::fs::read_to_string(root().join(EXAMPLE).join(name)).expect("the example is there");
    let built = module("dedup");
    let yaml = read("job.yaml").replace("../../target/wasmill/dedup.wasm", &built.to_string_lossy());
    let job = TestJob::new(&yaml);
    job.write("payments.csv", read("payments.csv"));
    job
}

#[test]
fn each_payment_goes_out_once_in_an_hour() {
    for parallelism in ["1", "3"] {
        let job = example();
        job.run(&["--parallelism", parallelism]).ok();
        let paid = job.csv_rows("out");
        let ids: Vec<&str> = paid.iter().map(|row| row.split(',').next().expect("rows have ids")).collect();
        // p1 comes again 66 minutes after its first; all other repetitions come within the hour.
        assert_eq!(ids, ["p1", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8"], "{paid:?}");
        assert!(paid[1].ends_with(",1500"), "{paid:?}");
    }
}

#[test]
fn a_time_to_live_in_event_time_needs_event_time() {
    let job = example();
    let yaml = std::fs::read_to_string(job.path("job.yaml")).expect("it was just written");
    let (before, rest) = yaml.split_once("    event_time:").expect("the example has event time");
    let (_, after) = rest.split_once("functions:").expect("functions follow");
    job.write("job.yaml", format!("{before}\nfunctions:{after}"));
    let ended = job.run(&[]);
    assert_ne!(ended.code(), Some(0));
    let told = "the state slot `seen` of `once` has a time to live in event time, but the rows that it gets have none";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}
