//! Cleans the readings of thermometers: one row in, one row or none out.

use wasmill_sdk::prelude::*;

/// What comes in: the columns of the input that the function reads. Text points into the batch and
/// is not copied.
#[derive(Row)]
struct Reading<'a> {
    sensor: &'a str,
    at: Timestamp,
    celsius: Option<f64>,
}

/// What goes out.
#[derive(Row)]
struct Cleaned<'a> {
    sensor: &'a str,
    at: Timestamp,
    celsius: f64,
    warm: bool,
}

/// What a job can set.
#[derive(Config)]
struct CleanConfig {
    /// From this temperature on a reading is warm.
    #[config(default = 20.0)]
    warm_from: f64,
}

/// The highest temperature that the thermometers can measure.
const CELSIUS_MAX: f64 = 125.0;

struct Clean {
    warm_from: f64,
    missing: Counter,
}

impl Map for Clean {
    const METRICS: &'static [MetricDef] = &[MetricDef::counter("missing")];
    type Config = CleanConfig;
    type In = Reading<'static>;
    type Out = Emit<Cleaned<'static>>;

    fn open(config: CleanConfig, ctx: &mut OpenContext) -> Result<Self, Error> {
        Ok(Clean { warm_from: config.warm_from, missing: ctx.counter("missing")? })
    }

    fn map(&mut self, row: Reading<'_>, out: &mut Self::Out, ctx: &mut Context) -> Result<(), Error> {
        // A gap is normal: no row goes out. Nonsense is not: the row goes to the dead letters.
        let Some(celsius) = row.celsius else {
            ctx.add(self.missing, 1);
            return Ok(());
        };
        if celsius > CELSIUS_MAX {
            return Err(Error::reject(format_args!("{celsius} degrees are more than {CELSIUS_MAX}")));
        }
        out.emit(Cleaned { sensor: row.sensor, at: row.at, celsius, warm: celsius >= self.warm_from });
        Ok(())
    }
}

wasmill_sdk::export! {
    /// Drops gaps, refuses impossible readings, and marks the warm ones.
    "clean" => map Clean,
}

#[cfg(test)]
mod tests {
    use super::{Clean, Reading};
    use wasmill_sdk::prelude::*;
    use wasmill_sdk::testing::MapTest;

    fn reading(celsius: Option<f64>) -> Reading<'static> {
        Reading { sensor: "roof", at: Timestamp::from_secs(0), celsius }
    }

    #[test]
    fn readings_are_marked_warm_from_the_setting_on() -> Result<(), Error> {
        let mut test = MapTest::<Clean>::open([("warm_from", 25.0.into())])?;
        test.feed([reading(Some(24.9)), reading(Some(25.0))])?;
        let expected = ["roof, 1970-01-01T00:00:00Z, 24.9, false", "roof, 1970-01-01T00:00:00Z, 25, true"];
        assert_eq!(test.display("out"), expected);
        Ok(())
    }

    #[test]
    fn gaps_are_counted_and_nonsense_is_refused() -> Result<(), Error> {
        let mut test = MapTest::<Clean>::open([])?;
        test.feed([reading(None), reading(Some(999.9)), reading(Some(8.0))])?;
        assert_eq!(test.counter("missing"), 1);
        assert_eq!(test.rejects()[0].message, "999.9 degrees are more than 125");
        assert_eq!(test.display("out").len(), 1);
        Ok(())
    }
}
