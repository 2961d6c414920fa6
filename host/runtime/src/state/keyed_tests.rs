//! Tests of [`KeyedState`](super::KeyedState) over a store in memory, against plain maps.

use super::*;
use crate::state::keys::Grouper;
use crate::state::mem::MemStore;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

const GROUPS: u16 = 16;
const FAMILIES: [TimerFamily; 2] = [TimerFamily::Event, TimerFamily::Processing];

fn slots(n: usize) -> Vec<Slot> {
    (0..n).map(|i| Slot::new(format!("slot{i}"), SlotKind::Value, 1, "")).collect()
}

fn open(store: &Arc<MemStore>, n: usize, cache_bytes: u64) -> KeyedState {
    let state = KeyedState::open(Arc::clone(store) as _, "op", &slots(n), 0..GROUPS, GROUPS, cache_bytes);
    state.expect("a store in memory opens")
}

fn key_set<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> KeySet {
    let mut grouper = Grouper::new();
    for key in keys {
        grouper.add(key, hash32(key));
    }
    grouper.keys().clone()
}

fn key_of(n: u8) -> Vec<u8> {
    // Some keys do not fit into an entry.
    format!("key-{n}-").repeat(if n.is_multiple_of(7) { 20 } else { 1 }).into_bytes()
}

type Values = BTreeMap<(usize, Vec<u8>), Vec<u8>>;
type TimerSet = BTreeSet<(TimerFamily, i64, Vec<u8>)>;

#[derive(Debug, Clone)]
enum Step {
    /// Load these keys, then change (slot, position in the set, value length; 0 deletes).
    Batch {
        keys: Vec<u8>,
        changes: Vec<(usize, usize, usize)>,
        timers: Vec<(usize, i64, bool, bool)>,
    },
    TakeDue {
        family: usize,
        until: i64,
        max: usize,
        restore: bool,
    },
    TakeDelta,
    /// Commit the oldest delta that was handed in.
    Commit,
    /// Announce the last commit.
    Announce,
    /// Forget everything that is not committed and open again.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0usize..3, 0usize..12, prop_oneof![Just(0usize), 1usize..12, 60usize..200]);
    let timer = (0usize..12, -3i64..4, any::<bool>(), any::<bool>());
    prop_oneof![
        8 => (
            prop::collection::vec(0u8..60, 1..12),
            prop::collection::vec(change, 0..10),
            prop::collection::vec(timer, 0..6),
        )
            .prop_map(|(keys, changes, timers)| Step::Batch { keys, changes, timers }),
        2 => (0usize..2, -3i64..4, 1usize..6, any::<bool>())
            .prop_map(|(family, until, max, restore)| Step::TakeDue { family, until, max, restore }),
        3 => Just(Step::TakeDelta),
        3 => Just(Step::Commit),
        3 => Just(Step::Announce),
        1 => Just(Step::Crash),
    ]
}

/// The state under test beside plain maps: what it holds now, and what each epoch held.
struct Model {
    slots: usize,
    cache_bytes: u64,
    store: Arc<MemStore>,
    state: KeyedState,
    now: (Values, TimerSet),
    epoch: u64,
    pending: VecDeque<(u64, Delta, (Values, TimerSet))>,
    committed: (Values, TimerSet),
}

