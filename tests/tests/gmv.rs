//! Changelogs and views through the binary: the turnover of a shopping day, at any parallelism and
//! killed again and again, against what DuckDB computed and what this test adds up itself.

use anyhow::Result;
use flate2::read::GzDecoder;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::{Duration, Instant};
use wasmill_tests::{Random, Running, TestJob, module, root, until};

/// SIGKILLs at random instants, per parallelism.
const KILLS: u32 = 25;
const CATEGORIES: usize = 31;
const SECONDS: usize = 20;

/// Where the process is made to die, and at which visit: at a view's own points, and around the commit
/// that a view shows.
const POINTS: [(&str, u32); 7] = [
    ("view.before", 1),
    ("view.before", 4),
    ("view.rename", 1),
    ("view.rename", 4),
    ("commit.synced", 3),
    ("publish.after", 2),
    ("finish.before", 1),
];

/// `at` in front of a total, so that totals sort by it; then orders, cancelled, amount.
type Total = (String, [i64; 3]);

/// The right answer: the totals of each category, in the order of their seconds.
struct Answer {
    lines: BTreeSet<String>,
    of: BTreeMap<String, Vec<Total>>,
}

fn answer() -> Result<Answer> {
    let path = root().join("udf-examples/gmv/data/totals.csv.gz");
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let lines: BTreeSet<String> = text.lines().skip(1).map(str::to_owned).collect();
    let mut of = BTreeMap::<String, Vec<Total>>::new();
    for line in &lines {
        let (category, total) = total_of(line);
        of.entry(category).or_default().push(total);
    }
    of.values_mut().for_each(|totals| totals.sort());
    assert_eq!((of.len(), lines.len()), (CATEGORIES, CATEGORIES * SECONDS), "every category sells in every second");
    Ok(Answer { lines, of })
}

/// A line of the view or of the answer.
fn total_of(line: &str) -> (String, Total) {
    let cells: Vec<&str> = line.split(',').collect();
    let [_, category, at, numbers @ ..] = &cells[..] else { panic!("{line:?} is no total") };
    let numbers = numbers.iter().map(|n| n.parse().unwrap_or_else(|e| panic!("{line:?}: {e}")));
    let numbers: Vec<i64> = numbers.collect();
    ((*category).to_owned(), ((*at).to_owned(), numbers.try_into().expect("three numbers")))
}

fn job(settings: &str, rate: &str) -> TestJob {
    TestJob::new(&format!(
        "job: gmv
{settings}
modules: {{ gmv: {module} }}
sources:
  orders: {{ connector: generator, dataset: orders, events: 200000, partitions: 4, {rate}
    columns: [kind, category, amount, created], event_time: {{ column: created }} }}
functions:
  category: {{ module: gmv, input: orders, key: category }}
  day: {{ module: gmv, input: category, key: day, parallelism: 1 }}
sinks:
  changes: {{ connector: file, path: changes, format: csv, input: category }}
  categories: {{ connector: file, mode: upsert, key: [day, category], every: 20ms, path: categories, format: csv, input: category }}
  today: {{ connector: file, mode: upsert, key: day, every: 20ms, path: day, format: ndjson, input: day }}
  days: {{ connector: file, op: change, path: days, format: csv, input: day }}
",
        module = module("gmv").display(),
    ))
}

/// The view of the categories, if there is one, and whether it is one second of the answer.
fn check_view(job: &TestJob, answer: &Answer) -> Option<String> {
    let text = std::fs::read_to_string(job.path("categories/view.csv")).ok()?;
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("day,category,at,orders,cancelled,amount"), "{text}");
    let lines: Vec<&str> = lines.collect();
    let seconds: BTreeSet<String> = lines.iter().map(|line| total_of(line).1.0).collect();
    assert!(seconds.len() <= 1, "the view mixes seconds: {text}");
    assert!(lines.is_empty() || lines.len() == CATEGORIES, "the view has {} categories: {text}", lines.len());
    lines.iter().for_each(|line| assert!(answer.lines.contains(*line), "{line:?} is not in the answer"));
    seconds.into_iter().next()
}

/// The day in its view equals the sum of its categories at that second.
fn check_day(job: &TestJob, answer: &Answer) -> Option<String> {
    let text = std::fs::read_to_string(job.path("day/view.ndjson")).ok().filter(|text| !text.is_empty())?;
    let row: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("one row, not {text:?}: {e}"));
    let at = row["at"].as_str().expect("a time");
    let sum = day_at(answer, at);
    let told = ["orders", "cancelled", "amount"].map(|column| row[column].as_i64().expect("a number"));
    assert_eq!(told, sum, "the day at {at} is not the sum of its categories");
    Some(at.to_owned())
}

fn day_at(answer: &Answer, at: &str) -> [i64; 3] {
    let mut sum = [0; 3];
    for (_, numbers) in answer.of.values().flatten().filter(|(second, _)| second == at) {
        sum.iter_mut().zip(numbers).for_each(|(sum, n)| *sum += n);
    }
    sum
}

