//! Maps, lists and merge slots in memory, for whoever plays the host: the harness, and the tests that
//! compare native code with its component.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use wasmill_abi::calls;
use wasmill_abi::effects::{EntryChange, TimerFamily};
use wasmill_abi::manifest::{Slot, SlotKind, TtlFrom};

use crate::host::{Calls, with_calls};

/// The entries of all keys; see the module.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    slots: Vec<Slot>,
    /// By slot, key and own key, with their stamps.
    stored: BTreeMap<(u16, Vec<u8>, Vec<u8>), Vec<u8>>,
    appended: u64,
    /// The keys of the frame.
    keys: Vec<Vec<u8>>,
    watermark: i64,
    now: i64,
}

impl Entries {
    /// For a function with these slots.
    pub fn new(slots: Vec<Slot>) -> Self {
        Self { slots, ..Self::default() }
    }

    /// Starts a frame with these keys and clocks.
    pub fn begin(&mut self, keys: &[Vec<u8>], watermark: i64, now: i64) {
        self.keys = keys.to_vec();
        (self.watermark, self.now) = (watermark, now);
    }

    fn clock(&self, slot: u16) -> Option<i64> {
        self.slots[usize::from(slot)].ttl.map(|ttl| match ttl.clock {
            TimerFamily::Event => self.watermark,
            TimerFamily::Processing => self.now,
        })
    }

    /// What a stored value holds behind its stamp, unless its time is over.
    pub fn visible<'v>(&self, slot: u16, value: &'v [u8]) -> Option<&'v [u8]> {
        let Some(clock) = self.clock(slot) else { return Some(value) };
        let (stamp, value) = value.split_first_chunk().expect("values of slots with a time to live have a stamp");
        (i64::from_le_bytes(*stamp) > clock).then_some(value)
    }

    /// Applies changes of a slot.
    pub fn apply(&mut self, slot: u16, changes: &[EntryChange<'_>]) {
        let spec = self.slots[usize::from(slot)].clone();
        for change in changes {
            let key = self.keys[change.key as usize].clone();
            match (change.entry, change.value) {
                (None, None) => self.stored.retain(|at, _| at.0 != slot || at.1 != key),
                (Some(entry), None) => drop(self.stored.remove(&(slot, key, entry.to_vec()))),
                (None, Some(value)) if spec.kind == SlotKind::List => {
                    self.stored.insert((slot, key, self.appended.to_be_bytes().to_vec()), value.to_vec());
                    self.appended += 1;
                }
                (entry, Some(value)) => {
                    let at = (slot, key, entry.unwrap_or_default().to_vec());
                    let mut value = value.to_vec();
                    if let Some(old) = self.stored.get(&at).filter(|old| self.visible(slot, old).is_some()) {
                        let stamp = if spec.ttl.is_some() { 8 } else { 0 };
                        let number = |bytes: &[u8]| i64::from_le_bytes(bytes[stamp..].try_into().expect("a number"));
                        if spec.kind.is_merge() {
                            let merged = spec.kind.merge(number(old), number(&value));
                            value[stamp..].copy_from_slice(&merged.to_le_bytes());
                        }
                        if spec.ttl.is_some_and(|ttl| ttl.from == TtlFrom::Create) {
                            value[..stamp].copy_from_slice(&old[..stamp]);
                        }
                    }
                    self.stored.insert(at, value);
                }
            }
        }
    }

    /// Answers `get-many`.
    pub fn get_many(&self, slot: u16, asked: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        let asked = calls::read_asked(asked, self.keys.len() as u32).expect("the SDK asks in order");
        for (key, entry) in asked {
            let stored = self.stored.get(&(slot, self.keys[key as usize].clone(), entry.to_vec()));
            calls::put_found(&mut answer, stored.and_then(|value| self.visible(slot, value)));
        }
        answer
    }

    /// Answers `scan`.
    pub fn scan(&self, slot: u16, key: u32, start: &[u8], end: &[u8], max_bytes: u32) -> Vec<u8> {
        let key = &self.keys[key as usize];
        let mut page = calls::start_page();
        let from = (slot, key.clone(), start.to_vec());
        for (at, value) in self.stored.range(from..) {
            if at.0 != slot || at.1 != *key || (!end.is_empty() && at.2.as_slice() >= end) {
                break;
            }
            let Some(value) = self.visible(slot, value) else { continue };
            if page.len() > 4 && page.len() + 8 + at.2.len() + value.len() > max_bytes as usize {
                calls::set_more(&mut page);
                break;
            }
            calls::put_entry(&mut page, &at.2, value);
        }
        page
    }

    /// Takes over the entries of another function: slots of the same name.
    pub(super) fn take_over(&mut self, old: &Self) {
        let id_of = |slot: u16| self.slots.iter().position(|s| s.name == old.slots[usize::from(slot)].name);
        let stored = old.stored.iter().filter_map(|((slot, key, entry), value)| {
            Some(((id_of(*slot)? as u16, key.clone(), entry.clone()), value.clone()))
        });
        self.stored = stored.collect();
        self.appended = old.appended;
    }

    /// What is stored, by slot, key and own key; expired entries are left out.
    pub fn living(&self) -> BTreeMap<(u16, Vec<u8>, Vec<u8>), Vec<u8>> {
        let living = self.stored.iter().filter(|(at, value)| self.visible(at.0, value).is_some());
        living.map(|(at, value)| (at.clone(), value.clone())).collect()
    }
}

/// Entries that answer calls.
struct Answers(Rc<RefCell<Entries>>);

impl Calls for Answers {
    fn get_many(&self, slot: u16, asked: &[u8]) -> Vec<u8> {
        self.0.borrow().get_many(slot, asked)
    }

    fn scan(&self, slot: u16, key: u32, start: &[u8], end: &[u8], max_bytes: u32) -> Vec<u8> {
        self.0.borrow().scan(slot, key, start, end, max_bytes)
    }
}

/// Runs something while these entries answer what it asks.
pub fn with_entries<R>(entries: &Rc<RefCell<Entries>>, run: impl FnOnce() -> R) -> R {
    with_calls(Rc::new(Answers(entries.clone())), run)
}
