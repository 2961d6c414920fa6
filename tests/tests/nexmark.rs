//! The generator and the Nexmark queries, held against what Apache Flink gives for the same events.
//!
//! The answers are rows and checksums that Flink 2.3 printed for the first 1,000,000 events.

use wasmill_tests::{TestJob, module};

/// A job that sends bids through one function.
fn query(function: &str, keyed: bool, keys: u64, columns: &str) -> TestJob {
    let key = if keyed { "key: [auction], " } else { "" };
    TestJob::new(&format!(
        "job: nexmark
modules: {{ nexmark: {module} }}
sources:
  bids: {{ connector: generator, dataset: nexmark, stream: bid, events: 1000000, keys: {keys}, partitions: 2,
    columns: {columns}, event_time: {{ column: dateTime }} }}
functions:
  query: {{ module: nexmark, function: {function}, {key}input: bids }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: query }}
",
        module = module("nexmark").display(),
    ))
}

/// The number of rows, and the sum of a column.
fn rows_and_sum(job: &TestJob, sink: &str, column: usize) -> (usize, i64) {
    let (mut rows, mut sum) = (0, 0i64);
    for text in job.parts(sink) {
        for line in text.lines().skip(1) {
            let value = line.split(',').nth(column).unwrap_or_else(|| panic!("{line:?} has no column {column}"));
            sum += value.parse::<i64>().unwrap_or_else(|e| panic!("{value:?} is no number: {e}"));
            rows += 1;
        }
    }
    (rows, sum)
}

#[test]
fn all_events_are_the_benchmarks() {
    let stream = |name: &str, column: &str| {
        format!(
            "  {name}s: {{ connector: generator, dataset: nexmark, stream: {name}, events: 1000000, columns: [{column}] }}\n"
        )
    };
    let sink = |name: &str| format!("  {name}: {{ connector: file, path: {name}, format: csv, input: {name}s }}\n");
    let job = TestJob::new(&format!(
        "job: events\nsources:\n{}{}{}sinks:\n{}{}{}",
        stream("bid", "price"),
        stream("auction", "id"),
        stream("person", "id"),
        sink("bid"),
        sink("auction"),
        sink("person")
    ));
    job.run(&[]).ok();
    let parts = ["bid", "auction", "person"].map(|s| rows_and_sum(&job, s, 0));
    assert_eq!(parts.map(|p| p.0), [920_000, 60_000, 20_000]);
    assert_eq!(parts.iter().map(|p| p.1).sum::<i64>(), 462_008_872_785);
}

#[test]
fn query_1_converts_every_price() {
    let job = query("q1", false, 0, "[auction, bidder, price, dateTime]");
    job.run(&["--parallelism", "2"]).ok();
    assert_eq!(rows_and_sum(&job, "out", 2), (920_000, 417_687_633_838));
}

#[test]
fn query_2_picks_auctions() {
    let job = query("q2", false, 0, "[auction, price, dateTime]");
    job.run(&[]).ok();
    assert_eq!(rows_and_sum(&job, "out", 1), (7_566, 3_744_819_704));
}

#[test]
fn running_totals_count_every_bid() {
    for (keys, sum) in [(0, 182_685_436), (1_000, 424_136_111), (100_000, 5_153_420)] {
        let job = query("totals", true, keys, "[auction, price, dateTime]");
        job.run(&["--parallelism", "2"]).ok();
        assert_eq!(rows_and_sum(&job, "out", 1), (920_000, sum), "{keys} keys");
    }
}
