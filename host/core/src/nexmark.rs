//! The streams of the nexmark generator and their columns. Which values stand in them is the
//! runtime's business.
//!
//! Source: the Nexmark benchmark (an online auction: persons, auctions, bids), in a variant whose
//! events are a pure function of their number.

use wasmill_abi::{Field, Schema, Type};

/// One of the kinds of events. Of 50 events, the first is a person, the next three are auctions,
/// and all others are bids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NexmarkStream {
    Person,
    Auction,
    Bid,
}

impl NexmarkStream {
    /// Every stream, by the name that job files use.
    pub const ALL: &'static [(&'static str, NexmarkStream)] =
        &[("person", NexmarkStream::Person), ("auction", NexmarkStream::Auction), ("bid", NexmarkStream::Bid)];

    /// All columns that the stream has. A source generates only those that it names.
    pub fn schema(self) -> Schema {
        use Type::{I64, Timestamp, Utf8};
        let columns: &[(&str, Type)] = match self {
            NexmarkStream::Person => &[
                ("id", I64),
                ("name", Utf8),
                ("email", Utf8),
                ("creditCard", Utf8),
                ("city", Utf8),
                ("state", Utf8),
                ("dateTime", Timestamp),
                ("extra", Utf8),
            ],
            NexmarkStream::Auction => &[
                ("id", I64),
                ("itemName", Utf8),
                ("description", Utf8),
                ("initialBid", I64),
                ("reserve", I64),
                ("dateTime", Timestamp),
                ("expires", Timestamp),
                ("seller", I64),
                ("category", I64),
                ("extra", Utf8),
            ],
            NexmarkStream::Bid => &[
                ("auction", I64),
                ("bidder", I64),
                ("price", I64),
                ("channel", Utf8),
                ("url", Utf8),
                ("dateTime", Timestamp),
                ("extra", Utf8),
            ],
        };
        Schema::new(columns.iter().map(|(name, ty)| Field::new(*name, *ty, false)).collect())
    }
}

/// What one source generates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nexmark {
    pub stream: NexmarkStream,
    /// Events of all kinds are numbered from 0; the stream ends before this number.
    pub events: u64,
    /// 0: the benchmark's auctions. Otherwise the auction of a bid is uniform below this number.
    pub keys: u64,
    /// Partition p has the events whose number is p modulo this.
    pub partitions: u16,
}
