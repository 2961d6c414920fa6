//! Wasm in the host: compiling modules, running guests, and turning Arrow into frames and effects
//! into Arrow.
//!
//! Three nouns: a [`Runtime`] per process (engine, epoch tick, cache of compiled code), a
//! [`Factory`] per module (compiled, checked, shared by all instances), an [`Instance`] per guest
//! (its store, its limits, its deadline). Nothing here knows jobs, epochs, channels, files of data
//! or state: a call gets a frame and gives back chunks of effects, which the caller may read and
//! apply. All `unsafe` of the host's Wasm stands in `sys`.

pub mod blocks;
mod cache;
mod columns;
mod compile;
pub mod effects;
mod entries;
mod error;
mod factory;
pub mod frame;
mod guest;
mod instance;
mod interface;
mod limiter;
mod log;
mod nesting;
mod runtime;
mod state_calls;
mod sys;

pub(crate) use columns::{block_rows, bytes as column_bytes};
pub use compile::{CompilerProcess, serve as serve_compiler};
pub use effects::{Effects, EffectsReader, EntryRecord, OutputRows, Reject, StateChange};
pub use error::{Advice, CallError, ModuleError, WasmError};
pub use factory::Factory;
pub use guest::Chunk;
pub use instance::Instance;
pub use interface::{Fault, Level};
pub use log::LogSink;
pub use runtime::Runtime;
pub use state_calls::{StateCallError, StateCalls};

#[cfg(test)]
mod tests;
