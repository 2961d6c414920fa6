//! The functions over 200,000 real flights, against answers that DuckDB computed.

use std::collections::BTreeMap;
use std::io::Read;

use flights::{Arrival, Clean, CleanFlight, Delay, Flight, Hourly, Origin, Route, RouteTotals, Routes};
use serde::Deserialize;
use wasmill_sdk::Timestamp;
use wasmill_sdk::testing::{KeyedTest, MapTest};

/// A line of the input file.
#[derive(Deserialize)]
struct Line {
    date: String,
    delay: i32,
    distance: i32,
    origin: String,
    destination: String,
}

fn unpacked(file: &str) -> String {
    let path = format!("{}/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("it is gzip of text");
    text
}

fn lines() -> Vec<Line> {
    unpacked("flights-200k.ndjson.gz").lines().map(|l| serde_json::from_str(l).expect("a flight")).collect()
}

/// The rows of an answer file, in the form of `Results::display`.
fn answer(file: &str) -> Vec<String> {
    unpacked(file).lines().skip(1).map(|l| l.replace(',', ", ")).collect()
}

fn flight(line: &Line) -> Flight<'_> {
    Flight {
        date: time(line),
        delay: Some(line.delay),
        distance: line.distance,
        origin: &line.origin,
        destination: &line.destination,
    }
}

fn time(line: &Line) -> Timestamp {
    line.date.parse().expect("the file has RFC 3339 times")
}

#[test]
fn every_real_flight_is_clean() {
    let lines = lines();
    let mut test = MapTest::<Clean>::open([]).expect("the defaults hold");
    test.feed(lines.iter().map(flight)).expect("no batch fails");
    assert_eq!(test.rejects(), []);
    let out = test.output::<CleanFlight>("out");
    assert_eq!(out.len(), 200_000);
    for (line, row) in lines.iter().zip(&out) {
        assert_eq!((line.delay, line.distance), (row.delay, row.distance));
        assert_eq!((line.origin.as_str(), line.destination.as_str()), (row.origin, row.destination));
    }
    let expected = lines.iter().filter(|l| l.delay >= 1440).count();
    assert_eq!(test.output::<CleanFlight>("long").len(), expected);
    assert!(expected > 0, "the data holds flights that are a day late");
}

/// Totals per hour, with the watermark moving along as a source moves it.
fn hourly(lines: &[Line], batch_rows: usize, watermark_every: usize) -> Vec<String> {
    let mut test = KeyedTest::<Hourly>::open([]).expect("it has no settings").batch_rows(batch_rows);
    for rows in lines.chunks(watermark_every) {
        let rows_of = rows
            .iter()
            .map(|l| (Origin { origin: &l.origin }, Arrival { date: time(l), delay: l.delay, distance: l.distance }));
        test.feed_keyed(rows_of).expect("no batch fails");
        test.set_watermark(time(rows.last().expect("chunks hold rows"))).expect("no timer fails");
        test.restart().expect("it opens again");
    }
    test.end_of_input().expect("no timer fails");
    assert_eq!(test.rejects(), []);
    assert!(test.timers().is_empty());
    assert!(test.state(Origin { origin: "JFK" }).hours.get().is_none(), "finished hours leave no state");
    test.display("out")
}

#[test]
fn hours_are_those_of_duckdb() {
    let lines = lines();
    let mut rows = hourly(&lines, 4096, 10_000);
    rows.sort();
    let mut expected = answer("flights_hourly_by_origin.csv.gz");
    expected.sort();
    assert_eq!(expected.len(), 28_794);
    assert_eq!(rows, expected);
}

#[test]
fn hours_do_not_depend_on_batches() {
    let lines = &lines()[..20_000];
    let expected = hourly(lines, 4096, 5_000);
    for batch_rows in [1, 7, 1000] {
        assert_eq!(hourly(lines, batch_rows, 5_000), expected, "batches of {batch_rows} rows");
    }
}

#[test]
fn late_flights_are_refused_not_counted_twice() {
    let mut test = KeyedTest::<Hourly>::open([]).expect("it has no settings");
    let arrival = |minute: i64| Arrival { date: Timestamp::from_secs(minute * 60), delay: 1, distance: 2 };
    let key = || Origin { origin: "JFK" };
    test.feed_keyed([(key(), arrival(5)), (key(), arrival(65))]).expect("no batch fails");
    test.set_watermark(Timestamp::from_secs(3600)).expect("no timer fails");
    test.feed_keyed([(key(), arrival(59)), (key(), arrival(61))]).expect("no batch fails");
    test.end_of_input().expect("no timer fails");
    assert_eq!(test.display("out"), ["JFK, 1970-01-01T00:00:00Z, 1, 1, 1, 2", "JFK, 1970-01-01T01:00:00Z, 2, 2, 1, 4"]);
    assert_eq!(test.rejects().len(), 1);
    assert_eq!(test.counter("late"), 1);
}

#[test]
fn routes_end_at_the_totals_of_duckdb() {
    let lines = lines();
    let mut test = KeyedTest::<Routes>::open([]).expect("it has no settings");
    let rows_of =
        lines.iter().map(|l| (Route { origin: &l.origin, destination: &l.destination }, Delay { delay: l.delay }));
    test.feed_keyed(rows_of).expect("no batch fails");
    let rows = test.output::<RouteTotals>("out");
    assert_eq!(rows.len(), 200_000);
    let mut last = BTreeMap::new();
    for (row, text) in rows.iter().zip(test.display("out")) {
        last.insert((row.origin, row.destination), text);
    }
    let mut totals: Vec<String> = last.into_values().collect();
    totals.sort();
    let mut expected = answer("flights_by_route.csv.gz");
    expected.sort();
    assert_eq!(totals, expected);
}

#[test]
fn flights_without_sense_are_refused_and_others_trimmed() {
    let mut test = MapTest::<Clean>::open([("max_delay", 60.into())]).expect("a delay of 60 is a setting");
    let good = Flight { date: Timestamp::default(), delay: Some(60), distance: 1, origin: " JFK", destination: "LAX " };
    test.feed([
        Flight { origin: "JF", ..good.clone() },
        Flight { destination: "", ..good.clone() },
        Flight { delay: None, ..good.clone() },
        Flight { distance: -1, ..good.clone() },
        good,
    ])
    .expect("no batch fails");
    let codes: Vec<_> = test.rejects().iter().map(|r| (r.row, r.code)).collect();
    assert_eq!(codes, [(0, 2), (1, 2), (2, 1), (3, 3)]);
    assert_eq!(test.rejects()[0].message, "origin \"JF\" is not an airport code of 3 letters");
    assert_eq!(test.display("out"), ["1970-01-01T00:00:00Z, 60, 1, JFK, LAX"]);
    assert_eq!(test.display("long"), test.display("out"));
    assert_eq!((test.origins("out"), test.counter("refused")), (&[4u64][..], 4));
    assert_eq!(test.logs()[0].1, "flights of at least 60 minutes delay also go to \"long\"");
}
