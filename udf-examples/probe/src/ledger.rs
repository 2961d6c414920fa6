//! `ledger`: balances. It writes state before it misbehaves, so that a balance shows whether a
//! failed row left a trace.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

use crate::misbehave;

/// A change of an account.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Transfer<'a> {
    pub account: &'a str,
    pub id: i64,
    pub amount: i64,
    /// `ok`, `remove` (the account), or a misbehaviour; see [`misbehave`].
    pub action: &'a str,
}

/// The key.
#[derive(Row, Debug)]
pub struct Account<'a> {
    pub account: &'a str,
}

/// What an account has after a change.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Balance<'a> {
    pub account: &'a str,
    /// The row that changed it.
    pub id: i64,
    pub balance: i64,
}

/// The state of an account.
#[derive(Slots)]
pub struct LedgerState {
    #[slot(version = 1)]
    pub balance: Value<Sum>,
    /// The ids of the last rows, at most eight: a value whose size changes.
    #[slot(version = 3)]
    pub recent: Value<Vec<i64>>,
}

/// A sum, and of how many rows.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Sum {
    pub balance: i64,
    pub rows: u64,
}

pub struct Ledger {
    changes: Counter,
    last: Gauge,
}

impl Keyed for Ledger {
    const METRICS: &'static [MetricDef] = &[MetricDef::counter("changes"), MetricDef::gauge("last_balance")];
    type Config = ();
    type In = Transfer<'static>;
    type Key = Account<'static>;
    type State = LedgerState;
    type Out = Emit<Balance<'static>>;

    fn open(_: (), ctx: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self { changes: ctx.counter("changes")?, last: ctx.gauge("last_balance")? })
    }

    fn process(
        &mut self,
        key: Account<'_>,
        row: Transfer<'_>,
        state: &mut LedgerState,
        out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        if row.action == "remove" {
            state.balance.remove();
            state.recent.remove();
            return Ok(());
        }
        let balance = state.balance.update(|sum| {
            sum.balance += row.amount;
            sum.rows += 1;
            sum.balance
        });
        state.recent.update(|ids| {
            ids.push(row.id);
            let surplus = ids.len().saturating_sub(8);
            ids.drain(..surplus);
        });
        out.emit(Balance { account: key.account, id: row.id, balance });
        misbehave(row.action, row.id)?;
        ctx.add(self.changes, 1);
        ctx.set(self.last, balance as f64);
        Ok(())
    }
}
