//! Whatever happens, opening again finds the last committed epoch and nothing else.

use super::tests::{empty, key_set, keyed, open, temp_dir};
use super::*;
use crate::state::delta::Delta;
use crate::state::keyed::KeyedState;
use crate::state::timers::DueTimers;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use tempfile::TempDir;
use wasmill_abi::effects::TimerFamily;

const KEYS: u8 = 30;

#[derive(Debug, Clone)]
enum Step {
    Change { key: u8, slot: usize, value: Vec<u8> },
    Timer { key: u8, time: i64, delete: bool },
    TakeDelta,
    Commit,
    Announce,
    Flush,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..KEYS, 0usize..2, prop::collection::vec(any::<u8>(), 0..150))
            .prop_map(|(key, slot, value)| Step::Change { key, slot, value }),
        2 => (0..KEYS, 0i64..5, any::<bool>()).prop_map(|(key, time, delete)| Step::Timer { key, time, delete }),
        3 => Just(Step::TakeDelta),
        3 => Just(Step::Commit),
        3 => Just(Step::Announce),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

type Values = BTreeMap<(u8, usize), Vec<u8>>;
type Timers = BTreeSet<(i64, Vec<u8>)>;

type Held = (Values, Timers);

/// A real database beside plain maps.
struct Model {
    dir: TempDir,
    cache_bytes: u64,
    /// `None` only while it is opened again.
    open: Option<(Arc<Database>, KeyedState)>,
    now: Held,
    committed: Held,
    pending: VecDeque<(u64, Delta, Held)>,
    epoch: u64,
}

impl Model {
    fn new(cache_bytes: u64) -> Self {
        let dir = temp_dir();
        let db = open(dir.path());
        let state = keyed(&db, cache_bytes);
        let (now, committed) = Default::default();
        Self { dir, cache_bytes, open: Some((db, state)), now, committed, pending: VecDeque::new(), epoch: 0 }
    }

    fn step(&mut self, step: Step) {
        let (db, state) = self.open.as_mut().expect("it is open between steps");
        match step {
            Step::Change { key, slot, value } => {
                state.load(&key_set(&[&[key]])).expect("loads");
                let expected = self.now.0.get(&(key, slot)).map_or(&[][..], |v| v);
                assert_eq!(state.value(slot, 0), expected);
                state.apply(slot, 0, Some(&value));
                self.now.0.insert((key, slot), value);
            }
            Step::Timer { key, time, delete: false } => {
                state.load(&key_set(&[&[key]])).expect("loads");
                state.set_timer(TimerFamily::Event, time, 0);
                self.now.1.insert((time, vec![key]));
            }
            Step::Timer { key, time, delete: true } => {
                state.load(&key_set(&[&[key]])).expect("loads");
                state.delete_timer(TimerFamily::Event, time, 0);
                self.now.1.remove(&(time, vec![key]));
            }
            Step::TakeDelta => {
                self.epoch += 1;
                self.pending.push_back((self.epoch, state.take_delta(self.epoch), self.now.clone()));
            }
            Step::Commit => {
                let Some((epoch, delta, then)) = self.pending.pop_front() else { return };
                let meta = vec![("position".to_owned(), Some(epoch.to_be_bytes().to_vec()))];
                db.commit(Commit { deltas: vec![delta], meta, ..empty(epoch) }).expect("commits");
                self.committed = then;
            }
            Step::Announce => state.committed(db.committed_epoch()),
            Step::Flush => db.db.flush_cf(db.family(STATE)).expect("flushes"),
            Step::Reopen => self.reopen(),
        }
    }

    fn reopen(&mut self) {
        drop(self.open.take());
        let db = open(self.dir.path());
        self.pending.clear();
        self.epoch = db.committed_epoch();
        let position = db.meta("position").expect("reads");
        assert_eq!(position.unwrap_or(vec![0; 8]), self.epoch.to_be_bytes(), "positions belong to the epoch");
        self.now = self.committed.clone();
        assert_eq!(all_timers(keyed(&db, self.cache_bytes)), self.now.1);
        let mut state = keyed(&db, self.cache_bytes);
        for key in 0..KEYS {
            state.load(&key_set(&[&[key]])).expect("loads");
            for slot in 0..2 {
                let expected = self.now.0.get(&(key, slot)).map_or(&[][..], |v| v);
                assert_eq!(state.value(slot, 0), expected, "key {key} of slot {slot}");
            }
        }
        self.open = Some((db, state));
    }
}

fn all_timers(mut state: KeyedState) -> Timers {
    let mut due = DueTimers::new();
    let mut timers = Timers::new();
    loop {
        state.take_due(TimerFamily::Event, i64::MAX, 100, &mut due);
        if due.is_empty() {
            return timers;
        }
        timers.extend(due.times().iter().zip(due.keys().iter()).map(|(t, (k, _))| (*t, k.to_vec())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn reopening_finds_the_last_committed_epoch(
        steps in prop::collection::vec(step(), 1..120),
        cache_bytes in prop_oneof![Just(0u64), Just(2000), Just(1 << 20)],
    ) {
        let mut model = Model::new(cache_bytes);
        steps.into_iter().for_each(|step| model.step(step));
        model.step(Step::Reopen);
    }
}
