//! The cache of one keyed operator's subtask, and in the same structure the overlay of uncommitted
//! changes: an entry that no committed epoch covers yet is pinned.
//!
//! It decides what stays in memory. It reads and writes no database.

use super::delta::Changes;
use super::encoding::state_key;
use super::keys::{KeySet, same};
use super::slab::{Changed, Entry, Slab};
use hashbrown::HashTable;
use hashbrown::hash_table;
use wasmill_abi::hash::key_group;

/// No entry.
pub(super) const ABSENT: u32 = u32::MAX;
/// An entry's cell and its place in the table.
const ENTRY_BYTES: usize = size_of::<Entry>() + 10;
/// Bytes of a change in a delta besides key and value.
const CHANGE_BYTES: usize = 14;

/// A bucket holds the hash, so that the table grows, and candidates are refused, without touching
/// an entry.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    hash: u32,
    id: u32,
}

pub(super) struct Cache {
    slots: usize,
    table: HashTable<Bucket>,
    slab: Slab,
    /// Bytes that cached entries may take; exceeded only by pinned ones and those of one load.
    limit: u64,
    spilled: u64,
    /// The clock's hand: the next cell that eviction looks at.
    hand: u32,
    /// Entries with changes since the last delta, in the order of their first change.
    dirty: Vec<u32>,
    dirty_bytes: u64,
    committed: u64,
    /// Per slot: whether the database may hold values for keys that are not cached.
    pub may_hold: Vec<bool>,
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
}

/// The table takes its position from the low bits and its tags from the high ones.
#[inline]
fn spread(hash: u32) -> u64 {
    let h = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    h ^ h >> 32
}

impl Cache {
    pub fn new(slots: usize, limit: u64, committed: u64, may_hold: Vec<bool>) -> Self {
        Self {
            slots,
            table: HashTable::new(),
            slab: Slab::default(),
            limit,
            spilled: 0,
            hand: 0,
            dirty: Vec::new(),
            dirty_bytes: 0,
            committed,
            may_hold,
            hits: 0,
            misses: 0,
            evictions: 0,
        }
    }

    /// Looks all keys up: `found` gets an entry or [`ABSENT`] per key, `missing` the indices of
    /// the absent ones. In two passes, so that the memory that one touches at random is small and
    /// its reads overlap.
    pub fn look_up(&mut self, keys: &KeySet, found: &mut Vec<u32>, missing: &mut Vec<u32>) {
        found.clear();
        missing.clear();
        found.extend(keys.hashes().iter().map(|&hash| {
            let candidate = self.table.find(spread(hash), |b| b.hash == hash);
            candidate.map_or(ABSENT, |b| b.id)
        }));
        for (index, (key, hash)) in keys.iter().enumerate() {
            let id = &mut found[index];
            if *id != ABSENT && !same(self.slab.get(*id).key(self.slots), key) {
                // Another key with the same 32-bit hash stood first.
                *id = self.find(key, hash).unwrap_or(ABSENT);
            }
            if *id == ABSENT {
                missing.push(index as u32);
            } else {
                self.slab.get_mut(*id).referenced = true;
            }
        }
        self.misses += missing.len() as u64;
        self.hits += (keys.len() - missing.len()) as u64;
    }

    fn find(&self, key: &[u8], hash: u32) -> Option<u32> {
        let is_it = |b: &Bucket| b.hash == hash && self.slab.get(b.id).key(self.slots) == key;
        self.table.find(spread(hash), is_it).map(|b| b.id)
    }

    /// Adds a key whose slots are all absent, or finds it.
    pub fn insert(&mut self, key: &[u8], hash: u32) -> u32 {
        let (slots, slab) = (self.slots, &mut self.slab);
        let is_it = |b: &Bucket| b.hash == hash && slab.get(b.id).key(slots) == key;
        match self.table.entry(spread(hash), is_it, |b| spread(b.hash)) {
            hash_table::Entry::Occupied(found) => found.get().id,
            hash_table::Entry::Vacant(place) => {
                let id = slab.allocate();
                let entry = slab.get_mut(id);
                entry.start(slots, key, hash);
                self.spilled += entry.spilled_bytes() as u64;
                place.insert(Bucket { hash, id });
                id
            }
        }
    }

