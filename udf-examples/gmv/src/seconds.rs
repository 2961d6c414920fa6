//! Totals that are told once a second: what belongs to seconds that are still open waits, so that a
//! total never holds a part of a second.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// What is added up.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Orders placed, and how many of them were cancelled.
    pub orders: i64,
    pub cancelled: i64,
    /// Cents: of the orders placed, less those that were cancelled.
    pub amount: i64,
}

impl Sums {
    /// Adds `factor` times these.
    pub fn add(&mut self, factor: i64, other: Sums) {
        self.orders += factor * other.orders;
        self.cancelled += factor * other.cancelled;
        self.amount += factor * other.amount;
    }
}

/// A running total, and what waits for seconds that are open.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// The end of the last second that was told, with the total then.
    pub told: Option<(Timestamp, Sums)>,
    /// Open seconds by their ends: one or two while rows come about in order, so a list is enough.
    open: Vec<(Timestamp, Sums)>,
}

/// The end of the second that a row of this time counts in: its own, or the first that is open.
pub fn counts_until(time: Timestamp, watermark: Option<Timestamp>) -> Timestamp {
    let own = time.truncate(SECOND) + SECOND;
    watermark.map_or(own, |watermark| own.max(watermark.truncate(SECOND) + SECOND))
}

impl Running {
    /// Adds `factor` times a change to the second that ends then; returns whether that opened it.
    pub fn add(&mut self, end: Timestamp, factor: i64, change: Sums) -> bool {
        let found = self.open.iter_mut().rev().find(|(open, _)| *open == end);
        match found {
            Some((_, sums)) => {
                sums.add(factor, change);
                false
            }
            None => {
                let mut sums = Sums::default();
                sums.add(factor, change);
                self.open.push((end, sums));
                true
            }
        }
    }

    /// Ends a second: the total with it. `afresh`: the total starts from nothing.
    pub fn close(&mut self, end: Timestamp, afresh: Afresh) -> Sums {
        let mut total = match (self.told, afresh) {
            (Some((_, told)), Afresh::No) => told,
            _ => Sums::default(),
        };
        self.open.retain(|(open, sums)| {
            if *open == end {
                total.add(1, *sums);
            }
            *open != end
        });
        self.told = Some((end, total));
        total
    }
}

/// Whether a total starts from nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afresh {
    Yes,
    No,
}
