//! The state of one keyed operator in one subtask: values by slot and key, and timers.
//!
//! It belongs to one thread at a time. It never writes to the database: what changed leaves it as a
//! [`Delta`].

use super::cache::{ABSENT, Cache};
use super::delta::{Changes, Delta};
use super::encoding::{read_timer_key, state_key};
use super::entries::Entries;
use super::error::StateError;
use super::expiry::{Clock, Form, visible};
use super::keys::{ByteList, KeySet};
use super::store::Store;
use super::timers::{DueTimers, Timers};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmill_abi::effects::{EntryChange, TimerFamily};
use wasmill_abi::hash::{hash32, key_group};
use wasmill_abi::manifest::{Slot, SlotKind};

/// The name under which an operator's timers get their number. A slot of this name would share the
/// number and nothing else: values and timers lie apart.
pub const TIMERS_SLOT: &str = "#timers";

/// What a [`KeyedState`] did so far, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateStats {
    /// Keys that a load found in memory.
    pub hits: u64,
    /// Keys that a load did not find in memory.
    pub misses: u64,
    /// Values that were asked of the database.
    pub reads: u64,
    pub evictions: u64,
    /// Keys in memory now.
    pub entries: u64,
    /// Timers that are set now.
    pub timers: u64,
}

/// See the module.
pub struct KeyedState {
    store: Arc<dyn Store>,
    operator: String,
    slot_ids: Vec<u32>,
    forms: Vec<Form>,
    timer_slot: u32,
    /// Maps, lists and merge slots, when there are any; shared with the calls that read them.
    entries: Option<Arc<Mutex<Entries>>>,
    clock: Clock,
    groups: Range<u16>,
    key_groups: u16,
    cache: Cache,
    timers: Timers,
    /// The entry of each key of the set loaded last.
    loaded: Vec<u32>,
    missing: Vec<u32>,
    reads: u64,
    fetch: Fetch,
}

/// Buffers for what a load reads from the database.
#[derive(Default)]
struct Fetch {
    /// Missing keys in the database's order: key group, index in the key set.
    order: Vec<(u16, u32)>,
    keys: ByteList,
    values: Vec<u8>,
    /// Slot, position in `order`, and where in `values` the value ends.
    found: Vec<(usize, usize, usize)>,
}

impl KeyedState {
    /// Opens the state of an operator for a range of key groups, which no other subtask of the
    /// operator may own at the same time, and reads its timers. The cache takes `cache_bytes` and
    /// what is pinned beyond them.
    pub fn open(
        store: Arc<dyn Store>,
        operator: &str,
        slots: &[Slot],
        groups: Range<u16>,
        key_groups: u16,
        cache_bytes: u64,
    ) -> Result<Self, StateError> {
        let forms: Vec<Form> = slots.iter().map(Form::of).collect();
        let ids = slots.iter().zip(&forms).map(|(s, &form)| store.slot_id(operator, &s.name, form));
        let slot_ids = ids.collect::<Result<Vec<_>, _>>()?;
        let holds = |&id: &u32| Ok((id, store.holds_any(id, groups.clone())?));
        let stored = slot_ids.iter().map(holds).collect::<Result<Vec<_>, StateError>>()?;
        // The cache holds values alone.
        let may_hold = stored.iter().zip(slots).map(|(s, slot)| s.1 && slot.kind == SlotKind::Value).collect();
        let entries = slots
            .iter()
            .any(|slot| slot.kind != SlotKind::Value)
            .then(|| Arc::new(Mutex::new(Entries::new(store.clone(), slots, &stored, key_groups))));
        let timer_slot = store.slot_id(operator, TIMERS_SLOT, Form::VALUE)?;
        let mut timers = Timers::default();
        store.scan_timers(timer_slot, groups.clone(), &mut |stored| {
            let timer = read_timer_key(stored)?;
            timers.load(&timer, hash32(timer.key));
            Some(())
        })?;
        Ok(Self {
            cache: Cache::new(slots.len(), cache_bytes, store.committed_epoch(), may_hold),
            store,
            operator: operator.to_owned(),
            slot_ids,
            forms,
            timer_slot,
            entries,
            clock: Clock::START,
            groups,
            key_groups,
            timers,
            loaded: Vec::new(),
            missing: Vec::new(),
            reads: 0,
            fetch: Fetch::default(),
        })
    }

