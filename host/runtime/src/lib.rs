//! The local carrier: runs a plan in this process, with threads, files, RocksDB and wasmtime.

pub mod batch;
pub mod schema;