    /// Sets an absent value to what the database holds.
    pub fn set_stored(&mut self, id: u32, slot: usize, value: &[u8]) {
        let entry = self.slab.get_mut(id);
        let spilled = entry.spilled_bytes() as u64;
        entry.set_stored(self.slots, slot, value);
        self.spilled = self.spilled - spilled + entry.spilled_bytes() as u64;
    }

    #[inline]
    pub fn value(&self, id: u32, slot: usize) -> &[u8] {
        self.slab.get(id).value(self.slots, slot)
    }

    /// The key and its hash.
    pub fn key(&self, id: u32) -> (&[u8], u32) {
        let entry = self.slab.get(id);
        (entry.key(self.slots), entry.hash)
    }

    /// Changes a value; empty deletes.
    #[inline]
    pub fn apply(&mut self, id: u32, slot: usize, value: &[u8]) {
        let entry = self.slab.get_mut(id);
        let (was_dirty, spilled) = (entry.dirty, entry.spilled_bytes() as u64);
        match entry.change(self.slots, slot, value) {
            Changed::No => return,
            Changed::First => self.dirty_bytes += (CHANGE_BYTES + entry.key(self.slots).len()) as u64,
            Changed::Again(old_len) => self.dirty_bytes -= old_len as u64,
        }
        self.dirty_bytes += value.len() as u64;
        self.spilled = self.spilled - spilled + entry.spilled_bytes() as u64;
        if !was_dirty {
            self.dirty.push(id);
        }
    }

    /// Writes each value that changed since the last call, once, and pins its entry for `epoch`.
    pub fn take_changes(&mut self, epoch: u64, slot_ids: &[u32], key_groups: u16) -> Changes {
        let mut changes = Changes::with_capacity(self.dirty_bytes as usize);
        let mut key = Vec::new();
        for id in self.dirty.drain(..) {
            let entry = self.slab.get_mut(id);
            entry.dirty = false;
            entry.pinned = epoch;
            let group = key_group(entry.hash, key_groups);
            key.clear();
            key.extend_from_slice(entry.key(self.slots));
            for (slot, &slot_id) in slot_ids.iter().enumerate() {
                if let Some(value) = entry.take_change(self.slots, slot) {
                    changes.push(|out| state_key(out, group, slot_id, &key), value);
                }
            }
        }
        self.dirty_bytes = 0;
        changes
    }

    /// Says that all epochs up to this one are committed, and evicts down to the limit.
    pub fn committed(&mut self, epoch: u64) {
        self.committed = self.committed.max(epoch);
        // Twice around: the first may only take away the marks of use.
        self.evict(2 * u64::from(self.slab.high_water()));
    }

    /// Makes room for so many new entries, with work in proportion to them.
    pub fn make_room(&mut self, entries: usize) {
        self.evict(8 * entries as u64 + 64);
    }

    fn evict(&mut self, steps: u64) {
        let mut left = steps;
        while self.bytes() > self.limit && left > 0 {
            left -= 1;
            self.hand = if self.hand + 1 < self.slab.high_water() { self.hand + 1 } else { 0 };
            let id = self.hand;
            let entry = self.slab.get_mut(id);
            if !entry.live || entry.dirty || entry.pinned > self.committed {
                continue;
            }
            if entry.referenced {
                entry.referenced = false;
                continue;
            }
            self.drop_entry(id);
        }
    }

    fn drop_entry(&mut self, id: u32) {
        let entry = self.slab.get(id);
        for (slot, may_hold) in self.may_hold.iter_mut().enumerate() {
            *may_hold |= entry.is_stored(slot);
        }
        self.spilled -= entry.spilled_bytes() as u64;
        let found = self.table.find_entry(spread(entry.hash), |b| b.id == id);
        found.expect("every live entry is in the table").remove();
        self.slab.release(id);
        self.evictions += 1;
    }

    pub fn bytes(&self) -> u64 {
        (self.slab.len() * ENTRY_BYTES) as u64 + self.spilled
    }

    pub fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes
    }

    pub fn entries(&self) -> usize {
        self.slab.len()
    }
}
