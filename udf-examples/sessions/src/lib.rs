//! Sessions by a gap timer: events of a key belong together until there was a pause.
//!
//! An event opens a session, joins one, or bridges two. Each session has one timer, at its last
//! event and a gap; when an event moves its end, the timer moves along. A session goes out when
//! event time has passed the gap, so the result follows from the data alone.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

/// The key: where flights start.
#[derive(Row, Debug)]
pub struct Airport<'a> {
    pub origin: &'a str,
}

/// What a session needs of a departure.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Departure {
    pub date: Timestamp,
    /// Minutes late at arrival.
    pub delay: i32,
}

/// What goes out when a session has ended.
#[derive(Row, Debug, PartialEq)]
pub struct SessionTotals<'a> {
    pub origin: &'a str,
    /// The first and the last event.
    pub first: Timestamp,
    pub last: Timestamp,
    pub flights: i64,
    pub delay_sum: i64,
}

/// Settings of the job file.
#[derive(Config, Debug)]
pub struct SessionsConfig {
    /// A pause of so many minutes ends a session.
    #[config(default = 60)]
    pub gap_minutes: u32,
}

/// A session that has not ended yet.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Session {
    pub first: Timestamp,
    pub last: Timestamp,
    pub flights: i64,
    pub delay_sum: i64,
}

/// The open sessions of a key, in no order: one, or two while events come out of order.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct OpenSessions(pub Vec<Session>);

/// The state of a key.
#[derive(Slots)]
pub struct SessionsState {
    #[slot(version = 1)]
    pub open: Value<OpenSessions>,
}

pub struct Sessions {
    gap: Duration,
}

impl Session {
    fn of(row: &Departure) -> Self {
        Self { first: row.date, last: row.date, flights: 1, delay_sum: row.delay.into() }
    }

    /// Whether less than a gap lies between the two.
    fn touches(&self, other: &Session, gap: Duration) -> bool {
        self.first < other.last + gap && other.first < self.last + gap
    }

    fn with(self, other: Session) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            flights: self.flights + other.flights,
            delay_sum: self.delay_sum + other.delay_sum,
        }
    }
}

impl Keyed for Sessions {
    const LATE: LateRows = LateRows::Chosen;
    type Config = SessionsConfig;
    type In = Departure;
    type Key = Airport<'static>;
    type State = SessionsState;
    type Out = Emit<SessionTotals<'static>>;

    fn open(config: SessionsConfig, _: &mut OpenContext) -> Result<Self, Error> {
        if config.gap_minutes == 0 {
            return Err(Error::fatal("gap_minutes is 0; a session needs a gap of at least a minute"));
        }
        Ok(Self { gap: Duration::from_secs(60 * u64::from(config.gap_minutes)) })
    }

    fn process(
        &mut self,
        _: Airport<'_>,
        row: Departure,
        state: &mut SessionsState,
        _: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        let mut session = Session::of(&row);
        let mut open = state.open.get().cloned().unwrap_or_default();
        open.0.retain(|other| {
            let joins = other.touches(&Session::of(&row), self.gap);
            if joins {
                ctx.delete_event_timer(other.last + self.gap);
                session = session.with(*other);
            }
            !joins
        });
        // Alone or joined, it would have gone out already.
        if ctx.watermark().is_some_and(|watermark| watermark >= session.last + self.gap) {
            return Err(Error::late());
        }
        ctx.set_event_timer(session.last + self.gap);
        open.0.push(session);
        state.open.put(open);
        Ok(())
    }

    fn on_timer(
        &mut self,
        key: Airport<'_>,
        timer: Timer,
        state: &mut SessionsState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let mut open = state.open.get().cloned().unwrap_or_default();
        let at = open.0.iter().position(|session| session.last + self.gap == timer.time);
        let session = open.0.swap_remove(at.or_fatal("a session ended that never began")?);
        if open.0.is_empty() {
            state.open.remove()
        } else {
            state.open.put(open)
        }
        let Session { first, last, flights, delay_sum } = session;
        out.emit(SessionTotals { origin: key.origin, first, last, flights, delay_sum });
        Ok(())
    }
}

wasmill_sdk::export! {
    /// Totals of flights that leave an airport without a pause, emitted when the pause was long
    /// enough; flights of sessions that are gone leave through `late`.
    "sessions" => keyed Sessions,
}
