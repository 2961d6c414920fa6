//! `tally`: sums by another key than the rows came by, to be put behind a keyed function.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

/// The number to add.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Change {
    pub balance: i64,
}

/// The key.
#[derive(Row, Debug)]
pub struct Group {
    pub id: i64,
}

/// The sum of a group after a change.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Subtotal {
    pub id: i64,
    pub rows: u64,
    pub sum: i64,
}

/// The state of a group.
#[derive(Slots)]
pub struct TallyState {
    pub total: Value<Total>,
}

/// A sum, and of how many rows.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Total {
    pub rows: u64,
    pub sum: i64,
}

pub struct Tally;

impl Keyed for Tally {
    type Config = ();
    type In = Change;
    type Key = Group;
    type State = TallyState;
    type Out = Emit<Subtotal>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        key: Group,
        row: Change,
        state: &mut TallyState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let Total { rows, sum } = state.total.update(|total| {
            total.rows += 1;
            total.sum += row.balance;
            total.clone()
        });
        out.emit(Subtotal { id: key.id, rows, sum });
        Ok(())
    }
}
