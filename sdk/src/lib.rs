//! Write functions for Wasmill: streams of rows go through Rust code that is compiled to a
//! WebAssembly component and run exactly once, with state and timers.
//!
//! A function is a struct that implements [`Map`] (one row in, any number of rows out) or
//! [`Keyed`] (the same by key, with state and timers; [`CoKeyed`] with two inputs). Rows are structs with `#[derive(Row)]`,
//! settings structs with `#[derive(Config)]`. [`export!`] names the functions of a crate.
//!
//! ```
//! use wasmill_sdk::prelude::*;
//!
//! #[derive(Row)]
//! struct Flight<'a> {
//!     origin: &'a str,
//!     delay: Option<i32>,
//! }
//!
//! /// Settings of the job file.
//! #[derive(Config)]
//! struct LateConfig {
//!     /// Flights with a smaller delay, in minutes, are left out.
//!     #[config(default = 60)]
//!     minutes: i32,
//! }
//!
//! struct Late {
//!     minutes: i32,
//! }
//!
//! impl Map for Late {
//!     type Config = LateConfig;
//!     type In = Flight<'static>;
//!     type Out = Emit<Flight<'static>>;
//!
//!     fn open(config: LateConfig, _ctx: &mut OpenContext) -> Result<Self, Error> {
//!         Ok(Late { minutes: config.minutes })
//!     }
//!
//!     fn map(&mut self, row: Flight<'_>, out: &mut Self::Out, _ctx: &mut Context) -> Result<(), Error> {
//!         let delay = row.delay.or_reject("the delay is missing")?;
//!         if delay >= self.minutes {
//!             out.emit(row);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! wasmill_sdk::export! {
//!     /// Keeps the flights that are late.
//!     "late" => map Late,
//! }
//!
//! let mut test = wasmill_sdk::testing::MapTest::<Late>::open([("minutes", 30.into())])?;
//! test.feed([
//!     Flight { origin: "JFK", delay: Some(45) },
//!     Flight { origin: "JFK", delay: Some(5) },
//!     Flight { origin: "JFK", delay: None },
//! ])?;
//! assert_eq!(test.display("out"), ["JFK, 45"]);
//! assert_eq!(test.rejects()[0].message, "the delay is missing");
//! # Ok::<(), Error>(())
//! ```
//!
//! # What a function can rely on
//!
//! - A function sees no clock, randomness or environment but what its [`Context`] offers, so that a
//!   batch replays bit for bit. `Instant::now` and `SystemTime::now` panic in a guest. The
//!   `RandomState` of `std::collections::HashMap` has fixed seeds there, so the order of a map's
//!   items is the same in every run; it still differs between the native harness and the guest, so
//!   never let it reach an output.
//! - Only state in slots ([`Value`], [`MapState`], [`ListState`], [`MergeState`]) survives. Fields of the function's struct are a cache: the host
//!   may drop an instance between any two batches and open a new one.
//! - A row whose handling returns [`Error::reject`] leaves no trace but a dead letter: its outputs,
//!   state writes and timers are undone. The other rows of its batch go on.
//! - A panic ends the instance; nothing of the batch is applied, and the host isolates the row.

#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

extern crate self as wasmill_sdk;

mod by_key;
mod cell;
mod changes;
mod co_keyed;
mod columns;
mod config;
mod context;
mod date;
mod decimal;
mod effects;
mod entries;
mod entry_key;
mod fault;
mod host;
mod keyed;
mod late;
mod list_state;
pub mod log;
mod map;
mod map_state;
mod merge_state;
mod metric;
pub mod module;
mod nested;
mod output;
mod row;
mod shape;
mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;
mod ttl;
mod value;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;

pub use changes::Changes;
pub use co_keyed::CoKeyed;
pub use config::{Config, Setting, Settings};
pub use context::{Context, KeyedContext, OpenContext};
pub use date::{Date, ParseDateError};
pub use decimal::{Decimal, ParseDecimalError};
pub use entry_key::{EntryKey, MapKey};
pub use fault::{Error, Fault, OrError};
pub use keyed::{Keyed, Timer};
pub use late::LateRows;
pub use list_state::{ListState, ListValues};
pub use map::Map;
pub use map_state::{MapEntries, MapState};
pub use merge_state::{CounterState, Max, MaxState, Merge, MergeState, Min, MinState, Sum};
pub use metric::{Counter, Gauge, MetricDef};
pub use output::{Emit, Outputs};
pub use row::{Row, RowOf};
pub use state::Slots;
pub use time::{ParseTimestampError, Timestamp};
pub use value::Value;
pub use wasmill_abi::Op;
pub use wasmill_abi::effects::TimerFamily;
pub use wasmill_abi::manifest::ConfigValue;
pub use wasmill_sdk_macros::{Config, Outputs, Row, Slots};

/// Everything that a function's source file needs.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// let noon = "2001-01-01T12:34:56Z".parse::<Timestamp>()?.truncate(Duration::from_secs(3600));
/// assert_eq!(noon.to_string(), "2001-01-01T12:00:00Z");
/// # Ok::<(), Error>(())
/// ```
pub mod prelude {
    pub use crate::{
        Changes, CoKeyed, Config, Context, Counter, CounterState, Date, Decimal, Emit, Error, Gauge, Keyed,
        KeyedContext, LateRows, ListState, Map, MapState, MaxState, MetricDef, MinState, Op, OpenContext, OrError,
        Outputs, Row, RowOf, Slots, Timer, TimerFamily, Timestamp, Value,
    };
    pub use crate::{debug, error, info, trace, warn};
    pub use std::time::Duration;
}

/// What the code that the macros generate needs; not for direct use.
#[doc(hidden)]
pub mod rt {
    pub use crate::cell::{Build, Cell, Scalar};
    pub use crate::module::{FunctionDef, co_keyed_def, keyed_def, map_def};
    pub use crate::nested::{Item, child};
    pub use crate::output::Port;
    pub use crate::row::RowBuilders;
    pub use crate::state::{Cells, Older, Stored, older, shape_taken};
    pub use wasmill_abi::block::{Block, BlockWriter, Column};
    pub use wasmill_abi::effects::EffectsWriter;
    pub use wasmill_abi::manifest::{ConfigField, Output, Slot, SlotKind, Ttl, TtlFrom};
    pub use wasmill_abi::{DecodeError, Field, Schema, Type};
}
