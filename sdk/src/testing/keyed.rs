//! The harness for functions by key with one input.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde::Serialize;
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::frame::Kind;
use wasmill_abi::wire::{get_varint, put_varint};

use super::Results;
use super::batch::{Bench, Rows, read_block};
use super::keyed_host::{KeyedHost, keys_of};
use super::keys::Keys;
use crate::module::keyed_def;
use crate::{ConfigValue, Error, Keyed, Op, Row, RowOf, Slots, Timestamp};

/// Runs a [`Keyed`] function; see [`testing`](crate::testing). What it did is in [`Results`].
///
/// ```
/// # use wasmill_sdk::prelude::*;
/// # use wasmill_sdk::testing::KeyedTest;
/// # #[derive(Row)]
/// # struct Ping {
/// #     host: u32,
/// #     at: Timestamp,
/// # }
/// # #[derive(Row)]
/// # struct Host {
/// #     host: u32,
/// # }
/// # struct Count;
/// # #[derive(Slots)]
/// # struct State {
/// #     pings: Value<u32>,
/// # }
/// # impl Keyed for Count {
/// #     type Config = ();
/// #     type In = Ping;
/// #     type Key = Host;
/// #     type State = State;
/// #     type Out = Emit<Ping>;
/// #     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
/// #         Ok(Count)
/// #     }
/// #     fn process(
/// #         &mut self,
/// #         _: Host,
/// #         row: Ping,
/// #         state: &mut State,
/// #         _: &mut Self::Out,
/// #         ctx: &mut KeyedContext,
/// #     ) -> Result<(), Error> {
/// #         state.pings.update(|n| *n += 1);
/// #         ctx.set_processing_timer(row.at);
/// #         Ok(())
/// #     }
/// # }
/// let mut test = KeyedTest::<Count>::open([])?.event_time("at");
/// test.feed([1, 2, 1].map(|host| Ping { host, at: Timestamp::from_secs(60) }))?;
/// test.restart()?;
/// assert_eq!(test.state(Host { host: 1 }).pings.get(), Some(&2));
/// assert_eq!(test.timers().len(), 2);
/// test.advance(Duration::from_secs(60))?;
/// assert!(test.timers().is_empty());
/// # Ok::<(), Error>(())
/// ```
pub struct KeyedTest<F: Keyed> {
    host: KeyedHost<F::Key, F::State>,
    input: InputSide<F::In, F::Key>,
}

/// One input of a function by key: where its rows have their key and their event time.
pub(super) struct InputSide<I: Row, K: Row> {
    kind: Kind,
    key_columns: Vec<usize>,
    pub event_time: Option<String>,
    types: PhantomData<(I, K)>,
}

impl<I: Row, K: Row> InputSide<I, K> {
    /// The key is made of the columns that are named like the key's.
    pub fn new(kind: Kind) -> Self {
        let input = I::schema();
        let key_columns = K::schema().fields.iter().filter_map(|f| input.index_of(&f.name)).collect();
        Self { kind, key_columns, event_time: None, types: PhantomData }
    }

    pub fn key_columns(&mut self, columns: &[&str]) {
        let input = I::schema();
        let at = |name: &&str| input.index_of(name).unwrap_or_else(|| panic!("there is no column {name:?}: {input}"));
        self.key_columns = columns.iter().map(at).collect();
    }

