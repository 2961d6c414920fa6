//! The local carrier: runs a plan in this process, with threads, files, RocksDB and wasmtime.
//!
//! [`carrier`] owns threads, channels and the order of things: it asks the machines of
//! `wasmill-core` what to do next, and does it. What it drives are rooms that do not know each
//! other's business: [`fragment`] runs operators as one pure call, [`state`] keeps what functions
//! remember, [`wasm`] runs guests, [`connect`] reads and writes bytes, [`format`](mod@format) turns
//! bytes into columns and back, [`exchange`] brings rows to the subtask of their key, [`measure`] holds
//! what is counted of all that.
//!
//! Nothing here decides when an epoch is complete, whether a job is right, or which row is poison;
//! nothing here knows a command line or a server. `docs/ARCHITECTURE.md` is the map.

pub mod batch;
pub mod carrier;
mod codes;
pub mod connect;
pub mod exchange;
pub mod failpoint;
pub mod format;
pub mod fragment;
mod hex;
pub mod letters;
pub mod measure;
pub mod replay;
pub mod schema;
pub mod state;
pub mod wasm;
