//! Sources: standard input, compressed and split files, odd CSV, lines that are no rows.

use crate::{FLIGHT, flights_path, hourly_answer, unpacked};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use wasmill_tests::{Ended, Running, TestJob, module};

/// Rows `{id, action}` through a function that lets them pass.
fn passing(source: &str, sink: &str) -> TestJob {
    TestJob::new(&format!(
        "job: passing
epoch: 20ms
modules: {{ probe: {module} }}
sources:
  rows: {{ {source}, schema: {{ id: int64, action: string }} }}
functions:
  pass: {{ module: probe, function: misbehave, input: rows }}
sinks:
  out: {{ {sink}, input: pass }}
",
        module = module("probe").display()
    ))
}

fn with_stdin(job: &TestJob, input: impl AsRef<[u8]>) -> Ended {
    job.write("stdin", input);
    let mut command = job.command(&["--quiet"]);
    command.stdin(std::fs::File::open(job.path("stdin")).expect("it was just written"));
    Running::start(command).wait().expect("the job ends in time").ok()
}

#[test]
fn ndjson_through_a_pipe() {
    let job = passing("connector: stdin, format: ndjson", "connector: stdout, format: ndjson");
    let lines: Vec<_> = (0..3_000).map(|id| format!("{{\"id\":{id},\"action\":\"ok\"}}")).collect();
    assert_eq!(with_stdin(&job, lines.join("\n")).stdout, lines.join("\n") + "\n");
    assert_eq!(job.dead_letters("passing"), Vec::<Value>::new());
}

#[test]
fn csv_through_a_pipe_with_lines_that_are_no_rows() {
    let job = passing("connector: stdin, format: csv", "connector: stdout, format: csv");
    let input = "action,id,more\nok,1,x\nok,two,x\n\nok,3\ndrop,4,\nreject,5,\"\"\nok,6,\"a\nb\"\nok,7,x";
    let ended = with_stdin(&job, input);
    let rows: Vec<_> = ended.stdout.lines().filter(|line| *line != "id,action").collect();
    assert_eq!(rows, ["1,ok", "6,ok", "7,ok"]);
    let letters: Vec<_> =
        job.dead_letters("passing").iter().map(|l| (l["reason"].clone(), l["at"]["line"].clone())).collect();
    assert_eq!(letters, [(json!("format"), json!(3)), (json!("format"), json!(5)), (json!("rejected"), json!(7))]);
}

#[test]
fn nothing_through_a_pipe() {
    for format in ["ndjson", "csv"] {
        let source = format!("connector: stdin, format: {format}");
        let job = passing(&source, &format!("connector: stdout, format: {format}"));
        let ended = with_stdin(&job, "");
        assert!(ended.stdout.lines().all(|line| line == "id,action"), "{:?}", ended.stdout);
    }
}

#[test]
fn a_blackhole_swallows_rows_and_no_dead_letters() {
    let job = passing("connector: file, path: in.ndjson", "connector: blackhole");
    job.write("in.ndjson", "{\"id\":1,\"action\":\"ok\"}\n{\"id\":2,\"action\":\"reject\"}\nnothing\n");
    job.run(&[]).ok();
    let operators: Vec<_> = job.dead_letters("passing").iter().map(|l| l["operator"].clone()).collect();
    assert_eq!(operators.len(), 2);
    assert!(operators.contains(&json!("pass")) && operators.contains(&json!("rows")));
    assert!(!job.path("out").exists());
}

fn gz(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).expect("memory takes everything");
    packed.finish().expect("memory takes everything")
}

