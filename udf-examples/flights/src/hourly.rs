//! `hourly`: tumbling windows of one hour of event time, written with plain state and timers.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);

/// The key: where a flight starts.
#[derive(Row, Debug)]
pub struct Origin<'a> {
    pub origin: &'a str,
}

/// The columns of a flight that `hourly` needs; the key brings the origin, and nothing else is brought
/// into the function.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Arrival {
    pub date: Timestamp,
    pub delay: i32,
    pub distance: i32,
}

/// Totals of one hour that is not over yet.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Hour {
    pub start: Timestamp,
    pub flights: i64,
    pub delay_sum: i64,
    pub delay_max: i32,
    pub distance_sum: i64,
}

/// The open hours of an origin: one or two while rows come about in order, so a list is enough.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct OpenHours(pub Vec<Hour>);

impl OpenHours {
    /// Adds a flight to its hour; returns whether that opened the hour.
    fn add(&mut self, start: Timestamp, row: &Arrival) -> bool {
        let found = self.0.iter_mut().rev().find(|hour| hour.start == start);
        if let Some(hour) = found {
            hour.flights += 1;
            hour.delay_sum += i64::from(row.delay);
            hour.delay_max = hour.delay_max.max(row.delay);
            hour.distance_sum += i64::from(row.distance);
            return false;
        }
        self.0.push(Hour {
            start,
            flights: 1,
            delay_sum: row.delay.into(),
            delay_max: row.delay,
            distance_sum: row.distance.into(),
        });
        true
    }
}

/// The state of `hourly`, per origin.
#[derive(Slots)]
pub struct HourlyState {
    #[slot(version = 1)]
    pub hours: Value<OpenHours>,
}

/// What `hourly` emits when an hour is over.
#[derive(Row, Debug, PartialEq)]
pub struct HourlyTotals<'a> {
    pub origin: &'a str,
    pub window_start: Timestamp,
    pub flights: i64,
    pub delay_sum: i64,
    pub delay_max: i32,
    pub distance_sum: i64,
}

pub struct Hourly {
    late: Counter,
}

impl Keyed for Hourly {
    const METRICS: &'static [MetricDef] = &[MetricDef::counter("late")];
    type Config = ();
    type In = Arrival;
    type Key = Origin<'static>;
    type State = HourlyState;
    type Out = Emit<HourlyTotals<'static>>;

    fn open(_: (), ctx: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self { late: ctx.counter("late")? })
    }

    fn process(
        &mut self,
        _: Origin<'_>,
        row: Arrival,
        state: &mut HourlyState,
        _: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        let start = row.date.truncate(HOUR);
        let end = start + HOUR;
        if ctx.watermark().is_some_and(|watermark| watermark >= end) {
            ctx.add(self.late, 1);
            return Err(Error::reject(format!("the flight of {} is late: its hour was emitted", row.date)));
        }
        if state.hours.update(|hours| hours.add(start, &row)) {
            ctx.set_event_timer(end);
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        key: Origin<'_>,
        timer: Timer,
        state: &mut HourlyState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let start = timer.time - HOUR;
        let mut hours = state.hours.get().cloned().or_fatal("an hour ended that never began")?;
        let at = hours.0.iter().position(|hour| hour.start == start).or_fatal("an hour ended that never began")?;
        let hour = hours.0.remove(at);
        if hours.0.is_empty() {
            state.hours.remove()
        } else {
            state.hours.put(hours)
        }
        out.emit(HourlyTotals {
            origin: key.origin,
            window_start: start,
            flights: hour.flights,
            delay_sum: hour.delay_sum,
            delay_max: hour.delay_max,
            distance_sum: hour.distance_sum,
        });
        Ok(())
    }
}
