//! `totals`: a running aggregate per auction.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

/// The key.
#[derive(Row, Debug)]
pub struct Auction {
    pub auction: i64,
}

/// The one column of a bid that is added up.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Price {
    pub price: i64,
}

/// What `totals` emits with each bid.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct AuctionTotals {
    pub auction: i64,
    pub count: i64,
    pub sum: i64,
    pub max: i64,
}

/// What is known of an auction.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    pub count: i64,
    pub sum: i64,
    pub max: i64,
}

/// The state of `totals`, per auction.
#[derive(Slots)]
pub struct TotalsState {
    #[slot(version = 1)]
    pub sums: Value<Sums>,
}

pub struct Totals;

impl Keyed for Totals {
    type Config = ();
    type In = Price;
    type Key = Auction;
    type State = TotalsState;
    type Out = Emit<AuctionTotals>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        key: Auction,
        bid: Price,
        state: &mut TotalsState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let Sums { count, sum, max } = state.sums.update(|sums| {
            sums.count += 1;
            sums.sum += bid.price;
            sums.max = sums.max.max(bid.price);
            *sums
        });
        out.emit(AuctionTotals { auction: key.auction, count, sum, max });
        Ok(())
    }
}
