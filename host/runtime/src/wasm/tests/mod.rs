//! Tests of Wasm in the host, with guests written by hand: hostile ones too, that no compiler makes.

mod cache;
mod calls;
mod codec;
mod frames;
mod guests;
mod load;
