//! Giving space back: how far time has come, as committed, per slot and key group; and the filter by
//! which RocksDB drops, when it compacts, what is gone by then.
//!
//! Nothing depends on when that happens, because reads leave out what is gone. The time of a key
//! group is that of the one subtask that owns it: another one's may be ahead.

use crate::state::delta::Delta;
use crate::state::expiry::stamp;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Shared by the database and its compactions.
#[derive(Debug, Clone, Default)]
pub(super) struct Horizon(Arc<RwLock<HashMap<(u16, u32), i64>>>);

impl Horizon {
    /// Takes over the times of deltas, which are committed now.
    pub fn committed(&self, deltas: &[Delta]) {
        if deltas.iter().all(|delta| delta.horizon.is_empty()) {
            return;
        }
        let mut times = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for delta in deltas {
            for (group, &(slot, time)) in delta.groups.clone().flat_map(|g| delta.horizon.iter().map(move |h| (g, h))) {
                let known = times.entry((group, slot)).or_insert(time);
                *known = (*known).max(time);
            }
        }
    }

    /// Whether an entry of the state is gone.
    pub fn is_gone(&self, key: &[u8], value: &[u8]) -> bool {
        let Some((group, rest)) = key.split_first_chunk() else { return false };
        let Some(slot) = rest.first_chunk() else { return false };
        let times = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let time = times.get(&(u16::from_be_bytes(*group), u32::from_be_bytes(*slot)));
        time.is_some_and(|&time| stamp(value).is_some_and(|stamp| stamp <= time))
    }
}
