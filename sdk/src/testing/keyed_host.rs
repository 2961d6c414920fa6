//! What the harnesses of functions by key share: state and timers in memory, as the host would keep
//! them, and the frames that carry them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::marker::PhantomData;
use std::rc::Rc;

use wasmill_abi::block::BlockWriter;
use wasmill_abi::effects::{Effect, TimerFamily};
use wasmill_abi::frame::{Frame, FrameWriter, Header, Kind, Tag};
use wasmill_abi::manifest::{Slot, SlotKind};

use super::batch::{Bench, Rows, event_times, read_block};
use super::entries::{Entries, with_entries};
use super::keys::Keys;
use crate::state::Stored;
use crate::{Error, Row, RowOf, Slots, Timestamp};

/// An opened function by key, with its state and timers.
pub(super) struct KeyedHost<K: Row, S: Slots> {
    pub bench: Bench,
    pub kept: Kept,
    types: PhantomData<(K, S)>,
}

/// What the host keeps for a keyed function.
pub(super) struct Kept {
    /// The slots that are values.
    values: Vec<u16>,
    pub entries: Rc<RefCell<Entries>>,
    pub state: BTreeMap<(u16, Vec<u8>), Vec<u8>>,
    pub timers: BTreeSet<(TimerFamily, i64, Vec<u8>)>,
}

impl Kept {
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
            Effect::Rows { .. } | Effect::Reject { .. } | Effect::Metric { .. } | Effect::Late(_) => {}
        }
    }

    /// The first due timer of each key, by time and key.
    fn due(&self, family: TimerFamily, until: i64) -> Vec<(i64, Vec<u8>)> {
        let mut seen = HashSet::new();
        let due = self.timers.iter().filter(|(f, time, key)| *f == family && *time <= until && seen.insert(key));
        due.map(|(_, time, key)| (*time, key.clone())).collect()
    }

    /// The sections that every keyed frame has: keys and state.
    fn write<K: Row>(&self, header: &Header, keys: &Keys, frame: &mut FrameWriter) {
        self.entries.borrow_mut().begin(&keys.distinct, header.watermark, header.now);
        let schema = K::schema();
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

impl<K: Row, S: Slots> KeyedHost<K, S> {
    pub fn new(bench: Bench) -> Self {
        Self { bench, kept: Kept::new(S::slots()), types: PhantomData }
    }

    pub fn set_now(&mut self, now: Timestamp) -> Result<(), Error> {
        self.bench.now = now.micros();
        self.fire(TimerFamily::Processing, now.micros())
    }

    pub fn set_watermark(&mut self, watermark: Timestamp) -> Result<(), Error> {
        self.bench.watermark = self.bench.watermark.max(watermark.micros());
        self.fire(TimerFamily::Event, self.bench.watermark)
    }

    pub fn state(&self, key: RowOf<'_, K>) -> S {
        let mut keys = Rows::<K>::new();
        keys.add(&key);
        let keys = keys_of(&keys);
        let (watermark, now) = (self.bench.watermark, self.bench.now);
        let header = Header { kind: Kind::Data, rows: 0, keys: 1, timers: 0, epoch: 0, watermark, now, seed: 0 };
        let mut frame = FrameWriter::new(Vec::new(), &header, 1 + self.kept.values.len());
        self.kept.write::<K>(&header, &keys, &mut frame);
        let bytes = Rc::new(frame.finish());
        let frame = Frame::read(&bytes).expect("the ABI reads what it wrote");
        let mut state = S::create();
        state.load(&Stored { bytes: &bytes, frame: &frame }).expect("the sections were just written");
        state.select(0);
        state
    }

    pub fn look<R>(&self, key: RowOf<'_, K>, look: impl FnOnce(&S) -> R) -> R {
        let state = self.state(key);
        let seen = with_entries(&self.kept.entries, || look(&state));
        state.fault().expect("what is stored is readable");
        seen
    }

    pub fn timers(&self) -> Vec<(TimerFamily, Timestamp)> {
        self.kept.timers.iter().map(|(family, time, _)| (*family, Timestamp::from_micros(*time))).collect()
    }

    /// Hands rows of one input to the function; `kind` says which. `event_time` names a column.
    pub fn rows<I: Row>(
        &mut self,
        kind: Kind,
        rows: &Rows<I>,
        keys: &Keys,
        event_time: Option<&str>,
    ) -> Result<(), Error> {
        let header = self.bench.header(kind, rows.count, 0, keys.distinct.len());
        let has_time = rows.time.is_some() || event_time.is_some();
        let optional = usize::from(has_time) + usize::from(!rows.ops.is_empty());
        let sections = 3 + self.kept.values.len() + optional;
        let mut frame = FrameWriter::new(Vec::new(), &header, sections);
        let (schema, bytes) = rows.block_bytes();
        frame.block(Tag::Columns, 0, rows.count, BlockWriter::buffers_of(&schema), |b| rows.write(b));
        frame.u32s(Tag::RowKey, keys.of_rows.iter().copied());
        rows.write_ops(&mut frame);
        if let Some(time) = rows.time {
            frame.i64s(Tag::EventTime, vec![time; rows.count]);
        } else if let Some(column) = event_time {
            frame.i64s(Tag::EventTime, event_times(&schema, &read_block(&schema, &bytes, rows.count), column));
        }
        self.kept.write::<K>(&header, keys, &mut frame);
        self.run(&header, frame.finish(), keys)
    }

    fn run(&mut self, header: &Header, frame: Vec<u8>, keys: &Keys) -> Result<(), Error> {
        let (bench, kept) = (&mut self.bench, &mut self.kept);
        let entries = kept.entries.clone();
        with_entries(&entries, || bench.run(header, frame, |effect| kept.apply(&keys.distinct, effect)))
    }

    fn fire(&mut self, family: TimerFamily, until: i64) -> Result<(), Error> {
        loop {
            let due = self.kept.due(family, until);
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
        let mut frame = FrameWriter::new(Vec::new(), &header, 4 + self.kept.values.len());
        frame.i64s(Tag::TimerTime, due.iter().map(|(time, _)| *time));
        frame.u32s(Tag::TimerKey, keys.of_rows.iter().copied());
        frame.bytes(Tag::TimerFamily, &vec![family as u8; due.len()]);
        self.kept.write::<K>(&header, &keys, &mut frame);
        // Fired timers go before the effects are applied, so that a timer may set itself again.
        let fired: Vec<_> = due.iter().map(|(time, key)| (family, *time, key.clone())).collect();
        self.kept.timers.retain(|timer| fired.binary_search(timer).is_err());
        let result = self.run(&header, frame.finish(), &keys);
        if result.is_err() {
            self.kept.timers.extend(fired);
        }
        result
    }
}

/// The keys that whole rows are.
pub(super) fn keys_of<K: Row>(rows: &Rows<K>) -> Keys {
    let (schema, bytes) = rows.block_bytes();
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    Keys::of_block(&read_block(&schema, &bytes, rows.count), &columns)
}
