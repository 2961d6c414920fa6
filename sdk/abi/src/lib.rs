//! What crosses the wall between the Wasmill host and a guest function: schemas, batch frames,
//! effects, the manifest, and the encoding and hashing of keys.
//!
//! This crate is shared by both sides and depends on nothing. It knows bytes only: no Arrow, no
//! Wasm, no files. Everything that reads bytes uses checked arithmetic and returns [`DecodeError`];
//! no input, however hostile, may panic or read out of bounds.
//!
//! All integers are little-endian, except in [`key`], whose encoding is big-endian so that the
//! order of the bytes is the order of the values.

pub mod block;
pub mod calendar;
pub mod calls;
pub mod decimal;
pub mod effects;
pub mod frame;
pub mod hash;
pub mod key;
pub mod manifest;
pub mod op;
pub mod open;
pub mod schema;
pub mod shape;
pub mod wire;

pub use op::Op;
pub use schema::{Field, Schema, Type};
pub use shape::Shape;

/// The ABI that this crate speaks. A different major version is refused; a guest built against a
/// newer minor version than the host's is refused; an older one is served.
pub const ABI_MAJOR: u16 = 0;
/// See [`ABI_MAJOR`].
pub const ABI_MINOR: u16 = 2;

/// Bytes that are not what they claim to be: what was being read, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// The part that was being read, for example `"frame header"`.
    pub what: &'static str,
    /// What is wrong, with the values and limits.
    pub problem: String,
}

impl DecodeError {
    pub fn new(what: &'static str, problem: impl Into<String>) -> Self {
        Self { what, problem: problem.into() }
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "malformed {}: {}", self.what, self.problem)
    }
}

impl std::error::Error for DecodeError {}
