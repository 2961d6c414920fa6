//! The entries of the cache: one key with the values of all its slots in a fixed cell of 128 bytes,
//! and in a buffer of its own when they are larger.
//!
//! Cells are numbered and never move; a free one is used again. Nothing here knows epochs' meaning,
//! hash tables or RocksDB.

use std::ops::Range;

/// What fits into a cell: four bytes per slot, the key, the values.
const INLINE_BYTES: usize = 100;
/// Cells per allocation.
const CHUNK: usize = 4096;

/// In a slot's word: the value differs from what the last delta, or else the database, holds.
const DIRTY: u32 = 1 << 31;
/// In a slot's word: the last delta, or else the database, holds a value.
const STORED: u32 = 1 << 30;
/// The rest of a slot's word is the length of its value; 0 means absent.
const LEN: u32 = STORED - 1;

/// One key and its values: `[word per slot][key][value of each slot]`. What is small stands, with
/// the head, in the first of two cache lines.
#[repr(C, align(64))]
pub(super) struct Entry {
    spill: Option<Box<Spill>>,
    /// The last epoch whose delta holds a value of this entry; 0 for none.
    pub pinned: u64,
    pub hash: u32,
    key_len: u32,
    /// In use at all; otherwise the cell is free.
    pub live: bool,
    /// Used since the clock's hand came by.
    pub referenced: bool,
    /// Some slot is dirty.
    pub dirty: bool,
    /// Bytes in use of `inline`; unused while there is a `spill`.
    inline_len: u8,
    inline: [u8; INLINE_BYTES],
}

/// What did not fit into a cell; behind a box, because a vector is three words and rarely needed.
struct Spill {
    bytes: Vec<u8>,
}

const _: () = assert!(size_of::<Entry>() == 128);

impl Default for Entry {
    fn default() -> Self {
        Self {
            spill: None,
            pinned: 0,
            hash: 0,
            key_len: 0,
            live: false,
            referenced: false,
            dirty: false,
            inline_len: 0,
            inline: [0; INLINE_BYTES],
        }
    }
}

/// What a change of a value did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// The value is what it was.
    No,
    /// The slot's first change since the last delta.
    First,
    /// The slot had changed before, to a value of so many bytes.
    Again(usize),
}

impl Entry {
    /// Fills a free cell with a key whose slots are all absent.
    pub fn start(&mut self, slots: usize, key: &[u8], hash: u32) {
        let head = slots * 4;
        let len = head + key.len();
        if len <= INLINE_BYTES {
            self.inline[..head].fill(0);
            self.inline[head..len].copy_from_slice(key);
            self.inline_len = len as u8;
        } else {
            let mut bytes = Vec::with_capacity(len);
            bytes.resize(head, 0);
            bytes.extend_from_slice(key);
            self.spill = Some(Box::new(Spill { bytes }));
        }
        self.hash = hash;
        self.key_len = key.len() as u32;
        self.pinned = 0;
        self.live = true;
        self.referenced = true;
        self.dirty = false;
    }

    /// Frees the cell.
    pub fn end(&mut self) {
        self.live = false;
        self.spill = None;
    }

    #[inline]
    fn blob(&self) -> &[u8] {
        match &self.spill {
            None => &self.inline[..usize::from(self.inline_len)],
            Some(spill) => &spill.bytes,
        }
    }

    #[inline]
    fn blob_mut(&mut self) -> &mut [u8] {
        match &mut self.spill {
            None => &mut self.inline[..usize::from(self.inline_len)],
            Some(spill) => &mut spill.bytes,
        }
    }

    #[inline]
    fn word(&self, slot: usize) -> u32 {
        let word = self.blob()[slot * 4..].first_chunk::<4>();
        u32::from_ne_bytes(*word.expect("a blob starts with a word per slot"))
    }

    #[inline]
    fn set_word(&mut self, slot: usize, word: u32) {
        self.blob_mut()[slot * 4..slot * 4 + 4].copy_from_slice(&word.to_ne_bytes());
    }

    #[inline]
    pub fn key(&self, slots: usize) -> &[u8] {
        &self.blob()[slots * 4..slots * 4 + self.key_len as usize]
    }

    /// Where a slot's value stands.
    #[inline]
    fn extent(&self, slots: usize, slot: usize) -> Range<usize> {
        let values = slots * 4 + self.key_len as usize;
        let start = values + (0..slot).map(|s| (self.word(s) & LEN) as usize).sum::<usize>();
        start..start + (self.word(slot) & LEN) as usize
    }

    /// A slot's value; empty when it is absent.
    #[inline]
    pub fn value(&self, slots: usize, slot: usize) -> &[u8] {
        &self.blob()[self.extent(slots, slot)]
    }

