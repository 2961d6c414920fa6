//! The job's RocksDB: its identity, its one way to write (the commit of an epoch), and its reads.
//!
//! The only module that names RocksDB. A database is one directory:
//!
//! ```text
//! DIR/LOCK     who runs the job; locked by the operating system
//! DIR/state/   RocksDB with the column families
//!              default  format, job, key_groups, committed, and the numbers of the slots
//!              state    values by key group, slot and key
//!              timers   timers by key group, slot, family, time and key
//!              meta     committed values by name
//!              outbox   bytes to publish, by epoch
//! ```
//!
//! It decides nothing about epochs; it refuses to commit them out of order.

mod commit;
mod horizon;
mod options;
#[cfg(test)]
mod reopen_tests;
mod snapshot;
#[cfg(test)]
mod snapshot_tests;
#[cfg(test)]
mod tests;

pub use commit::{Commit, CommitStats, OutboxEntry};
pub use snapshot::{Go, Snapshot, StoredSlot};

use super::encoding::{SLOT_PREFIX, form_name, prefix, read_outbox_key, slot_name};
use super::error::StateError;
use super::expiry::Form;
use super::keys::ByteList;
use super::lock::DirLock;
use super::store::Store;
use commit::Writer;
use horizon::Horizon;
use rocksdb::{ColumnFamily, DB, Direction, ErrorKind, IteratorMode, ReadOptions, WriteBatch, WriteOptions};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The format that this build writes and reads. What it stands for is in `state/encoding.rs`.
pub const FORMAT: &str = "wasmill state format 1";

const STATE: &str = "state";
const TIMERS: &str = "timers";
const META: &str = "meta";
const OUTBOX: &str = "outbox";

/// What a state directory is bound to when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    pub job: &'a str,
    pub key_groups: u16,
}

/// The database of one job, held by this process until it is dropped. Reads come from any thread;
/// commits from one.
pub struct Database {
    db: DB,
    dir: PathBuf,
    committed: AtomicU64,
    slots: Mutex<HashMap<Vec<u8>, u32>>,
    writer: Mutex<Writer>,
    horizon: Horizon,
    // Behind `db`, because it must end last.
    _lock: Option<DirLock>,
}

impl Database {
    /// Opens the database in `dir`, or creates it. Fails when another process holds it, when it
    /// belongs to another job or has another number of key groups, or another format.
    pub fn open(dir: &Path, identity: &Identity<'_>) -> Result<Arc<Self>, StateError> {
        let lock = DirLock::acquire(dir)?;
        let failed = |e| failure(dir, "open the database", e);
        let horizon = Horizon::default();
        let mut this = Self {
            db: options::open(&dir.join("state"), &horizon).map_err(failed)?,
            dir: dir.to_owned(),
            committed: AtomicU64::new(0),
            slots: Mutex::default(),
            writer: Mutex::default(),
            horizon,
            _lock: Some(lock),
        };
        this.check_identity(identity)?;
        *this.committed.get_mut() = this.number("committed")?.unwrap_or(0);
        this.load_slots()?;
        let outbox = this.outbox_keys()?;
        this.writer().outbox = outbox;
        let committed = this.committed_epoch();
        tracing::info!(dir = %dir.display(), job = identity.job, committed, "state opened");
        Ok(Arc::new(this))
    }

    fn failed(&self, doing: &'static str) -> impl Fn(rocksdb::Error) -> StateError {
        move |e| failure(&self.dir, doing, e)
    }

