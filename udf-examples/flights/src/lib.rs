//! Flights: cleaned rows, totals per origin and hour, running totals per route.
//!
//! One file per function. The rows that travel between them stand here.

mod clean;
mod hourly;
mod routes;

pub use clean::{Clean, CleanConfig, CleanOut, codes};
pub use hourly::{Arrival, Hour, Hourly, HourlyState, HourlyTotals, OpenHours, Origin};
pub use routes::{Delay, Route, RouteTotals, Routes, RoutesState, Totals};

use wasmill_sdk::prelude::*;

/// A flight, as it comes.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Flight<'a> {
    /// When it departed.
    pub date: Timestamp,
    /// Minutes late at arrival; negative when early.
    pub delay: Option<i32>,
    /// Miles.
    pub distance: i32,
    pub origin: &'a str,
    pub destination: &'a str,
}

/// A flight whose fields can be trusted: codes of three letters, a delay.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct CleanFlight<'a> {
    pub date: Timestamp,
    pub delay: i32,
    pub distance: i32,
    pub origin: &'a str,
    pub destination: &'a str,
}

wasmill_sdk::export! {
    /// Refuses flights that make no sense and trims the airport codes of the others; very late ones
    /// go to the output `long` as well.
    "clean" => map Clean,
    /// Totals of each origin and hour of event time, emitted when the hour is over.
    "hourly" => keyed Hourly,
    /// Running totals of each route, emitted with every flight.
    "routes" => keyed Routes,
}
