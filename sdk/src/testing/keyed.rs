//! The harness for functions by key: state and timers in memory, as the host would keep them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use wasmill_abi::block::BlockWriter;
use wasmill_abi::effects::{Effect, TimerFamily};
use wasmill_abi::frame::{Frame, FrameWriter, Header, Kind, Tag};
use wasmill_abi::manifest::{Slot, SlotKind};
use wasmill_abi::wire::{get_varint, put_varint};

use super::Results;
use super::batch::{Bench, Rows, event_times, read_block};
use super::entries::{Entries, with_entries};
use super::keys::Keys;
use crate::module::keyed_def;
use crate::state::Stored;
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
    bench: Bench,
    event_time: Option<String>,
    key_columns: Vec<usize>,
    host: Host,
    function: std::marker::PhantomData<F>,
}

/// What the host keeps for a keyed function.
struct Host {
    /// The slots that are values.
    values: Vec<u16>,
    entries: Rc<RefCell<Entries>>,
    state: BTreeMap<(u16, Vec<u8>), Vec<u8>>,
    timers: BTreeSet<(TimerFamily, i64, Vec<u8>)>,
}

impl Host {
    fn new(slots: Vec<Slot>) -> Self {
        let values = (0u16..).zip(&slots).filter(|(_, slot)| slot.kind == SlotKind::Value).map(|(id, _)| id).collect();
        let entries = Rc::new(RefCell::new(Entries::new(slots)));
        Self { values, entries, state: BTreeMap::new(), timers: BTreeSet::new() }
    }

    fn apply(&mut self, keys: &[Vec<u8>], effect: &Effect<'_>) {
        match effect {
            Effect::State { slot, keys: changed, values } => {
                for (i, key) in changed.iter().enumerate() {
                    let at = (*slot, keys[u32::from_le_bytes(*key) as usize].clone());
                    if values.is_valid(i) {
                        self.state.insert(at, values.var(i).to_vec());
                    } else {
                        self.state.remove(&at);
                    }
                }
            }
            Effect::Entries { slot, entries } => self.entries.borrow_mut().apply(*slot, entries),
            Effect::Timers(changes) => {
                for change in changes {
                    let timer = (change.family, change.time, keys[change.key as usize].clone());
                    if change.delete {
                        self.timers.remove(&timer);
                    } else {
                        self.timers.insert(timer);
                    }
                }
            }
            Effect::Rows { .. } | Effect::Reject { .. } | Effect::Metric { .. } => {}
        }
    }

    /// The first due timer of each key, by time and key.
    fn due(&self, family: TimerFamily, until: i64) -> Vec<(i64, Vec<u8>)> {
        let mut seen = HashSet::new();
        let due = self.timers.iter().filter(|(f, time, key)| *f == family && *time <= until && seen.insert(key));
        due.map(|(_, time, key)| (*time, key.clone())).collect()
    }

    /// The sections that every keyed frame has: keys and state.
    fn write<F: Keyed>(&self, header: &Header, keys: &Keys, frame: &mut FrameWriter) {
        self.entries.borrow_mut().begin(&keys.distinct, header.watermark, header.now);
        let schema = F::Key::schema();
        let count = keys.distinct.len();
        frame.block(Tag::Keys, 0, count, BlockWriter::buffers_of(&schema), |b| keys.write(&schema, b));
        for &slot in &self.values {
            frame.block(Tag::State, slot, count, 3, |b| self.write_slot(slot, &keys.distinct, b));
        }
    }

    fn write_slot(&self, slot: u16, keys: &[Vec<u8>], block: &mut BlockWriter<'_>) {
        let (mut offsets, mut data) = (vec![0u8; 4], Vec::new());
        for key in keys {
            let stored = self.state.get(&(slot, key.clone())).map(Vec::as_slice);
            let living = stored.filter(|value| self.entries.borrow().visible(slot, value).is_some());
            data.extend_from_slice(living.unwrap_or_default());
            offsets.extend_from_slice(&(data.len() as u32).to_le_bytes());
        }
        block.buffer(&[]);
        block.buffer(&offsets);
        block.buffer(&data);
    }
}

