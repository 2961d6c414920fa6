//! Times to live: the clock of the row that is handled, and the stamps of what it writes.
//!
//! A stamp is the time at which a value is gone. In event time it follows from the time of the row,
//! or from the watermark if that is later; so it is the same wherever batches are cut. That a value
//! is gone is the host's to say: such a value does not come in.

use std::cell::Cell;

use wasmill_abi::effects::TimerFamily;
use wasmill_abi::manifest::{Ttl, TtlFrom};

thread_local! {
    /// Event time and the clock, in microseconds, of the row or timer that is handled.
    static ROW: Cell<(i64, i64)> = const { Cell::new((i64::MIN, 0)) };
}

/// Starts a row or timer.
pub(crate) fn enter(watermark: i64, event_time: Option<i64>, now: i64) {
    ROW.set((event_time.map_or(watermark, |time| time.max(watermark)), now));
}

/// The stamp of what is written now.
pub(crate) fn stamp(ttl: &Ttl) -> i64 {
    let (event, now) = ROW.get();
    let base = match ttl.clock {
        TimerFamily::Event => event,
        TimerFamily::Processing => now,
    };
    base.saturating_add_unsigned(ttl.micros)
}

/// The stamps of a slot with one value per key.
pub(crate) struct Stamps {
    ttl: Ttl,
    /// By key of the frame; `None`: as it was stored.
    of_keys: Vec<Option<i64>>,
    /// What the current row found.
    before: Option<i64>,
}

impl Stamps {
    pub fn new(ttl: Ttl) -> Self {
        Self { ttl, of_keys: Vec::new(), before: None }
    }

    pub fn load(&mut self, keys: usize) {
        self.of_keys.clear();
        self.of_keys.resize(keys, None);
    }

    /// Keeps what the row found, at its first write.
    pub fn keep(&mut self, key: usize) {
        self.before = self.of_keys[key];
    }

    /// A value is written; `over` says whether over another one.
    pub fn write(&mut self, key: usize, over: bool) {
        if !(over && self.ttl.from == TtlFrom::Create) {
            self.of_keys[key] = Some(stamp(&self.ttl));
        }
    }

    pub fn undo(&mut self, key: usize) {
        self.of_keys[key] = self.before;
    }

    /// The stamp that a value is stored with; `stored` is what came in.
    pub fn of(&self, key: usize, stored: &[u8]) -> [u8; 8] {
        let kept = || stored.first_chunk().copied().unwrap_or_default();
        self.of_keys[key].map_or_else(kept, i64::to_le_bytes)
    }
}
