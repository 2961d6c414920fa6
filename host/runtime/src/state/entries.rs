//! Maps, lists and merge slots of one keyed operator's subtask: the overlay of what no epoch has
//! committed yet, over what the database holds.
//!
//! Every change is a put, a delete or a merge of one stored key. Reads take the overlay first and
//! then the database; nothing committed is cached here, that is RocksDB's block cache's part, so a
//! map may be larger than memory. An element of a list is an entry whose key is a number that grows.

use super::delta::Changes;
use super::encoding::state_key;
use super::error::StateError;
use super::expiry::{Clock, Form, STAMP_BYTES, keeps_stamp, visible};
use super::keys::{ByteList, KeySet};
use super::merge;
use super::store::Store;
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, Range};
use std::sync::Arc;
use wasmill_abi::calls;
use wasmill_abi::effects::EntryChange;
use wasmill_abi::hash::key_group;
use wasmill_abi::manifest::{Slot, SlotKind};

/// The epoch of changes that no delta has taken yet.
const OPEN: u64 = u64::MAX;
/// Elements of lists that one subtask can append in one epoch, as a power of two.
const SEQUENCE_BITS: u32 = 28;
/// Bytes of a change in a delta besides key and value.
const CHANGE_BYTES: usize = 14;

/// A stored key: key group, slot, key and the entry's own key.
type StoredKey = Arc<[u8]>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Put(Vec<u8>),
    Delete,
    /// To be merged into what lies below.
    Merge(SlotKind, i64),
}

/// A value as the overlay knows it.
enum Known {
    Is(Option<Vec<u8>>),
    /// What the database holds, with the numbers of later epochs merged into it.
    Stored(Vec<(u64, i64)>),
}

struct EntrySlot {
    slot: Slot,
    id: u32,
    /// Whether the database may hold anything of it.
    may_hold: bool,
}

/// See the module.
pub struct Entries {
    store: Arc<dyn Store>,
    slots: Vec<EntrySlot>,
    key_groups: u16,
    /// Per stored key its changes by epoch, oldest first.
    overlay: BTreeMap<StoredKey, Vec<(u64, Change)>>,
    dirty: Vec<StoredKey>,
    dirty_bytes: u64,
    /// What each epoch that is not committed has changed.
    in_flight: VecDeque<(u64, Vec<StoredKey>)>,
    /// The number of the next element that is appended.
    sequence: u64,
    keys: KeySet,
    clock: Clock,
}

impl Entries {
    /// `ids` has the number of each slot, and whether the database holds anything of it.
    pub(super) fn new(store: Arc<dyn Store>, slots: &[Slot], ids: &[(u32, bool)], key_groups: u16) -> Self {
        let slots = slots.iter().zip(ids);
        let slots = slots.map(|(slot, &(id, may_hold))| EntrySlot { slot: slot.clone(), id, may_hold });
        let sequence = (store.committed_epoch() + 1) << SEQUENCE_BITS;
        Self {
            store,
            slots: slots.collect(),
            key_groups,
            overlay: BTreeMap::new(),
            dirty: Vec::new(),
            dirty_bytes: 0,
            in_flight: VecDeque::new(),
            sequence,
            keys: KeySet::new(),
            clock: Clock::START,
        }
    }

    /// Starts a call: its keys, by whose indices entries are named, and its clock.
    pub(super) fn begin(&mut self, keys: &KeySet, clock: Clock) {
        self.keys = keys.clone();
        self.clock = clock;
    }

    /// Keys of the call.
    pub fn keys(&self) -> u32 {
        self.keys.len() as u32
    }

    /// Whether there is such a slot, and it is read by calls.
    pub fn check_slot(&self, slot: u16) -> Result<(), String> {
        match self.slots.get(usize::from(slot)) {
            Some(EntrySlot { slot, .. }) if slot.kind != SlotKind::Value => Ok(()),
            Some(EntrySlot { slot, .. }) => Err(format!("slot {:?} is a value, which comes with the frame", slot.name)),
            None => Err(format!("slot {slot} of {}", self.slots.len())),
        }
    }

    fn slot(&self, slot: u16) -> &EntrySlot {
        &self.slots[usize::from(slot)]
    }

    /// The clock that a slot's stamps are compared with, when it has any.
    fn clock_of(&self, slot: u16) -> Option<i64> {
        Form::of(&self.slot(slot).slot).clock.map(|family| self.clock.of(family))
    }

    fn stored_key(&self, slot: u16, key: u32, entry: &[u8]) -> Vec<u8> {
        let (bytes, hash) = (self.keys.key(key as usize), self.keys.hashes()[key as usize]);
        let mut out = Vec::with_capacity(6 + bytes.len() + entry.len());
        state_key(&mut out, key_group(hash, self.key_groups), self.slot(slot).id, bytes);
        out.extend_from_slice(entry);
        out
    }

