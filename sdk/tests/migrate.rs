//! Migrations: old values become new ones when they are read, and only then.

use serde::{Deserialize, Serialize};
use wasmill_sdk::Fault;
use wasmill_sdk::prelude::*;
use wasmill_sdk::testing::KeyedTest;

#[derive(Row, Clone, Copy)]
struct Key {
    key: u8,
}

#[derive(Row)]
struct Sums {
    key: u8,
    sum: i64,
    rows: u64,
}

/// Version 2: a sum alone.
#[derive(Serialize, Deserialize)]
struct Sum {
    sum: i64,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Totals {
    sum: i64,
    rows: u64,
}

fn from_number(number: i32) -> Sum {
    Sum { sum: number.into() }
}

fn from_sum(old: Sum) -> Totals {
    Totals { sum: old.sum, rows: 1 }
}

#[derive(Slots)]
struct State {
    #[slot(version = 3, migrate(1 = from_number, 2 = from_sum))]
    totals: Value<Totals>,
}

struct Add;

impl Keyed for Add {
    type Config = ();
    type In = Key;
    type Key = Key;
    type State = State;
    type Out = Emit<Sums>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        key: Key,
        _: Key,
        state: &mut State,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        if key.key < 100 {
            state.totals.update(|t| t.rows += 1);
        }
        let totals = state.totals.get().cloned().unwrap_or_default();
        out.emit(Sums { key: key.key, sum: totals.sum, rows: totals.rows });
        Ok(())
    }
}

fn test() -> Result<KeyedTest<Add>, Error> {
    KeyedTest::<Add>::open([])
}

#[test]
fn every_version_takes_the_way_through_those_above_it() -> Result<(), Error> {
    let mut test = test()?
        .with_stored(Key { key: 1 }, "totals", 1, &-7i32)
        .with_stored(Key { key: 2 }, "totals", 2, &Sum { sum: 40 })
        .with_stored(Key { key: 3 }, "totals", 3, &Totals { sum: 5, rows: 9 });
    test.feed([1, 2, 3, 4].map(|key| Key { key }))?;
    assert_eq!(test.display("out"), ["1, -7, 2", "2, 40, 2", "3, 5, 10", "4, 0, 1"]);
    for key in 1..=4 {
        assert_eq!(test.stored_version(Key { key }, "totals"), Some(3), "key {key} was written");
    }
    Ok(())
}

#[test]
fn a_value_that_is_only_read_stays_as_it_is() -> Result<(), Error> {
    let mut test =
        test()?.with_stored(Key { key: 100 }, "totals", 1, &8i32).with_stored(Key { key: 101 }, "totals", 1, &9i32);
    test.feed([Key { key: 100 }])?;
    assert_eq!(test.display("out"), ["100, 8, 1"]);
    assert_eq!(test.stored_version(Key { key: 100 }, "totals"), Some(1), "it was not written");
    assert_eq!(test.stored_version(Key { key: 101 }, "totals"), Some(1), "it was not looked at");
    Ok(())
}

#[test]
fn a_version_without_a_migration_is_never_misread() -> Result<(), Error> {
    let mut test = test()?.with_stored(Key { key: 1 }, "totals", 4, &(1i64, 2u64));
    let error = test.feed([Key { key: 1 }]).expect_err("version 4 is not known");
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(error.message().contains("has version 4, this module expects version 3 or 1 or 2;"), "{}", error.message());
    Ok(())
}

#[test]
fn an_old_value_that_does_not_decode_fails_its_batch() -> Result<(), Error> {
    let mut test = test()?.with_stored(Key { key: 1 }, "totals", 1, &(1i32, 2i32));
    let error = test.feed([Key { key: 1 }]).expect_err("a byte is left over");
    assert!(error.message().contains("version 1: 1 bytes are left over"), "{}", error.message());
    Ok(())
}

#[test]
fn the_manifest_describes_all_versions() {
    let slot = State::slots().remove(0);
    assert_eq!(slot.readable().collect::<Vec<_>>(), [1, 2, 3]);
    let shown = |version| slot.shape_of(version).map(ToString::to_string);
    assert_eq!(shown(1).as_deref(), Some("i32"));
    assert_eq!(shown(2).as_deref(), Some("Sum { sum: i64 }"));
    assert_eq!(shown(3).as_deref(), Some("Totals { sum: i64, rows: u64 }"));
    assert_eq!(shown(4), None);
}