impl Model {
    fn new(slots: usize, cache_bytes: u64) -> Self {
        let store = Arc::new(MemStore::default());
        let state = open(&store, slots, cache_bytes);
        let (now, committed) = Default::default();
        Self { slots, cache_bytes, store, state, now, epoch: 0, pending: VecDeque::new(), committed }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Batch { keys, changes, timers } => self.batch(&keys, &changes, &timers),
            Step::TakeDue { family, until, max, restore } => self.take_due(FAMILIES[family], until, max, restore),
            Step::TakeDelta => {
                self.epoch += 1;
                let delta = self.state.take_delta(self.epoch);
                assert_eq!(self.state.dirty_bytes(), 0);
                self.pending.push_back((self.epoch, delta, self.now.clone()));
            }
            Step::Commit => {
                if let Some((epoch, delta, then)) = self.pending.pop_front() {
                    self.store.commit(epoch, &[delta]);
                    self.committed = then;
                }
            }
            Step::Announce => {
                self.state.committed(self.store.committed_epoch());
                if self.pending.is_empty() && self.state.dirty_bytes() == 0 {
                    assert!(self.state.cached_bytes() <= self.cache_bytes, "nothing is pinned, so all may be evicted");
                }
            }
            Step::Crash => {
                self.pending.clear();
                self.epoch = self.store.committed_epoch();
                self.state = open(&self.store, self.slots, self.cache_bytes);
                self.now = self.committed.clone();
            }
        }
        self.check_store();
    }

    fn batch(&mut self, keys: &[u8], changes: &[(usize, usize, usize)], timers: &[(usize, i64, bool, bool)]) {
        let names: Vec<_> = keys.iter().map(|&n| key_of(n)).collect();
        let set = key_set(names.iter().map(Vec::as_slice));
        self.state.load(&set).expect("the store works");
        for (seed, &(slot, key, len)) in changes.iter().enumerate() {
            let (slot, key) = (slot % self.slots, key % set.len());
            let value = vec![seed as u8 ^ len as u8; len];
            self.state.apply(slot, key, (len > 0).then_some(&value));
            match len {
                0 => self.now.0.remove(&(slot, set.key(key).to_vec())),
                _ => self.now.0.insert((slot, set.key(key).to_vec()), value),
            };
        }
        for &(key, time, processing, delete) in timers {
            let (key, family) = (key % set.len(), FAMILIES[usize::from(processing)]);
            let model = (family, time, set.key(key).to_vec());
            if delete {
                self.state.delete_timer(family, time, key);
                self.now.1.remove(&model);
            } else {
                self.state.set_timer(family, time, key);
                self.now.1.insert(model);
            }
        }
        for slot in 0..self.slots {
            for key in 0..set.len() {
                let expected = self.now.0.get(&(slot, set.key(key).to_vec())).map_or(&[][..], |v| v);
                assert_eq!(self.state.value(slot, key), expected, "slot {slot} of {:?}", set.key(key));
            }
        }
        self.check_timers();
    }

    fn take_due(&mut self, family: TimerFamily, until: i64, max: usize, restore: bool) {
        let mut due = DueTimers::new();
        self.state.take_due(family, until, max, &mut due);
        let mut expected = Vec::new();
        let mut skips = max;
        for (f, time, key) in &self.now.1 {
            if *f != family || *time > until || expected.len() == max || skips == 0 {
                continue;
            }
            match expected.iter().any(|(_, k)| k == key) {
                true => skips -= 1,
                false => expected.push((*time, key.clone())),
            }
        }
        let got: Vec<_> = due.times().iter().zip(due.keys().iter()).map(|(t, (k, _))| (*t, k.to_vec())).collect();
        assert_eq!(got, expected);
        if restore {
            self.state.restore(family, &due);
        } else {
            expected.into_iter().for_each(|(time, key)| assert!(self.now.1.remove(&(family, time, key))));
        }
        self.check_timers();
    }

    fn check_timers(&self) {
        for family in FAMILIES {
            let next = self.now.1.iter().find(|(f, ..)| *f == family).map(|(_, time, _)| *time);
            assert_eq!(self.state.next_timer(family), next);
        }
        assert_eq!(self.state.stats().timers as usize, self.now.1.len());
    }

    /// The store holds exactly the last committed epoch: nothing newer, nothing missing.
    fn check_store(&self) {
        let stored = self.store.get();
        let mut state = BTreeMap::new();
        for ((slot, key), value) in &self.committed.0 {
            let mut out = Vec::new();
            state_key(&mut out, key_group(hash32(key), GROUPS), *slot as u32, key);
            state.insert(out, value.clone());
        }
        assert_eq!(stored.state, state);
        let timers: TimerSet = stored
            .timers
            .keys()
            .map(|k| read_timer_key(k).expect("a timer"))
            .map(|t| (t.family, t.time, t.key.to_vec()))
            .collect();
        assert_eq!(timers, self.committed.1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn agrees_with_plain_maps(
        slots in 1usize..4,
        cache_bytes in prop_oneof![Just(0u64), Just(1500), Just(1 << 20)],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut model = Model::new(slots, cache_bytes);
        steps.into_iter().for_each(|step| model.step(step));
    }
}

#[test]
fn a_value_that_changes_often_is_written_once() {
    let store = Arc::new(MemStore::default());
    let mut state = open(&store, 1, 1 << 20);
    let keys = key_set([&b"a"[..], b"b"]);
    state.load(&keys).expect("loads");
    for n in 0..10u8 {
        state.apply(0, 0, Some(&[n]));
    }
    state.apply(0, 1, Some(b"same"));
    let delta = state.take_delta(1);
    assert_eq!(delta.entries(), 2);
    assert_eq!(delta.state.iter().next().expect("the first change").1, Some(&[9u8][..]));
    state.apply(0, 1, Some(b"same"));
    assert!(state.take_delta(2).is_empty(), "what did not change is not written");
}

#[test]
fn a_fresh_store_is_read_only_after_evictions() {
    let store = Arc::new(MemStore::default());
    let mut state = open(&store, 1, 0);
    let keys = key_set([&b"a"[..], b"b"]);
    for epoch in 1..4 {
        state.load(&keys).expect("loads");
        assert_eq!(state.stats().reads, if epoch == 1 { 0 } else { 2 * (epoch - 1) });
        state.apply(0, 0, Some(&[epoch as u8]));
        store.commit(epoch, &[state.take_delta(epoch)]);
        state.committed(epoch);
        assert_eq!(state.stats().entries, 0, "the cache has no room");
    }
}

#[test]
fn absent_keys_are_remembered() {
    let store = Arc::new(MemStore::default());
    let keys = key_set([&b"a"[..], b"b"]);
    let mut state = open(&store, 1, 1 << 20);
    state.load(&keys).expect("loads");
    state.apply(0, 0, Some(b"v"));
    store.commit(1, &[state.take_delta(1)]);
    let mut state = open(&store, 1, 1 << 20);
    state.load(&keys).expect("loads");
    assert_eq!((state.value(0, 0), state.value(0, 1), state.stats().reads), (&b"v"[..], &b""[..], 2));
    state.load(&keys).expect("loads");
    assert_eq!((state.stats().reads, state.stats().hits), (2, 2));
}

#[test]
fn a_failed_read_leaves_no_key_that_looks_absent() {
    let store = Arc::new(MemStore::default());
    let keys = key_set([&b"a"[..]]);
    let mut state = open(&store, 1, 1 << 20);
    state.load(&keys).expect("loads");
    state.apply(0, 0, Some(b"v"));
    store.commit(1, &[state.take_delta(1)]);
    let mut state = open(&store, 1, 1 << 20);
    store.broken.store(true, Ordering::Relaxed);
    assert!(matches!(state.load(&keys), Err(StateError::Database { .. })));
    store.broken.store(false, Ordering::Relaxed);
    state.load(&keys).expect("loads");
    assert_eq!(state.value(0, 0), b"v");
}

#[test]
fn keys_with_one_hash_are_kept_apart() {
    let store = Arc::new(MemStore::default());
    let mut state = open(&store, 1, 1 << 20);
    let mut keys = KeySet::new();
    (0..50u8).for_each(|n| {
        keys.push(&[n], 7);
    });
    state.load(&keys).expect("loads");
    (0..50u8).for_each(|n| state.apply(0, usize::from(n), Some(&[n, n])));
    state.load(&keys).expect("loads");
    assert!((0..50u8).all(|n| state.value(0, usize::from(n)) == [n, n]));
    assert_eq!(state.stats().entries, 50);
}

#[test]
fn a_key_of_another_subtask_is_refused() {
    let store = Arc::new(MemStore::default());
    let group = key_group(hash32(b"a"), GROUPS);
    let mut state = KeyedState::open(store, "op", &slots(1), group + 1..GROUPS + 1, GROUPS, 1 << 20).expect("opens");
    let error = state.load(&key_set([&b"a"[..]])).expect_err("the key is not ours");
    assert!(matches!(error, StateError::ForeignKey { group: g, .. } if g == group), "{error}");
}

#[test]
fn a_timer_that_came_and_went_is_not_written() {
    let store = Arc::new(MemStore::default());
    let mut state = open(&store, 1, 1 << 20);
    state.load(&key_set([&b"a"[..]])).expect("loads");
    state.set_timer(TimerFamily::Event, 5, 0);
    state.delete_timer(TimerFamily::Event, 5, 0);
    assert!(state.take_delta(1).is_empty());
    state.set_timer(TimerFamily::Event, 5, 0);
    assert_eq!(state.take_delta(2).entries(), 1);
    let mut due = DueTimers::new();
    state.take_due(TimerFamily::Event, 5, 10, &mut due);
    state.restore(TimerFamily::Event, &due);
    assert!(state.take_delta(3).is_empty());
    state.take_due(TimerFamily::Event, 4, 10, &mut due);
    assert!(due.is_empty());
}

#[test]
fn many_timers_of_one_key_are_taken_in_bounded_steps() {
    let store = Arc::new(MemStore::default());
    let mut state = open(&store, 1, 1 << 20);
    state.load(&key_set([&b"a"[..], b"b"])).expect("loads");
    (0..100).for_each(|time| state.set_timer(TimerFamily::Event, time, 0));
    state.set_timer(TimerFamily::Event, 100, 1);
    let mut due = DueTimers::new();
    let mut fired = Vec::new();
    loop {
        state.take_due(TimerFamily::Event, 1000, 3, &mut due);
        if due.is_empty() {
            break;
        }
        fired.extend_from_slice(due.times());
    }
    fired.sort_unstable();
    assert_eq!(fired, (0..=100).collect::<Vec<i64>>());
}

#[test]
fn timers_of_one_time_fire_by_key_also_after_deletions() {
    let store = Arc::new(MemStore::default());
    let mut state = open(&store, 1, 1 << 20);
    let names: Vec<[u8; 1]> = (0..20).rev().map(|n| [n]).collect();
    state.load(&key_set(names.iter().map(|n| &n[..]))).expect("loads");
    (0..20).for_each(|key| state.set_timer(TimerFamily::Event, 5, key));
    let mut due = DueTimers::new();
    state.take_due(TimerFamily::Event, 5, 2, &mut due);
    state.delete_timer(TimerFamily::Event, 5, 10);
    let mut fired = Vec::new();
    while state.next_timer(TimerFamily::Event).is_some() {
        state.take_due(TimerFamily::Event, 5, 3, &mut due);
        fired.extend(due.keys().iter().map(|(key, _)| key[0]));
    }
    assert_eq!(fired, (2..20).filter(|&n| names[10] != [n]).collect::<Vec<u8>>());
}
