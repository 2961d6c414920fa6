//! Rows that carry the time at which they were sent.

use wasmill_sdk::prelude::*;

#[derive(Row, Debug, Clone, PartialEq)]
pub struct Stamped {
    pub sent_us: u64,
    /// 1 makes the function trap.
    pub trap: u32,
}

pub struct Brittle;

impl Map for Brittle {
    type Config = ();
    type In = Stamped;
    type Out = Emit<Stamped>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, row: Stamped, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        assert!(row.trap == 0, "the row asks for it");
        out.emit(row);
        Ok(())
    }
}
