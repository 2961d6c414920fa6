//! The state of one job: one RocksDB, and above it, per keyed operator and subtask, a cache that is
//! also the overlay of what no epoch has committed yet.
//!
//! Nothing uncommitted reaches RocksDB. A subtask reads and changes its [`KeyedState`] in memory;
//! at a barrier it hands in a [`Delta`]; [`Database::commit`] writes the deltas of all subtasks and
//! the number of the epoch in one synced batch. What an uncommitted epoch touched stays in memory
//! until [`KeyedState::committed`] says that it may be evicted. So a crash needs no rollback: what
//! is found on disk is one whole epoch.
//!
//! Values travel with the frames and lie in the cache; maps, lists and merge slots are read by calls
//! and lie in the overlay of [`entries`] until they are committed.
//!
//! Only [`db`] names RocksDB; the rest sees [`Store`]. Nothing here knows functions, threads,
//! sources, sinks or the clock of events.

pub mod db;
mod delta;
mod encoding;
pub mod entries;
mod error;
mod expiry;
pub mod keyed;
pub mod keys;
mod lock;
mod merge;
mod store;

mod cache;
mod slab;
mod timers;

#[cfg(test)]
mod entries_tests;
#[cfg(test)]
mod mem;

pub use db::{Commit, CommitStats, Database, Go, Identity, OutboxEntry, Snapshot, StoredSlot};
pub use delta::Delta;
pub use entries::Entries;
pub use error::StateError;
pub use expiry::{Clock, Form};
pub use keyed::{KeyedState, StateStats};
pub use keys::{ByteList, Grouper, KeySet};
pub use store::Store;
pub use timers::DueTimers;
