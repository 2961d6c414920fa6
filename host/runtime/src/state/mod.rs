//! The state of one job: one RocksDB, and above it, per keyed operator and subtask, a cache that is
//! also the overlay of what no epoch has committed yet.
//!
//! Nothing uncommitted reaches RocksDB. A subtask reads and changes its [`KeyedState`] in memory;
//! at a barrier it hands in a [`Delta`]; [`Database::commit`] writes the deltas of all subtasks and
//! the number of the epoch in one synced batch. What an uncommitted epoch touched stays in memory
//! until [`KeyedState::committed`] says that it may be evicted. So a crash needs no rollback: what
//! is found on disk is one whole epoch.
//!
//! Only [`db`] names RocksDB; the rest sees [`Store`]. Nothing here knows functions, threads,
//! sources, sinks or the clock of events.

pub mod db;
mod delta;
mod encoding;
mod error;
pub mod keyed;
pub mod keys;
mod lock;
mod store;

mod cache;
mod slab;
mod timers;

#[cfg(test)]
mod mem;

pub use db::{Commit, CommitStats, Database, Go, Identity, OutboxEntry, Snapshot, StoredSlot};
pub use delta::Delta;
pub use error::StateError;
pub use keyed::{KeyedState, StateStats};
pub use keys::{ByteList, Grouper, KeySet};
pub use store::Store;
pub use timers::DueTimers;
