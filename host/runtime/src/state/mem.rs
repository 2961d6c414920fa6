//! A [`Store`] in memory, against which the rest of this room is tested without RocksDB.

use super::delta::Delta;
use super::encoding::prefix;
use super::error::StateError;
use super::expiry::Form;
use super::keys::ByteList;
use super::merge;
use super::store::Store;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Default)]
pub struct Committed {
    pub epoch: u64,
    pub state: Map,
    pub timers: Map,
    slots: BTreeMap<(String, String), (u32, Form)>,
}

#[derive(Default)]
pub struct MemStore {
    committed: Mutex<Committed>,
    /// Reads fail while this is set.
    pub broken: AtomicBool,
}

impl MemStore {
    pub fn get(&self) -> MutexGuard<'_, Committed> {
        self.committed.lock().expect("a test that panicked has failed already")
    }

    pub fn commit(&self, epoch: u64, deltas: &[Delta]) {
        let committed = &mut *self.get();
        assert!(epoch > committed.epoch);
        committed.epoch = epoch;
        for delta in deltas {
            for (map, changes) in [(&mut committed.state, &delta.state), (&mut committed.timers, &delta.timers)] {
                for (key, value) in changes.iter() {
                    match value {
                        Some(value) => map.insert(key.to_vec(), value.to_vec()),
                        None => map.remove(key),
                    };
                }
            }
            for (key, operand) in delta.merges.iter() {
                let stored = committed.state.get(key).map(Vec::as_slice);
                let merged = merge::fold(stored, operand.into_iter()).expect("operands fit what is stored");
                committed.state.insert(key.to_vec(), merged.to_vec());
            }
        }
    }
}

fn bounds(slot: u32, group: u16) -> (Vec<u8>, Vec<u8>) {
    let start = prefix(group, slot).to_vec();
    let end = slot.checked_add(1).map_or_else(|| prefix(group + 1, 0), |next| prefix(group, next)).to_vec();
    (start, end)
}

impl Store for MemStore {
    fn committed_epoch(&self) -> u64 {
        self.get().epoch
    }

    fn slot_id(&self, operator: &str, slot: &str, form: Form) -> Result<u32, StateError> {
        let slots = &mut self.get().slots;
        let next = slots.len() as u32;
        let (id, known) = *slots.entry((operator.to_owned(), slot.to_owned())).or_insert((next, form));
        assert_eq!(known, form, "a slot keeps its form");
        Ok(id)
    }

    fn read_of_epoch(&self, keys: &ByteList, found: &mut dyn FnMut(usize, &[u8])) -> Result<u64, StateError> {
        self.read(keys, found)?;
        Ok(self.get().epoch)
    }

    fn scan(&self, start: &[u8], end: &[u8], found: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StateError> {
        let state = &self.get().state;
        let mut range = state.range(start.to_vec()..end.to_vec());
        while range.next().is_some_and(|(key, value)| found(key, value)) {}
        Ok(())
    }

    fn holds_any(&self, slot: u32, mut groups: Range<u16>) -> Result<bool, StateError> {
        let state = &self.get().state;
        Ok(groups.any(|group| {
            let (start, end) = bounds(slot, group);
            state.range(start..end).next().is_some()
        }))
    }

    fn read(&self, keys: &ByteList, found: &mut dyn FnMut(usize, &[u8])) -> Result<(), StateError> {
        if self.broken.load(Ordering::Relaxed) {
            let (dir, message) = (PathBuf::from("memory"), "broken".to_owned());
            return Err(StateError::Database { dir, doing: "read state", message });
        }
        assert!(keys.iter().is_sorted_by(|a, b| a < b), "keys are sorted and distinct");
        let state = &self.get().state;
        for (position, key) in keys.iter().enumerate() {
            if let Some(value) = state.get(key) {
                found(position, value);
            }
        }
        Ok(())
    }

    fn scan_timers(
        &self,
        slot: u32,
        groups: Range<u16>,
        found: &mut dyn FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), StateError> {
        for group in groups {
            let (start, end) = bounds(slot, group);
            for key in self.get().timers.range(start..end).map(|(key, _)| key) {
                found(key).expect("a stored timer reads back");
            }
        }
        Ok(())
    }
}
