//! Tests of the Wasm runtime.
