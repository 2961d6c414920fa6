//! A guest's questions, answered from the entries of its operator.

use crate::state::{Entries, StateError};
use crate::wasm::{StateCallError, StateCalls};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmill_abi::calls::{ENTRY_KEY_BYTES_MAX, read_asked};

/// The entries of one operator's subtask, shared with its state.
#[derive(Clone)]
pub struct EntryCalls(pub Arc<Mutex<Entries>>);

impl EntryCalls {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(error: StateError) -> StateCallError {
    StateCallError::Host(error.to_string())
}

impl StateCalls for EntryCalls {
    fn get_many(&mut self, slot: u16, asked: &[u8]) -> Result<Vec<u8>, StateCallError> {
        let entries = self.entries();
        entries.check_slot(slot).map_err(StateCallError::Asked)?;
        let asked = read_asked(asked, entries.keys()).map_err(|e| StateCallError::Asked(e.to_string()))?;
        entries.get_many(slot, &asked).map_err(failed)
    }

    fn scan(
        &mut self,
        slot: u16,
        key: u32,
        start: &[u8],
        end: &[u8],
        bytes_max: u32,
    ) -> Result<Vec<u8>, StateCallError> {
        let entries = self.entries();
        entries.check_slot(slot).map_err(StateCallError::Asked)?;
        if key >= entries.keys() {
            return Err(StateCallError::Asked(format!("a scan of key {key} of {}", entries.keys())));
        }
        if start.len().max(end.len()) > ENTRY_KEY_BYTES_MAX + 1 {
            return Err(StateCallError::Asked(format!("a scan's bound is longer than {ENTRY_KEY_BYTES_MAX} bytes")));
        }
        entries.scan(slot, key, start..end, bytes_max).map_err(failed)
    }
}
