//! The timers of one keyed operator's subtask, all in memory, and what of them changed in the
//! current epoch.
//!
//! A timer is its family, time and key; setting it twice is setting it once. Nothing here knows
//! watermarks, clocks or the database.

use super::delta::Changes;
use super::encoding::{StoredTimer, timer_key};
use super::keys::{Grouper, KeySet};
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::ops::Bound;
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::hash::key_group;

/// Timers that are due, each of another key, ordered by time and then key. Its memory is used again.
#[derive(Debug, Default)]
pub struct DueTimers {
    times: Vec<i64>,
    keys: Grouper,
}

impl DueTimers {
    pub fn new() -> Self {
        Self::default()
    }

    /// Microseconds, one per timer.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The key of each timer.
    pub fn keys(&self) -> &KeySet {
        self.keys.keys()
    }

    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    fn clear(&mut self) {
        self.times.clear();
        self.keys.clear();
    }

    /// Takes the timer, unless one of its key is here.
    fn offer(&mut self, time: i64, key: &[u8], hash: u32) -> bool {
        let is_new = self.keys.add(key, hash) as usize == self.times.len();
        if is_new {
            self.times.push(time);
        }
        is_new
    }
}

/// So much that a timer is one cache line.
const INLINE_KEY: usize = 38;

enum Key {
    Inline(u8, [u8; INLINE_KEY]),
    Heap(Box<[u8]>),
}

impl Key {
    fn new(key: &[u8]) -> Self {
        if key.len() > INLINE_KEY {
            return Self::Heap(key.into());
        }
        let mut inline = [0; INLINE_KEY];
        inline[..key.len()].copy_from_slice(key);
        Self::Inline(key.len() as u8, inline)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }
}

#[repr(align(64))]
struct Timer {
    time: i64,
    key: Key,
    /// The key's hash.
    hash: u32,
    /// Its position in its bucket, while it is set.
    position: u32,
    family: TimerFamily,
    set: bool,
    /// The last delta, or else the database, holds it.
    stored: bool,
    /// It is in the list of what may have changed since the last delta. A timer that is neither
    /// set nor dirty is free.
    dirty: bool,
}

const _: () = assert!(size_of::<Timer>() == 64);

