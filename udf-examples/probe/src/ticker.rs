//! `ticker`: sets the timers that rows ask for.

use wasmill_sdk::prelude::*;

/// A timer that is wanted, or not any more.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Wish<'a> {
    pub name: &'a str,
    pub at: Timestamp,
    /// `event`, `processing`, `delete-event`, `delete-processing`; `every` is an event timer that
    /// sets itself again, `times` times in all, a second apart; `reject` sets one and is refused.
    pub what: &'a str,
    pub times: u32,
}

/// The key.
#[derive(Row, Debug)]
pub struct Name<'a> {
    pub name: &'a str,
}

/// A timer that fired.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Tick<'a> {
    pub name: &'a str,
    pub time: Timestamp,
    /// `event` or `processing`.
    pub family: &'a str,
    /// How many fired for this name so far.
    pub ticks: u64,
}

/// The state of a name.
#[derive(Slots)]
pub struct TickerState {
    pub ticks: Value<u64>,
    /// How many times `every` fires yet.
    pub left: Value<u32>,
}

pub struct Ticker;

impl Keyed for Ticker {
    type Config = ();
    type In = Wish<'static>;
    type Key = Name<'static>;
    type State = TickerState;
    type Out = Emit<Tick<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        _: Name<'_>,
        row: Wish<'_>,
        state: &mut TickerState,
        _: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        match row.what {
            "event" => ctx.set_event_timer(row.at),
            "processing" => ctx.set_processing_timer(row.at),
            "delete-event" => ctx.delete_event_timer(row.at),
            "delete-processing" => ctx.delete_processing_timer(row.at),
            "every" => {
                state.left.put(row.times.saturating_sub(1));
                ctx.set_event_timer(row.at);
            }
            other => {
                ctx.set_event_timer(row.at);
                return Err(Error::reject(format!("{:?} asked for {other:?}", row.name)));
            }
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        key: Name<'_>,
        timer: Timer,
        state: &mut TickerState,
        out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        let ticks = state.ticks.update(|ticks| {
            *ticks += 1;
            *ticks
        });
        let family = match timer.family {
            TimerFamily::Event => "event",
            TimerFamily::Processing => "processing",
        };
        if let (TimerFamily::Event, Some(left @ 1..)) = (timer.family, state.left.get().copied()) {
            state.left.put(left - 1);
            ctx.set_event_timer(timer.time + Duration::from_secs(1));
        }
        out.emit(Tick { name: key.name, time: timer.time, family, ticks });
        Ok(())
    }
}
