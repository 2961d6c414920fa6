//! The distinct keys of a batch: flat lists of byte strings, and the grouping of rows by key.
//!
//! Nothing here allocates per row; buffers are used again from batch to batch.

/// A list of byte strings in one buffer.
#[derive(Debug, Clone)]
pub struct ByteList {
    bytes: Vec<u8>,
    /// One more than there are strings; starts with 0.
    offsets: Vec<u32>,
}

impl Default for ByteList {
    fn default() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0] }
    }
}

impl ByteList {
    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.offsets.truncate(1);
    }

    /// Appends one string, written by `fill` to the end of the buffer.
    ///
    /// # Panics
    /// When the list grows to 4 GiB, far above what a batch may hold.
    #[inline]
    pub fn push_with(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        fill(&mut self.bytes);
        self.offsets.push(u32::try_from(self.bytes.len()).expect("the keys of a batch are far below 4 GiB"));
    }

    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.push_with(|out| out.extend_from_slice(bytes));
    }

    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.offsets.windows(2).map(|w| &self.bytes[w[0] as usize..w[1] as usize])
    }

    /// All strings, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each string starts and the last one ends: one more than there are strings.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }
}

/// The distinct keys of a batch, each with its [`wasmill_abi::hash::hash32`].
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: ByteList,
    hashes: Vec<u32>,
}

impl KeySet {
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties the set and keeps its memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.hashes.clear();
    }

    /// Adds a key that is not in the set yet, with its hash, and returns its index.
    #[inline]
    pub fn push(&mut self, key: &[u8], hash32: u32) -> usize {
        self.keys.push(key);
        self.hashes.push(hash32);
        self.hashes.len() - 1
    }

    /// The keys alone.
    pub fn list(&self) -> &ByteList {
        &self.keys
    }

    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    #[inline]
    pub fn key(&self, index: usize) -> &[u8] {
        self.keys.get(index)
    }

    /// One per key.
    #[inline]
    pub fn hashes(&self) -> &[u32] {
        &self.hashes
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u32)> {
        self.keys.iter().zip(self.hashes.iter().copied())
    }
}

/// Gives each row of a batch the index of its key among the distinct keys, which are numbered in
/// the order of their first rows.
#[derive(Debug, Clone)]
pub struct Grouper {
    keys: KeySet,
    first_rows: Vec<u32>,
    rows: u32,
    /// Open addressing with a power of two places, at most half of them taken: the hash in the high
    /// half, the key's index plus one in the low half; 0 is free. A general table would read its
    /// control bytes and then its bucket; one read is enough for something this small and short-lived.
    places: Vec<u64>,
    /// The places in use, so that clearing costs what was added.
    taken: Vec<u32>,
}

impl Default for Grouper {
    fn default() -> Self {
        Self { keys: KeySet::new(), first_rows: Vec::new(), rows: 0, places: vec![0; 64], taken: Vec::new() }
    }
}

impl Grouper {
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all rows and keeps the memory.
    pub fn clear(&mut self) {
        for &place in &self.taken {
            self.places[place as usize] = 0;
        }
        self.taken.clear();
        self.keys.clear();
        self.first_rows.clear();
        self.rows = 0;
    }

    /// Takes the next row's key, with its [`wasmill_abi::hash::hash32`]; returns the key's index.
    #[inline]
    pub fn add(&mut self, key: &[u8], hash32: u32) -> u32 {
        self.find_or_add(key, hash32, |keys, index| same(keys.key(index), key))
    }

    /// Like [`add`](Self::add), when all keys since the last [`clear`](Self::clear) have the same
    /// length: then a key's place follows from its index, and comparing it is a few instructions.
    #[inline(always)]
    pub fn add_fixed<const N: usize>(&mut self, key: &[u8; N], hash32: u32) -> u32 {
        self.find_or_add(key, hash32, |keys, index| keys.keys.bytes[index * N..][..N] == *key)
    }

