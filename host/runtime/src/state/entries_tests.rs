//! Maps, lists and merge slots over a real database, against plain maps: with epochs in flight,
//! compactions, and processes that forget what is not committed.

use super::db::{Commit, Database, Identity};
use super::delta::Delta;
use super::keys::{Grouper, KeySet};
use super::{Clock, Form, KeyedState, StateError};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tempfile::TempDir;
use wasmill_abi::calls::{PAGE_BYTES_MAX, put_asked, read_asked, read_found, read_page};
use wasmill_abi::effects::{EntryChange, TimerFamily};
use wasmill_abi::hash::hash32;
use wasmill_abi::manifest::{Slot, SlotKind, Ttl, TtlFrom};

const IDENTITY: Identity<'static> = Identity { job: "kinds", key_groups: 16 };
const KEYS: [&[u8]; 3] = [b"\x01a\0\0", b"\x01b\0\0", b"\x01ba\0\0"];
const ENTRIES: [&[u8]; 4] = [b"", b"\0", b"a", b"a\xff\xff"];

fn slot(kind: SlotKind, ttl: Option<(TtlFrom, TimerFamily)>) -> Slot {
    let ttl = ttl.map(|(from, clock)| Ttl { micros: 5, from, clock });
    Slot { ttl, ..Slot::new(format!("{kind:?} {ttl:?}"), kind, 1, "") }
}

fn slots() -> Vec<Slot> {
    vec![
        slot(SlotKind::Map, None),
        slot(SlotKind::List, None),
        slot(SlotKind::Sum, None),
        slot(SlotKind::Max, None),
        slot(SlotKind::Map, Some((TtlFrom::Create, TimerFamily::Event))),
        slot(SlotKind::Map, Some((TtlFrom::Update, TimerFamily::Processing))),
        slot(SlotKind::List, Some((TtlFrom::Update, TimerFamily::Event))),
        slot(SlotKind::Sum, Some((TtlFrom::Update, TimerFamily::Event))),
        slot(SlotKind::Min, Some((TtlFrom::Create, TimerFamily::Event))),
        slot(SlotKind::Value, Some((TtlFrom::Update, TimerFamily::Event))),
    ]
}

fn open(dir: &TempDir) -> (Arc<Database>, KeyedState) {
    let db = Database::open(dir.path(), &IDENTITY).expect("the database opens");
    let state = KeyedState::open(db.clone(), "op", &slots(), 0..16, 16, 0).expect("the state opens");
    (db, state)
}

fn keys() -> KeySet {
    let mut grouper = Grouper::new();
    KEYS.iter().for_each(|key| {
        grouper.add(key, hash32(key));
    });
    grouper.keys().clone()
}

