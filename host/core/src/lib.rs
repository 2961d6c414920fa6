//! Every decision of the Wasmill host, and none of its actions.
//!
//! This crate knows what a job is, whether it is right, when an epoch is complete, which row of a
//! batch is poison. It reads no file, opens no socket, asks no clock, starts no thread, and knows
//! neither Wasm nor RocksDB: machines here take events and return actions, and the carrier acts.

pub mod align;
pub mod bisect;
pub mod epoch;
pub mod event_clock;
pub mod explain;
pub mod generator;
pub mod job;
pub mod life;
pub mod limits;
pub mod listen;
pub mod nexmark;
pub mod orders;
pub mod plan;
pub mod printable;
pub mod stored;
pub mod units;
pub mod watermark;