    /// Replaces a slot's value by one of another length; marks nothing.
    fn resize(&mut self, slot: usize, old: Range<usize>, value: &[u8]) {
        assert!(value.len() <= LEN as usize, "a value of {} bytes exceeds the limit of {LEN}", value.len());
        let old_len = self.blob().len();
        let new_len = old_len - old.len() + value.len();
        if self.spill.is_none() && new_len > INLINE_BYTES {
            let mut bytes = Vec::with_capacity(new_len.next_multiple_of(32));
            bytes.extend_from_slice(&self.inline[..old_len]);
            self.spill = Some(Box::new(Spill { bytes }));
        }
        let blob = match &mut self.spill {
            None => {
                self.inline_len = new_len as u8;
                &mut self.inline[..]
            }
            Some(spill) => {
                spill.bytes.resize(old_len.max(new_len), 0);
                &mut spill.bytes[..]
            }
        };
        blob.copy_within(old.end..old_len, old.start + value.len());
        blob[old.start..old.start + value.len()].copy_from_slice(value);
        if let Some(Spill { bytes }) = self.spill.as_deref_mut() {
            bytes.truncate(new_len);
            if bytes.capacity() > 4 * new_len + 4096 {
                bytes.shrink_to(new_len);
            }
        }
        self.set_word(slot, self.word(slot) & !LEN | value.len() as u32);
    }

    /// Sets an absent slot to what the database holds.
    pub fn set_stored(&mut self, slots: usize, slot: usize, value: &[u8]) {
        self.resize(slot, self.extent(slots, slot), value);
        self.set_word(slot, self.word(slot) | STORED);
    }

    /// Changes a slot; empty deletes.
    #[inline]
    pub fn change(&mut self, slots: usize, slot: usize, value: &[u8]) -> Changed {
        let old = self.extent(slots, slot);
        let old_len = old.len();
        if old_len == value.len() {
            let place = &mut self.blob_mut()[old];
            if *place == *value {
                return Changed::No;
            }
            place.copy_from_slice(value);
        } else {
            self.resize(slot, old, value);
        }
        self.dirty = true;
        let word = self.word(slot);
        if word & DIRTY != 0 {
            return Changed::Again(old_len);
        }
        self.set_word(slot, word | DIRTY);
        Changed::First
    }

    /// Ends the slot's dirtiness; returns what has to be written: `Some(None)` is a delete, `None`
    /// is nothing, because a value that came and went was never stored.
    pub fn take_change(&mut self, slots: usize, slot: usize) -> Option<Option<&[u8]>> {
        let word = self.word(slot);
        if word & DIRTY == 0 {
            return None;
        }
        let present = word & LEN != 0;
        self.set_word(slot, word & LEN | if present { STORED } else { 0 });
        match present {
            true => Some(Some(self.value(slots, slot))),
            false if word & STORED != 0 => Some(None),
            false => None,
        }
    }

    /// Whether the last delta, or else the database, holds a value of this slot.
    pub fn is_stored(&self, slot: usize) -> bool {
        self.word(slot) & STORED != 0
    }

    /// Bytes outside of the cell.
    #[inline]
    pub fn spilled_bytes(&self) -> usize {
        self.spill.as_ref().map_or(0, |spill| size_of::<Spill>() + spill.bytes.capacity())
    }
}

/// Numbered cells.
#[derive(Default)]
pub(super) struct Slab {
    chunks: Vec<Box<[Entry]>>,
    free: Vec<u32>,
    used: u32,
}

impl Slab {
    #[inline]
    pub fn get(&self, id: u32) -> &Entry {
        &self.chunks[id as usize / CHUNK][id as usize % CHUNK]
    }

    #[inline]
    pub fn get_mut(&mut self, id: u32) -> &mut Entry {
        &mut self.chunks[id as usize / CHUNK][id as usize % CHUNK]
    }

    /// A free cell.
    pub fn allocate(&mut self) -> u32 {
        if let Some(id) = self.free.pop() {
            return id;
        }
        let id = self.used;
        if id as usize == self.chunks.len() * CHUNK {
            self.chunks.push((0..CHUNK).map(|_| Entry::default()).collect());
        }
        self.used += 1;
        id
    }

    pub fn release(&mut self, id: u32) {
        self.get_mut(id).end();
        self.free.push(id);
    }

    /// Numbers that were ever given out are below this.
    pub fn high_water(&self) -> u32 {
        self.used
    }

    /// Cells in use.
    pub fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_entry_holds_what_was_put(
            slots in 1usize..5,
            key in prop::collection::vec(any::<u8>(), 0..120),
            changes in prop::collection::vec((0usize..5, prop::collection::vec(any::<u8>(), 0..120)), 0..40),
        ) {
            let mut entry = Entry::default();
            entry.start(slots, &key, 7);
            let mut model = vec![Vec::new(); slots];
            for (slot, value) in changes {
                let slot = slot % slots;
                let changed = entry.change(slots, slot, &value) != Changed::No;
                prop_assert_eq!(changed, model[slot] != value);
                model[slot] = value;
                prop_assert_eq!(entry.key(slots), &key[..]);
                for (slot, value) in model.iter().enumerate() {
                    prop_assert_eq!(entry.value(slots, slot), &value[..]);
                }
            }
        }
    }

    #[test]
    fn a_value_that_came_and_went_is_not_written() {
        let mut e = Entry::default();
        e.start(1, b"key", 7);
        assert_eq!(e.change(1, 0, b"v"), Changed::First);
        assert_eq!(e.change(1, 0, b""), Changed::Again(1));
        assert_eq!(e.take_change(1, 0), None);
        e.change(1, 0, b"v");
        assert_eq!(e.take_change(1, 0), Some(Some(&b"v"[..])));
        assert!(e.is_stored(0));
        assert_eq!(e.take_change(1, 0), None, "taken once");
        e.change(1, 0, b"");
        assert_eq!(e.take_change(1, 0), Some(None));
        assert!(!e.is_stored(0));
    }
}
