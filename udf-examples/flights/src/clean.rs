//! `clean`: refuses rows that make no sense; changes nothing else about them.

use wasmill_sdk::prelude::*;

use crate::{CleanFlight, Flight};

/// The settings of `clean`.
#[derive(Config)]
pub struct CleanConfig {
    /// Flights at least this late, in minutes, go to the output `long` as well.
    #[config(default = 1440)]
    pub max_delay: i32,
}

/// Where `clean` puts rows.
#[derive(Outputs)]
pub struct CleanOut {
    /// Every good flight.
    pub out: Emit<CleanFlight<'static>>,
    /// The very late ones of them.
    pub long: Emit<CleanFlight<'static>>,
}

/// Codes that [`Clean`] gives to the rows it refuses.
pub mod codes {
    pub const NO_DELAY: u32 = 1;
    pub const BAD_AIRPORT: u32 = 2;
    pub const BAD_DISTANCE: u32 = 3;
}

pub struct Clean {
    max_delay: i32,
    refused: Counter,
}

impl Map for Clean {
    const METRICS: &'static [MetricDef] = &[MetricDef::counter("refused")];
    type Config = CleanConfig;
    type In = Flight<'static>;
    type Out = CleanOut;

    fn open(config: CleanConfig, ctx: &mut OpenContext) -> Result<Self, Error> {
        info!("flights of at least {} minutes delay also go to \"long\"", config.max_delay);
        Ok(Self { max_delay: config.max_delay, refused: ctx.counter("refused")? })
    }

    fn map(&mut self, row: Flight<'_>, out: &mut CleanOut, ctx: &mut Context) -> Result<(), Error> {
        let flight = check(&row).inspect_err(|_| ctx.add(self.refused, 1))?;
        if flight.delay >= self.max_delay {
            out.long.emit(flight.clone());
        }
        out.out.emit(flight);
        Ok(())
    }
}

fn check<'a>(row: &Flight<'a>) -> Result<CleanFlight<'a>, Error> {
    let delay = row.delay.ok_or_else(|| Error::reject("the delay is missing").with_code(codes::NO_DELAY))?;
    if row.distance < 0 {
        let problem = format!("a distance of {} miles is below 0", row.distance);
        return Err(Error::reject(problem).with_code(codes::BAD_DISTANCE));
    }
    let (origin, destination) = (airport("origin", row.origin)?, airport("destination", row.destination)?);
    Ok(CleanFlight { date: row.date, delay, distance: row.distance, origin, destination })
}

fn airport<'a>(field: &str, code: &'a str) -> Result<&'a str, Error> {
    let trimmed = code.trim();
    if trimmed.len() == 3 && trimmed.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(trimmed);
    }
    Err(Error::reject(format!("{field} {code:?} is not an airport code of 3 letters")).with_code(codes::BAD_AIRPORT))
}
