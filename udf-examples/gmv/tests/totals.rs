//! The functions natively: cancellations take amounts back, seconds are told whole, days start
//! afresh, and the day's total is the sum of its categories after every second.

use gmv::{CategoryTotal, Day, Order, Part, Totals};
use std::collections::BTreeMap;
use wasmill_sdk::testing::KeyedTest;
use wasmill_sdk::{Error, Timestamp};

/// A row with its category.
type Row = (&'static str, Order<'static>);

fn at(time: &str) -> Timestamp {
    format!("2025-11-{time}+08:00").parse().expect("a time")
}

fn order(category: &'static str, kind: &'static str, amount: i64, time: &str) -> Row {
    (category, Order { kind, amount, created: at(time) })
}

fn totals() -> Result<KeyedTest<Totals>, Error> {
    Ok(KeyedTest::<Totals>::open([])?.event_time("created"))
}

fn feed(test: &mut KeyedTest<Totals>, rows: impl IntoIterator<Item = Row>) -> Result<(), Error> {
    test.feed_keyed(rows.into_iter().map(|(category, order)| (gmv::Category { category }, order)))
}

#[test]
fn a_second_is_told_once_and_a_cancellation_takes_its_amount_back() -> Result<(), Error> {
    let mut test = totals()?;
    feed(
        &mut test,
        [
            order("toys", "placed", 500, "11T00:00:00.1"),
            order("toys", "placed", 700, "11T00:00:00.2"),
            order("toys", "paid", 700, "11T00:00:00.3"),
            order("toys", "placed", 11, "11T00:00:01.5"),
            order("toys", "cancelled", 500, "11T00:00:02.7"),
        ],
    )?;
    assert!(test.display("out").is_empty(), "no second is over");
    test.set_watermark(at("11T00:00:01"))?;
    assert_eq!(test.display("out"), ["+I 2025-11-11, toys, 2025-11-10T16:00:01Z, 2, 0, 1200"]);
    test.end_of_input()?;
    assert_eq!(
        test.display("out")[1..],
        [
            "-U 2025-11-11, toys, 2025-11-10T16:00:01Z, 2, 0, 1200",
            "+U 2025-11-11, toys, 2025-11-10T16:00:02Z, 3, 0, 1211",
            "-U 2025-11-11, toys, 2025-11-10T16:00:02Z, 3, 0, 1211",
            "+U 2025-11-11, toys, 2025-11-10T16:00:03Z, 3, 1, 711",
        ]
    );
    Ok(())
}

#[test]
fn a_late_order_counts_in_the_second_that_is_open_and_an_unknown_kind_is_refused() -> Result<(), Error> {
    let mut test = totals()?;
    test.set_watermark(at("11T00:00:05.4"))?;
    feed(&mut test, [order("toys", "placed", 5, "11T00:00:01.0"), order("toys", "sold", 5, "11T00:00:05.6")])?;
    assert_eq!(test.rejects()[0].message, "an order is placed, paid or cancelled, not \"sold\"");
    test.end_of_input()?;
    assert_eq!(test.display("out"), ["+I 2025-11-11, toys, 2025-11-10T16:00:06Z, 1, 0, 5"]);
    Ok(())
}

#[test]
fn a_day_starts_from_nothing_and_the_former_one_stays() -> Result<(), Error> {
    let mut test = totals()?;
    feed(&mut test, [order("toys", "placed", 5, "11T23:59:59.9"), order("toys", "placed", 7, "12T00:00:00")])?;
    test.end_of_input()?;
    assert_eq!(
        test.display("out"),
        ["+I 2025-11-11, toys, 2025-11-11T16:00:00Z, 1, 0, 5", "+I 2025-11-12, toys, 2025-11-11T16:00:01Z, 1, 0, 7",]
    );
    Ok(())
}

/// Both functions in a row, as a job runs them; batches of any size.
fn check_chain(batch_rows: usize) -> Result<(), Error> {
    let names = ["toys", "wine", "art"];
    let rows: Vec<Row> = (0..600_u32)
        .map(|n| {
            let kind = if n % 7 == 6 { "cancelled" } else { "placed" };
            let created = at("11T00:00:00") + std::time::Duration::from_millis(u64::from(n) * 17);
            (names[(n * n % 3) as usize], Order { kind, amount: i64::from(n % 90 + 1), created })
        })
        .collect();
    let mut totals = totals()?.batch_rows(batch_rows);
    let mut day = KeyedTest::<Day>::open([])?.batch_rows(batch_rows);
    feed(&mut totals, rows.clone())?;
    let mut table = BTreeMap::new();
    for second in 1..=11 {
        let end = at("11T00:00:00") + std::time::Duration::from_secs(second);
        totals.set_watermark(end)?;
        let ops = totals.ops("out").to_vec();
        let out = totals.output::<CategoryTotal<'static>>("out");
        for (op, row) in ops.iter().zip(&out) {
            match op.adds() {
                true => table.insert(row.category.to_owned(), row.amount),
                false => table.remove(row.category),
            };
        }
        // Rows that a timer emitted have the timer's time.
        day.feed_changes_at(end, ops.iter().copied().zip(out.iter().map(part)))?;
        let expected: i64 = rows
            .iter()
            .filter(|(_, order)| order.created < end)
            .map(|(_, o)| if o.kind == "placed" { o.amount } else { -o.amount })
            .sum();
        drop(out);
        totals.clear();
        assert_eq!(table.values().sum::<i64>(), expected, "before {end}");
        day.set_watermark(end)?;
        let told = day.display("out");
        assert!(told.last().is_some_and(|row| row.ends_with(&format!(", {expected}"))), "{told:?} is not {expected}");
        assert_eq!(day.ops("out").last().map(|op| op.adds()), Some(true));
    }
    Ok(())
}

fn part<'a>(row: &CategoryTotal<'a>) -> Part<'a> {
    Part { day: row.day, orders: row.orders, cancelled: row.cancelled, amount: row.amount }
}

#[test]
fn the_day_is_the_sum_of_its_categories_after_every_second() -> Result<(), Error> {
    [1, 7, 4096].into_iter().try_for_each(check_chain)
}
