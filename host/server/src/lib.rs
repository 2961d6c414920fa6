//! The control plane: which modules there are, which jobs run, and what is told of them.
//!
//! Today it runs one job in the caller's process ([`local`]) and looks into modules ([`modules`]).
//! It knows neither wasmtime nor RocksDB: those stay behind `wasmill-runtime`.

pub mod deadletters;
mod files;
mod key;
mod load;
pub mod local;
pub mod metrics;
pub mod modules;
pub mod state;
