//! The seam between state in memory and what is committed: reads only, because only a commit writes.

use super::error::StateError;
use super::expiry::Form;
use super::keys::ByteList;
use std::ops::Range;

/// What is committed, as one keyed operator's subtask sees it.
pub trait Store: Send + Sync {
    /// The last committed epoch; 0 before the first.
    fn committed_epoch(&self) -> u64;

    /// The number of a named slot, given at its first use and stable for ever. Refuses a slot that
    /// was given its number in another form.
    fn slot_id(&self, operator: &str, slot: &str, form: Form) -> Result<u32, StateError>;

    /// Whether any value of the slot is stored in these key groups.
    fn holds_any(&self, slot: u32, groups: Range<u16>) -> Result<bool, StateError>;

    /// Reads state by whole keys, which are sorted and distinct; calls `found` with the position
    /// and the value of each key that is there.
    fn read(&self, keys: &ByteList, found: &mut dyn FnMut(usize, &[u8])) -> Result<(), StateError>;

    /// Like [`read`](Self::read); returns the epoch whose commit is the last one that the values
    /// reflect.
    fn read_of_epoch(&self, keys: &ByteList, found: &mut dyn FnMut(usize, &[u8])) -> Result<u64, StateError>;

    /// Calls `found` with the whole key and the value of each entry from `start` to `end`, in order,
    /// until it says `false`.
    fn scan(&self, start: &[u8], end: &[u8], found: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StateError>;

    /// Calls `found` with the whole key of each stored timer of the slot in these key groups, in
    /// order; fails when `found` says, with `None`, that it is no timer's key.
    fn scan_timers(
        &self,
        slot: u32,
        groups: Range<u16>,
        found: &mut dyn FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), StateError>;
}
