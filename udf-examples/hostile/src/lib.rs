//! Functions that attack the host, one attack each. A row with `attack: true` starts it; others pass
//! through, so that it shows what becomes of a row's neighbours. `tests/tests/hostile.rs` holds what
//! the host answers to each.
//!
//! What Rust cannot say (bytes that are no effects, keys that it was not given, a manifest that
//! lies) stands there as WebAssembly text.

mod attacks;
mod timers;

pub use attacks::*;
pub use timers::{Echoes, EndlessTimers};
use wasmill_sdk::prelude::*;

/// A row, and whether it is to do harm.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Visitor {
    pub id: i64,
    pub attack: bool,
}

wasmill_sdk::export! {
    /// Never comes back.
    "endless-loop" => map EndlessLoop,
    /// Comes back, much too late.
    "slow-loop" => map SlowLoop,
    /// Takes all memory, a mebibyte at a time.
    "memory-hunger" => map MemoryHunger,
    /// Asks for more memory than there is, at once.
    "memory-gulp" => map MemoryGulp,
    /// Calls itself without end.
    "deep-recursion" => map DeepRecursion,
    /// Puts out a gigabyte.
    "output-flood" => map OutputFlood,
    /// Puts out two mebibytes at once.
    "output-burst" => map OutputBurst,
    /// Panics with a message of a mebibyte.
    "loud-panic" => map LoudPanic,
    /// Panics while it cleans up after a panic.
    "panic-in-drop" => map PanicInDrop,
    /// Traps without a word.
    "silent-trap" => map SilentTrap,
    /// Logs without end.
    "log-flood" => map LogFlood,
    /// Claims that the next try will do, for ever.
    "false-hope" => map FalseHope,
    /// Refuses its row with a message of a mebibyte full of escape sequences.
    "loud-refusal" => map LoudRefusal,
    /// Sets a timer that is due, whenever one fires.
    "endless-timers" => keyed EndlessTimers,
}
