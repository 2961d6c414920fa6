//! `echo`: rows of every column type, unchanged.

use wasmill_sdk::prelude::*;

/// Every column type, present and nullable.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Everything<'a> {
    pub bool: bool,
    pub i8: i8,
    pub i16: i16,
    pub i32: i32,
    pub i64: i64,
    pub u8: u8,
    pub u16: u16,
    pub u32: u32,
    pub u64: u64,
    pub f32: f32,
    pub f64: f64,
    pub text: &'a str,
    pub bytes: &'a [u8],
    pub time: Timestamp,
    pub opt_bool: Option<bool>,
    pub opt_i8: Option<i8>,
    pub opt_i16: Option<i16>,
    pub opt_i32: Option<i32>,
    pub opt_i64: Option<i64>,
    pub opt_u8: Option<u8>,
    pub opt_u16: Option<u16>,
    pub opt_u32: Option<u32>,
    pub opt_u64: Option<u64>,
    pub opt_f32: Option<f32>,
    pub opt_f64: Option<f64>,
    pub opt_text: Option<&'a str>,
    pub opt_bytes: Option<&'a [u8]>,
    pub opt_time: Option<Timestamp>,
}

pub struct Echo;

impl Map for Echo {
    type Config = ();
    type In = Everything<'static>;
    type Out = Emit<Everything<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, row: Everything<'_>, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        out.emit(row);
        Ok(())
    }
}
