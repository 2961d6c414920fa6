//! Functions that test the host: every column type, every misbehaviour, state, timers.

mod echo;
mod ledger;
mod migrating;
mod misbehave;
mod nested;
mod reconcile;
mod shelf;
mod tally;
mod ticker;

pub use echo::{Echo, Everything};
pub use ledger::{Account, Balance, Ledger, LedgerState, Sum, Transfer};
pub use migrating::{Migrating1, Migrating2, Migrating3, MigratingSame, Peak, Peaked, Running, Written};
pub use misbehave::{Action, Misbehave, misbehave};
pub use nested::{Address, Money, Nested, Order, PerDay, Sale, Sold, Stop, Taking, Takings, TakingsState};
pub use reconcile::{Client, OpenSums, Ordered, Payment, Reconcile, ReconcileState, Reconciled};
pub use shelf::{Act, Shelf, ShelfState, Shelves, Shown};
pub use tally::{Change, Group, Subtotal, Tally, TallyState, Total};
pub use ticker::{Name, Tick, Ticker, TickerState, Wish};

wasmill_sdk::export! {
    /// Passes rows of every column type through.
    "echo" => map Echo,
    /// Does what the column `action` says.
    "misbehave" => map Misbehave,
    /// Keeps a balance per account; does what `action` says after having written it.
    "ledger" => keyed Ledger,
    /// Sets the timers that rows ask for and emits them when they fire.
    "ticker" => keyed Ticker,
    /// Sums what clients ordered and paid, hour by hour.
    "reconcile" => co_keyed Reconcile,
    /// Keeps state of every kind.
    "shelf" => keyed Shelves,
    /// Sums balances by id.
    "tally" => keyed Tally,
    /// Keeps a sum per account: a number.
    "migrating-1" => keyed Migrating1,
    /// Keeps a sum per account with its peak; reads version 1.
    "migrating-2" => keyed Migrating2,
    /// Keeps a sum per account as text; reads versions 1 and 2.
    "migrating-3" => keyed Migrating3,
    /// Keeps a sum per account in another type, under the version of a number.
    "migrating-same" => keyed MigratingSame,
    /// Rows in rows, lists, decimals and dates.
    "nested" => map Nested,
    /// Sums prices by day and unit.
    "takings" => keyed Takings,
}