/// What a job that has ended must have left.
fn check_end(job: &TestJob, answer: &Answer, context: &str) {
    let last = answer.of.values().next().and_then(|totals| totals.last()).expect("an answer").0.clone();
    assert_eq!(check_view(job, answer).as_ref(), Some(&last), "{context}: the view is not the last one");
    assert_eq!(check_day(job, answer).as_ref(), Some(&last), "{context}: the day is not the last one");
    let mut expected = Vec::new();
    for (category, totals) in &answer.of {
        let line = |(at, [orders, cancelled, amount]): &Total| {
            format!("2025-11-11,{category},{at},{orders},{cancelled},{amount}")
        };
        expected.push(format!("+I,{}", line(&totals[0])));
        for pair in totals.windows(2) {
            expected.push(format!("-U,{}", line(&pair[0])));
            expected.push(format!("+U,{}", line(&pair[1])));
        }
    }
    expected.sort();
    assert!(job.csv_rows("changes") == expected, "{context}: other changes");
    let days = job.parts("days").concat();
    assert!(days.starts_with("change,day,at,orders,cancelled,amount\n+I,2025-11-11,"), "{context}: {days}");
    assert_eq!(days.lines().count(), 1 + 1 + 2 * (SECONDS - 1), "{context}: an update a second");
    for line in days.lines().skip(1).filter(|line| line.starts_with('+')) {
        let cells: Vec<&str> = line.split(',').collect();
        let numbers: Vec<i64> = cells[3..].iter().map(|n| n.parse().expect("a number")).collect();
        assert_eq!(numbers, day_at(answer, cells[2]), "{context}: {line}");
    }
}

#[test]
fn totals_are_duckdbs_at_any_parallelism() -> Result<()> {
    let answer = answer()?;
    for parallelism in ["1", "2", "4"] {
        let job = job("epoch: 50ms", "");
        job.run(&["--parallelism", parallelism]).ok();
        check_end(&job, &answer, &format!("parallelism {parallelism}"));
        assert_eq!(job.dead_letters("gmv"), Vec::<serde_json::Value>::new());
    }
    Ok(())
}

/// The answer again, from the generator's own rows: they are those that DuckDB was given.
#[test]
fn the_answer_is_that_of_the_exported_orders() -> Result<()> {
    let export = TestJob::new(
        "job: export
sources:
  orders: { connector: generator, dataset: orders, events: 200000, partitions: 4, columns: [id, kind, category, amount, created] }
sinks:
  out: { connector: file, path: out, format: csv, input: orders }
",
    );
    export.run(&[]).ok();
    let mut running = BTreeMap::<String, [i64; 3]>::new();
    let mut seconds = BTreeMap::<String, Vec<(String, [i64; 3])>>::new();
    let mut amounts = BTreeMap::new();
    for row in export.csv_rows("out") {
        let cells: Vec<&str> = row.split(',').collect();
        let (id, kind, category, amount) = (cells[0], cells[1], cells[2], cells[3].parse::<i64>()?);
        assert_eq!(*amounts.entry(id.to_owned()).or_insert(amount), amount, "order {id} has two amounts");
        let change = match kind {
            "placed" => [1, 0, amount],
            "cancelled" => [0, 1, -amount],
            _ => continue,
        };
        seconds
            .entry(cells[4][.."2025-11-10T16:00:00".len()].to_owned())
            .or_default()
            .push((category.to_owned(), change));
    }
    let mut last = BTreeMap::new();
    for changes in seconds.into_values() {
        for (category, change) in changes {
            let total = running.entry(category).or_default();
            total.iter_mut().zip(change).for_each(|(total, n)| *total += n);
        }
        last.clone_from(&running);
    }
    let answer = answer()?;
    let expected: BTreeMap<_, _> =
        answer.of.iter().map(|(category, totals)| (category.clone(), totals[SECONDS - 1].1)).collect();
    assert_eq!(last, expected);
    Ok(())
}

#[test]
fn kills_at_random_instants_at_parallelism_1() -> Result<()> {
    killed_at_random("1")
}

#[test]
fn kills_at_random_instants_at_parallelism_2() -> Result<()> {
    killed_at_random("2")
}

#[test]
fn kills_at_random_instants_at_parallelism_4() -> Result<()> {
    killed_at_random("4")
}

fn killed_at_random(parallelism: &str) -> Result<()> {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats the instants of this run");
    let answer = answer()?;
    let (mut kills, mut seen) = (0, BTreeSet::new());
    while kills < KILLS {
        let job = job("epoch: 20ms", "rate: 30000,");
        let args = ["--parallelism", parallelism, "--quiet"];
        let finished_by_itself = loop {
            let mut running = Running::start(job.command(&args));
            let wait = Duration::from_millis(20 + random.below(600));
            let started = Instant::now();
            until("the process ends or its time has come", || {
                seen.extend(check_view(&job, &answer));
                seen.extend(check_day(&job, &answer));
                running.has_ended() || started.elapsed() >= wait
            });
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
            job.run(&args).ok();
        }
        check_end(&job, &answer, &format!("seed {seed}, {kills} kills"));
    }
    assert!(seen.len() > 3, "only the seconds {seen:?} were ever seen in a view");
    println!("{kills} kills at parallelism {parallelism}, {} seconds seen", seen.len());
    Ok(())
}

