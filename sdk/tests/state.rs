//! State: what a row writes holds, what a refused row wrote does not, whatever the batches; and a
//! stored value is never misread.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wasmill_sdk::Fault;
use wasmill_sdk::prelude::*;
use wasmill_sdk::testing::KeyedTest;

#[derive(Row, Debug, Clone)]
struct Op {
    key: Option<u8>,
    /// What to do, in order; refused at the end if the last bit is set.
    steps: u32,
}

#[derive(Row, Debug, Clone, Copy)]
struct Key {
    key: Option<u8>,
}

#[derive(Row, Debug, PartialEq)]
struct Seen {
    key: Option<u8>,
    number: Option<i64>,
    list: Option<String>,
}

#[derive(Slots)]
struct State {
    number: Value<i64>,
    list: Value<Vec<u16>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    number: Option<i64>,
    list: Option<Vec<u16>>,
}

fn steps(bits: u32) -> impl Iterator<Item = u32> {
    (0..4).map(move |i| bits >> (3 * i) & 7)
}

fn refused(bits: u32) -> bool {
    bits >> 31 == 1
}

/// The same steps as [`Machine`], on plain values.
fn apply(model: &mut Model, bits: u32) {
    for step in steps(bits) {
        match step {
            0 => model.number = Some(i64::from(bits)),
            1 => *model.number.get_or_insert_default() += 1,
            2 => model.number = None,
            3 => model.list = Some(vec![bits as u16]),
            4 => model.list.get_or_insert_default().push(bits as u16),
            5 => model.list = None,
            _ => {}
        }
    }
}

struct Machine;

impl Keyed for Machine {
    type Config = ();
    type In = Op;
    type Key = Key;
    type State = State;
    type Out = Emit<Seen>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        key: Key,
        row: Op,
        state: &mut State,
        out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        for step in steps(row.steps) {
            match step {
                0 => state.number.put(row.steps.into()),
                1 => state.number.update(|n| *n += 1),
                2 => state.number.remove(),
                3 => state.list.put(vec![row.steps as u16]),
                4 => state.list.update(|list| list.push(row.steps as u16)),
                5 => state.list.remove(),
                6 => ctx.set_event_timer(Timestamp::from_secs(row.steps.into())),
                _ => {}
            }
        }
        let list = state.list.get().map(|list| format!("{list:?}"));
        out.emit(Seen { key: key.key, number: state.number.get().copied(), list });
        if refused(row.steps) { Err(Error::reject("as it asked")) } else { Ok(()) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn state_is_that_of_a_plain_map(
        ops in prop::collection::vec((prop::option::of(0u8..4), any::<u32>()), 1..60),
        batch_rows in 1usize..70,
    ) {
        let mut model = BTreeMap::<Option<u8>, Model>::new();
        let mut expected = Vec::new();
        for (key, bits) in &ops {
            let entry = model.entry(*key).or_default();
            let mut next = entry.clone();
            apply(&mut next, *bits);
            if !refused(*bits) {
                *entry = next;
                let list = entry.list.as_ref().map(|list| format!("{list:?}"));
                expected.push(Seen { key: *key, number: entry.number, list });
            }
        }
        let mut test = KeyedTest::<Machine>::open([]).expect("it has no settings").batch_rows(batch_rows);
        test.feed(ops.iter().map(|(key, steps)| Op { key: *key, steps: *steps })).expect("no batch fails");
        prop_assert_eq!(test.output::<Seen>("out"), expected);
        for (key, model) in model {
            let state = test.state(Key { key });
            prop_assert_eq!(state.number.get().copied(), model.number);
            prop_assert_eq!(state.list.get(), model.list.as_ref());
        }
        let timers = ops.iter().filter(|(_, bits)| !refused(*bits) && steps(*bits).any(|s| s == 6));
        let mut wanted: Vec<_> = timers.map(|(key, bits)| (*bits, *key)).collect();
        wanted.sort();
        wanted.dedup();
        prop_assert_eq!(test.timers().len(), wanted.len());
    }
}

/// A machine whose `number` is of another version.
macro_rules! upgraded {
    ($name:ident, $state:ident, $version:literal, $ty:ty) => {
        #[derive(Slots)]
        struct $state {
            list: Value<Vec<u16>>,
            #[slot(version = $version)]
            number: Value<$ty>,
        }

        struct $name;

        impl Keyed for $name {
            type Config = ();
            type In = Op;
            type Key = Key;
            type State = $state;
            type Out = Emit<Seen>;
            fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
                Ok(Self)
            }
            fn process(
                &mut self,
                key: Key,
                _: Op,
                state: &mut $state,
                out: &mut Self::Out,
                _: &mut KeyedContext,
            ) -> Result<(), Error> {
                let number = state.number.get().map(|n| i64::from(*n)).or_reject("there is no number")?;
                out.emit(Seen { key: key.key, number: Some(number), list: None });
                Ok(())
            }
        }
    };
}
upgraded!(SameVersion, SameVersionState, 1, i64);
upgraded!(NextVersion, NextVersionState, 2, i64);
upgraded!(OtherType, OtherTypeState, 1, i8);

fn after_upgrade<F: Keyed<In = Op> + 'static>(number: u32) -> (Result<(), Error>, Vec<String>) {
    let mut old = KeyedTest::<Machine>::open([]).expect("it has no settings");
    old.feed([Op { key: Some(1), steps: 0o7770 | number << 12 }]).expect("no batch fails");
    let mut new = KeyedTest::<F>::open([]).expect("it has no settings").with_state_of(&old);
    let result = new.feed([Op { key: Some(1), steps: 0 }]);
    (result, new.display("out"))
}

#[test]
fn an_upgrade_finds_its_slots_by_name() {
    let (result, rows) = after_upgrade::<SameVersion>(1);
    assert_eq!((result, rows), (Ok(()), vec![format!("1, {}, null", 0o17770)]));
}

#[test]
fn a_value_of_another_version_is_fatal_and_named() {
    // The function itself refuses the row; that must not hide the cause.
    let (result, rows) = after_upgrade::<NextVersion>(1);
    let error = result.expect_err("version 1 is not version 2");
    assert_eq!((error.fault(), error.row()), (Fault::Fatal, Some(0)));
    assert_eq!(
        error.message(),
        "state slot \"number\": the stored value has version 1, this module expects version 2; \
         run a module that knows version 1, or start the job with new state"
    );
    assert!(rows.is_empty());
}

#[test]
fn a_value_of_another_type_is_fatal() {
    let error = after_upgrade::<OtherType>(1).0.expect_err("an i64 of two bytes is no i8");
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(error.message().contains("left over behind the stored value"), "{error}");
}
