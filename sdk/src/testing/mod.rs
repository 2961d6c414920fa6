//! Runs functions natively, under plain `cargo test`, over the bytes that the host would send.
//!
//! [`MapTest`], [`KeyedTest`] and [`CoKeyedTest`] play the host: they write batch frames, hand them to the code that
//! also runs in the component, read the effects it gives, and keep state and timers in memory. What
//! was put out, refused and logged is in [`Results`], which both dereference to.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use wasmill_sdk::prelude::*;
//! use wasmill_sdk::testing::KeyedTest;
//!
//! #[derive(Row)]
//! struct Ping<'a> {
//!     host: &'a str,
//!     at: Timestamp,
//! }
//! #[derive(Row)]
//! struct Host<'a> {
//!     host: &'a str,
//! }
//!
//! #[derive(Slots)]
//! struct State {
//!     pings: Value<u32>,
//! }
//!
//! /// Counts the pings of each host until it was silent for a minute.
//! struct Sessions;
//! impl Keyed for Sessions {
//!     type Config = ();
//!     type In = Ping<'static>;
//!     type Key = Host<'static>;
//!     type State = State;
//!     type Out = Emit<Session<'static>>;
//!     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
//!         Ok(Sessions)
//!     }
//!     fn process(
//!         &mut self,
//!         _: Host<'_>,
//!         row: Ping<'_>,
//!         state: &mut State,
//!         _: &mut Self::Out,
//!         ctx: &mut KeyedContext,
//!     ) -> Result<(), Error> {
//!         if state.pings.update(|n| { *n += 1; *n }) == 1 {
//!             ctx.set_event_timer(row.at + Duration::from_secs(60));
//!         }
//!         Ok(())
//!     }
//!     fn on_timer(
//!         &mut self,
//!         key: Host<'_>,
//!         timer: Timer,
//!         state: &mut State,
//!         out: &mut Self::Out,
//!         _: &mut KeyedContext,
//!     ) -> Result<(), Error> {
//!         let pings = *state.pings.get().or_fatal("a timer without pings")?;
//!         state.pings.remove();
//!         out.emit(Session { host: key.host, pings, end: timer.time });
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Row)]
//! struct Session<'a> {
//!     host: &'a str,
//!     pings: u32,
//!     end: Timestamp,
//! }
//!
//! let mut test = KeyedTest::<Sessions>::open([])?;
//! test.feed([1, 2, 30].map(|s| Ping { host: "a", at: Timestamp::from_secs(s) }))?;
//! test.set_watermark(Timestamp::from_secs(60))?;
//! assert!(test.display("out").is_empty());
//! test.set_watermark(Timestamp::from_secs(61))?;
//! assert_eq!(test.display("out"), ["a, 3, 1970-01-01T00:01:01Z"]);
//! # Ok::<(), Error>(())
//! ```

mod batch;
mod co_keyed;
mod entries;
mod keyed;
mod keyed_host;
mod keys;
mod map;
mod results;

pub use co_keyed::CoKeyedTest;
#[doc(hidden)]
pub use entries::{Entries, with_entries};
pub use keyed::KeyedTest;
pub use map::MapTest;
pub use results::{Reject, Results};