#[test]
fn kills_at_the_points_of_views() -> Result<()> {
    let answer = answer()?;
    for parallelism in ["1", "2"] {
        for (point, visit) in POINTS {
            let job = job("epoch: 20ms", "rate: 60000,");
            let mut command = job.command(&["--parallelism", parallelism, "--quiet"]);
            command.env("WASMILL_FAILPOINTS", format!("{point}@{visit}"));
            let ended = Running::start(command).wait()?;
            assert_eq!(ended.code(), None, "{point}@{visit} was never reached: {}", ended.stderr);
            check_view(&job, &answer);
            job.run(&["--parallelism", parallelism, "--quiet"]).ok();
            check_end(&job, &answer, &format!("{point}@{visit} at parallelism {parallelism}"));
        }
    }
    Ok(())
}

#[test]
fn parallelism_may_change_between_runs() -> Result<()> {
    let answer = answer()?;
    let job = job("epoch: 20ms", "rate: 40000,");
    for parallelism in ["1", "4", "3"] {
        let mut running = Running::start(job.command(&["--parallelism", parallelism, "--quiet"]));
        let before = check_view(&job, &answer);
        until("the view moves on", || running.has_ended() || check_view(&job, &answer) > before);
        running.kill()?;
    }
    job.run(&["--parallelism", "2"]).ok();
    check_end(&job, &answer, "after 1, 4, 3 and 2");
    Ok(())
}

/// The newest total of each category again, from the changes that the job wrote to files: a changelog
/// can be read back.
#[test]
fn a_changelog_is_read_back_into_the_same_view() -> Result<()> {
    let answer = answer()?;
    let first = job("epoch: 50ms", "");
    first.run(&["--parallelism", "1"]).ok();
    let changes = first.parts("changes").concat();
    let again = "job: again
parallelism: 3
sources:
  changes:
    connector: file
    path: changes.csv
    schema: { op: string, day: string, category: string, at: timestamp, orders: int64, cancelled: int64, amount: int64 }
    op: { column: op }
sinks:
  view: { connector: file, mode: upsert, key: [day, category], path: categories, format: csv, input: changes }
";
    let (again, deleted) = (TestJob::new(again), TestJob::new(again));
    again.write("changes.csv", format!("{changes}?,2025-11-11,art,2025-11-10T16:00:01Z,1,1,1\n"));
    again.run(&[]).ok();
    assert_eq!(check_view(&again, &answer).as_deref(), Some("2025-11-10T16:00:20Z"));
    let dead = again.dead_letters("again");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0]["message"], "column \"op\" holds \"?\", which is no operation; there are +I, -U, +U and -D");
    // A last row is taken out of the view by its deletion, and by nothing else.
    let gone = "-D,2025-11-11,art,2025-11-10T16:00:20Z,0,0,0\n";
    deleted.write("changes.csv", format!("{changes}{gone}"));
    deleted.run(&[]).ok();
    let rows = std::fs::read_to_string(deleted.path("categories/view.csv"))?;
    assert_eq!(rows.lines().count(), CATEGORIES, "a header, and one category less");
    assert!(!rows.contains(",art,"), "{rows}");
    Ok(())
}

#[test]
fn a_view_never_takes_a_directory_that_another_job_has_written() {
    let job = job("epoch: 50ms", "");
    job.write("categories/view.csv", "theirs");
    let ended = job.run(&[]);
    assert_ne!(ended.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("already holds view.csv, which this job has not written"), "{}", ended.stderr);
    assert_eq!(job.parts("categories"), ["theirs"]);
}

#[test]
fn a_function_that_knows_no_changelogs_is_not_given_one() {
    // `category` reads orders, and would take each update for one.
    let job = TestJob::new(&format!(
        "job: gmv
modules: {{ gmv: {module} }}
sources:
  orders: {{ connector: generator, dataset: orders, events: 200, event_time: {{ column: created }} }}
functions:
  category: {{ module: gmv, input: orders, key: category }}
  again: {{ module: gmv, function: category, input: category, key: category }}
sinks:
  out: {{ connector: blackhole, input: again }}
",
        module = module("gmv").display(),
    ));
    let ended = job.run(&[]);
    assert_ne!(ended.code(), Some(0));
    for words in ["`category` is a changelog", "set `const READS_CHANGES: bool = true` in the function"] {
        assert!(ended.stderr.contains(words), "{words:?} is missing in: {}", ended.stderr);
    }
}
