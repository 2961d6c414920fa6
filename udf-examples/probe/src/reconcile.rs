//! `reconcile`: two inputs by one key. It sums both per hour of event time, and emits the hour when
//! it is over, so that the result does not depend on which input is ahead.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Row, Debug)]
pub struct Client<'a> {
    pub client: &'a str,
}

#[derive(Row, Debug, Clone, PartialEq)]
pub struct Ordered {
    pub at: Timestamp,
    pub cents: i64,
}

#[derive(Row, Debug, Clone, PartialEq)]
pub struct Payment<'a> {
    pub at: Timestamp,
    pub cents: i64,
    /// `reject` and `panic` are obeyed.
    pub note: Option<&'a str>,
}

#[derive(Row, Debug, PartialEq)]
pub struct Reconciled<'a> {
    pub client: &'a str,
    pub hour: Timestamp,
    pub ordered: i64,
    pub paid: i64,
}

/// Sums of the hours that are not over: start, ordered, paid.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct OpenSums(pub Vec<(Timestamp, i64, i64)>);

#[derive(Slots)]
pub struct ReconcileState {
    pub open: Value<OpenSums>,
}

pub struct Reconcile;

impl Reconcile {
    fn add(state: &mut ReconcileState, at: Timestamp, ordered: i64, paid: i64, ctx: &mut KeyedContext) {
        let start = at.truncate(HOUR);
        state.open.update(|OpenSums(hours)| match hours.iter_mut().find(|hour| hour.0 == start) {
            Some(hour) => (hour.1, hour.2) = (hour.1.wrapping_add(ordered), hour.2.wrapping_add(paid)),
            None => hours.push((start, ordered, paid)),
        });
        ctx.set_event_timer(start + HOUR);
    }
}

impl CoKeyed for Reconcile {
    const LATE: LateRows = LateRows::BehindWatermark;
    type Config = ();
    type Left = Ordered;
    type Right = Payment<'static>;
    type Key = Client<'static>;
    type State = ReconcileState;
    type Out = Emit<Reconciled<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process_left(
        &mut self,
        _: Client<'_>,
        row: Ordered,
        state: &mut ReconcileState,
        _: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        Self::add(state, row.at, row.cents, 0, ctx);
        Ok(())
    }

    fn process_right(
        &mut self,
        _: Client<'_>,
        row: Payment<'_>,
        state: &mut ReconcileState,
        _: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        Self::add(state, row.at, 0, row.cents, ctx);
        match row.note {
            Some("reject") => Err(Error::reject("the payment asked for it")),
            Some("panic") => panic!("the payment asked for it"),
            _ => Ok(()),
        }
    }

    fn on_timer(
        &mut self,
        key: Client<'_>,
        timer: Timer,
        state: &mut ReconcileState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let mut open = state.open.get().cloned().or_fatal("an hour ended that never began")?;
        let at = open.0.iter().position(|hour| hour.0 + HOUR == timer.time);
        let (hour, ordered, paid) = open.0.remove(at.or_fatal("an hour ended that never began")?);
        if open.0.is_empty() {
            state.open.remove()
        } else {
            state.open.put(open)
        }
        out.emit(Reconciled { client: key.client, hour, ordered, paid });
        Ok(())
    }
}
