//! The main job on real data, killed again and again: the output is the right answer, each row
//! once, whenever and wherever the process dies.

use anyhow::Result;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use wasmill_tests::{Random, Running, TestJob, module, root, until};

/// SIGKILLs at random instants, per parallelism.
const KILLS: u32 = 50;

/// Every named point where the process can be made to die, and which visit of it to die at.
const POINTS: [(&str, u32); 14] = [
    ("source.barrier", 1),
    ("source.barrier", 3),
    ("subtask.barrier", 1),
    ("subtask.barrier", 6),
    ("commit.before", 1),
    ("commit.before", 3),
    ("commit.synced", 1),
    ("commit.synced", 3),
    ("publish.before", 2),
    ("publish.half", 1),
    ("publish.half", 3),
    ("publish.after", 2),
    ("finish.before", 1),
    ("finish.after", 1),
];

fn data(name: &str) -> std::path::PathBuf {
    root().join("udf-examples/flights/data").join(name)
}

fn gunzip(path: &std::path::Path) -> Result<String> {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    Ok(text)
}

/// The right answer, computed by DuckDB: rows without the header, sorted.
fn hourly_answer() -> Result<Vec<String>> {
    let mut rows: Vec<_> =
        gunzip(&data("flights_hourly_by_origin.csv.gz"))?.lines().skip(1).map(str::to_owned).collect();
    rows.sort();
    assert_eq!(rows.len(), 28_794, "the answer has as many rows as its source says");
    Ok(rows)
}

fn hourly_job(input: &str, settings: &str, rate: &str) -> TestJob {
    TestJob::new(&format!(
        "job: hourly
{settings}
modules:
  flights: {module}
sources:
  departures:
    connector: file
    path: {input}
    format: ndjson
    {rate}
    schema: {{ date: timestamp, delay: int32, distance: int32, origin: string, destination: string }}
    event_time: {{ column: date, every: 500 }}
functions:
  clean: {{ module: flights, function: clean, input: departures }}
  hourly: {{ module: flights, function: hourly, input: clean.out, key: [origin] }}
sinks:
  result: {{ connector: file, path: out, format: csv, input: hourly }}
",
        module = module("flights").display(),
    ))
}

fn whole_input() -> String {
    data("flights-200k.ndjson.gz").display().to_string()
}

#[test]
fn hourly_totals_are_right_at_any_parallelism() -> Result<()> {
    let answer = hourly_answer()?;
    for parallelism in ["1", "2", "4"] {
        let job = hourly_job(&whole_input(), "epoch: 50ms", "");
        job.run(&["--parallelism", parallelism]).ok();
        assert!(job.csv_rows("out") == answer, "parallelism {parallelism} gave other rows");
        assert_eq!(job.dead_letters("hourly"), Vec::<serde_json::Value>::new());
    }
    Ok(())
}

#[test]
fn running_totals_per_route_end_right() -> Result<()> {
    let job = TestJob::new(&format!(
        "job: routes
parallelism: 2
modules: {{ flights: {module} }}
sources:
  departures:
    connector: file
    path: {input}
    format: ndjson
    schema: {{ date: timestamp, delay: int32, distance: int32, origin: string, destination: string }}
functions:
  clean: {{ module: flights, function: clean, input: departures }}
  routes: {{ module: flights, function: routes, input: clean.out, key: [origin, destination] }}
sinks:
  result: {{ connector: file, path: out, format: csv, input: routes }}
",
        module = module("flights").display(),
        input = whole_input(),
    ));
    job.run(&[]).ok();
    // Rows of one key stand in one file, in order: the last one is the final total.
    let mut last = BTreeMap::new();
    let mut rows = 0;
    for text in job.parts("out") {
        for row in text.lines().skip(1) {
            let key: Vec<_> = row.split(',').take(2).collect();
            last.insert(key.join(","), row.to_owned());
            rows += 1;
        }
    }
    assert_eq!(rows, 200_000, "one running total per flight");
    let answer = gunzip(&data("flights_by_route.csv.gz"))?;
    let mut answer: Vec<_> = answer.lines().skip(1).map(str::to_owned).collect();
    answer.sort();
    let mut got: Vec<_> = last.into_values().collect();
    got.sort();
    assert!(got == answer, "{} routes, the answer has {}", got.len(), answer.len());
    Ok(())
}

