//! Bids with all of their columns.

use wasmill_sdk::prelude::*;

/// A bid, its time in milliseconds.
#[derive(Row, Debug, Clone, PartialEq)]
#[expect(non_snake_case, reason = "the benchmark names its columns so")]
pub struct WholeBid {
    pub auction: i64,
    pub bidder: i64,
    pub price: i64,
    pub channel: String,
    pub url: String,
    pub dateTime: i64,
    pub extra: String,
}

pub struct Convert;

impl Map for Convert {
    type Config = ();
    type In = WholeBid;
    type Out = Emit<WholeBid>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, bid: WholeBid, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        out.emit(WholeBid { price: bid.price * 908 / 1000, ..bid });
        Ok(())
    }
}