    /// Applies changes of one slot, in order. They were checked against the slot's kind.
    pub fn apply(&mut self, slot: u16, changes: &[EntryChange<'_>]) -> Result<(), StateError> {
        let Slot { kind, ttl, .. } = self.slot(slot).slot;
        let reads = (kind.is_merge() && ttl.is_some()) || (kind == SlotKind::Map && keeps_stamp(ttl));
        let mut before = if reads { self.before(slot, changes)? } else { BTreeMap::new() };
        for change in changes {
            match (change.entry, change.value) {
                (None, None) => self.clear(slot, change.key)?,
                (None, Some(value)) if kind == SlotKind::List => {
                    let key = self.stored_key(slot, change.key, &self.sequence.to_be_bytes());
                    self.sequence += 1;
                    self.write(key, Change::Put(value.to_vec()));
                }
                (None, Some(operand)) => {
                    let key = self.stored_key(slot, change.key, &[]);
                    self.merge(slot, key, operand, &mut before);
                }
                (Some(entry), None) => {
                    let key = self.stored_key(slot, change.key, entry);
                    self.write(key, Change::Delete);
                }
                (Some(entry), Some(value)) => {
                    let key = self.stored_key(slot, change.key, entry);
                    let mut value = value.to_vec();
                    if reads && let Some(old) = self.now_or_before(slot, &key, &before) {
                        value[..STAMP_BYTES].copy_from_slice(&old[..STAMP_BYTES]);
                    }
                    self.write(key, Change::Put(value));
                }
            }
        }
        Ok(())
    }

    /// Merges an operand: blindly, or into what is known when the slot has a time to live, because
    /// whether the old value still counts is then a question of time.
    fn merge(&mut self, slot: u16, key: Vec<u8>, operand: &[u8], before: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        let Slot { kind, ttl, .. } = self.slot(slot).slot;
        let number = |bytes: &[u8]| i64::from_le_bytes(*bytes.last_chunk().expect("operands were checked"));
        if ttl.is_none() {
            return self.write(key, Change::Merge(kind, number(operand)));
        }
        let (mut stamp, mut total) = (operand[..STAMP_BYTES].to_vec(), number(operand));
        if let Some(old) = self.now_or_before(slot, &key, before) {
            total = kind.merge(number(&old), total);
            if keeps_stamp(ttl) {
                stamp = old[..STAMP_BYTES].to_vec();
            }
        }
        stamp.extend_from_slice(&merge::encode(kind, total));
        self.write(key, Change::Put(stamp));
    }

    /// The stored bytes, stamp and all, of the entries that changes are about, when they are not
    /// gone. One read for all.
    fn before(&self, slot: u16, changes: &[EntryChange<'_>]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StateError> {
        let keys =
            changes.iter().map(|c| self.stored_key(slot, c.key, c.entry.unwrap_or_default())).collect::<Vec<_>>();
        let values = self.read(slot, &keys)?;
        let clock = self.clock_of(slot);
        let pairs = keys.into_iter().zip(values);
        Ok(pairs.filter_map(|(key, value)| Some((key, value.filter(|v| visible(v, clock).is_some())?))).collect())
    }

    /// What an entry holds now: what this call changed, else what was there before.
    fn now_or_before(&self, slot: u16, key: &[u8], before: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<Vec<u8>> {
        let changed = self.overlay.get(key).and_then(|changes| changes.last()).filter(|(epoch, _)| *epoch == OPEN);
        let bytes = match changed {
            Some((_, Change::Put(value))) => Some(value),
            Some((_, Change::Delete)) => None,
            _ => before.get(key),
        };
        bytes.filter(|value| visible(value, self.clock_of(slot)).is_some()).cloned()
    }

    /// Deletes everything of a key: what is there is looked for, gone or not.
    fn clear(&mut self, slot: u16, key: u32) -> Result<(), StateError> {
        let prefix = self.stored_key(slot, key, &[]);
        if self.slot(slot).slot.kind.is_merge() {
            self.write(prefix, Change::Delete);
            return Ok(());
        }
        let end = after(&prefix);
        let mut keys: Vec<Vec<u8>> = self.overlay_range(&prefix, &end).map(|(key, _)| key.to_vec()).collect();
        if self.slot(slot).may_hold {
            self.store.scan(&prefix, &end, &mut |key, _| {
                keys.push(key.to_vec());
                true
            })?;
        }
        keys.into_iter().for_each(|key| self.write(key, Change::Delete));
        Ok(())
    }

    fn overlay_range<'e>(
        &'e self,
        start: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = (&'e StoredKey, &'e Vec<(u64, Change)>)> + use<'e> {
        let range = (Bound::Included(start), Bound::Excluded(end));
        // A range that ends before it starts panics, and a guest may ask for one.
        let range = if start < end { range } else { (Bound::Included(end), Bound::Excluded(end)) };
        self.overlay.range::<[u8], _>(range)
    }

    fn write(&mut self, key: Vec<u8>, change: Change) {
        let len = if let Change::Put(value) = &change { value.len() } else { 9 };
        self.dirty_bytes += (CHANGE_BYTES + key.len() + len) as u64;
        let key: StoredKey = key.into();
        let changes = self.overlay.entry(key.clone()).or_default();
        match (changes.last_mut().filter(|(epoch, _)| *epoch == OPEN), change) {
            (None, change) => {
                changes.push((OPEN, change));
                self.dirty.push(key);
            }
            (Some((_, last)), Change::Merge(kind, number)) => *last = merged(last, kind, number),
            (Some((_, last)), change) => *last = change,
        }
    }

    /// The stored bytes of entries, expired ones too.
    fn read(&self, slot: u16, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let kind = self.slot(slot).slot.kind;
        let mut known: Vec<Known> = keys.iter().map(|key| self.known(key)).collect();
        let mut asked: Vec<usize> = (0..keys.len()).filter(|&i| matches!(known[i], Known::Stored(_))).collect();
        asked.sort_unstable_by(|&a, &b| keys[a].cmp(&keys[b]));
        let mut distinct = ByteList::default();
        // The keys that each distinct one stands for.
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for i in asked {
            match groups.last_mut().filter(|group| keys[group[0]] == keys[i]) {
                Some(group) => group.push(i),
                None => {
                    distinct.push(&keys[i]);
                    groups.push(vec![i]);
                }
            }
        }
        let mut stored: Vec<Option<Vec<u8>>> = vec![None; groups.len()];
        let mut epoch = 0;
        if self.slot(slot).may_hold && !distinct.is_empty() {
            epoch = self.store.read_of_epoch(&distinct, &mut |i, value| stored[i] = Some(value.to_vec()))?;
        }
        for (group, stored) in groups.iter().zip(stored) {
            for &i in group {
                let Known::Stored(later) = &known[i] else { continue };
                let later = later.iter().filter(|(of, _)| *of > epoch).map(|(_, number)| merge::encode(kind, *number));
                let later: Vec<_> = later.collect();
                known[i] = Known::Is(match later.is_empty() {
                    true => stored.clone(),
                    false => merge::fold(stored.as_deref(), later.iter().map(|o| &o[..])).map(Vec::from),
                });
            }
        }
        let is = |known| match known {
            Known::Is(value) => value,
            Known::Stored(_) => None,
        };
        Ok(known.into_iter().map(is).collect())
    }

    /// What the overlay says of a stored key.
    fn known(&self, key: &[u8]) -> Known {
        let mut known = Known::Stored(Vec::new());
        for (epoch, change) in self.overlay.get(key).into_iter().flatten() {
            known = match (change, known) {
                (Change::Put(value), _) => Known::Is(Some(value.clone())),
                (Change::Delete, _) => Known::Is(None),
                (Change::Merge(kind, number), Known::Is(value)) => {
                    let operand = merge::encode(*kind, *number);
                    Known::Is(merge::fold(value.as_deref(), [&operand[..]].into_iter()).map(Vec::from))
                }
                (Change::Merge(_, number), Known::Stored(mut later)) => {
                    later.push((*epoch, *number));
                    Known::Stored(later)
                }
            };
        }
        known
    }

    /// Answers `get-many`: see [`wasmill_abi::calls`].
    pub fn get_many(&self, slot: u16, asked: &[(u32, &[u8])]) -> Result<Vec<u8>, StateError> {
        let keys: Vec<_> = asked.iter().map(|(key, entry)| self.stored_key(slot, *key, entry)).collect();
        let (kind, clock) = (self.slot(slot).slot.kind, self.clock_of(slot));
        let mut answer = Vec::new();
        for value in self.read(slot, &keys)? {
            let value = value.as_deref().and_then(|v| visible(v, clock));
            // A number is told without its kind, which the guest knows.
            let value = if kind.is_merge() { value.and_then(|v| v.get(1..)) } else { value };
            calls::put_found(&mut answer, value);
        }
        Ok(answer)
    }

    /// Answers `scan`: a page of a key's entries with own keys in `range`, whose end may be empty
    /// for none.
    pub fn scan(&self, slot: u16, key: u32, range: Range<&[u8]>, bytes_max: u32) -> Result<Vec<u8>, StateError> {
        let prefix = self.stored_key(slot, key, &[]);
        let start = [&prefix, range.start].concat();
        let end = if range.end.is_empty() { after(&prefix) } else { [&prefix, range.end].concat() };
        let clock = self.clock_of(slot);
        let mut page = PageWriter { page: calls::start_page(), skip: prefix.len(), clock, limit: bytes_max as usize };
        let mut overlay = self.overlay_range(&start, &end).peekable();
        let mut full = false;
        if self.slot(slot).may_hold && start < end {
            self.store.scan(&start, &end, &mut |key, value| {
                while let Some((ours, changes)) = overlay.next_if(|(ours, _)| &ours[..] < key) {
                    full = full || !page.add_change(ours, changes);
                }
                match overlay.next_if(|(ours, _)| &ours[..] == key) {
                    Some((ours, changes)) => full = full || !page.add_change(ours, changes),
                    None => full = full || !page.add(key, value),
                }
                !full
            })?;
        }
        while !full && let Some((ours, changes)) = overlay.next() {
            full = !page.add_change(ours, changes);
        }
        if full {
            calls::set_more(&mut page.page);
        }
        Ok(page.page)
    }

    /// Takes what changed since the last call, as part of the delta of this epoch: puts and deletes,
    /// and merges.
    pub(super) fn take_changes(&mut self, epoch: u64) -> (Changes, Changes) {
        let mut state = Changes::with_capacity(self.dirty_bytes as usize);
        let mut merges = Changes::default();
        for key in &self.dirty {
            let last = self.overlay.get_mut(key).and_then(|changes| changes.last_mut());
            let (of, change) = last.expect("what is dirty has a change of the open epoch");
            *of = epoch;
            match change {
                Change::Put(value) => state.push(|out| out.extend_from_slice(key), Some(value)),
                Change::Delete => state.push(|out| out.extend_from_slice(key), None),
                Change::Merge(kind, number) => {
                    merges.push(|out| out.extend_from_slice(key), Some(&merge::encode(*kind, *number)));
                }
            }
        }
        if !self.dirty.is_empty() {
            self.in_flight.push_back((epoch, std::mem::take(&mut self.dirty)));
            self.slots.iter_mut().for_each(|slot| slot.may_hold = true);
        }
        self.dirty_bytes = 0;
        self.sequence = self.sequence.max((epoch + 1) << SEQUENCE_BITS);
        (state, merges)
    }

    /// Drops from the overlay what the database holds by now.
    pub(super) fn committed(&mut self, epoch: u64) {
        while self.in_flight.front().is_some_and(|(of, _)| *of <= epoch) {
            let Some((_, keys)) = self.in_flight.pop_front() else { return };
            for key in keys {
                let Some(changes) = self.overlay.get_mut(&key) else { continue };
                changes.retain(|(of, _)| *of > epoch);
                if changes.is_empty() {
                    self.overlay.remove(&key);
                }
            }
        }
    }

    pub(super) fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes
    }
}

/// A change, with a number merged into it.
fn merged(last: &Change, kind: SlotKind, number: i64) -> Change {
    match last {
        Change::Delete => Change::Put(merge::encode(kind, number).to_vec()),
        Change::Merge(_, old) => Change::Merge(kind, kind.merge(*old, number)),
        Change::Put(value) => {
            let old = merge::decode(value).map_or(number, |(_, old)| kind.merge(old, number));
            Change::Put(merge::encode(kind, old).to_vec())
        }
    }
}

/// The first key behind all that start with this one, which no run of `ff` alone is: it holds a key
/// group.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last != u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    unreachable!("a key group is below 32768, so its first byte is not ff")
}

struct PageWriter {
    page: Vec<u8>,
    /// Bytes of a stored key in front of the entry's own.
    skip: usize,
    clock: Option<i64>,
    limit: usize,
}

impl PageWriter {
    fn add_change(&mut self, key: &[u8], changes: &[(u64, Change)]) -> bool {
        match changes.last() {
            Some((_, Change::Put(value))) => self.add(key, value),
            _ => true,
        }
    }

    /// Adds an entry that is not gone; `false` when the page has no room for it.
    fn add(&mut self, key: &[u8], value: &[u8]) -> bool {
        let Some(value) = visible(value, self.clock) else { return true };
        let own = &key[self.skip..];
        let is_first = self.page.len() == calls::start_page().len();
        if !is_first && self.page.len() + 8 + own.len() + value.len() > self.limit {
            return false;
        }
        calls::put_entry(&mut self.page, own, value);
        true
    }
}
