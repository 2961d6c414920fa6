//! Bids with all of their columns.

use wasmill_sdk::prelude::*;

/// A bid, its time in milliseconds. Its texts are borrowed from the batch, not copied row by row.
#[derive(Row, Debug, Clone, PartialEq)]
#[expect(non_snake_case, reason = "the benchmark names its columns so")]
pub struct WholeBid<'a> {
    pub auction: i64,
    pub bidder: i64,
    pub price: i64,
    pub channel: &'a str,
    pub url: &'a str,
    pub dateTime: i64,
    pub extra: &'a str,
}

pub struct Convert;

impl Map for Convert {
    type Config = ();
    type In = WholeBid<'static>;
    type Out = Emit<WholeBid<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, bid: WholeBid<'_>, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        out.emit(WholeBid { price: bid.price * 908 / 1000, ..bid });
        Ok(())
    }
}
