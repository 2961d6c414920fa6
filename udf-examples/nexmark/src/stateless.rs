//! Queries 0 to 2: each bid by itself.

use wasmill_sdk::prelude::*;

/// A bid, without the columns that no query reads.
#[derive(Row, Debug, Clone, PartialEq)]
#[expect(non_snake_case, reason = "the benchmark names its columns so")]
pub struct Bid {
    pub auction: i64,
    pub bidder: i64,
    pub price: i64,
    pub dateTime: Timestamp,
}

/// What query 2 emits.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct AuctionPrice {
    pub auction: i64,
    pub price: i64,
}

/// Query 0.
pub struct Pass;

impl Map for Pass {
    type Config = ();
    type In = Bid;
    type Out = Emit<Bid>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, bid: Bid, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        out.emit(bid);
        Ok(())
    }
}

/// Query 1.
pub struct Convert;

impl Map for Convert {
    type Config = ();
    type In = Bid;
    type Out = Emit<Bid>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, bid: Bid, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        out.emit(Bid { price: bid.price * 908 / 1000, ..bid });
        Ok(())
    }
}

/// Query 2.
pub struct Pick;

impl Map for Pick {
    type Config = ();
    type In = AuctionPrice;
    type Out = Emit<AuctionPrice>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, bid: AuctionPrice, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        if bid.auction % 123 == 0 {
            out.emit(bid);
        }
        Ok(())
    }
}