    #[inline(always)]
    fn find_or_add(&mut self, key: &[u8], hash32: u32, is_it: impl Fn(&KeySet, usize) -> bool) -> u32 {
        let row = self.rows;
        self.rows += 1;
        if self.taken.len() * 2 >= self.places.len() {
            self.grow();
        }
        let mask = self.places.len() - 1;
        let mut at = first_place(hash32) & mask;
        loop {
            let place = self.places[at];
            if place == 0 {
                break;
            }
            let index = place as u32 - 1;
            if (place >> 32) as u32 == hash32 && is_it(&self.keys, index as usize) {
                return index;
            }
            at = (at + 1) & mask;
        }
        let index = self.keys.push(key, hash32) as u32;
        self.first_rows.push(row);
        self.places[at] = u64::from(hash32) << 32 | u64::from(index + 1);
        self.taken.push(at as u32);
        index
    }

    #[cold]
    fn grow(&mut self) {
        let places = self.places.len() * 4;
        self.places = vec![0; places];
        self.taken.clear();
        for (index, &hash32) in self.keys.hashes().iter().enumerate() {
            let mut at = first_place(hash32) & (places - 1);
            while self.places[at] != 0 {
                at = (at + 1) & (places - 1);
            }
            self.places[at] = u64::from(hash32) << 32 | (index as u64 + 1);
            self.taken.push(at as u32);
        }
    }

    /// The distinct keys so far.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// For each distinct key, the row where it first stood.
    pub fn first_rows(&self) -> &[u32] {
        &self.first_rows
    }

    /// How many rows were added.
    pub fn rows(&self) -> u32 {
        self.rows
    }
}

/// Whether two keys are equal. Most keys are short, and for them a call that compares memory is the
/// larger part of the work.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    #[inline(always)]
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        a.first_chunk::<N>() == b.first_chunk::<N>() && a.last_chunk::<N>() == b.last_chunk::<N>()
    }
    match a.len() {
        len if len != b.len() => false,
        8..=16 => ends::<8>(a, b),
        17..=32 => ends::<16>(a, b),
        _ => a == b,
    }
}

/// The keys of one subtask share properties of their hash (their key groups), so its bits are mixed.
fn first_place(hash32: u32) -> usize {
    (hash32.wrapping_mul(0x9e37_79b9) >> 8) as usize ^ hash32 as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use wasmill_abi::hash::hash32;

    fn check(batches: &[Vec<Vec<u8>>], hash: impl Fn(&[u8]) -> u32) {
        let mut grouper = Grouper::new();
        for rows in batches {
            grouper.clear();
            let is_fixed = rows.iter().all(|key| key.len() == 4);
            let mut model: HashMap<&[u8], u32> = HashMap::new();
            let mut first_rows = Vec::new();
            for (row, key) in rows.iter().enumerate() {
                let next = model.len() as u32;
                let expected = *model.entry(key).or_insert_with(|| {
                    first_rows.push(row as u32);
                    next
                });
                let added = match <&[u8; 4]>::try_from(key.as_slice()) {
                    Ok(key) if is_fixed => grouper.add_fixed(key, hash(key)),
                    _ => grouper.add(key, hash(key)),
                };
                assert_eq!(added, expected, "row {row}");
            }
            assert_eq!(grouper.first_rows(), first_rows);
            assert_eq!(grouper.rows() as usize, rows.len());
            assert_eq!(grouper.keys().len(), model.len());
            for (key, index) in model {
                assert_eq!(grouper.keys().key(index as usize), key);
                assert_eq!(grouper.keys().hashes()[index as usize], hash(key));
            }
        }
    }

    proptest! {
        #[test]
        fn grouper_agrees_with_a_hash_map(
            batches in prop::collection::vec(prop::collection::vec(prop::collection::vec(0u8..3, 0..5), 0..300), 1..4),
        ) {
            check(&batches, hash32);
            // Every key collides with many others.
            check(&batches, |key| hash32(key) % 3);
        }
    }

    proptest! {
        #[test]
        fn same_is_equality(a in prop::collection::vec(0u8..2, 0..40), at in any::<prop::sample::Index>()) {
            prop_assert!(same(&a, &a.clone()));
            prop_assert!(!same(&a, &[&a[..], &[0]].concat()));
            if !a.is_empty() {
                let mut b = a.clone();
                b[at.index(a.len())] ^= 1;
                prop_assert!(!same(&a, &b));
            }
        }
    }

    #[test]
    fn many_keys_grow_the_table() {
        let rows: Vec<Vec<u8>> = (0..20_000u32).map(|i| (i % 7000).to_be_bytes().to_vec()).collect();
        check(&[rows.clone(), rows[..10].to_vec(), rows], hash32);
    }
}
