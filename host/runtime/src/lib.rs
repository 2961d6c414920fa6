//! The local carrier: runs a plan in this process, with threads, files, RocksDB and wasmtime.

pub mod batch;
pub mod carrier;
pub mod connect;
pub mod exchange;
pub mod failpoint;
pub mod format;
pub mod fragment;
pub mod schema;
pub mod state;
pub mod wasm;
