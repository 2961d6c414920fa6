//! Functions that only the benchmark needs.

mod bids;
mod blob;
mod stamp;

pub use bids::{Convert, WholeBid};
pub use blob::{Blob, BlobKey, BlobState, Changed, Touch};
pub use stamp::{Brittle, Stamped};

wasmill_sdk::export! {
    /// Converts the price of whole bids from dollars to euros, as query 1 of Nexmark does.
    "convert-whole" => map Convert,
    /// Keeps 100 bytes per key and changes them with each row.
    "blob" => keyed Blob,
    /// Passes rows, and traps on those that say so.
    "brittle" => map Brittle,
}