impl<F: Keyed + 'static> KeyedTest<F> {
    /// Opens the function with these settings; the others have their defaults. The key is made of
    /// the input's columns that are named like the key's; see [`KeyedTest::key_columns`].
    pub fn open<'s>(settings: impl IntoIterator<Item = (&'s str, ConfigValue)>) -> Result<Self, Error> {
        let bench = Bench::open(keyed_def::<F>(Bench::name(), &[]), settings)?;
        let (input, key) = (F::In::schema(), F::Key::schema());
        let key_columns = key.fields.iter().filter_map(|f| input.index_of(&f.name)).collect();
        Ok(Self {
            bench,
            event_time: None,
            key_columns,
            host: Host::new(F::State::slots()),
            function: std::marker::PhantomData,
        })
    }

    /// Takes over state and timers of another function, or of an older version of this one: slots
    /// that have the same name. That is what an upgrade of a running job does.
    #[must_use]
    pub fn with_state_of<G: Keyed>(mut self, old: &KeyedTest<G>) -> Self {
        let (ours, theirs) = (F::State::slots(), G::State::slots());
        let id_of = |slot: u16| ours.iter().position(|s| s.name == theirs[usize::from(slot)].name);
        let state = old.host.state.iter().filter_map(|((slot, key), value)| {
            let id = id_of(*slot)?;
            Some(((id as u16, key.clone()), value.clone()))
        });
        self.host.state = state.collect();
        self.host.timers = old.host.timers.clone();
        self.host.entries.borrow_mut().take_over(&old.host.entries.borrow());
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
        self.host.state.insert((slot_of::<F>(slot), encoded::<F::Key>(&key)), bytes);
        self
    }

    /// The version of the stored value of a key; `None` if nothing is stored. Panics if there is no
    /// such slot.
    pub fn stored_version(&self, key: RowOf<'_, F::Key>, slot: &str) -> Option<u32> {
        let stored = self.host.state.get(&(slot_of::<F>(slot), encoded::<F::Key>(&key)))?;
        get_varint(stored).ok().map(|(version, _)| version)
    }

    /// Makes the key of these columns of the input, as a job does. Panics if there is no such column.
    #[must_use]
    pub fn key_columns(mut self, columns: &[&str]) -> Self {
        let input = F::In::schema();
        let at = |name: &&str| input.index_of(name).unwrap_or_else(|| panic!("there is no column {name:?}: {input}"));
        self.key_columns = columns.iter().map(at).collect();
        self
    }

    /// Takes the event time of each row from this timestamp column.
    #[must_use]
    pub fn event_time(mut self, column: &str) -> Self {
        self.event_time = Some(column.to_owned());
        self
    }

    /// Sets how many rows or timers come in one batch, 4096 otherwise. A function should give the
    /// same whatever the number.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.bench.batch_rows = rows.max(1);
        self
    }

    /// Moves the clock, and fires the processing timers that are due.
    pub fn set_now(&mut self, now: Timestamp) -> Result<(), Error> {
        self.bench.now = now.micros();
        self.fire(TimerFamily::Processing, now.micros())
    }

    /// Moves the clock on by `duration`, and fires the processing timers that are due.
    pub fn advance(&mut self, duration: Duration) -> Result<(), Error> {
        self.set_now(Timestamp::from_micros(self.bench.now) + duration)
    }

    /// Moves the watermark, never back, and fires the event timers that are due: in the order of
    /// time and key, at most one per key in a round, until none is due.
    pub fn set_watermark(&mut self, watermark: Timestamp) -> Result<(), Error> {
        self.bench.watermark = self.bench.watermark.max(watermark.micros());
        self.fire(TimerFamily::Event, self.bench.watermark)
    }

    /// Ends the input: every event timer fires.
    pub fn end_of_input(&mut self) -> Result<(), Error> {
        self.set_watermark(Timestamp::MAX)
    }

    /// Drops the instance and opens a new one, as the host may do between any two batches.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.bench.restart()
    }

    /// Hands rows to the function, in batches. Fails with the first batch that fails, of which
    /// nothing was applied. Panics if the rows do not hold the key; see [`KeyedTest::feed_keyed`].
    pub fn feed<'r>(&mut self, rows: impl IntoIterator<Item = RowOf<'r, F::In>>) -> Result<(), Error> {
        self.check_key();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut batch = Rows::<F::In>::new();
            rows.by_ref().take(self.bench.batch_rows).for_each(|row| batch.add(&row));
            self.run_batch(&batch)?;
        }
        Ok(())
    }

    fn run_batch(&mut self, batch: &Rows<F::In>) -> Result<(), Error> {
        let (schema, bytes) = batch.block_bytes();
        let keys = Keys::of_block(&read_block(&schema, &bytes, batch.count), &self.key_columns);
        self.run_rows(batch, &keys)
    }

    /// Hands changes to the function, in batches, as [`Self::feed`] hands rows. Panics if the
    /// function does not read changes.
    pub fn feed_changes<'r>(
        &mut self,
        changes: impl IntoIterator<Item = (Op, RowOf<'r, F::In>)>,
    ) -> Result<(), Error> {
        self.changes(None, changes)
    }

    /// The same with one event time for all, as the rows have that a timer emitted.
    pub fn feed_changes_at<'r>(
        &mut self,
        time: Timestamp,
        changes: impl IntoIterator<Item = (Op, RowOf<'r, F::In>)>,
    ) -> Result<(), Error> {
        self.changes(Some(time.micros()), changes)
    }

    fn changes<'r>(
        &mut self,
        time: Option<i64>,
        changes: impl IntoIterator<Item = (Op, RowOf<'r, F::In>)>,
    ) -> Result<(), Error> {
        assert!(F::READS_CHANGES, "a function without READS_CHANGES is given no changelog");
        self.check_key();
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let mut batch = Rows::<F::In>::new();
            batch.time = time;
            changes.by_ref().take(self.bench.batch_rows).for_each(|(op, row)| batch.add_change(op, &row));
            self.run_batch(&batch)?;
        }
        Ok(())
    }

    /// Hands rows with their keys to the function, for rows that do not hold the key's columns.
    pub fn feed_keyed<'r>(
        &mut self,
        rows: impl IntoIterator<Item = (RowOf<'r, F::Key>, RowOf<'r, F::In>)>,
    ) -> Result<(), Error> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let (mut keys, mut batch) = (Rows::<F::Key>::new(), Rows::<F::In>::new());
            rows.by_ref().take(self.bench.batch_rows).for_each(|(key, row)| {
                keys.add(&key);
                batch.add(&row);
            });
            self.run_rows(&batch, &keys_of(&keys))?;
        }
        Ok(())
    }

    /// The state of a key, ready to be looked at. Panics if a stored value is not readable.
    pub fn state(&self, key: RowOf<'_, F::Key>) -> F::State {
        let mut keys = Rows::<F::Key>::new();
        keys.add(&key);
        let keys = keys_of(&keys);
        let (watermark, now) = (self.bench.watermark, self.bench.now);
        let header = Header { kind: Kind::Data, rows: 0, keys: 1, timers: 0, epoch: 0, watermark, now, seed: 0 };
        let mut frame = FrameWriter::new(Vec::new(), &header, 1 + self.host.values.len());
        self.host.write::<F>(&header, &keys, &mut frame);
        let bytes = Rc::new(frame.finish());
        let frame = Frame::read(&bytes).expect("the ABI reads what it wrote");
        let mut state = F::State::create();
        state.load(&Stored { bytes: &bytes, frame: &frame }).expect("the sections were just written");
        state.select(0);
        state
    }

    /// Looks at the state of a key; maps, lists and merge slots can be read only here. Panics if a
    /// stored value is not readable.
    ///
    /// See [`MapState`](crate::MapState) for an example.
    pub fn look<R>(&self, key: RowOf<'_, F::Key>, look: impl FnOnce(&F::State) -> R) -> R {
        let state = self.state(key);
        let seen = with_entries(&self.host.entries, || look(&state));
        state.fault().expect("what is stored is readable");
        seen
    }

    /// The timers that are set, by family and time, whatever their key.
    pub fn timers(&self) -> Vec<(TimerFamily, Timestamp)> {
        self.host.timers.iter().map(|(family, time, _)| (*family, Timestamp::from_micros(*time))).collect()
    }

    fn run_rows(&mut self, rows: &Rows<F::In>, keys: &Keys) -> Result<(), Error> {
        let header = self.bench.header(Kind::Data, rows.count, 0, keys.distinct.len());
        let has_time = rows.time.is_some() || self.event_time.is_some();
        let optional = usize::from(has_time) + usize::from(!rows.ops.is_empty());
        let sections = 3 + self.host.values.len() + optional;
        let mut frame = FrameWriter::new(Vec::new(), &header, sections);
        let (schema, bytes) = rows.block_bytes();
        frame.block(Tag::Columns, 0, rows.count, BlockWriter::buffers_of(&schema), |b| rows.write(b));
        frame.u32s(Tag::RowKey, keys.of_rows.iter().copied());
        rows.write_ops(&mut frame);
        if let Some(time) = rows.time {
            frame.i64s(Tag::EventTime, vec![time; rows.count]);
        } else if let Some(column) = &self.event_time {
            frame.i64s(Tag::EventTime, event_times(&schema, &read_block(&schema, &bytes, rows.count), column));
        }
        self.host.write::<F>(&header, keys, &mut frame);
        self.run(&header, frame.finish(), keys)
    }

    fn run(&mut self, header: &Header, frame: Vec<u8>, keys: &Keys) -> Result<(), Error> {
        let (bench, host) = (&mut self.bench, &mut self.host);
        let entries = host.entries.clone();
        with_entries(&entries, || bench.run(header, frame, |effect| host.apply(&keys.distinct, effect)))
    }

    fn check_key(&self) {
        let (input, key) = (F::In::schema(), F::Key::schema());
        let given: Vec<_> = self.key_columns.iter().map(|&c| input.fields[c].ty).collect();
        let wanted: Vec<_> = key.fields.iter().map(|f| f.ty).collect();
        assert_eq!(given, wanted, "the input's columns do not make the key ({key}); name them by key_columns");
    }

    fn fire(&mut self, family: TimerFamily, until: i64) -> Result<(), Error> {
        loop {
            let due = self.host.due(family, until);
            if due.is_empty() {
                return Ok(());
            }
            for batch in due.chunks(self.bench.batch_rows) {
                self.run_timers(family, batch)?;
            }
        }
    }

    fn run_timers(&mut self, family: TimerFamily, due: &[(i64, Vec<u8>)]) -> Result<(), Error> {
        let mut keys = Keys::default();
        due.iter().for_each(|(_, key)| keys.add(key.clone()));
        let header = self.bench.header(Kind::Timers, 0, due.len(), keys.distinct.len());
        let mut frame = FrameWriter::new(Vec::new(), &header, 4 + self.host.values.len());
        frame.i64s(Tag::TimerTime, due.iter().map(|(time, _)| *time));
        frame.u32s(Tag::TimerKey, keys.of_rows.iter().copied());
        frame.bytes(Tag::TimerFamily, &vec![family as u8; due.len()]);
        self.host.write::<F>(&header, &keys, &mut frame);
        // Fired timers go before the effects are applied, so that a timer may set itself again.
        let fired: Vec<_> = due.iter().map(|(time, key)| (family, *time, key.clone())).collect();
        self.host.timers.retain(|timer| fired.binary_search(timer).is_err());
        let result = self.run(&header, frame.finish(), &keys);
        if result.is_err() {
            self.host.timers.extend(fired);
        }
        result
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

/// The keys that whole rows are.
fn keys_of<K: Row>(rows: &Rows<K>) -> Keys {
    let (schema, bytes) = rows.block_bytes();
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    Keys::of_block(&read_block(&schema, &bytes, rows.count), &columns)
}

impl<F: Keyed> Deref for KeyedTest<F> {
    type Target = Results;
    fn deref(&self) -> &Results {
        &self.bench.results
    }
}

impl<F: Keyed> DerefMut for KeyedTest<F> {
    fn deref_mut(&mut self) -> &mut Results {
        &mut self.bench.results
    }
}