    pub fn feed<'r, S: Slots>(
        &self,
        host: &mut KeyedHost<K, S>,
        rows: impl IntoIterator<Item = RowOf<'r, I>>,
    ) -> Result<(), Error> {
        self.batches(host, None, rows, |batch, row| batch.add(&row))
    }

    /// Panics if the function does not read changes.
    pub fn feed_changes<'r, S: Slots>(
        &self,
        host: &mut KeyedHost<K, S>,
        time: Option<Timestamp>,
        changes: impl IntoIterator<Item = (Op, RowOf<'r, I>)>,
    ) -> Result<(), Error> {
        assert!(host.bench.function.reads_changes, "a function without READS_CHANGES is given no changelog");
        self.batches(host, time, changes, |batch, (op, row)| batch.add_change(op, &row))
    }

    fn batches<S: Slots, T>(
        &self,
        host: &mut KeyedHost<K, S>,
        time: Option<Timestamp>,
        rows: impl IntoIterator<Item = T>,
        mut add: impl FnMut(&mut Rows<I>, T),
    ) -> Result<(), Error> {
        self.check_key();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut batch = Rows::<I>::new();
            batch.time = time.map(Timestamp::micros);
            rows.by_ref().take(host.bench.batch_rows).for_each(|row| add(&mut batch, row));
            let (schema, bytes) = batch.block_bytes();
            let keys = Keys::of_block(&read_block(&schema, &bytes, batch.count), &self.key_columns);
            host.rows(self.kind, &batch, &keys, self.event_time.as_deref())?;
        }
        Ok(())
    }

    fn check_key(&self) {
        let (input, key) = (I::schema(), K::schema());
        let given: Vec<_> = self.key_columns.iter().map(|&c| input.fields[c].ty).collect();
        let wanted: Vec<_> = key.fields.iter().map(|f| f.ty).collect();
        assert_eq!(given, wanted, "the input's columns do not make the key ({key}); name them by key_columns");
    }
}