#[test]
fn kills_at_random_instants_at_parallelism_1() -> Result<()> {
    killed_at_random("1")
}

#[test]
fn kills_at_random_instants_at_parallelism_4() -> Result<()> {
    killed_at_random("4")
}

fn killed_at_random(parallelism: &str) -> Result<()> {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats the instants of this run");
    let answer = hourly_answer()?;
    let mut kills = 0;
    let mut runs = 0;
    while kills < KILLS {
        // The source is slowed down so that most of the kills find the job in the middle.
        let job = hourly_job(&whole_input(), "epoch: 20ms", "rate: 60000");
        runs += 1;
        let finished_by_itself = loop {
            let mut running = Running::start(job.command(&["--parallelism", parallelism, "--quiet"]));
            let wait = std::time::Duration::from_millis(20 + random.below(500));
            let started = std::time::Instant::now();
            until("the process ends or its time has come", || running.has_ended() || started.elapsed() >= wait);
            if running.has_ended() {
                running.wait()?.ok();
                break true;
            }
            running.kill()?;
            kills += 1;
            if kills >= KILLS {
                break false;
            }
        };
        if !finished_by_itself {
            job.run(&["--parallelism", parallelism, "--quiet"]).ok();
        }
        assert!(job.csv_rows("out") == answer, "seed {seed}, run {runs}: other rows after {kills} kills");
        assert_eq!(job.dead_letters("hourly"), Vec::<serde_json::Value>::new());
    }
    println!("{kills} kills in {runs} runs at parallelism {parallelism}");
    Ok(())
}

#[test]
fn kills_at_every_fail_point() -> Result<()> {
    let lines = gunzip(&data("flights-200k.ndjson.gz"))?;
    let some: Vec<_> = lines.lines().take(20_000).collect();
    let reference = hourly_job("in.ndjson", "", "");
    reference.write("in.ndjson", some.join("\n"));
    reference.run(&[]).ok();
    let answer = reference.csv_rows("out");
    assert!(answer.len() > 2_000, "{} rows are too few to show anything", answer.len());
    for parallelism in ["1", "4"] {
        for (point, visit) in POINTS {
            let job = hourly_job("in.ndjson", "epoch: 20ms", "rate: 100000");
            job.write("in.ndjson", some.join("\n"));
            let mut command = job.command(&["--parallelism", parallelism, "--quiet"]);
            command.env("WASMILL_FAILPOINTS", format!("{point}@{visit}"));
            let ended = Running::start(command).wait()?;
            assert_eq!(ended.code(), None, "{point}@{visit} was never reached: {}", ended.stderr);
            job.run(&["--parallelism", parallelism, "--quiet"]).ok();
            assert!(job.csv_rows("out") == answer, "parallelism {parallelism}: other rows after {point}@{visit}");
        }
    }
    Ok(())
}

#[test]
fn parallelism_may_change_between_runs() -> Result<()> {
    let answer = hourly_answer()?;
    let job = hourly_job(&whole_input(), "epoch: 20ms", "rate: 150000");
    for parallelism in ["1", "4", "3"] {
        let mut running = Running::start(job.command(&["--parallelism", parallelism, "--quiet"]));
        let before = job.csv_rows("out").len();
        until("new rows are committed", || running.has_ended() || job.csv_rows("out").len() > before + 1_000);
        running.kill()?;
    }
    job.run(&["--parallelism", "2"]).ok();
    assert!(job.csv_rows("out") == answer, "other rows");
    Ok(())
}
