//! What one subtask changed in one epoch, with the keys under which RocksDB stores it.

use std::ops::Range;

/// Puts and deletes in one buffer, in the order in which they were added.
///
/// Each is: key length u32, value length u32 or [`DELETE`], key, value; in the machine's byte order,
/// because it never leaves the process.
#[derive(Debug, Default)]
pub(super) struct Changes {
    bytes: Vec<u8>,
    entries: usize,
}

const DELETE: u32 = u32::MAX;

impl Changes {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), entries: 0 }
    }

    /// Adds a put, or a delete when there is no value; `key` appends the key.
    pub fn push(&mut self, key: impl FnOnce(&mut Vec<u8>), value: Option<&[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 8]);
        key(&mut self.bytes);
        let key_len = (self.bytes.len() - start - 8) as u32;
        self.bytes[start..start + 4].copy_from_slice(&key_len.to_ne_bytes());
        let value_len = value.map_or(DELETE, |v| v.len() as u32);
        self.bytes[start + 4..start + 8].copy_from_slice(&value_len.to_ne_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.entries += 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            let (key_len, tail) = rest.split_first_chunk::<4>()?;
            let (value_len, tail) = tail.split_first_chunk::<4>()?;
            let (key, tail) = tail.split_at(u32::from_ne_bytes(*key_len) as usize);
            let value_len = u32::from_ne_bytes(*value_len);
            if value_len == DELETE {
                rest = tail;
                return Some((key, None));
            }
            let (value, tail) = tail.split_at(value_len as usize);
            rest = tail;
            Some((key, Some(value)))
        })
    }

    /// Adds all of another list.
    pub fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.entries += other.entries;
    }

    pub fn entries(&self) -> usize {
        self.entries
    }
}

/// What one keyed operator's subtask changed in one epoch; opaque, made by
/// [`KeyedState::take_delta`](super::KeyedState::take_delta) and written by
/// [`Database::commit`](super::Database::commit).
#[derive(Debug, Default)]
pub struct Delta {
    pub(super) state: Changes,
    pub(super) timers: Changes,
    /// Operands for merge slots; none is for a key that `state` changes.
    pub(super) merges: Changes,
    /// Values of these slots (by number) and key groups are gone when their stamps are not behind the
    /// time. It counts once the delta is committed.
    pub(super) horizon: Vec<(u32, i64)>,
    pub(super) groups: Range<u16>,
}

impl Delta {
    /// Values and timers to write or delete.
    pub fn entries(&self) -> usize {
        self.state.entries() + self.timers.entries() + self.merges.entries()
    }

    /// Bytes that this delta takes in memory; about what it takes in RocksDB's log.
    pub fn bytes(&self) -> usize {
        self.state.bytes.len() + self.timers.bytes.len() + self.merges.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_read_back() {
        let mut changes = Changes::default();
        changes.push(|k| k.extend_from_slice(b"one"), Some(b"value"));
        changes.push(|k| k.extend_from_slice(b"two"), None);
        changes.push(|_| {}, Some(b""));
        let all: Vec<_> = changes.iter().collect();
        assert_eq!(all, [(&b"one"[..], Some(&b"value"[..])), (b"two", None), (b"", Some(b""))]);
        assert_eq!(changes.entries(), 3);
    }
}
