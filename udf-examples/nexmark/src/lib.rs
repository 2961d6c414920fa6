//! Queries of the Nexmark benchmark over bids.

mod stateless;
mod totals;

pub use stateless::{AuctionPrice, Bid, Convert, Pass, Pick};
pub use totals::{Auction, AuctionTotals, Price, Sums, Totals, TotalsState};

wasmill_sdk::export! {
    /// Passes bids through.
    "q0" => map Pass,
    /// Converts prices from dollars to euros.
    "q1" => map Convert,
    /// Keeps the bids of every 123rd auction.
    "q2" => map Pick,
    /// Counts the bids of each auction, with the sum and the highest of their prices; emitted with
    /// every bid.
    "totals" => keyed Totals,
}