impl<F: Keyed + 'static> KeyedTest<F> {
    /// Opens the function with these settings; the others have their defaults. The key is made of
    /// the input's columns that are named like the key's; see [`KeyedTest::key_columns`].
    pub fn open<'s>(settings: impl IntoIterator<Item = (&'s str, ConfigValue)>) -> Result<Self, Error> {
        let bench = Bench::open(keyed_def::<F>(Bench::name(), &[]), settings)?;
        Ok(Self { host: KeyedHost::new(bench), input: InputSide::new(Kind::Data) })
    }

    /// Takes over state and timers of another function, or of an older version of this one: slots
    /// that have the same name. That is what an upgrade of a running job does.
    #[must_use]
    pub fn with_state_of<G: Keyed>(mut self, old: &KeyedTest<G>) -> Self {
        let (ours, theirs) = (F::State::slots(), G::State::slots());
        let id_of = |slot: u16| ours.iter().position(|s| s.name == theirs[usize::from(slot)].name);
        let state = old.host.kept.state.iter().filter_map(|((slot, key), value)| {
            let id = id_of(*slot)?;
            Some(((id as u16, key.clone()), value.clone()))
        });
        self.host.kept.state = state.collect();
        self.host.kept.timers = old.host.kept.timers.clone();
        self.host.kept.entries.borrow_mut().take_over(&old.host.kept.entries.borrow());
        self
    }

    /// Starts with a stored value, as a module of another version left it: `value` under a slot and
    /// version. Panics if there is no such slot, or the value cannot be stored.
    ///
    /// See [`Value`](crate::Value#a-type-that-changed) for an example.
    #[must_use]
    pub fn with_stored<V: Serialize>(mut self, key: RowOf<'_, F::Key>, slot: &str, version: u32, value: &V) -> Self {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, version);
        bytes.extend(postcard::to_allocvec(value).expect("the value can be stored"));
        self.host.kept.state.insert((slot_of::<F>(slot), encoded::<F::Key>(&key)), bytes);
        self
    }

    /// The version of the stored value of a key; `None` if nothing is stored. Panics if there is no
    /// such slot.
    pub fn stored_version(&self, key: RowOf<'_, F::Key>, slot: &str) -> Option<u32> {
        let stored = self.host.kept.state.get(&(slot_of::<F>(slot), encoded::<F::Key>(&key)))?;
        get_varint(stored).ok().map(|(version, _)| version)
    }

    /// Makes the key of these columns of the input, as a job does. Panics if there is no such column.
    #[must_use]
    pub fn key_columns(mut self, columns: &[&str]) -> Self {
        self.input.key_columns(columns);
        self
    }

    /// Takes the event time of each row from this timestamp column.
    #[must_use]
    pub fn event_time(mut self, column: &str) -> Self {
        self.input.event_time = Some(column.to_owned());
        self
    }

    /// Sets how many rows or timers come in one batch, 4096 otherwise. A function should give the
    /// same whatever the number.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.host.bench.batch_rows = rows.max(1);
        self
    }

    /// Moves the clock, and fires the processing timers that are due.
    pub fn set_now(&mut self, now: Timestamp) -> Result<(), Error> {
        self.host.set_now(now)
    }

    /// Moves the clock on by `duration`, and fires the processing timers that are due.
    pub fn advance(&mut self, duration: Duration) -> Result<(), Error> {
        self.set_now(Timestamp::from_micros(self.host.bench.now) + duration)
    }

    /// Moves the watermark, never back, and fires the event timers that are due: in the order of
    /// time and key, at most one per key in a round, until none is due.
    pub fn set_watermark(&mut self, watermark: Timestamp) -> Result<(), Error> {
        self.host.set_watermark(watermark)
    }

    /// Ends the input: every event timer fires.
    pub fn end_of_input(&mut self) -> Result<(), Error> {
        self.set_watermark(Timestamp::MAX)
    }

    /// Drops the instance and opens a new one, as the host may do between any two batches.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.host.bench.restart()
    }

    /// Hands rows to the function, in batches. Fails with the first batch that fails, of which
    /// nothing was applied. Panics if the rows do not hold the key; see [`KeyedTest::feed_keyed`].
    pub fn feed<'r>(&mut self, rows: impl IntoIterator<Item = RowOf<'r, F::In>>) -> Result<(), Error> {
        self.input.feed(&mut self.host, rows)
    }

    /// Hands changes to the function, in batches, as [`Self::feed`] hands rows. Panics if the
    /// function does not read changes.
    pub fn feed_changes<'r>(&mut self, changes: impl IntoIterator<Item = (Op, RowOf<'r, F::In>)>) -> Result<(), Error> {
        self.input.feed_changes(&mut self.host, None, changes)
    }

    /// The same with one event time for all, as the rows have that a timer emitted.
    pub fn feed_changes_at<'r>(
        &mut self,
        time: Timestamp,
        changes: impl IntoIterator<Item = (Op, RowOf<'r, F::In>)>,
    ) -> Result<(), Error> {
        self.input.feed_changes(&mut self.host, Some(time), changes)
    }

    /// Hands rows with their keys to the function, for rows that do not hold the key's columns.
    pub fn feed_keyed<'r>(
        &mut self,
        rows: impl IntoIterator<Item = (RowOf<'r, F::Key>, RowOf<'r, F::In>)>,
    ) -> Result<(), Error> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let (mut keys, mut batch) = (Rows::<F::Key>::new(), Rows::<F::In>::new());
            rows.by_ref().take(self.host.bench.batch_rows).for_each(|(key, row)| {
                keys.add(&key);
                batch.add(&row);
            });
            self.host.rows(Kind::Data, &batch, &keys_of(&keys), self.input.event_time.as_deref())?;
        }
        Ok(())
    }

    /// The state of a key, ready to be looked at. Panics if a stored value is not readable.
    pub fn state(&self, key: RowOf<'_, F::Key>) -> F::State {
        self.host.state(key)
    }

    /// Looks at the state of a key; maps, lists and merge slots can be read only here. Panics if a
    /// stored value is not readable.
    ///
    /// See [`MapState`](crate::MapState) for an example.
    pub fn look<R>(&self, key: RowOf<'_, F::Key>, look: impl FnOnce(&F::State) -> R) -> R {
        self.host.look(key, look)
    }

    /// The timers that are set, by family and time, whatever their key.
    pub fn timers(&self) -> Vec<(TimerFamily, Timestamp)> {
        self.host.timers()
    }
}

fn slot_of<F: Keyed>(name: &str) -> u16 {
    let position = F::State::slots().iter().position(|s| s.name == name);
    position.unwrap_or_else(|| panic!("there is no state slot {name:?}")) as u16
}

/// The encoded key that a whole row is.
fn encoded<K: Row>(key: &RowOf<'_, K>) -> Vec<u8> {
    let mut keys = Rows::<K>::new();
    keys.add(key);
    keys_of(&keys).distinct.remove(0)
}

impl<F: Keyed> Deref for KeyedTest<F> {
    type Target = Results;
    fn deref(&self) -> &Results {
        &self.host.bench.results
    }
}

impl<F: Keyed> DerefMut for KeyedTest<F> {
    fn deref_mut(&mut self) -> &mut Results {
        &mut self.host.bench.results
    }
}