    /// Makes the values of all slots of these keys available, until the next load: from memory, or
    /// with one read per slot from the database. After an error nothing is loaded.
    pub fn load(&mut self, keys: &KeySet) -> Result<(), StateError> {
        self.cache.make_room(keys.len());
        self.cache.look_up(keys, &mut self.loaded, &mut self.missing);
        if self.missing.is_empty() {
            return Ok(());
        }
        let filled = self.fill(keys);
        if filled.is_err() {
            self.loaded.clear();
        }
        filled
    }

    /// Brings the missing keys into the cache. All reads come first: a failed one must leave no key
    /// that looks absent.
    fn fill(&mut self, keys: &KeySet) -> Result<(), StateError> {
        let Self { fetch, key_groups, .. } = self;
        fetch.order.clear();
        fetch.order.extend(self.missing.iter().map(|&i| (key_group(keys.hashes()[i as usize], *key_groups), i)));
        if let Some(&(group, _)) = fetch.order.iter().find(|(group, _)| !self.groups.contains(group)) {
            return Err(StateError::ForeignKey { operator: self.operator.clone(), group, groups: self.groups.clone() });
        }
        self.read(keys)?;
        for &index in &self.missing {
            let index = index as usize;
            self.loaded[index] = self.cache.insert(keys.key(index), keys.hashes()[index]);
        }
        let mut start = 0;
        for &(slot, position, end) in &self.fetch.found {
            let index = self.fetch.order[position].1 as usize;
            self.cache.set_stored(self.loaded[index], slot, &self.fetch.values[start..end]);
            start = end;
        }
        Ok(())
    }

