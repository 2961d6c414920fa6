//! `migrating-1`, `-2`, `-3`: one running sum, whose stored type changed twice; and `migrating-same`,
//! whose type changed without a new version. A job may switch between them under one operator.

use crate::{Account, Transfer};
use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

/// The sum after a row.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Running<'a> {
    pub account: &'a str,
    pub sum: i64,
}

/// Version 2: with the largest amount that was seen since.
#[derive(Serialize, Deserialize, Clone, Default)]
pub struct Peaked {
    pub sum: i64,
    pub peak: Option<i64>,
}

/// Version 3: text where there were numbers, and how often it was written since.
#[derive(Serialize, Deserialize, Clone, Default)]
pub struct Written {
    pub sum: String,
    pub peak: Peak,
    pub rows: u32,
}

/// Whether an amount was seen since version 2.
#[derive(Serialize, Deserialize, Clone, Default)]
pub enum Peak {
    #[default]
    Unknown,
    Seen(i64),
}

fn from_number(sum: i64) -> Peaked {
    Peaked { sum, peak: None }
}

fn from_peaked(old: Peaked) -> Written {
    Written { sum: old.sum.to_string(), peak: old.peak.map_or(Peak::Unknown, Peak::Seen), rows: 0 }
}

fn add_number(sum: &mut i64, amount: i64) -> i64 {
    *sum += amount;
    *sum
}

fn add_peaked(state: &mut Peaked, amount: i64) -> i64 {
    state.sum += amount;
    state.peak = state.peak.max(Some(amount));
    state.sum
}

fn add_written(state: &mut Written, amount: i64) -> i64 {
    let sum = state.sum.parse().unwrap_or(0) + amount;
    state.sum = sum.to_string();
    state.rows += 1;
    state.peak = match state.peak {
        Peak::Seen(peak) if peak > amount => Peak::Seen(peak),
        _ => Peak::Seen(amount),
    };
    sum
}

fn add_text(state: &mut String, amount: i64) -> i64 {
    let sum = state.parse().unwrap_or(0) + amount;
    *state = sum.to_string();
    sum
}

macro_rules! versions {
    ($($(#[$doc:meta])* $function:ident $state:ident ($($slot:tt)*) $ty:ty, $add:ident;)*) => {$(
        /// The state of an account.
        #[derive(Slots)]
        pub struct $state {
            #[slot($($slot)*)]
            pub total: Value<$ty>,
        }

        $(#[$doc])*
        pub struct $function;

        impl Keyed for $function {
            type Config = ();
            type In = Transfer<'static>;
            type Key = Account<'static>;
            type State = $state;
            type Out = Emit<Running<'static>>;

            fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
                Ok(Self)
            }

            fn process(
                &mut self,
                key: Account<'_>,
                row: Transfer<'_>,
                state: &mut $state,
                out: &mut Self::Out,
                _: &mut KeyedContext,
            ) -> Result<(), Error> {
                let sum = state.total.update(|total| $add(total, row.amount));
                out.emit(Running { account: key.account, sum });
                Ok(())
            }
        }
    )*};
}

versions! {
    /// Stores the sum as a number.
    Migrating1 Migrating1State (version = 1) i64, add_number;
    /// Stores the sum with a peak.
    Migrating2 Migrating2State (version = 2, migrate(1 = from_number)) Peaked, add_peaked;
    /// Stores the sum as text.
    Migrating3 Migrating3State (version = 3, migrate(1 = from_number, 2 = from_peaked)) Written, add_written;
    /// Forgot to raise the version.
    MigratingSame MigratingSameState (version = 1) String, add_text;
}
