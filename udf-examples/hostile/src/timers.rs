//! `endless-timers`: a timer that sets the next one at its own time.

use crate::Visitor;
use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

/// The key.
#[derive(Row, Debug)]
pub struct Who {
    pub id: i64,
}

/// How often a key's timer has fired.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Fired(u64);

/// The state of a key.
#[derive(Slots)]
pub struct Echoes {
    pub fired: Value<Fired>,
}

pub struct EndlessTimers;

impl Keyed for EndlessTimers {
    type Config = ();
    type In = Visitor;
    type Key = Who;
    type State = Echoes;
    type Out = Emit<Visitor>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        _: Who,
        row: Visitor,
        _: &mut Echoes,
        out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        if row.attack {
            ctx.set_event_timer(Timestamp::from_micros(0));
        } else {
            out.emit(row);
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: Who,
        timer: Timer,
        state: &mut Echoes,
        _: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        state.fired.update(|fired| fired.0 += 1);
        ctx.set_event_timer(timer.time);
        Ok(())
    }
}
