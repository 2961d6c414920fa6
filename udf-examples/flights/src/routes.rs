//! `routes`: running totals, one row out for each row in.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

/// The key: from where to where.
#[derive(Row, Debug)]
pub struct Route<'a> {
    pub origin: &'a str,
    pub destination: &'a str,
}

/// The totals of a route.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Totals {
    pub flights: i64,
    pub delay_sum: i64,
    /// `None` before the first flight.
    pub delay_max: Option<i32>,
}

/// The state of `routes`, per route.
#[derive(Slots)]
pub struct RoutesState {
    #[slot(version = 1)]
    pub totals: Value<Totals>,
}

/// The one column of a flight that `routes` needs; the key brings the airports, so that nothing else
/// is brought into the function.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Delay {
    pub delay: i32,
}

/// What `routes` emits with each flight.
#[derive(Row, Debug, PartialEq)]
pub struct RouteTotals<'a> {
    pub origin: &'a str,
    pub destination: &'a str,
    pub flights: i64,
    pub delay_sum: i64,
    pub delay_max: i32,
}

pub struct Routes;

impl Keyed for Routes {
    type Config = ();
    type In = Delay;
    type Key = Route<'static>;
    type State = RoutesState;
    type Out = Emit<RouteTotals<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        key: Route<'_>,
        row: Delay,
        state: &mut RoutesState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let (flights, delay_sum, delay_max) = state.totals.update(|totals| {
            let delay_max = totals.delay_max.map_or(row.delay, |max| max.max(row.delay));
            totals.flights += 1;
            totals.delay_sum += i64::from(row.delay);
            totals.delay_max = Some(delay_max);
            (totals.flights, totals.delay_sum, delay_max)
        });
        out.emit(RouteTotals { origin: key.origin, destination: key.destination, flights, delay_sum, delay_max });
        Ok(())
    }
}
