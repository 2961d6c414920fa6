//! The queries under the native harness.

use nexmark::{Auction, AuctionPrice, AuctionTotals, Bid, Convert, Pick, Price, Totals};
use wasmill_sdk::prelude::*;
use wasmill_sdk::testing::{KeyedTest, MapTest};

#[test]
fn prices_are_converted_and_cut_off() -> Result<(), Error> {
    let mut test = MapTest::<Convert>::open([])?;
    let bid = |price| Bid { auction: 1, bidder: 2, price, dateTime: Timestamp::from_secs(3) };
    test.feed([bid(1000), bid(101)])?;
    assert_eq!(test.output::<Bid>("out"), [bid(908), bid(91)]);
    Ok(())
}

#[test]
fn every_123rd_auction_is_picked() -> Result<(), Error> {
    let mut test = MapTest::<Pick>::open([])?;
    test.feed((0..300).map(|auction| AuctionPrice { auction, price: 7 }))?;
    let picked: Vec<i64> = test.output::<AuctionPrice>("out").iter().map(|b| b.auction).collect();
    assert_eq!(picked, [0, 123, 246]);
    Ok(())
}

#[test]
fn totals_are_kept_per_auction() -> Result<(), Error> {
    let mut test = KeyedTest::<Totals>::open([])?;
    let bids = [(1, 10), (2, 5), (1, 30), (1, 20)];
    test.feed_keyed(bids.map(|(auction, price)| (Auction { auction }, Price { price })))?;
    let totals = |auction, count, sum, max| AuctionTotals { auction, count, sum, max };
    let expected = [totals(1, 1, 10, 10), totals(2, 1, 5, 5), totals(1, 2, 40, 30), totals(1, 3, 60, 30)];
    assert_eq!(test.output::<AuctionTotals>("out"), expected);
    Ok(())
}
