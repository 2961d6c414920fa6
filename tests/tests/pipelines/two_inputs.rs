//! Two inputs of one function: the right sums of both, whichever is ahead, through kills, with rows
//! that break the function on one side.

use std::collections::BTreeMap;
use std::fmt::Write;
use wasmill_sdk::Timestamp;
use wasmill_tests::{Running, TestJob, module, until};

const CLIENTS: u64 = 40;

fn time(second: u64) -> Timestamp {
    Timestamp::from_secs(978_307_200 + second as i64)
}

/// Sums by client and hour: ordered and paid.
type Sums = BTreeMap<(u64, u64), (u64, u64)>;

/// Orders come densely, payments sparsely and a while later, so that the two are read at different
/// speeds. Every 500th payment is refused, every 700th makes the guest panic.
fn input() -> (String, String, Sums, Vec<String>) {
    let (mut orders, mut payments) = (String::new(), String::new());
    let (mut sums, mut dead) = (Sums::new(), Vec::new());
    for i in 0..30_000u64 {
        let (client, second) = (i * 7 % CLIENTS, i * 3);
        let _ = writeln!(orders, "{{\"who\":\"c{client}\",\"at\":\"{}\",\"cents\":{i}}}", time(second));
        sums.entry((client, second / 3600)).or_default().0 += i;
    }
    for i in 1..8_000u64 {
        let (client, second) = (i * 11 % CLIENTS, i * 12);
        let note = if i % 500 == 0 {
            "\"reject\""
        } else if i % 700 == 0 {
            "\"panic\""
        } else {
            "null"
        };
        let at = time(second);
        let _ = writeln!(payments, "{{\"at\":\"{at}\",\"client\":\"c{client}\",\"cents\":{i},\"note\":{note}}}");
        match note {
            "null" => sums.entry((client, second / 3600)).or_default().1 += i,
            _ => dead.push(format!("c{client} {i}")),
        }
    }
    dead.sort();
    (orders, payments, sums, dead)
}

#[test]
fn sums_of_both_inputs_are_right_through_kills() {
    let (orders, payments, sums, dead) = input();
    let answer = crate::sorted(
        sums.iter()
            .map(|((client, hour), (ordered, paid))| format!("c{client},{},{ordered},{paid}", time(hour * 3600)))
            .collect(),
    );
    for parallelism in ["1", "3"] {
        let job = TestJob::new(&format!(
            "job: two
epoch: 20ms
modules: {{ probe: {module} }}
sources:
  orders:
    connector: file
    path: orders.ndjson
    rate: 40000
    schema: {{ who: string, at: timestamp, cents: int64 }}
    event_time: {{ column: at, every: 50 }}
  payments:
    connector: file
    path: payments.ndjson
    rate: 20000
    schema: {{ at: timestamp, client: string, cents: int64, note: string? }}
    event_time: {{ column: at, every: 20 }}
functions:
  sums:
    module: probe
    function: reconcile
    input: {{ left: orders, right: payments }}
    key: {{ left: who, right: client }}
sinks:
  result: {{ connector: file, path: out, format: csv, input: sums }}
  late: {{ connector: file, path: late, format: csv, input: sums.late_left }}
  late_payments: {{ connector: file, path: late_payments, format: csv, input: sums.late_right }}
",
            module = module("probe").display(),
        ));
        job.write("orders.ndjson", &orders);
        job.write("payments.ndjson", &payments);
        for _ in 0..4 {
            let mut running = Running::start(job.command(&["--parallelism", parallelism, "--quiet"]));
            let before = job.csv_rows("out").len();
            until("more hours are out", || running.has_ended() || job.csv_rows("out").len() > before + 30);
            running.kill().expect("it is gone");
        }
        job.run(&["--parallelism", parallelism]).ok();
        assert!(job.csv_rows("out") == answer, "parallelism {parallelism}: other sums");
        assert!(job.csv_rows("late").is_empty() && job.csv_rows("late_payments").is_empty(), "no row is late");
        let letters = job.dead_letters("two");
        let of = |letter: &serde_json::Value| {
            let row = &letter["row"];
            assert!(row["note"].is_string(), "a dead letter has all columns of its input: {letter}");
            format!("{} {}", row["client"].as_str().unwrap_or_default(), row["cents"])
        };
        assert_eq!(crate::sorted(letters.iter().map(of).collect()), dead);
    }
}