    fn corrupt(&self, doing: &'static str, message: String) -> StateError {
        StateError::Corrupt { dir: self.dir.clone(), doing, message }
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("every column family is opened with the database")
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks what the database is bound to, or binds a new one.
    fn check_identity(&self, identity: &Identity<'_>) -> Result<(), StateError> {
        let dir = || self.dir.clone();
        if self.text("format")?.is_none() {
            return self.create(identity);
        }
        self.check_format()?;
        let job = self.text("job")?.unwrap_or_default();
        if job != identity.job {
            return Err(StateError::OtherJob { dir: dir(), found: job, wanted: identity.job.to_owned() });
        }
        let key_groups = self.number("key_groups")?.unwrap_or(0) as u16;
        if key_groups != identity.key_groups {
            return Err(StateError::OtherKeyGroups { dir: dir(), found: key_groups, wanted: identity.key_groups });
        }
        Ok(())
    }

    fn check_format(&self) -> Result<(), StateError> {
        match self.text("format")? {
            Some(format) if format == FORMAT => Ok(()),
            found => {
                let (dir, found) = (self.dir.clone(), found.unwrap_or_default());
                Err(StateError::UnknownFormat { dir, found, supported: FORMAT })
            }
        }
    }

    fn create(&self, identity: &Identity<'_>) -> Result<(), StateError> {
        let doing = "create the database";
        if let Some(first) = self.db.iterator(IteratorMode::Start).next() {
            first.map_err(self.failed(doing))?;
            return Err(self.corrupt("reading its format", "it holds data but names no format".to_owned()));
        }
        let mut batch = WriteBatch::new();
        batch.put("format", FORMAT);
        batch.put("job", identity.job);
        batch.put("key_groups", u64::from(identity.key_groups).to_be_bytes());
        self.db.write_opt(batch, &synced()).map_err(self.failed(doing))
    }

    fn text(&self, key: &str) -> Result<Option<String>, StateError> {
        let bytes = self.db.get(key).map_err(self.failed("read its identity"))?;
        Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
    }

    fn number(&self, key: &str) -> Result<Option<u64>, StateError> {
        let Some(bytes) = self.db.get(key).map_err(self.failed("read its identity"))? else {
            return Ok(None);
        };
        let number = bytes.as_slice().try_into().map(u64::from_be_bytes);
        number.map(Some).map_err(|_| self.corrupt("reading a number", format!("{key} has {} bytes", bytes.len())))
    }

    /// The last committed epoch; 0 before the first.
    pub fn committed_epoch(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Calls `found` with each key and value of a family that starts with `prefix`, until it says
    /// `false`.
    fn scan(
        &self,
        family: &ColumnFamily,
        prefix: &[u8],
        mut found: impl FnMut(&[u8], &[u8]) -> Result<bool, StateError>,
    ) -> Result<(), StateError> {
        let mut read = ReadOptions::default();
        read.set_iterate_range(rocksdb::PrefixRange(prefix));
        let mode = IteratorMode::From(prefix, Direction::Forward);
        for entry in self.db.iterator_cf_opt(family, read, mode) {
            let (key, value) = entry.map_err(self.failed("scan the database"))?;
            if !found(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    /// Calls `found` with each value of a slot in these key groups, in the order of groups and keys,
    /// until it says `false`. With no commit meanwhile, all are of one epoch.
    pub fn each_value(
        &self,
        slot: u32,
        groups: Range<u16>,
        found: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(), StateError> {
        let mut going_on = true;
        for group in groups {
            if !going_on {
                break;
            }
            self.scan(self.family(STATE), &prefix(group, slot), |_, value| {
                going_on = found(value);
                Ok(going_on)
            })?;
        }
        Ok(())
    }

    fn load_slots(&self) -> Result<(), StateError> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let default = self.family(rocksdb::DEFAULT_COLUMN_FAMILY_NAME);
        self.scan(default, SLOT_PREFIX, |name, id| {
            let id = id.try_into().map(u32::from_be_bytes);
            let id = id.map_err(|_| self.corrupt("reading its slots", "a slot's number is damaged".to_owned()))?;
            slots.insert(name.to_vec(), id);
            Ok(true)
        })
    }

    /// The number of a slot of an operator, which are identified by their names. At its first use
    /// it is written with the slot's form, and synced; neither ever changes.
    pub fn slot_id(&self, operator: &str, slot: &str, form: Form) -> Result<u32, StateError> {
        let name = slot_name(operator, slot);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = slots.get(&name) {
            self.check_form(operator, slot, form)?;
            return Ok(id);
        }
        // Slots are never removed, so the numbers below their count are all taken.
        let id = slots.len() as u32;
        let mut batch = WriteBatch::new();
        batch.put(&name, id.to_be_bytes());
        if form != Form::VALUE {
            batch.put(form_name(operator, slot), form.encode());
        }
        self.db.write_opt(batch, &synced()).map_err(self.failed("name a slot"))?;
        slots.insert(name, id);
        Ok(id)
    }

    fn check_form(&self, operator: &str, slot: &str, wanted: Form) -> Result<(), StateError> {
        let stored = self.db.get(form_name(operator, slot)).map_err(self.failed("read the form of a slot"))?;
        let found = match &stored {
            None => Some(Form::VALUE),
            Some(bytes) => Form::decode(bytes),
        };
        if found == Some(wanted) {
            return Ok(());
        }
        Err(StateError::OtherForm {
            dir: self.dir.clone(),
            operator: operator.to_owned(),
            slot: slot.to_owned(),
            found: found.map_or_else(|| "something that this build does not know".to_owned(), |form| form.to_string()),
            wanted: wanted.to_string(),
        })
    }

    /// A committed value.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.db.get_cf(self.family(META), key).map_err(self.failed("read a committed value"))
    }

    /// All committed values whose names start with `prefix`, by name.
    pub fn meta_prefix(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let mut all = Vec::new();
        self.scan(self.family(META), prefix.as_bytes(), |key, value| {
            all.push((String::from_utf8_lossy(key).into_owned(), value.to_vec()));
            Ok(true)
        })?;
        Ok(all)
    }

    /// What may not be published yet, in the order of epochs.
    pub fn outbox(&self) -> Result<Vec<OutboxEntry>, StateError> {
        let mut all = Vec::new();
        self.scan(self.family(OUTBOX), &[], |key, value| {
            let Some((epoch, subtask, sink)) = read_outbox_key(key) else {
                return Err(self.corrupt("reading the outbox", format!("{key:?} is no key of an outbox")));
            };
            all.push(OutboxEntry { epoch, subtask, sink: sink.to_owned(), bytes: value.to_vec() });
            Ok(true)
        })?;
        Ok(all)
    }

    fn outbox_keys(&self) -> Result<BTreeSet<Vec<u8>>, StateError> {
        let mut keys = BTreeSet::new();
        self.scan(self.family(OUTBOX), &[], |key, _| {
            keys.insert(key.to_vec());
            Ok(true)
        })?;
        Ok(keys)
    }
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn failure(dir: &Path, doing: &'static str, error: rocksdb::Error) -> StateError {
    let (dir, message) = (dir.to_owned(), error.as_ref().to_owned());
    if message.contains("No space left on device") || message.contains("Disk quota exceeded") {
        return StateError::DiskFull { dir, doing, message };
    }
    match error.kind() {
        ErrorKind::Corruption => StateError::Corrupt { dir, doing, message },
        _ => StateError::Database { dir, doing, message },
    }
}

impl Store for Database {
    fn committed_epoch(&self) -> u64 {
        self.committed_epoch()
    }

    fn slot_id(&self, operator: &str, slot: &str, form: Form) -> Result<u32, StateError> {
        self.slot_id(operator, slot, form)
    }

    fn holds_any(&self, slot: u32, groups: Range<u16>) -> Result<bool, StateError> {
        let mut any = false;
        for group in groups {
            self.scan(self.family(STATE), &prefix(group, slot), |_, _| {
                any = true;
                Ok(false)
            })?;
            if any {
                break;
            }
        }
        Ok(any)
    }

    fn read(&self, keys: &ByteList, found: &mut dyn FnMut(usize, &[u8])) -> Result<(), StateError> {
        let values = self.db.batched_multi_get_cf(self.family(STATE), keys.iter(), true);
        for (position, value) in values.into_iter().enumerate() {
            if let Some(value) = value.map_err(self.failed("read state"))? {
                found(position, &value);
            }
        }
        Ok(())
    }

    fn read_of_epoch(&self, keys: &ByteList, found: &mut dyn FnMut(usize, &[u8])) -> Result<u64, StateError> {
        // A commit writes the number of its epoch with its values, so one snapshot has both.
        let snapshot = self.db.snapshot();
        let mut read = ReadOptions::default();
        read.set_snapshot(&snapshot);
        let values = self.db.batched_multi_get_cf_opt(self.family(STATE), keys.iter(), false, &read);
        for (position, value) in values.into_iter().enumerate() {
            if let Some(value) = value.map_err(self.failed("read state"))? {
                found(position, &value);
            }
        }
        let epoch = snapshot.get("committed").map_err(self.failed("read the committed epoch"))?;
        let epoch = epoch.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        Ok(epoch)
    }

    fn scan(&self, start: &[u8], end: &[u8], found: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StateError> {
        let mut read = ReadOptions::default();
        read.set_iterate_upper_bound(end);
        let mode = IteratorMode::From(start, Direction::Forward);
        for entry in self.db.iterator_cf_opt(self.family(STATE), read, mode) {
            let (key, value) = entry.map_err(self.failed("scan state"))?;
            if !found(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn scan_timers(
        &self,
        slot: u32,
        groups: Range<u16>,
        found: &mut dyn FnMut(&[u8]) -> Option<()>,
    ) -> Result<(), StateError> {
        for group in groups {
            self.scan(self.family(TIMERS), &prefix(group, slot), |key, _| {
                found(key)
                    .map(|()| true)
                    .ok_or_else(|| self.corrupt("reading timers", format!("{key:?} is no key of a timer")))
            })?;
        }
        Ok(())
    }
}
