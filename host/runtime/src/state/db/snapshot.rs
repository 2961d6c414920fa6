//! Reading what is committed, without the lock and without writing anything: also while a job runs.
//!
//! RocksDB's read-only mode opens every file and reads the log once; what it sees then is what it
//! shows to its end, whatever the job does meanwhile. Only the opening itself can meet a job that
//! is moving data from its log into files: then data could be missing from both. Each such move is
//! noted in the manifest before a file is removed, so a manifest that did not change from before
//! the opening to behind it proves that nothing was missed; otherwise it is opened again. The log
//! is read to its last whole batch, and a commit is one batch: so this is one whole epoch.

use super::horizon::Horizon;
use super::{Database, META, STATE, TIMERS, Writer, failure, options};
use crate::state::encoding::{SLOT_PREFIX, prefix, read_slot_name, read_timer_key, slot_name, state_key};
use crate::state::error::StateError;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use wasmill_abi::effects::TimerFamily;

/// A job writes to its manifest once in some hundred megabytes; so often in a row it does not.
const ATTEMPTS: usize = 20;

/// What the form of a slot is named by, where it has another one than a plain value.
const FORM_PREFIX: &[u8] = b"form:";

/// The committed state of a job as it was when this was opened.
pub struct Snapshot(Database);

/// A slot that the database knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredSlot {
    pub operator: String,
    pub name: String,
    pub id: u32,
}

/// Whether a scan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    On,
    Stop,
}

impl Snapshot {
    /// Opens what lies in a state directory; `None` when nothing does.
    pub fn open(dir: &Path) -> Result<Option<Self>, StateError> {
        let state = dir.join("state");
        if !state.join("CURRENT").exists() {
            return Ok(None);
        }
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let before = manifest_state(&state);
            match options::open_read_only(&state) {
                Ok(db) if before.is_some() && manifest_state(&state) == before => {
                    return Self::of(db, dir).map(Some);
                }
                Ok(_) => {}
                // A file that the job has removed meanwhile, or one that is truly gone.
                Err(e) => last = Some(e),
            }
        }
        Err(match last {
            Some(e) => failure(dir, "read the database", e),
            None => StateError::Moving { dir: dir.to_owned() },
        })
    }

    fn of(db: rocksdb::DB, dir: &Path) -> Result<Self, StateError> {
        let mut this = Database {
            db,
            dir: dir.to_owned(),
            committed: AtomicU64::new(0),
            slots: Mutex::new(HashMap::new()),
            writer: Mutex::new(Writer::default()),
            horizon: Horizon::default(),
            _lock: None,
        };
        this.check_format()?;
        *this.committed.get_mut() = this.number("committed")?.unwrap_or(0);
        this.load_slots()?;
        Ok(Self(this))
    }

    /// The name of the job that the state belongs to.
    pub fn job(&self) -> Result<String, StateError> {
        Ok(self.0.text("job")?.unwrap_or_default())
    }

    pub fn key_groups(&self) -> Result<u16, StateError> {
        Ok(self.0.number("key_groups")?.unwrap_or(0) as u16)
    }

    /// 0 before the first.
    pub fn committed_epoch(&self) -> u64 {
        self.0.committed_epoch()
    }

    /// All slots, by operator and name. The timers of an operator are slots too, named
    /// [`TIMERS_SLOT`](crate::state::keyed::TIMERS_SLOT).
    pub fn slots(&self) -> Vec<StoredSlot> {
        self.0.stored_slots()
    }

    /// Whether the values of a slot start with the time at which they are gone: 8 bytes,
    /// little-endian microseconds.
    pub fn has_stamps(&self, slot: &StoredSlot) -> Result<bool, StateError> {
        let mut name = FORM_PREFIX.to_vec();
        name.extend_from_slice(&slot_name(&slot.operator, &slot.name)[SLOT_PREFIX.len()..]);
        let form = self.0.db.get(name).map_err(self.0.failed("read the form of a slot"))?;
        // The kind, then 0 or what the clock is.
        Ok(form.is_some_and(|form| form.get(1).is_some_and(|clock| *clock != 0)))
    }

    /// All committed values whose names start with `prefix`, by name.
    pub fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.0.meta_prefix(prefix)
    }

    /// Calls `found` with what follows the slot in each stored key, and the value: all of a key
    /// group, or those that start with a key.
    pub fn values(
        &self,
        slot: u32,
        group: u16,
        key: &[u8],
        found: &mut dyn FnMut(&[u8], &[u8]) -> Go,
    ) -> Result<(), StateError> {
        let mut from = Vec::new();
        state_key(&mut from, group, slot, key);
        let skip = prefix(group, slot).len();
        self.0.scan(self.0.family(STATE), &from, |key, value| Ok(found(&key[skip..], value) == Go::On))
    }

    /// Calls `found` with family, time and key of each timer of a key group.
    pub fn timers(
        &self,
        slot: u32,
        group: u16,
        found: &mut dyn FnMut(TimerFamily, i64, &[u8]) -> Go,
    ) -> Result<(), StateError> {
        self.0.scan(self.0.family(TIMERS), &prefix(group, slot), |key, _| {
            let timer = read_timer_key(key)
                .ok_or_else(|| self.0.corrupt("reading timers", format!("{key:?} is no key of a timer")))?;
            Ok(found(timer.family, timer.time, timer.key) == Go::On)
        })
    }
}

/// Which manifest is current, and how far it is written.
fn manifest_state(state: &Path) -> Option<(String, u64)> {
    let current = std::fs::read_to_string(state.join("CURRENT")).ok()?;
    let length = std::fs::metadata(state.join(current.trim())).ok()?.len();
    Some((current, length))
}

impl Database {
    /// All slots, by operator and name.
    pub fn stored_slots(&self) -> Vec<StoredSlot> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = |(name, id): (&Vec<u8>, &u32)| {
            let (operator, name) = read_slot_name(&name[SLOT_PREFIX.len()..])?;
            Some(StoredSlot { operator: operator.to_owned(), name: name.to_owned(), id: *id })
        };
        let mut all: Vec<_> = slots.iter().filter_map(slot).collect();
        all.sort_unstable();
        all
    }

    /// Removes all values and timers of slots, and committed values by name, in one synced batch:
    /// for state that its owner gives up.
    pub fn forget(&self, slots: &[u32], meta: &[String]) -> Result<(), StateError> {
        let doing = "drop state";
        let key_groups = self.number("key_groups")?.unwrap_or(0) as u16;
        let mut batch = rocksdb::WriteBatch::default();
        for &slot in slots {
            for group in 0..key_groups {
                let (from, to) = (prefix(group, slot), prefix(group, slot + 1));
                batch.delete_range_cf(self.family(STATE), from, to);
                batch.delete_range_cf(self.family(TIMERS), from, to);
            }
        }
        meta.iter().for_each(|name| batch.delete_cf(self.family(META), name));
        self.db.write_opt(batch, &super::synced()).map_err(self.failed(doing))
    }
}
