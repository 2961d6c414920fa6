//! The entries of the cache: one key with the values of all its slots in a fixed cell of 128 bytes,
//! and in a buffer of its own when they are larger.
//!
//! Cells are numbered and never move; a free one is used again. Nothing here knows epochs' meaning,
//! hash tables or RocksDB.

/// What fits into a cell: four bytes per slot, the key, the values.
const INLINE_BYTES: usize = 80;
/// Cells per allocation.
const CHUNK: usize = 1024;

/// In a slot's word: the value differs from what the last delta, or else the database, holds.
const DIRTY: u32 = 1 << 31;
/// In a slot's word: the last delta, or else the database, holds a value.
const STORED: u32 = 1 << 30;
/// The rest of a slot's word is the length of its value; 0 means absent.
const LEN: u32 = STORED - 1;

/// One key and its values: `[word per slot][key][value of each slot]`.
#[repr(align(64))]
pub(super) struct Entry {
    pub hash: u32,
    key_len: u32,
    /// The last epoch whose delta holds a value of this entry; 0 for none.
    pub pinned: u64,
    /// In use at all; otherwise the cell is free.
    pub live: bool,
    /// Used since the clock's hand came by.
    pub referenced: bool,
    /// Some slot is dirty.
    pub dirty: bool,
    /// Bytes in use of `inline`; unused once `spill` is not empty.
    inline_len: u8,
    spill: Vec<u8>,
    inline: [u8; INLINE_BYTES],
}

const _: () = assert!(size_of::<Entry>() == 128);

impl Default for Entry {
    fn default() -> Self {
        Self {
            hash: 0,
            key_len: 0,
            pinned: 0,
            live: false,
            referenced: false,
            dirty: false,
            inline_len: 0,
            spill: Vec::new(),
            inline: [0; INLINE_BYTES],
        }
    }
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
            self.spill.reserve_exact(len);
            self.spill.resize(head, 0);
            self.spill.extend_from_slice(key);
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
        self.spill = Vec::new();
    }

    #[inline]
    fn blob(&self) -> &[u8] {
        if self.spill.is_empty() { &self.inline[..usize::from(self.inline_len)] } else { &self.spill }
    }

    #[inline]
    fn word(&self, slot: usize) -> u32 {
        let word = self.blob()[slot * 4..].first_chunk::<4>();
        u32::from_ne_bytes(*word.expect("a blob starts with a word per slot"))
    }

    fn set_word(&mut self, slot: usize, word: u32) {
        let blob = if self.spill.is_empty() { &mut self.inline[..] } else { &mut self.spill };
        blob[slot * 4..slot * 4 + 4].copy_from_slice(&word.to_ne_bytes());
    }

    #[inline]
    pub fn key(&self, slots: usize) -> &[u8] {
        &self.blob()[slots * 4..slots * 4 + self.key_len as usize]
    }

    /// Where a slot's value starts.
    #[inline]
    fn start_of(&self, slots: usize, slot: usize) -> usize {
        let values = slots * 4 + self.key_len as usize;
        values + (0..slot).map(|s| (self.word(s) & LEN) as usize).sum::<usize>()
    }

    /// A slot's value; empty when it is absent.
    #[inline]
    pub fn value(&self, slots: usize, slot: usize) -> &[u8] {
        let start = self.start_of(slots, slot);
        &self.blob()[start..start + (self.word(slot) & LEN) as usize]
    }

    /// Replaces a slot's value; marks nothing.
    fn replace(&mut self, slots: usize, slot: usize, value: &[u8]) {
        assert!(value.len() <= LEN as usize, "a value of {} bytes exceeds the limit of {LEN}", value.len());
        let start = self.start_of(slots, slot);
        let word = self.word(slot);
        let end = start + (word & LEN) as usize;
        let old_len = self.blob().len();
        let new_len = old_len - (end - start) + value.len();
        if self.spill.is_empty() && new_len > INLINE_BYTES {
            self.spill.reserve_exact(new_len.next_multiple_of(32));
            self.spill.extend_from_slice(&self.inline[..old_len]);
        }
        let blob = if self.spill.is_empty() {
            self.inline_len = new_len as u8;
            &mut self.inline[..]
        } else {
            self.spill.resize(old_len.max(new_len), 0);
            &mut self.spill[..]
        };
        if value.len() != end - start {
            blob.copy_within(end..old_len, start + value.len());
        }
        blob[start..start + value.len()].copy_from_slice(value);
        if !self.spill.is_empty() {
            self.spill.truncate(new_len);
            if self.spill.capacity() > 4 * new_len + 4096 {
                self.spill.shrink_to(new_len);
            }
        }
        self.set_word(slot, word & !LEN | value.len() as u32);
    }

    /// Sets a slot to what the database holds.
    pub fn set_stored(&mut self, slots: usize, slot: usize, value: &[u8]) {
        self.replace(slots, slot, value);
        self.set_word(slot, self.word(slot) | STORED);
    }

    /// Changes a slot; empty deletes. Returns whether this is the slot's first change since the
    /// last delta; `None` when the value is what it was.
    pub fn change(&mut self, slots: usize, slot: usize, value: &[u8]) -> Option<bool> {
        if self.value(slots, slot) == value {
            return None;
        }
        self.replace(slots, slot, value);
        let word = self.word(slot);
        self.set_word(slot, word | DIRTY);
        self.dirty = true;
        Some(word & DIRTY == 0)
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
    pub fn spilled_bytes(&self) -> usize {
        self.spill.capacity()
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
                let changed = entry.change(slots, slot, &value).is_some();
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
        assert_eq!(e.change(1, 0, b"v"), Some(true));
        assert_eq!(e.change(1, 0, b""), Some(false));
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
