//! What the probes do, natively; only what ends the process is left to the host's tests.

use probe::{Account, Action, Change, Echo, Everything, Group, Ledger, Misbehave, Name, Tally, Ticker, Transfer, Wish};
use wasmill_sdk::testing::{KeyedTest, MapTest};
use wasmill_sdk::{Fault, Timestamp};

fn everything<'a>(text: &'a str, bytes: &'a [u8]) -> Everything<'a> {
    Everything {
        bool: true,
        i8: i8::MIN,
        i16: i16::MIN,
        i32: i32::MIN,
        i64: i64::MIN,
        u8: u8::MAX,
        u16: u16::MAX,
        u32: u32::MAX,
        u64: u64::MAX,
        f32: -0.5,
        f64: f64::MAX,
        text,
        bytes,
        time: Timestamp::from_micros(1),
        opt_bool: None,
        opt_i8: None,
        opt_i16: None,
        opt_i32: None,
        opt_i64: None,
        opt_u8: None,
        opt_u16: None,
        opt_u32: None,
        opt_u64: None,
        opt_f32: None,
        opt_f64: None,
        opt_text: None,
        opt_bytes: None,
        opt_time: None,
    }
}

fn present<'a>(row: &Everything<'a>) -> Everything<'a> {
    Everything {
        opt_bool: Some(false),
        opt_i8: Some(1),
        opt_i16: Some(2),
        opt_i32: Some(3),
        opt_i64: Some(4),
        opt_u8: Some(5),
        opt_u16: Some(6),
        opt_u32: Some(7),
        opt_u64: Some(8),
        opt_f32: Some(9.5),
        opt_f64: Some(f64::NEG_INFINITY),
        opt_text: Some(row.text),
        opt_bytes: Some(row.bytes),
        opt_time: Some(Timestamp::MAX),
        ..row.clone()
    }
}

#[test]
fn echo_gives_back_every_type() {
    let mut rows = Vec::new();
    for i in 0..40 {
        let row = everything(["", "a", "größer", "日本"][i % 4], [&[][..], &[0, 255]][i % 2]);
        rows.push(if i % 3 == 0 { present(&row) } else { Everything { bool: i % 2 == 0, ..row } });
    }
    for batch_rows in [1, 9, 4096] {
        let mut test = MapTest::<Echo>::open([]).expect("it has no settings").batch_rows(batch_rows);
        test.feed(rows.clone()).expect("no batch fails");
        assert_eq!(test.output::<Everything>("out"), rows);
    }
}

#[test]
fn a_refused_row_leaves_no_output() {
    let mut test = MapTest::<Misbehave>::open([]).expect("it has no settings");
    let actions = ["ok", "reject", "drop", "nonsense", "log"];
    test.feed(actions.into_iter().zip(0..).map(|(action, id)| Action { id, action })).expect("no batch fails");
    assert_eq!(test.display("out"), ["0, ok", "4, log"]);
    assert_eq!(test.origins("out"), [0, 4]);
    let rejects: Vec<_> = test.rejects().iter().map(|r| (r.row, r.code)).collect();
    assert_eq!(rejects, [(1, 42), (3, 0)]);
    assert_eq!(test.logs()[0].1, "row 4");
}

#[test]
fn faults_fail_the_batch_and_name_the_row() {
    for (action, fault) in [("fatal", Fault::Fatal), ("transient", Fault::Transient)] {
        let mut test = MapTest::<Misbehave>::open([]).expect("it has no settings");
        let rows = [Action { id: 1, action: "ok" }, Action { id: 2, action }];
        let error = test.feed(rows).expect_err("the second row fails the batch");
        assert_eq!((error.fault(), error.row()), (fault, Some(1)));
        assert!(test.display("out").is_empty());
    }
}

#[test]
fn floods_come_in_more_than_one_chunk_and_are_all_there() {
    let mut test = MapTest::<Misbehave>::open([]).expect("it has no settings");
    let rows = [("ok", 1), ("flood", 2), ("ok", 3), ("flood", 4), ("reject", 5), ("ok", 6)];
    test.feed(rows.map(|(action, id)| Action { id, action })).expect("no batch fails");
    let ids: Vec<i64> = test.output::<Action>("out").iter().map(|row| row.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 6]);
    assert_eq!(test.origins("out").last(), Some(&5));
    assert_eq!(test.rejects()[0].row, 4);
}

fn transfers<'a>(rows: &[(&'a str, i64, &'a str)]) -> Vec<Transfer<'a>> {
    let row = |(id, (account, amount, action)): (i64, &(&'a str, i64, &'a str))| Transfer {
        account,
        id,
        amount: *amount,
        action,
    };
    (0..).zip(rows).map(row).collect()
}

