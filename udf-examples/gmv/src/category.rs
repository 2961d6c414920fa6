//! `category`: running totals of each category, from orders and cancellations.

use crate::seconds::{Afresh, Running, Sums, counts_until};
use wasmill_sdk::prelude::*;

/// Days begin when they do in Beijing.
const BEIJING: Duration = Duration::from_secs(8 * 3600);

/// The columns of an order that are needed; the key brings the category.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Order<'a> {
    /// `placed`, `paid` or `cancelled`.
    pub kind: &'a str,
    /// Cents.
    pub amount: i64,
    pub created: Timestamp,
}

/// The key.
#[derive(Row, Debug)]
pub struct Category<'a> {
    pub category: &'a str,
}

/// A total: what was ordered on this day before `at`, less what was cancelled.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct CategoryTotal<'a> {
    /// The date in Beijing, as in `2025-11-11`.
    pub day: &'a str,
    pub category: &'a str,
    pub at: Timestamp,
    pub orders: i64,
    pub cancelled: i64,
    pub amount: i64,
}

/// The state of a category.
#[derive(Slots)]
pub struct State {
    #[slot(version = 1)]
    pub running: Value<Running>,
}

pub struct Totals;

/// The day of a second, given by its end.
fn day_of(end: Timestamp) -> String {
    let mut day = ((end - Duration::from_secs(1)) + BEIJING).to_string();
    day.truncate("2025-11-11".len());
    day
}

impl Keyed for Totals {
    type Config = ();
    type In = Order<'static>;
    type Key = Category<'static>;
    type State = State;
    type Out = Changes<CategoryTotal<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Totals)
    }

    fn process(
        &mut self,
        _: Category<'_>,
        row: Order<'_>,
        state: &mut State,
        _: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        let change = match row.kind {
            "placed" => Sums { orders: 1, cancelled: 0, amount: row.amount },
            "cancelled" => Sums { orders: 0, cancelled: 1, amount: -row.amount },
            "paid" => return Ok(()),
            other => return Err(Error::reject(format!("an order is placed, paid or cancelled, not {other:?}"))),
        };
        let end = counts_until(row.created, ctx.watermark());
        if state.running.update(|running| running.add(end, 1, change)) {
            ctx.set_event_timer(end);
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        key: Category<'_>,
        timer: Timer,
        state: &mut State,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let day = day_of(timer.time);
        let row = |(at, sums): (Timestamp, Sums)| CategoryTotal {
            day: &day,
            category: key.category,
            at,
            orders: sums.orders,
            cancelled: sums.cancelled,
            amount: sums.amount,
        };
        let (before, now) = state.running.update(|running| {
            let before = running.told.filter(|(at, _)| day_of(*at) == day);
            let afresh = if before.is_none() { Afresh::Yes } else { Afresh::No };
            (before, (timer.time, running.close(timer.time, afresh)))
        });
        match before {
            None => out.insert(row(now)),
            Some(before) => out.update(row(before), row(now)),
        }
        Ok(())
    }
}
