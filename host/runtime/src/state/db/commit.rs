//! The commit of an epoch: one batch, written and synced at once.

use super::{Database, META, OUTBOX, STATE, TIMERS, failure, synced};
use crate::state::delta::{Changes, Delta};
use crate::state::encoding::outbox_key;
use crate::state::error::StateError;
use rocksdb::{ColumnFamily, WriteBatch};
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// All that one epoch changes. It is written completely or not at all.
#[derive(Debug, Default)]
pub struct Commit {
    /// Higher than the last committed epoch.
    pub epoch: u64,
    pub deltas: Vec<Delta>,
    /// Values by name; `None` deletes.
    pub meta: Vec<(String, Option<Vec<u8>>)>,
    /// Each for `epoch`, at most one per sink and subtask.
    pub outbox: Vec<OutboxEntry>,
    /// Epochs up to this one are published everywhere; their outbox is dropped.
    pub drop_outbox_up_to: Option<u64>,
}

/// What one subtask of a sink publishes once the epoch is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    pub epoch: u64,
    pub sink: String,
    pub subtask: u16,
    pub bytes: Vec<u8>,
}

/// What a commit cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitStats {
    /// Bytes written to the log.
    pub bytes: u64,
    /// Puts, deletes and merges.
    pub entries: u64,
    pub micros: u64,
}

/// What only a commit touches.
#[derive(Default)]
pub(super) struct Writer {
    /// A commit failed, so it is unknown what the log holds.
    pub(super) broken: bool,
    /// The keys of the stored outbox, so that dropping needs no scan.
    pub(super) outbox: BTreeSet<Vec<u8>>,
}

impl Database {
    /// Writes an epoch in one synced batch: when this returns well, it is committed, whatever
    /// happens then. After an error it is unknown whether it is, and no other commit is taken: the
    /// directory has to be opened again.
    pub fn commit(&self, commit: Commit) -> Result<CommitStats, StateError> {
        let started = Instant::now();
        let mut writer = self.writer();
        if writer.broken {
            return Err(StateError::Broken { dir: self.dir.clone() });
        }
        check(&commit, self.committed_epoch())?;
        let batch = self.batch(&commit, &writer.outbox);
        let (bytes, entries) = (batch.size_in_bytes() as u64, batch.len() as u64);
        if let Err(e) = self.db.write_opt(batch, &synced()) {
            writer.broken = true;
            return Err(failure(&self.dir, "commit an epoch", e));
        }
        self.committed.store(commit.epoch, Ordering::Release);
        self.horizon.committed(&commit.deltas);
        if let Some(published) = commit.drop_outbox_up_to {
            writer.outbox = writer.outbox.split_off(outbox_key(published + 1, 0, "").as_slice());
        }
        writer.outbox.extend(commit.outbox.iter().map(|o| outbox_key(o.epoch, o.subtask, &o.sink)));
        Ok(CommitStats { bytes, entries, micros: started.elapsed().as_micros() as u64 })
    }

    fn batch(&self, commit: &Commit, outbox: &BTreeSet<Vec<u8>>) -> WriteBatch {
        let deltas = commit.deltas.iter().map(Delta::bytes).sum::<usize>();
        let blobs = commit.outbox.iter().map(|o| o.bytes.len()).sum::<usize>();
        let mut batch = WriteBatch::with_capacity_bytes(deltas + blobs + 4096);
        let (state, timers) = (self.family(STATE), self.family(TIMERS));
        add(&mut batch, state, commit.deltas.iter().map(|d| &d.state));
        for (key, operand) in commit.deltas.iter().flat_map(|d| d.merges.iter()) {
            batch.merge_cf(state, key, operand.expect("a merge has an operand"));
        }
        add(&mut batch, timers, commit.deltas.iter().map(|d| &d.timers));
        let meta = self.family(META);
        for (key, value) in &commit.meta {
            match value {
                Some(value) => batch.put_cf(meta, key, value),
                None => batch.delete_cf(meta, key),
            }
        }
        let family = self.family(OUTBOX);
        if let Some(published) = commit.drop_outbox_up_to {
            let end = outbox_key(published + 1, 0, "");
            outbox.range(..end).for_each(|key| batch.delete_cf(family, key));
        }
        for o in &commit.outbox {
            batch.put_cf(family, outbox_key(o.epoch, o.subtask, &o.sink), &o.bytes);
        }
        batch.put("committed", commit.epoch.to_be_bytes());
        batch
    }
}

/// What a carrier could get wrong.
fn check(commit: &Commit, committed: u64) -> Result<(), StateError> {
    let epoch = commit.epoch;
    if epoch <= committed {
        return Err(StateError::EpochOrder { epoch, committed });
    }
    let bad = |problem: String| Err(StateError::BadCommit { epoch, problem });
    if let Some(published) = commit.drop_outbox_up_to.filter(|&published| published > committed) {
        return bad(format!("dropped the outbox of epoch {published}, which is not committed"));
    }
    let mut seen = HashSet::new();
    for o in &commit.outbox {
        if o.epoch != epoch {
            return bad(format!("an outbox of epoch {}", o.epoch));
        }
        if !seen.insert((&o.sink, o.subtask)) {
            return bad(format!("two outboxes for subtask {} of sink {:?}", o.subtask, o.sink));
        }
    }
    Ok(())
}

/// Adds the changes of all subtasks in the order of their keys: RocksDB then takes each for a quarter
/// of the time, because neighbours meet in its memtable.
fn add<'a>(batch: &mut WriteBatch, family: &ColumnFamily, changes: impl Iterator<Item = &'a Changes>) {
    let mut sorted: Vec<_> = changes.flat_map(Changes::iter).map(|(key, value)| (head(key), key, value)).collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    for (_, key, value) in sorted {
        match value {
            Some(value) => batch.put_cf(family, key, value),
            None => batch.delete_cf(family, key),
        }
    }
}

/// The first bytes of a key as a number that sorts as they do; it decides most comparisons.
fn head(key: &[u8]) -> u128 {
    let mut head = [0; 16];
    let len = key.len().min(16);
    head[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(head)
}