/// The timers of one time.
#[derive(Default)]
struct Bucket {
    ids: Vec<u32>,
    /// By descending key, so that the first to fire is popped.
    sorted: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Timers {
    timers: Vec<Timer>,
    free: Vec<u32>,
    /// All timers that are set or dirty.
    table: HashTable<(u32, u32)>,
    queues: [BTreeMap<i64, Bucket>; 2],
    dirty: Vec<u32>,
    dirty_bytes: u64,
    set: usize,
}

/// Bytes of a timer in a delta besides its key.
const CHANGE_BYTES: u64 = 23;

/// The hash of a timer; its high half stands in the table.
fn timer_hash(family: TimerFamily, time: i64, hash: u32) -> u64 {
    let mut h = (time as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    h = (h ^ u64::from(hash) ^ (family as u64) << 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    h ^ h >> 32
}

/// A bucket holds half of the hash; the rest is found again by the timer itself when it grows.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Timers {
    /// Adds a timer that the database holds.
    pub fn load(&mut self, timer: &StoredTimer<'_>, hash: u32) {
        self.set(timer.family, timer.time, timer.key, hash);
        if let Some(id) = self.dirty.pop() {
            self.timers[id as usize].stored = true;
            self.timers[id as usize].dirty = false;
        }
        self.dirty_bytes = 0;
    }

    pub fn set(&mut self, family: TimerFamily, time: i64, key: &[u8], hash: u32) {
        if let Some(id) = self.find(family, time, key, hash) {
            if !self.timers[id as usize].set {
                self.enqueue(id);
            }
            return;
        }
        let full = timer_hash(family, time, hash);
        let (key, position) = (Key::new(key), 0);
        let timer = Timer { time, key, hash, position, family, set: false, stored: false, dirty: false };
        let id = match self.free.pop() {
            Some(id) => {
                self.timers[id as usize] = timer;
                id
            }
            None => {
                self.timers.push(timer);
                self.timers.len() as u32 - 1
            }
        };
        let timers = &self.timers;
        self.table.insert_unique(full, (tag(full), id), |&(_, id)| {
            let t = &timers[id as usize];
            timer_hash(t.family, t.time, t.hash)
        });
        self.mark(id);
        self.enqueue(id);
    }

    pub fn delete(&mut self, family: TimerFamily, time: i64, key: &[u8], hash: u32) {
        let Some(id) = self.find(family, time, key, hash) else { return };
        if self.timers[id as usize].set {
            self.dequeue(id);
            self.mark(id);
        }
    }

    fn find(&self, family: TimerFamily, time: i64, key: &[u8], hash: u32) -> Option<u32> {
        let full = timer_hash(family, time, hash);
        let is_it = |&(t, id): &(u32, u32)| {
            let timer = &self.timers[id as usize];
            t == tag(full) && timer.time == time && timer.family == family && timer.key.bytes() == key
        };
        self.table.find(full, is_it).map(|&(_, id)| id)
    }

    fn mark(&mut self, id: u32) {
        let timer = &mut self.timers[id as usize];
        if !timer.dirty {
            timer.dirty = true;
            self.dirty.push(id);
            self.dirty_bytes += CHANGE_BYTES + timer.key.bytes().len() as u64;
        }
    }

    fn enqueue(&mut self, id: u32) {
        let timer = &mut self.timers[id as usize];
        let bucket = self.queues[timer.family as usize].entry(timer.time).or_default();
        timer.set = true;
        timer.position = bucket.ids.len() as u32;
        bucket.ids.push(id);
        bucket.sorted = false;
        self.set += 1;
    }

    fn dequeue(&mut self, id: u32) {
        let timer = &mut self.timers[id as usize];
        timer.set = false;
        let (position, time, family) = (timer.position as usize, timer.time, timer.family);
        let queue = &mut self.queues[family as usize];
        let bucket = queue.get_mut(&time).expect("a timer that is set is in its bucket");
        bucket.ids.swap_remove(position);
        if let Some(&moved) = bucket.ids.get(position) {
            self.timers[moved as usize].position = position as u32;
            bucket.sorted = false;
        }
        if bucket.ids.is_empty() {
            queue.remove(&time);
        }
        self.set -= 1;
    }

    /// The time of the next timer of a family.
    pub fn next(&self, family: TimerFamily) -> Option<i64> {
        self.queues[family as usize].first_key_value().map(|(&time, _)| time)
    }

    /// Moves up to `max` timers that are due into `due`, each of another key; the later timers of a
    /// key stay. Looks at no more than twice `max` timers and one, so that a key with very many
    /// cannot make this slow.
    pub fn take_due(&mut self, family: TimerFamily, until: i64, max: usize, due: &mut DueTimers) {
        due.clear();
        let mut after = Bound::Unbounded;
        let mut skips_left = max;
        while due.len() < max && skips_left > 0 {
            let queue = &self.queues[family as usize];
            if matches!(after, Bound::Excluded(time) if time >= until) {
                break;
            }
            let Some((&time, _)) = queue.range((after, Bound::Included(until))).next() else { break };
            self.take_at(family, time, max, due, &mut skips_left);
            after = Bound::Excluded(time);
        }
    }

    /// Takes from the timers of one time.
    fn take_at(&mut self, family: TimerFamily, time: i64, max: usize, due: &mut DueTimers, skips_left: &mut usize) {
        let Self { queues, timers, .. } = self;
        let queue = &mut queues[family as usize];
        let bucket = queue.get_mut(&time).expect("the time was just found in the queue");
        sort(bucket, timers);
        let mut skipped = Vec::new();
        let mut taken = Vec::new();
        while due.len() < max && *skips_left > 0 {
            let Some(id) = bucket.ids.pop() else { break };
            let timer = &mut timers[id as usize];
            if due.offer(time, timer.key.bytes(), timer.hash) {
                timer.set = false;
                taken.push(id);
            } else {
                skipped.push(id);
                *skips_left -= 1;
            }
        }
        for id in skipped.into_iter().rev() {
            timers[id as usize].position = bucket.ids.len() as u32;
            bucket.ids.push(id);
        }
        if bucket.ids.is_empty() {
            queue.remove(&time);
        }
        self.set -= taken.len();
        taken.into_iter().for_each(|id| self.mark(id));
    }

    /// Writes what changed since the last call; a timer that came and went is not written.
    pub fn take_changes(&mut self, slot: u32, key_groups: u16) -> Changes {
        let mut changes = Changes::with_capacity(self.dirty_bytes as usize);
        for id in std::mem::take(&mut self.dirty) {
            let timer = &mut self.timers[id as usize];
            timer.dirty = false;
            if timer.set != timer.stored {
                let group = key_group(timer.hash, key_groups);
                let stored = StoredTimer { family: timer.family, time: timer.time, key: timer.key.bytes() };
                changes.push(|out| timer_key(out, group, slot, &stored), timer.set.then_some(b""));
                timer.stored = timer.set;
            }
            if !timer.set {
                self.release(id);
            }
        }
        self.dirty_bytes = 0;
        changes
    }

    fn release(&mut self, id: u32) {
        let timer = &mut self.timers[id as usize];
        timer.key = Key::Inline(0, [0; INLINE_KEY]);
        let full = timer_hash(timer.family, timer.time, timer.hash);
        let found = self.table.find_entry(full, |b| b.1 == id);
        found.expect("every timer that is not free is in the table").remove();
        self.free.push(id);
    }

    pub fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes
    }

    /// Timers that are set.
    pub fn len(&self) -> usize {
        self.set
    }
}

fn sort(bucket: &mut Bucket, timers: &mut [Timer]) {
    if bucket.sorted {
        return;
    }
    bucket.sorted = true;
    // The first bytes decide most comparisons without a look at the timer.
    let first_bytes = |id: u32| {
        let key = timers[id as usize].key.bytes();
        let mut first = [0; 8];
        let len = key.len().min(8);
        first[..len].copy_from_slice(&key[..len]);
        u64::from_be_bytes(first)
    };
    let mut order: Vec<(u64, u32)> = bucket.ids.iter().map(|&id| (first_bytes(id), id)).collect();
    let key = |id: u32| timers[id as usize].key.bytes();
    order.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| key(b.1).cmp(key(a.1))));
    for (position, (_, id)) in order.into_iter().enumerate() {
        bucket.ids[position] = id;
        timers[id as usize].position = position as u32;
    }
}
