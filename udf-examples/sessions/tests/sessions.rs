//! Sessions natively: their rules, and 200,000 real flights against the answer of DuckDB.

use flate2::read::GzDecoder;
use std::io::Read;

use sessions::{Airport, Departure, Sessions};
use wasmill_sdk::Timestamp;
use wasmill_sdk::testing::KeyedTest;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_secs(60 * minute)
}

fn open() -> KeyedTest<Sessions> {
    KeyedTest::open([("gap_minutes", 10.into())]).expect("the settings hold").event_time("date")
}

fn feed(test: &mut KeyedTest<Sessions>, minutes: &[i64]) {
    let rows = minutes.iter().map(|m| (Airport { origin: "a" }, Departure { date: at(*m), delay: 1 }));
    test.feed_keyed(rows).expect("no batch fails");
}

/// First and last minute and number of flights of each session, as they went out.
fn sessions_of(minutes: &[i64]) -> Vec<(i64, i64, i64)> {
    let mut test = open();
    feed(&mut test, minutes);
    test.end_of_input().expect("no timer fails");
    assert!(test.timers().is_empty(), "a timer is left over");
    assert!(test.state(Airport { origin: "a" }).open.get().is_none(), "state is left over");
    let minute = |t: Timestamp| t.micros() / 60_000_000;
    let out = test.output::<sessions::SessionTotals>("out");
    out.iter().map(|s| (minute(s.first), minute(s.last), s.flights)).collect()
}

#[test]
fn a_pause_of_a_gap_ends_a_session_and_a_shorter_one_does_not() {
    assert_eq!(sessions_of(&[0, 9, 18]), [(0, 18, 3)]);
    assert_eq!(sessions_of(&[0, 10, 19]), [(0, 0, 1), (10, 19, 2)]);
}

#[test]
fn the_order_of_events_changes_nothing() {
    let expected = [(0, 18, 3), (30, 35, 2)];
    for order in [[0, 9, 18, 30, 35], [35, 18, 30, 0, 9], [18, 0, 35, 9, 30]] {
        assert_eq!(sessions_of(&order), expected, "{order:?}");
    }
}

#[test]
fn an_event_that_no_open_session_takes_is_late() {
    let mut test = open();
    feed(&mut test, &[0, 25]);
    test.set_watermark(at(30)).expect("no timer fails");
    assert_eq!(test.display("out"), ["a, 1970-01-01T00:00:00Z, 1970-01-01T00:00:00Z, 1, 1"]);
    // 16 joins the session of 25, which is still open; 5 would stand alone, and be over. Row 2 was
    // the timer.
    feed(&mut test, &[16, 5, 5]);
    assert_eq!(test.late(), [4, 5]);
    assert_eq!(test.rejects(), []);
    test.end_of_input().expect("no timer fails");
    assert_eq!(
        test.display("out").last().expect("two sessions"),
        "a, 1970-01-01T00:16:00Z, 1970-01-01T00:25:00Z, 2, 2"
    );
}

fn unpacked(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("it is gzip of text");
    text
}

#[test]
fn real_flights_give_the_answer_of_duckdb() {
    let mut answer: Vec<_> =
        unpacked("data/flights_sessions.csv.gz").lines().skip(1).map(|l| l.replace(',', ", ")).collect();
    answer.sort();
    let lines = unpacked("../flights/data/flights-200k.ndjson.gz");
    let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).expect("a flight")).collect();
    let text = |line: &'_ serde_json::Value, column| line[column].as_str().expect("it is text").to_owned();
    for (batch_rows, watermark_every) in [(4096, 500), (7, 3000)] {
        let mut test = KeyedTest::<Sessions>::open([]).expect("the defaults hold").batch_rows(batch_rows);
        for lines in lines.chunks(watermark_every) {
            let origins: Vec<_> = lines.iter().map(|l| text(l, "origin")).collect();
            let date = |l| text(l, "date").parse::<Timestamp>().expect("a time");
            let delay = |l: &serde_json::Value| l["delay"].as_i64().expect("a number") as i32;
            let rows = lines.iter().zip(&origins);
            test.feed_keyed(rows.map(|(l, origin)| (Airport { origin }, Departure { date: date(l), delay: delay(l) })))
                .expect("no batch fails");
            test.set_watermark(date(lines.last().expect("chunks hold rows"))).expect("no timer fails");
            test.restart().expect("it opens again");
        }
        test.end_of_input().expect("no timer fails");
        let mut rows = test.display("out");
        rows.sort();
        assert!(rows == answer, "batches of {batch_rows}: {} sessions, not {}", rows.len(), answer.len());
        assert!(test.late().is_empty());
    }
}
