//! `day`: the totals of all categories added up, from their changelog.

use crate::seconds::{Afresh, Running, Sums};
use wasmill_sdk::prelude::*;

/// The columns of a category's total that are needed.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Part<'a> {
    pub day: &'a str,
    pub orders: i64,
    pub cancelled: i64,
    pub amount: i64,
}

/// The key.
#[derive(Row, Debug)]
pub struct Date<'a> {
    pub day: &'a str,
}

/// The total of a day before `at`.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct DayTotal<'a> {
    pub day: &'a str,
    pub at: Timestamp,
    pub orders: i64,
    pub cancelled: i64,
    pub amount: i64,
}

/// The state of a day.
#[derive(Slots)]
pub struct State {
    #[slot(version = 1)]
    pub running: Value<Running>,
}

pub struct Day;

impl Keyed for Day {
    const READS_CHANGES: bool = true;
    type Config = ();
    type In = Part<'static>;
    type Key = Date<'static>;
    type State = State;
    type Out = Changes<DayTotal<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Day)
    }

    fn process(
        &mut self,
        _: Date<'_>,
        row: Part<'_>,
        state: &mut State,
        _: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        // Both halves of an update have the time at which it was told: the end of a second.
        let end = ctx.event_time().or_fatal("the source of the orders needs an event_time")?;
        let change = Sums { orders: row.orders, cancelled: row.cancelled, amount: row.amount };
        let factor = ctx.op().factor();
        if state.running.update(|running| running.add(end, factor, change)) {
            ctx.set_event_timer(end);
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        key: Date<'_>,
        timer: Timer,
        state: &mut State,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let row = |(at, sums): (Timestamp, Sums)| DayTotal {
            day: key.day,
            at,
            orders: sums.orders,
            cancelled: sums.cancelled,
            amount: sums.amount,
        };
        let (before, now) = state.running.update(|running| {
            let before = running.told;
            (before, (timer.time, running.close(timer.time, Afresh::No)))
        });
        match before {
            None => out.insert(row(now)),
            Some(before) => out.update(row(before), row(now)),
        }
        Ok(())
    }
}