#[test]
fn a_ledger_undoes_what_refused_rows_wrote() {
    let rows = transfers(&[
        ("ann", 10, "ok"),
        ("bob", 5, "reject"),
        ("ann", 100, "reject"),
        ("ann", 1, "ok"),
        ("ann", 0, "remove"),
        ("ann", 7, "reject"),
        ("cyd", 2, "ok"),
        ("ann", 3, "ok"),
        ("cyd", 0, "remove"),
    ]);
    for batch_rows in [1, 2, 3, 100] {
        let mut test = KeyedTest::<Ledger>::open([]).expect("it has no settings").batch_rows(batch_rows);
        test.feed(rows.clone()).expect("no batch fails");
        assert_eq!(test.display("out"), ["ann, 0, 10", "ann, 3, 11", "cyd, 6, 2", "ann, 7, 3"]);
        let ann = test.state(Account { account: "ann" });
        assert_eq!(ann.balance.get().map(|sum| (sum.balance, sum.rows)), Some((3, 1)));
        assert_eq!(ann.recent.get(), Some(&vec![7]));
        assert!(test.state(Account { account: "bob" }).balance.get().is_none());
        assert!(test.state(Account { account: "cyd" }).recent.get().is_none());
        assert_eq!((test.counter("changes"), test.gauge("last_balance")), (4, Some(3.0)));
    }
}

#[test]
fn a_failed_batch_changes_nothing() {
    let mut test = KeyedTest::<Ledger>::open([]).expect("it has no settings");
    test.feed(transfers(&[("ann", 10, "ok")])).expect("no batch fails");
    let error = test.feed(transfers(&[("ann", 5, "ok"), ("ann", 5, "fatal")])).expect_err("the second row is fatal");
    assert_eq!(error.row(), Some(1));
    test.feed(transfers(&[("ann", 1, "ok")])).expect("no batch fails");
    assert_eq!(test.display("out"), ["ann, 0, 10", "ann, 0, 11"]);
}

fn wish<'a>(name: &'a str, what: &'a str, secs: i64) -> Wish<'a> {
    Wish { name, at: Timestamp::from_secs(secs), what, times: 3 }
}

#[test]
fn timers_fire_in_the_order_of_time_and_key_one_per_key_and_round() {
    let mut test = KeyedTest::<Ticker>::open([]).expect("it has no settings");
    let wishes = [("b", 3), ("a", 3), ("a", 1), ("b", 1), ("a", 3), ("a", 9)];
    test.feed(wishes.map(|(name, secs)| wish(name, "event", secs))).expect("no batch fails");
    test.feed([wish("c", "reject", 1)]).expect("a refused row fails no batch");
    test.set_watermark(Timestamp::from_secs(8)).expect("no timer fails");
    let at = |name: &str, sec: u32, tick: u32| format!("{name}, 1970-01-01T00:00:0{sec}Z, event, {tick}");
    assert_eq!(test.display("out"), [at("a", 1, 1), at("b", 1, 1), at("a", 3, 2), at("b", 3, 2)]);
    test.clear();
    test.feed([wish("a", "delete-event", 9)]).expect("no batch fails");
    test.end_of_input().expect("no timer fails");
    assert!(test.display("out").is_empty());
}

#[test]
fn timers_may_set_themselves_again() {
    let mut test = KeyedTest::<Ticker>::open([]).expect("it has no settings");
    test.feed([wish("a", "every", 1)]).expect("no batch fails");
    test.set_watermark(Timestamp::from_secs(2)).expect("no timer fails");
    assert_eq!(test.display("out").len(), 2);
    test.end_of_input().expect("no timer fails");
    assert_eq!(test.display("out").len(), 3);
    assert_eq!(test.state(Name { name: "a" }).ticks.get(), Some(&3));
}

#[test]
fn processing_timers_follow_the_clock() {
    let mut test = KeyedTest::<Ticker>::open([]).expect("it has no settings");
    test.feed([wish("a", "processing", 5), wish("a", "processing", 6)]).expect("no batch fails");
    test.feed([wish("a", "delete-processing", 6)]).expect("no batch fails");
    test.end_of_input().expect("no timer fails");
    test.advance(std::time::Duration::from_secs(4)).expect("no timer fails");
    assert!(test.display("out").is_empty());
    test.advance(std::time::Duration::from_secs(4)).expect("no timer fails");
    assert_eq!(test.display("out"), ["a, 1970-01-01T00:00:05Z, processing, 1"]);
}

#[test]
fn tallies_add_up_by_group() {
    let mut test = KeyedTest::<Tally>::open([]).expect("it has no settings");
    let change = |(id, balance)| (Group { id }, Change { balance });
    test.feed_keyed([(1, 5), (2, 7), (1, -8)].map(change)).expect("no batch fails");
    assert_eq!(test.display("out"), ["1, 1, 5", "2, 1, 7", "1, 2, -3"]);
}