#[test]
fn flights_in_three_files_of_three_kinds_give_the_answer_of_one() {
    let text = unpacked(flights_path());
    let mut files = [String::new(), String::new(), String::new()];
    for (i, line) in text.lines().enumerate() {
        files[i % 3] += line;
        files[i % 3].push('\n');
    }
    // Members end inside of lines, and one of them is empty.
    let (head, tail) = files[0].split_at(files[0].len() / 3 + 5);
    let members = [gz(head), gz(""), gz(tail)].concat();
    for parallelism in ["1", "2", "4"] {
        let job = hourly(
            &format!(
                "  departures:
    connector: file
    path: in/*.ndjson*
    format: ndjson
    schema: {FLIGHT}
    event_time: {{ column: date, every: 100 }}"
            ),
            "departures",
        );
        job.write("in/a.ndjson.gz", &members);
        job.write("in/b.ndjson.zst", zstd::encode_all(files[1].as_bytes(), 1).expect("text can be packed"));
        job.write("in/c.ndjson", &files[2]);
        job.run(&["--parallelism", parallelism]).ok();
        assert_eq!(job.dead_letters("hourly"), Vec::<Value>::new());
        assert!(job.csv_rows("out") == hourly_answer(), "parallelism {parallelism} gave other rows");
    }
}

/// Flights of some sources, cleaned and totalled per hour.
fn hourly(sources: &str, input: &str) -> TestJob {
    TestJob::new(&format!(
        "job: hourly
epoch: 50ms
modules: {{ flights: {module} }}
sources:
{sources}
functions:
  clean: {{ module: flights, function: clean, input: {input} }}
  hourly: {{ module: flights, function: hourly, input: clean.out, key: origin }}
sinks:
  totals: {{ connector: file, path: out, format: csv, input: hourly }}
",
        module = module("flights").display()
    ))
}

#[test]
fn a_union_of_two_sources_waits_for_the_slower_one() {
    let source = |name: &str, file: &str| {
        format!(
            "  {name}: {{ connector: file, path: {file}, schema: {FLIGHT}, event_time: {{ column: date, every: 200 }} }}\n"
        )
    };
    let sources = source("even", "even.ndjson") + &source("odd", "odd.csv");
    let text = unpacked(flights_path());
    let even: String = text.lines().step_by(2).map(|line| format!("{line}\n")).collect();
    let csv = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("a flight");
        let column = |name: &str| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned);
        ["origin", "destination", "date", "delay", "distance"].map(column).join(",") + "\r\n"
    };
    let odd: String = text.lines().skip(1).step_by(2).map(csv).collect();
    for parallelism in ["1", "3"] {
        let job = hourly(&sources, "[even, odd]");
        job.write("even.ndjson", &even);
        job.write("odd.csv", format!("origin,destination,date,delay,distance\r\n{odd}"));
        job.run(&["--parallelism", parallelism]).ok();
        assert_eq!(job.dead_letters("hourly"), Vec::<Value>::new());
        assert!(job.csv_rows("out") == hourly_answer(), "parallelism {parallelism} gave other rows");
    }
}

#[test]
fn csv_fields_may_hold_anything_in_quotes() {
    let job = TestJob::new(&format!(
        "job: quotes
modules: {{ probe: {module} }}
sources:
  transfers:
    {{ connector: file, path: in.csv, schema: {{ account: string, id: int64, amount: int64, action: string }} }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: account }}
sinks:
  json: {{ connector: file, path: json, format: ndjson, input: ledger }}
  csv: {{ connector: file, path: csv, format: csv, input: ledger }}
",
        module = module("probe").display()
    ));
    let names = ["a\nb", "a\r\n\nb", "say \"hi\"", "a,b", " ", "日本\n"];
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let row = |(i, name): (usize, &&str)| format!("{},{i},{},ok\n", quoted(name), i + 1);
    let rows: String = names.iter().enumerate().map(row).collect();
    job.write("in.csv", format!("account,id,amount,action\n{rows}\"x\ny\",7,much,ok\nend,8,8,ok\n"));
    job.run(&[]).ok();
    let got: Vec<_> = job.json_rows("json").iter().map(|r| r["account"].as_str().expect("a name").to_owned()).collect();
    let all: Vec<_> = names.iter().copied().chain(["end"]).collect();
    assert_eq!(got, all);
    // What is written reads the same again.
    let written = job.parts("csv").concat();
    let balances: String = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let plain = !name.contains(['"', ',', '\n', '\r']);
            format!("{},{i},{}\n", if plain { (*name).to_owned() } else { quoted(name) }, i + 1)
        })
        .collect();
    assert_eq!(written, format!("account,id,balance\n{balances}end,8,8\n"));
    let letters = job.dead_letters("quotes");
    assert_eq!(letters.len(), 1, "{letters:?}");
    // The header, and the lines of the rows before.
    assert_eq!(letters[0]["at"]["line"], json!(2 + rows.matches('\n').count()));
    assert_eq!(letters[0]["bytes"], json!("\"x\ny\",7,much,ok"));
}

#[test]
fn lines_that_are_no_rows_are_told_once_with_their_place() {
    let job = passing("connector: file, path: in/*.ndjson, rate: 4000", "connector: file, path: out, format: ndjson");
    let bad = |i: usize| i % 100 == 17;
    let line = |i: usize| {
        if bad(i) { format!("{{\"id\":{i},\"action\":") } else { format!("{{\"id\":{i},\"action\":\"ok\"}}") }
    };
    let lines: Vec<_> = (0..1_000).map(line).collect();
    for file in ["a", "b"] {
        job.write(&format!("in/{file}.ndjson"), lines.join("\n"));
    }
    let mut running = Running::start(job.command(&["--quiet", "--parallelism", "2"]));
    wasmill_tests::until("something is committed", || {
        running.has_ended() || !job.parts(".wasmill/passing/dead-letters").is_empty()
    });
    running.kill().expect("it can be killed");
    job.run(&["--parallelism", "2"]).ok();
    let place = |l: &Value| {
        assert_eq!((&l["operator"], &l["reason"]), (&json!("rows"), &json!("format")));
        assert!(l["message"].as_str().is_some_and(|m| !m.is_empty()), "{l}");
        let at = &l["at"];
        (at["partition"].to_string(), at["line"].as_u64(), at["offset"].as_u64(), l["bytes"].to_string())
    };
    let mut got: Vec<_> = job.dead_letters("passing").iter().map(place).collect();
    got.sort();
    let mut expected = Vec::new();
    for file in ["a", "b"] {
        let mut offset = 0;
        for (i, line) in lines.iter().enumerate() {
            if bad(i) {
                let partition = format!("\"in/{file}.ndjson\"");
                expected.push((partition, Some(i as u64 + 1), Some(offset), json!(line).to_string()));
            }
            offset += line.len() as u64 + 1;
        }
    }
    expected.sort();
    assert_eq!(got, expected);
    assert_eq!(job.json_rows("out").len(), 2 * lines.len() - expected.len());
}

#[test]
fn inputs_without_any_row_end_well() {
    for (file, content, dead) in [
        ("in.ndjson", "", 0),
        ("in.csv", "", 0),
        ("in.csv", "id,action\n", 0),
        ("in.ndjson", "\n\n \n", 0),
        ("in.ndjson", "no\nrow\n[1]\n", 3),
        ("in.csv", "action,id\nok,x\n\"\n", 2),
    ] {
        let job = passing(&format!("connector: file, path: {file}"), "connector: file, path: out, format: ndjson");
        job.write(file, content);
        job.run(&[]).ok();
        assert_eq!(job.json_rows("out"), Vec::<Value>::new(), "{content:?}");
        assert_eq!(job.dead_letters("passing").len(), dead, "{content:?}");
    }
}

#[test]
fn a_line_of_20_megabytes_is_dead_and_its_neighbours_live() {
    let job = passing("connector: file, path: in.ndjson", "connector: file, path: out, format: ndjson");
    let line = |id: i32, action: &str| format!("{{\"id\":{id},\"action\":\"{action}\"}}\n");
    let long = line(2, &"x".repeat(20 << 20));
    job.write("in.ndjson", line(1, "ok") + &long + &line(3, "ok"));
    job.run(&[]).ok();
    let ids: Vec<_> = job.json_rows("out").iter().map(|r| r["id"].as_i64()).collect();
    assert_eq!(ids, [Some(1), Some(3)]);
    let letters = job.dead_letters("passing");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["at"], json!({ "partition": "in.ndjson", "line": 2, "offset": line(1, "ok").len() }));
    assert!(letters[0]["message"].as_str().is_some_and(|m| m.contains("16777216")), "{}", letters[0]["message"]);
    assert!(letters[0].to_string().len() < 100 << 10, "the letter holds the whole line");
}
