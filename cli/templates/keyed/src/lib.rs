//! Averages the readings of each thermometer per minute: rows by key, with state and timers.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wasmill_sdk::prelude::*;

/// What comes in: the columns of the input that the function reads. Text points into the batch and
/// is not copied.
#[derive(Row)]
struct Reading<'a> {
    sensor: &'a str,
    at: Timestamp,
    celsius: f64,
}

/// The key: all rows of a sensor come to the same place, in order.
#[derive(Row)]
struct Sensor<'a> {
    sensor: &'a str,
}

/// What goes out.
#[derive(Row)]
struct Average<'a> {
    sensor: &'a str,
    minute: Timestamp,
    readings: u32,
    celsius: f64,
}

/// What is kept per sensor: the minutes that are not over yet, by their start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Minutes(BTreeMap<Timestamp, Total>);

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Total {
    readings: u32,
    celsius: f64,
}

#[derive(Slots)]
struct State {
    minutes: Value<Minutes>,
}

const MINUTE: Duration = Duration::from_secs(60);

struct PerMinute;

impl Keyed for PerMinute {
    type Config = ();
    type In = Reading<'static>;
    type Key = Sensor<'static>;
    type State = State;
    type Out = Emit<Average<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(PerMinute)
    }

    fn process(
        &mut self,
        _key: Sensor<'_>,
        row: Reading<'_>,
        state: &mut State,
        _out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        let minute = row.at.truncate(MINUTE);
        if ctx.watermark().is_some_and(|w| w >= minute + MINUTE) {
            return Err(Error::reject(format_args!("the minute {minute} is over")));
        }
        state.minutes.update(|minutes| {
            let total = minutes.0.entry(minute).or_default();
            total.readings += 1;
            total.celsius += row.celsius;
        });
        ctx.set_event_timer(minute + MINUTE);
        Ok(())
    }

    /// Event time has passed the end of a minute.
    fn on_timer(
        &mut self,
        key: Sensor<'_>,
        timer: Timer,
        state: &mut State,
        out: &mut Self::Out,
        _ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        let minute = timer.time - MINUTE;
        let mut minutes = state.minutes.get().cloned().unwrap_or_default();
        if let Some(Total { readings, celsius }) = minutes.0.remove(&minute) {
            out.emit(Average { sensor: key.sensor, minute, readings, celsius: celsius / f64::from(readings) });
        }
        // State that is not needed any more should go.
        if minutes.0.is_empty() {
            state.minutes.remove()
        } else {
            state.minutes.put(minutes)
        }
        Ok(())
    }
}

wasmill_sdk::export! {
    /// Averages readings per sensor and minute; a minute goes out when event time has passed it.
    "per-minute" => keyed PerMinute,
}

#[cfg(test)]
mod tests {
    use super::{PerMinute, Reading, Sensor};
    use wasmill_sdk::prelude::*;
    use wasmill_sdk::testing::KeyedTest;

    fn reading(sensor: &'static str, second: i64, celsius: f64) -> Reading<'static> {
        Reading { sensor, at: Timestamp::from_secs(second), celsius }
    }

    #[test]
    fn a_minute_goes_out_when_event_time_has_passed_it() -> Result<(), Error> {
        let mut test = KeyedTest::<PerMinute>::open([])?.event_time("at");
        test.feed([reading("roof", 10, 8.0), reading("cellar", 20, 11.0), reading("roof", 50, 9.0)])?;
        test.set_watermark(Timestamp::from_secs(59))?;
        assert!(test.display("out").is_empty());
        test.set_watermark(Timestamp::from_secs(60))?;
        let mut rows = test.display("out");
        rows.sort();
        assert_eq!(rows, ["cellar, 1970-01-01T00:00:00Z, 1, 11", "roof, 1970-01-01T00:00:00Z, 2, 8.5"]);
        Ok(())
    }

    #[test]
    fn state_survives_a_restart_and_goes_with_its_minute() -> Result<(), Error> {
        let mut test = KeyedTest::<PerMinute>::open([])?.event_time("at");
        test.feed([reading("roof", 10, 8.0)])?;
        test.restart()?;
        test.feed([reading("roof", 20, 10.0)])?;
        test.end_of_input()?;
        assert_eq!(test.display("out"), ["roof, 1970-01-01T00:00:00Z, 2, 9"]);
        assert_eq!(test.state(Sensor { sensor: "roof" }).minutes.get(), None);
        Ok(())
    }

    #[test]
    fn a_reading_of_a_minute_that_is_over_is_refused() -> Result<(), Error> {
        let mut test = KeyedTest::<PerMinute>::open([])?.event_time("at");
        test.set_watermark(Timestamp::from_secs(60))?;
        test.feed([reading("roof", 59, 8.0), reading("roof", 60, 8.0)])?;
        assert_eq!(test.rejects()[0].message, "the minute 1970-01-01T00:00:00Z is over");
        assert_eq!(test.rejects().len(), 1);
        Ok(())
    }
}
