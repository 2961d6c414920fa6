//! Nested rows, decimals and dates in the native harness.

use probe::{Address, Money, Nested, Order, PerDay, Sale, Stop, Takings};
use wasmill_sdk::prelude::*;
use wasmill_sdk::testing::{KeyedTest, MapTest};

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

fn money(text: &str) -> Money {
    text.parse().expect("a decimal")
}

fn order(id: i64) -> Order<'static> {
    Order {
        id,
        day: date("2001-02-28"),
        price: Some(money("0.05")),
        tags: Some(vec![Some("a"), None, Some("größe")]),
        address: Some(Address { street: "Main", zip: None }),
        stops: vec![Stop { day: None, cost: "-1.5".parse().ok() }],
    }
}

#[test]
fn nested_rows_go_through_and_come_back() -> Result<(), Error> {
    let mut test = MapTest::<Nested>::open([])?;
    let bare = Order { tags: None, address: None, stops: Vec::new(), ..order(2) };
    let refused = Order { price: None, ..order(3) };
    test.feed([order(1), bare.clone(), refused, Order { tags: Some(Vec::new()), ..order(4) }])?;
    assert_eq!(
        test.display("out"),
        [
            "1, 2001-03-01, 0.10, [größe, null, a], {Main, null}, [{null, -1.50}, {2001-02-28, null}]",
            "2, 2001-03-01, 0.10, null, null, [{2001-02-28, null}]",
            "4, 2001-03-01, 0.10, [], {Main, null}, [{null, -1.50}, {2001-02-28, null}]",
        ]
    );
    let rows = test.output::<Order<'static>>("out");
    assert_eq!(
        rows[1],
        Order {
            day: date("2001-03-01"),
            price: Some(money("0.10")),
            stops: vec![Stop { day: Some(date("2001-02-28")), cost: None }],
            ..bare
        }
    );
    assert_eq!((test.rejects()[0].row, test.rejects()[0].message.as_str()), (2, "the price is missing"));
    Ok(())
}

#[test]
fn many_rows_in_many_batches_keep_their_lists() -> Result<(), Error> {
    let mut test = MapTest::<Nested>::open([])?;
    let made: Vec<_> = (0..10_000i64)
        .map(|id| Order {
            id,
            tags: (id % 3 != 0).then(|| (0..id % 5).map(|n| (n != 2).then_some("tag")).collect()),
            address: (id % 7 != 0).then_some(Address { street: "s", zip: (id % 2 == 0).then_some("z") }),
            price: (id % 11 != 0).then(|| Money::from_units(i128::from(id)).expect("it fits")),
            ..order(id)
        })
        .collect();
    test.feed(made.clone())?;
    let rows = test.output::<Order<'static>>("out");
    let expected: Vec<_> = made.into_iter().filter(|o| o.price.is_some()).collect();
    assert_eq!(rows.len(), expected.len());
    for (got, mut want) in rows.into_iter().zip(expected) {
        want.stops.push(Stop { day: Some(want.day), cost: None });
        want.day = want.day.plus_days(1);
        want.price = want.price.and_then(|p| p.checked_mul_int(2));
        if let Some(tags) = &mut want.tags {
            tags.reverse();
        }
        assert_eq!(got, want);
    }
    Ok(())
}

#[test]
fn dates_and_decimals_are_keys_and_state() -> Result<(), Error> {
    let unit = |text: &str| text.parse::<Decimal<6, 2>>().ok();
    let sale = |day, unit, price: &str| Sale { day: date(day), unit, price: price.parse().ok() };
    let mut test = KeyedTest::<Takings>::open([])?;
    test.feed([
        sale("1969-12-31", unit("1.00"), "10.10"),
        sale("1969-12-31", unit("-1.00"), "5"),
        sale("1969-12-31", None, "7"),
        sale("2001-01-01", unit("1.00"), "1"),
        sale("1969-12-31", unit("1.00"), "0.05"),
    ])?;
    assert_eq!(
        test.display("out"),
        [
            "1969-12-31, 1.00, 10.10, [10.10]",
            "1969-12-31, -1.00, 5.00, [5.00]",
            "1969-12-31, null, 7.00, [7.00]",
            "2001-01-01, 1.00, 1.00, [1.00]",
            "1969-12-31, 1.00, 10.15, [10.10, 0.05]",
        ]
    );
    test.restart()?;
    let state = test.state(PerDay { day: date("1969-12-31"), unit: unit("1.00") });
    assert_eq!(state.sold.get().map(|sold| (sold.prices.len(), sold.last)), Some((2, date("1969-12-31"))));
    Ok(())
}