#[derive(Debug, Clone)]
enum Step {
    /// Time goes on, then these change: slot, key, entry, number, and what is done.
    Batch {
        time: i64,
        changes: Vec<(u16, u32, usize, i64, u8)>,
    },
    TakeDelta,
    Commit,
    Announce,
    Compact,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0u16..10, 0u32..3, 0usize..4, -9i64..9, 0u8..10);
    prop_oneof![
        6 => (0i64..4, prop::collection::vec(change, 0..12)).prop_map(|(time, changes)| Step::Batch { time, changes }),
        3 => Just(Step::TakeDelta),
        3 => Just(Step::Commit),
        3 => Just(Step::Announce),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

/// By slot, key and own key: the stamp, and the value behind it.
type Held = (i64, BTreeMap<(u16, u32, Vec<u8>), (i64, Vec<u8>)>);

struct Model {
    dir: TempDir,
    /// `None` only while it is opened again.
    open: Option<(Arc<Database>, KeyedState)>,
    slots: Vec<Slot>,
    now: Held,
    committed: Held,
    pending: VecDeque<(u64, Delta, Held)>,
    epoch: u64,
    appended: u64,
}

impl Model {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let open = Some(open(&dir));
        let (now, committed, pending) = ((0, BTreeMap::new()), (0, BTreeMap::new()), VecDeque::new());
        Self { dir, open, slots: slots(), now, committed, pending, epoch: 0, appended: 0 }
    }

    fn parts(&mut self) -> (&Database, &mut KeyedState) {
        let (db, state) = self.open.as_mut().expect("it is open");
        (db, state)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Batch { time, changes } => self.batch(time, &changes),
            Step::TakeDelta => {
                self.epoch += 1;
                let epoch = self.epoch;
                let delta = self.parts().1.take_delta(epoch);
                self.pending.push_back((epoch, delta, self.now.clone()));
            }
            Step::Commit => {
                if let Some((epoch, delta, then)) = self.pending.pop_front() {
                    let commit = Commit { epoch, deltas: vec![delta], ..Commit::default() };
                    self.parts().0.commit(commit).expect("it commits");
                    self.committed = then;
                }
            }
            Step::Announce => {
                let (db, state) = self.parts();
                state.committed(db.committed_epoch());
            }
            Step::Compact => self.parts().0.compact_state().expect("it compacts"),
            Step::Reopen => {
                self.open = None;
                self.open = Some(open(&self.dir));
                self.pending.clear();
                self.now = self.committed.clone();
                self.epoch = self.parts().0.committed_epoch();
            }
        }
    }

    fn living(&self, slot: u16, key: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        let expires = self.slots[usize::from(slot)].ttl.is_some();
        let mine = self.now.1.iter().filter(|(at, v)| at.0 == slot && at.1 == key && (!expires || v.0 > self.now.0));
        mine.map(|(at, (_, value))| (at.2.clone(), value.clone())).collect()
    }

    fn batch(&mut self, time: i64, changes: &[(u16, u32, usize, i64, u8)]) {
        self.now.0 += time;
        let (now, keys) = (self.now.0, keys());
        let (_, state) = self.parts();
        state.load(&keys).expect("the store works");
        state.begin(&keys, Clock { watermark: now, now });
        for &(slot, key, entry, number, what) in changes {
            self.change(slot, key, ENTRIES[entry], number, what);
        }
        (0..self.slots.len() as u16).for_each(|slot| (0..3).for_each(|key| self.check(slot, key)));
    }

    fn change(&mut self, slot: u16, key: u32, entry: &[u8], number: i64, what: u8) {
        let spec = self.slots[usize::from(slot)].clone();
        let is_map = spec.kind == SlotKind::Map;
        let gone = what == 0 || (is_map && what < 3);
        let stamp = self.now.0 + 5;
        let bytes = number.to_le_bytes();
        let value = if spec.ttl.is_some() { [&stamp.to_le_bytes()[..], &bytes].concat() } else { bytes.to_vec() };
        // A map's entry goes alone, unless all of them go.
        let own = (is_map && what > 0).then_some(entry);
        let change = EntryChange { key, entry: own, value: (!gone).then_some(&value) };
        let (_, state) = self.parts();
        match spec.kind {
            SlotKind::Value => state.apply(slot.into(), key as usize, change.value),
            _ => state.apply_entries(slot, &[change]).expect("the store works"),
        }
        let old = self.living(slot, key).into_iter().find(|(own, _)| own == entry || !is_map).map(|(_, value)| value);
        if gone {
            self.now.1.retain(|at, _| at.0 != slot || at.1 != key || own.is_some_and(|own| own != at.2));
            return;
        }
        let mut new = (stamp, bytes.to_vec());
        let own = match spec.kind {
            SlotKind::Map => entry.to_vec(),
            SlotKind::List => {
                self.appended += 1;
                self.appended.to_be_bytes().to_vec()
            }
            _ => Vec::new(),
        };
        let at = (slot, key, own);
        if let Some(old) = old.filter(|_| spec.kind != SlotKind::List) {
            if spec.kind.is_merge() {
                let old = i64::from_le_bytes(old.try_into().expect("a number"));
                new.1 = spec.kind.merge(old, number).to_le_bytes().to_vec();
            }
            if spec.ttl.is_some_and(|ttl| ttl.from == TtlFrom::Create) {
                new.0 = self.now.1[&at].0;
            }
        }
        self.now.1.insert(at, new);
    }

    fn check(&mut self, slot: u16, key: u32) {
        let living = self.living(slot, key);
        let kind = self.slots[usize::from(slot)].kind;
        let (_, state) = self.open.as_ref().expect("it is open");
        if kind == SlotKind::Value {
            let value = state.living_value(slot.into(), key as usize);
            assert_eq!(value.get(8..), living.first().map(|(_, value)| &value[..]));
            return;
        }
        let entries = state.entries().expect("there are such slots");
        let entries = entries.lock().expect("no test panicked");
        let asked_for = if kind == SlotKind::Map { &ENTRIES[..] } else { &ENTRIES[..1] };
        if kind != SlotKind::List {
            let mut asked = Vec::new();
            // Twice, because a guest may.
            asked_for.iter().chain(asked_for).for_each(|entry| put_asked(&mut asked, key, entry));
            let asked = read_asked(&asked, 3).expect("just written");
            let answer = entries.get_many(slot, &asked).expect("the store works");
            let found = read_found(&answer, asked.len()).expect("just written");
            for ((_, entry), found) in asked.iter().zip(found) {
                let expected = living.iter().find(|(own, _)| own == entry).map(|(_, value)| &value[..]);
                assert_eq!(found, expected, "slot {slot} key {key} entry {entry:?}");
            }
        }
        if !kind.is_merge() {
            for bytes_max in [1, 40, PAGE_BYTES_MAX] {
                let (mut start, mut all, mut more) = (Vec::new(), Vec::new(), true);
                while more {
                    let page = entries.scan(slot, key, &start[..]..&[][..], bytes_max).expect("the store works");
                    let page = read_page(&page).expect("just written");
                    assert!(!page.entries.is_empty() || !page.more, "a page with more behind it has something");
                    all.extend(page.entries.iter().map(|(own, value)| (own.to_vec(), value.to_vec())));
                    start = all.last().map_or(Vec::new(), |(own, _)| [own, &[0][..]].concat());
                    more = page.more;
                }
                assert!(all.is_sorted_by(|a, b| a.0 < b.0));
                if kind == SlotKind::List {
                    assert!(all.iter().map(|(_, v)| v).eq(living.iter().map(|(_, v)| v)), "slot {slot} key {key}");
                } else {
                    assert_eq!(all, living, "slot {slot} key {key}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn agrees_with_plain_maps(steps in prop::collection::vec(step(), 1..50)) {
        let mut model = Model::new();
        steps.into_iter().for_each(|step| model.step(step));
        model.step(Step::Batch { time: 0, changes: Vec::new() });
    }
}

#[test]
fn compaction_gives_back_what_is_gone_by_the_committed_time() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (db, mut state) = open(&dir);
    let keys = keys();
    let commit = |state: &mut KeyedState, epoch, watermark| {
        state.begin(&keys, Clock { watermark, now: 0 });
        let deltas = vec![state.take_delta(epoch)];
        db.commit(Commit { epoch, deltas, ..Commit::default() }).expect("it commits");
        state.committed(epoch);
        db.compact_state().expect("it compacts");
        db.stored_entries().expect("it scans")
    };
    state.load(&keys).expect("loads");
    state.begin(&keys, Clock { watermark: 0, now: 0 });
    let value = |stamp: i64| [&stamp.to_le_bytes()[..], b"value"].concat();
    state.apply(9, 0, Some(&value(10)));
    for (entry, stamp) in [(&b"a"[..], 10i64), (b"b", 20)] {
        let change = EntryChange { key: 1, entry: Some(entry), value: Some(&value(stamp)) };
        state.apply_entries(4, &[change]).expect("applies");
    }
    // What has no time to live stays, whatever its bytes look like.
    let change = EntryChange { key: 1, entry: Some(b"a"), value: Some(&value(10)) };
    state.apply_entries(0, &[change]).expect("applies");
    assert_eq!(commit(&mut state, 1, 9), 4);
    assert_eq!(commit(&mut state, 2, 10), 2, "the value and one entry are gone");
    assert_eq!(commit(&mut state, 3, 20), 1);
}

#[test]
fn a_slot_keeps_its_form() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = Database::open(dir.path(), &IDENTITY).expect("the database opens");
    let value = Slot::new("s", SlotKind::Value, 1, "u64");
    let open = |slot: &Slot| {
        let state = KeyedState::open(db.clone(), "op", std::slice::from_ref(slot), 0..16, 16, 0);
        state.map(drop).map_err(|e| e.to_string())
    };
    open(&value).expect("it is new");
    let error = open(&Slot { kind: SlotKind::Map, ..value.clone() }).expect_err("it holds values");
    assert!(error.contains("holds slot \"s\" of operator \"op\" as Value, and the module now declares Map"), "{error}");
    let ttl = Some(Ttl { micros: 1, from: TtlFrom::Create, clock: TimerFamily::Event });
    let error = open(&Slot { ttl, ..value.clone() }).expect_err("its values have no stamps");
    assert!(error.contains("declares Value with a time to live in event time"), "{error}");
    open(&value).expect("it is what it was");
    let form = Form { kind: SlotKind::Sum, clock: None };
    db.slot_id("op", "sum", form).expect("it is new");
    let other = db.slot_id("op", "sum", Form { kind: SlotKind::Max, clock: None });
    assert!(matches!(other, Err(StateError::OtherForm { .. })));
}
