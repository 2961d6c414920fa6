//! The values of the nexmark generator: each a pure function of the event's number, so any part of
//! the stream can be made again. All arithmetic is on 64-bit words and wraps.

use wasmill_core::nexmark::NexmarkStream;

pub(super) const G: u64 = 0x9E37_79B9_7F4A_7C15;
const SEED: u64 = 0x5EED;
/// The time of event 0, in milliseconds since 1970.
const BASE_MS: u64 = 1_700_000_000_000;

const CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];

/// SplitMix64's output function.
pub(super) fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The high, or low, half of a word, scaled to below `m`.
pub(super) fn hi(h: u64, m: u64) -> u64 {
    (h >> 32).wrapping_mul(m) >> 32
}

pub(super) fn lo(h: u64, m: u64) -> u64 {
    (h & 0xffff_ffff).wrapping_mul(m) >> 32
}

/// One event: its number and the hashes that its values are drawn from. Whoever makes several
/// columns makes the events once.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    n: u64,
    h0: u64,
    h1: u64,
    h2: u64,
}

impl Event {
    #[inline]
    pub fn new(n: u64) -> Self {
        let h0 = mix(n.wrapping_mul(G).wrapping_add(SEED));
        let h1 = mix(h0.wrapping_add(G));
        Self { n, h0, h1, h2: mix(h1.wrapping_add(G)) }
    }

    /// Which stream event `n` belongs to.
    pub fn stream(n: u64) -> NexmarkStream {
        match n % 50 {
            0 => NexmarkStream::Person,
            1..=3 => NexmarkStream::Auction,
            _ => NexmarkStream::Bid,
        }
    }

    fn group(self) -> u64 {
        self.n / 50
    }

    fn micros(self) -> i64 {
        ((BASE_MS + self.n / 100) * 1000) as i64
    }

    /// A recent person: often the one with the latest round number.
    fn person(self, h: u64) -> u64 {
        let e = self.group();
        if h & 3 != 0 { e / 100 * 100 } else { e - hi(h, (e + 1).min(1000)) }
    }

    /// A number column of a stream.
    #[inline]
    pub fn number(self, column: Number, keys: u64) -> i64 {
        let value = match column {
            Number::BidAuction if keys > 0 => hi(self.h0, keys),
            Number::BidAuction => {
                let last = 3 * self.group() + 2;
                if self.h0 & 1 == 0 { last / 100 * 100 } else { last - hi(self.h0, (last + 1).min(100)) }
            }
            Number::BidBidder => self.person(self.h1),
            Number::BidPrice => 100 + hi(self.h2, 1_000_000),
            Number::DateTime => return self.micros(),
            Number::AuctionId => 3 * self.group() + self.n % 50 - 1,
            Number::AuctionSeller => self.person(self.h0),
            Number::AuctionCategory => 10 + hi(self.h1, 5),
            Number::AuctionInitialBid => 100 + lo(self.h1, 1_000_000),
            Number::AuctionReserve => 100 + lo(self.h1, 1_000_000) + hi(self.h2, 1_000_000),
            Number::AuctionExpires => return self.micros() + (10_000 + lo(self.h2, 10_000)) as i64 * 1000,
            Number::PersonId => self.group(),
        };
        value as i64
    }

    /// A text column of a stream, as an index into [`Text::table`].
    #[inline]
    pub fn text(self, column: Text) -> usize {
        let index = match column {
            Text::Channel if self.h2 & 1 == 0 => self.h2 >> 1 & 3,
            Text::Channel => 4 + (self.h2 >> 3 & 63),
            Text::Url => self.h2 >> 9 & 1023,
            Text::BidExtra => self.h2 >> 19 & 15,
            Text::Extra => self.h0 >> 19 & 15,
            Text::Item => self.h0 >> 2 & 1023,
            Text::Description => self.h0 >> 12 & 63,
            Text::Name => hi(self.h0, 99),
            Text::Email => self.h0 & 63,
            Text::Card => self.h0 >> 6 & 63,
            Text::City => lo(self.h1, 10),
            Text::State => hi(self.h1, 6),
        };
        index as usize
    }
}