    /// Reads the missing keys of every slot of which the database may hold some.
    fn read(&mut self, keys: &KeySet) -> Result<(), StateError> {
        let Fetch { order, keys: stored_keys, values, found } = &mut self.fetch;
        values.clear();
        found.clear();
        if !self.cache.may_hold.contains(&true) {
            return Ok(());
        }
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| keys.key(a.1 as usize).cmp(keys.key(b.1 as usize))));
        for (slot, &slot_id) in self.slot_ids.iter().enumerate().filter(|(slot, _)| self.cache.may_hold[*slot]) {
            stored_keys.clear();
            for &(group, index) in order.iter() {
                stored_keys.push_with(|out| state_key(out, group, slot_id, keys.key(index as usize)));
            }
            self.reads += order.len() as u64;
            self.store.read(stored_keys, &mut |position, value| {
                values.extend_from_slice(value);
                found.push((slot, position, values.len()));
            })?;
        }
        Ok(())
    }

    /// The value of a key, by its index in the set loaded last; empty when nothing is stored.
    ///
    /// # Panics
    /// When no such key was loaded or the operator has no such slot.
    #[inline]
    pub fn value(&self, slot: usize, key: usize) -> &[u8] {
        assert!(slot < self.slot_ids.len(), "slot {slot} of {}", self.slot_ids.len());
        self.cache.value(self.entry(key), slot)
    }

    /// Starts a call with the keys that were loaded last: what is gone by its clock is not there.
    pub fn begin(&mut self, keys: &KeySet, clock: Clock) {
        self.clock = clock;
        if let Some(mut entries) = self.entries_mut() {
            entries.begin(keys, clock);
        }
    }

    /// Whether values of a slot have a time to live.
    pub fn expires(&self, slot: usize) -> bool {
        self.forms[slot].clock.is_some()
    }

    /// Like [`value`](Self::value), and empty when the value of a slot with a time to live is gone. It
    /// starts with its stamp.
    pub fn living_value(&self, slot: usize, key: usize) -> &[u8] {
        let value = self.value(slot, key);
        let clock = self.forms[slot].clock.map(|family| self.clock.of(family));
        visible(value, clock).map_or(&[], |_| value)
    }

    /// Maps, lists and merge slots, for calls that read them.
    pub fn entries(&self) -> Option<Arc<Mutex<Entries>>> {
        self.entries.clone()
    }

    fn entries_mut(&self) -> Option<MutexGuard<'_, Entries>> {
        self.entries.as_ref().map(|entries| entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Applies changes of a slot that is no value.
    pub fn apply_entries(&mut self, slot: u16, changes: &[EntryChange<'_>]) -> Result<(), StateError> {
        self.entries_mut().map_or(Ok(()), |mut entries| entries.apply(slot, changes))
    }

    #[inline]
    fn entry(&self, key: usize) -> u32 {
        let id = self.loaded[key];
        assert!(id != ABSENT, "a load that went well found or made every entry");
        id
    }

    /// Changes the value of a key, by its index in the set loaded last; `None`, like an empty value,
    /// deletes it.
    ///
    /// # Panics
    /// When no such key was loaded, the operator has no such slot, or the value has 1 GiB or more.
    #[inline]
    pub fn apply(&mut self, slot: usize, key: usize, value: Option<&[u8]>) {
        assert!(slot < self.slot_ids.len(), "slot {slot} of {}", self.slot_ids.len());
        self.cache.apply(self.entry(key), slot, value.unwrap_or_default());
    }

    /// Sets a timer of a key, by its index in the set loaded last; does nothing when it is set.
    pub fn set_timer(&mut self, family: TimerFamily, time: i64, key: usize) {
        let (key, hash) = self.cache.key(self.entry(key));
        self.timers.set(family, time, key, hash);
    }

    /// Deletes a timer of a key, by its index in the set loaded last; does nothing when it is not
    /// set.
    pub fn delete_timer(&mut self, family: TimerFamily, time: i64, key: usize) {
        let (key, hash) = self.cache.key(self.entry(key));
        self.timers.delete(family, time, key, hash);
    }

    /// The time of the next timer, in microseconds.
    pub fn next_timer(&self, family: TimerFamily) -> Option<i64> {
        self.timers.next(family)
    }

    /// Moves timers with times up to and with `until` into `due`, whose content is dropped: at most
    /// `max`, ordered by time and then key, and at most one per key; the later ones of a key stay
    /// for the next call. There may be more when `due` is not full; there are none when it is empty
    /// and `max` is not 0. Their removal is part of the epoch.
    pub fn take_due(&mut self, family: TimerFamily, until: i64, max: usize, due: &mut DueTimers) {
        self.timers.take_due(family, until, max, due);
    }

    /// Puts timers back that were taken, as if they had not been.
    pub fn restore(&mut self, family: TimerFamily, due: &DueTimers) {
        for (time, (key, hash)) in due.times().iter().zip(due.keys().iter()) {
            self.timers.set(family, *time, key, hash);
        }
    }

    /// Everything that changed since the last call, as the delta of this epoch: each value and
    /// timer once, with its last state. What it covers stays in memory until the epoch is committed.
    pub fn take_delta(&mut self, epoch: u64) -> Delta {
        let mut state = self.cache.take_changes(epoch, &self.slot_ids, self.key_groups);
        let mut merges = Changes::default();
        if let Some(mut entries) = self.entries_mut() {
            let (changes, operands) = entries.take_changes(epoch);
            state.append(&changes);
            merges = operands;
        }
        let timers = self.timers.take_changes(self.timer_slot, self.key_groups);
        let clocks = self.slot_ids.iter().zip(&self.forms);
        let horizon = clocks.filter_map(|(&id, form)| Some((id, self.clock.of(form.clock?)))).collect();
        Delta { state, timers, merges, horizon, groups: self.groups.clone() }
    }

    /// Says that all epochs up to this one are committed; what only they covered may be evicted.
    /// Drops what was loaded last.
    pub fn committed(&mut self, epoch: u64) {
        self.loaded.clear();
        self.cache.committed(epoch);
        if let Some(mut entries) = self.entries_mut() {
            entries.committed(epoch);
        }
    }

    /// About the size of the delta that [`take_delta`](Self::take_delta) would give now.
    pub fn dirty_bytes(&self) -> u64 {
        let entries = self.entries_mut().map_or(0, |entries| entries.dirty_bytes());
        self.cache.dirty_bytes() + self.timers.dirty_bytes() + entries
    }

    /// Bytes that values and keys take in memory, pinned ones included; timers come on top.
    pub fn cached_bytes(&self) -> u64 {
        self.cache.bytes()
    }

    pub fn stats(&self) -> StateStats {
        StateStats {
            hits: self.cache.hits,
            misses: self.cache.misses,
            reads: self.reads,
            evictions: self.cache.evictions,
            entries: self.cache.entries() as u64,
            timers: self.timers.len() as u64,
        }
    }
}

#[cfg(test)]
#[path = "keyed_tests.rs"]
mod tests;
