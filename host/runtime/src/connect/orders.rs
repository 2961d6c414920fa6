//! The values of the orders generator: each a pure function of the seed and the event's number, so
//! any part of the stream can be made again. All arithmetic is on 64-bit words and wraps.
//!
//! The guide (`docs/guide/job-file.md`) gives every formula.

use super::nexmark::{G, hi, lo, mix};
use wasmill_core::orders::Orders;

/// The time of event 0 in microseconds since 1970: midnight in Beijing, when 11 November 2025 began.
const BASE_US: u64 = 1_762_790_400_000_000;
/// Between one event and the next.
const STEP_US: u64 = 100;

/// Events of one partition that make a group: orders, then payments, then cancellations.
const GROUP: u64 = 20;
const PLACED: u64 = 12;
const PAID: u64 = 6;
/// Payments are of orders of the group before; cancellations of those of the group before that.
const PAID_AFTER: u64 = 1;
const CANCELLED_AFTER: u64 = 2;

const CATEGORIES: [&str; 31] = [
    "phones",
    "fashion",
    "beauty",
    "appliances",
    "food",
    "shoes",
    "baby",
    "computers",
    "furniture",
    "sports",
    "bags",
    "watches",
    "toys",
    "books",
    "pets",
    "health",
    "kitchen",
    "bedding",
    "lighting",
    "garden",
    "tools",
    "cars",
    "music",
    "games",
    "cameras",
    "jewelry",
    "office",
    "art",
    "travel",
    "wine",
    "flowers",
];
const PROVINCES: [&str; 31] = [
    "Anhui",
    "Beijing",
    "Chongqing",
    "Fujian",
    "Gansu",
    "Guangdong",
    "Guangxi",
    "Guizhou",
    "Hainan",
    "Hebei",
    "Heilongjiang",
    "Henan",
    "Hubei",
    "Hunan",
    "Inner Mongolia",
    "Jiangsu",
    "Jiangxi",
    "Jilin",
    "Liaoning",
    "Ningxia",
    "Qinghai",
    "Shaanxi",
    "Shandong",
    "Shanghai",
    "Shanxi",
    "Sichuan",
    "Tianjin",
    "Tibet",
    "Xinjiang",
    "Yunnan",
    "Zhejiang",
];
const KINDS: [&str; 3] = ["placed", "paid", "cancelled"];

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Placed = 0,
    Paid = 1,
    Cancelled = 2,
}

/// One event: what happens to which order.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    kind: Kind,
    /// The number of the event that placed the order.
    order: u64,
    h0: u64,
}

impl Event {
    pub fn new(n: u64, what: &Orders) -> Self {
        let partitions = u64::from(what.partitions);
        let (partition, position) = (n % partitions, n / partitions);
        let (group, slot) = (position / GROUP, position % GROUP);
        let (kind, after, which) = match slot {
            s if s < PLACED => (Kind::Placed, 0, s),
            s if s < PLACED + PAID => (Kind::Paid, PAID_AFTER, s - PLACED),
            s => (Kind::Cancelled, CANCELLED_AFTER, s - PLACED),
        };
        // The first groups have nobody to pay or cancel.
        let (kind, order) = match kind {
            _ if kind == Kind::Placed || group < after => (Kind::Placed, n),
            kind => {
                let group = group - after;
                // Where the group's payments begin; its cancellations follow, so none is of a paid order.
                let turn = mix((group * partitions + partition).wrapping_mul(G).wrapping_add(what.seed));
                let slot = (hi(turn, PLACED) + which) % PLACED;
                (kind, (group * GROUP + slot) * partitions + partition)
            }
        };
        Self { kind, order, h0: mix(order.wrapping_mul(G).wrapping_add(what.seed)) }
    }

    /// The time of an event in microseconds, which does not depend on what happens.
    pub fn micros(n: u64) -> i64 {
        (BASE_US + n * STEP_US) as i64
    }

    fn h1(self) -> u64 {
        mix(self.h0.wrapping_add(G))
    }

    fn h2(self) -> u64 {
        mix(self.h1().wrapping_add(G))
    }

    fn category(self) -> u64 {
        skewed(lo(self.h1(), 5), self.h2())
    }

    /// A number column, but for the time.
    #[inline]
    pub fn number(self, column: Number, users: u64) -> i64 {
        let value = match column {
            Number::Id => self.order,
            Number::User => hi(self.h0, users),
            Number::Item => 31 * skewed(hi(self.h2(), 16), self.h2() >> 8) + self.category(),
            Number::Amount => 100 + hi(self.h1(), 100_000),
        };
        value as i64
    }

    /// A text column.
    #[inline]
    pub fn text(self, column: Text) -> &'static str {
        match column {
            Text::Kind => KINDS[self.kind as usize],
            Text::Category => CATEGORIES[self.category() as usize],
            Text::Province => PROVINCES[lo(self.h0, 31) as usize],
        }
    }
}