/// The number columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    BidAuction,
    BidBidder,
    BidPrice,
    /// Microseconds.
    DateTime,
    AuctionId,
    AuctionSeller,
    AuctionCategory,
    AuctionInitialBid,
    AuctionReserve,
    /// Microseconds.
    AuctionExpires,
    PersonId,
}

/// The text columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    Channel,
    Url,
    BidExtra,
    Extra,
    Item,
    Description,
    Name,
    Email,
    Card,
    City,
    State,
}

/// A column of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Number(Number),
    Text(Text),
}

impl Column {
    /// The column that a stream has under this name.
    pub fn of(stream: NexmarkStream, name: &str) -> Option<Self> {
        use NexmarkStream::{Auction, Bid, Person};
        Some(match (stream, name) {
            (Bid, "auction") => Self::Number(Number::BidAuction),
            (Bid, "bidder") => Self::Number(Number::BidBidder),
            (Bid, "price") => Self::Number(Number::BidPrice),
            (Bid, "channel") => Self::Text(Text::Channel),
            (Bid, "url") => Self::Text(Text::Url),
            (Bid, "extra") => Self::Text(Text::BidExtra),
            (Auction, "id") => Self::Number(Number::AuctionId),
            (Auction, "itemName") => Self::Text(Text::Item),
            (Auction, "description") => Self::Text(Text::Description),
            (Auction, "initialBid") => Self::Number(Number::AuctionInitialBid),
            (Auction, "reserve") => Self::Number(Number::AuctionReserve),
            (Auction, "expires") => Self::Number(Number::AuctionExpires),
            (Auction, "seller") => Self::Number(Number::AuctionSeller),
            (Auction, "category") => Self::Number(Number::AuctionCategory),
            (Person, "id") => Self::Number(Number::PersonId),
            (Person, "name") => Self::Text(Text::Name),
            (Person, "email") => Self::Text(Text::Email),
            (Person, "creditCard") => Self::Text(Text::Card),
            (Person, "city") => Self::Text(Text::City),
            (Person, "state") => Self::Text(Text::State),
            (Auction | Person, "extra") => Self::Text(Text::Extra),
            (_, "dateTime") => Self::Number(Number::DateTime),
            _ => return None,
        })
    }
}

impl Text {
    /// All values that the column can have, by the index that [`Event::text`] gives.
    pub fn table(self) -> Vec<String> {
        // Letters of the alphabet in steps, so that texts of a given length differ.
        let letters = |i: usize, len: usize, a: usize, b: usize| {
            (0..len).map(|j| char::from(b'a' + ((a * i + b * j) % 26) as u8)).collect::<String>()
        };
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        match self {
            Text::Channel => owned(&CHANNELS).into_iter().chain((0..64).map(|i| format!("channel-{i}"))).collect(),
            Text::Url => {
                (0..1024).map(|i| format!("https://www.nexmark.com/item.htm?query=1&channel_id={i}")).collect()
            }
            Text::BidExtra | Text::Extra => (0..16).map(|i| letters(i, 32, 7, 3)).collect(),
            Text::Item => (0..1024).map(|i| format!("item-{i}")).collect(),
            Text::Description => (0..64).map(|i| letters(i, 100, 11, 5)).collect(),
            Text::Name => (0..99).map(|i| format!("{} {}", FIRST_NAMES[i / 9], LAST_NAMES[i % 9])).collect(),
            Text::Email => (0..64).map(|i| format!("user{i}@example.com")).collect(),
            Text::Card => (0..64).map(|i| format!("1234 5678 9012 {}", 1000 + i)).collect(),
            Text::City => owned(&CITIES),
            Text::State => owned(&STATES),
        }
    }
}