/// A rank below `2^(bits + 1) - 1`. With `bits` uniform, rank r comes about as often as 1 / (r + 1):
/// Zipf's law, without a logarithm.
fn skewed(bits: u64, h: u64) -> u64 {
    let first = (1 << bits) - 1;
    first + (h & first)
}

/// The number columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    Id,
    User,
    Item,
    /// Cents.
    Amount,
}

/// The text columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    Kind,
    Category,
    Province,
}

/// A column of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Number(Number),
    Text(Text),
    Created,
}

impl Column {
    /// The column that the stream has under this name.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Number(Number::Id),
            "user" => Self::Number(Number::User),
            "item" => Self::Number(Number::Item),
            "amount" => Self::Number(Number::Amount),
            "kind" => Self::Text(Text::Kind),
            "category" => Self::Text(Text::Category),
            "province" => Self::Text(Text::Province),
            "created" => Self::Created,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn orders(partitions: u16) -> Orders {
        Orders { events: 0, users: Orders::USERS, partitions, seed: Orders::SEED }
    }

    #[test]
    fn an_order_is_paid_or_cancelled_at_most_once_and_later() {
        for partitions in [1, 3, 4] {
            let what = orders(partitions);
            let (mut placed, mut settled) = (BTreeSet::new(), BTreeSet::new());
            let mut counts = [0; 3];
            for n in 0..20_000 {
                let event = Event::new(n, &what);
                counts[event.kind as usize] += 1;
                match event.kind {
                    Kind::Placed => assert!(event.order == n && placed.insert(n)),
                    _ => {
                        assert!(placed.contains(&event.order), "event {n} is of order {}", event.order);
                        assert!(event.order < n && event.order % u64::from(partitions) == n % u64::from(partitions));
                        assert!(settled.insert(event.order), "order {} is settled twice", event.order);
                    }
                }
            }
            let groups = 20_000 / GROUP;
            let ps = u64::from(partitions);
            let expected = [12 * groups + 6 * ps + 2 * 2 * ps, 6 * (groups - ps), 2 * (groups - 2 * ps)];
            // The last group of a partition may be cut where the events end.
            counts.iter().zip(expected).for_each(|(&is, want)| assert!(want.abs_diff(is) <= 20 * ps, "{counts:?}"));
        }
    }

    #[test]
    fn a_payment_tells_what_its_order_told() {
        let what = orders(4);
        let columns = [Number::Id, Number::User, Number::Item, Number::Amount];
        for n in 0..5000 {
            let event = Event::new(n, &what);
            let order = Event::new(event.order, &what);
            assert_eq!(columns.map(|c| event.number(c, 77)), columns.map(|c| order.number(c, 77)));
            assert_eq!(event.text(Text::Category), order.text(Text::Category));
            assert_eq!(event.text(Text::Province), order.text(Text::Province));
        }
    }

    #[test]
    fn categories_follow_zipf() {
        let what = orders(1);
        let mut counts = BTreeMap::<u64, u64>::new();
        (0..100_000).for_each(|n| *counts.entry(Event::new(n, &what).category()).or_default() += 1);
        assert_eq!(counts.len(), CATEGORIES.len());
        // One fifth has the first category, one fifth the next two, then four, eight, sixteen.
        for (first, last) in [(0, 0), (1, 2), (3, 6), (7, 14), (15, 30)] {
            let share: u64 = counts.range(first..=last).map(|(_, n)| n).sum();
            assert!(share.abs_diff(20_000) < 600, "categories {first} to {last} came {share} times");
        }
    }

    /// The values come from a second implementation of the guide's formulas, in Python.
    #[test]
    fn these_events_stay_as_they_are() {
        let row = |n: u64, what: &Orders| {
            let e = Event::new(n, what);
            let numbers = [Number::Id, Number::User, Number::Item, Number::Amount].map(|c| e.number(c, what.users));
            let [kind, category, province] = [Text::Kind, Text::Category, Text::Province].map(|c| e.text(c));
            format!("{n}: {numbers:?} {kind} {category} {province} {}", Event::micros(n))
        };
        let mut rows = [0, 1, 12, 45, 59, 1_000_000].map(|n| row(n, &orders(1))).to_vec();
        rows.push(row(239, &Orders { seed: 7, ..orders(4) }));
        let expected = [
            "0: [0, 242686, 240, 26846] placed games Anhui 1762790400000000",
            "1: [1, 62059, 480376, 31172] placed phones Qinghai 1762790400000100",
            "12: [12, 93667, 186, 27448] placed phones Yunnan 1762790400001200",
            "45: [45, 910254, 34, 80535] placed appliances Chongqing 1762790400004500",
            "59: [9, 371943, 27437, 65824] cancelled beauty Hebei 1762790400005900",
            "1000000: [1000000, 259301, 75640, 41221] placed phones Tianjin 1762790500000000",
            "239: [23, 344442, 10100, 51122] cancelled jewelry Qinghai 1762790400023900",
        ];
        assert_eq!(rows, expected);
    }
}
