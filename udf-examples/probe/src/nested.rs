//! `nested`: rows in rows, lists, decimals and dates through a guest; `takings`: the same as keys and
//! as state.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

/// Money with two digits behind the point.
pub type Money = Decimal<20, 2>;

/// A street; where it is brought in from a wider struct, only this much is.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Address<'a> {
    pub street: &'a str,
    pub zip: Option<&'a str>,
}

/// A stop on the way.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Stop {
    pub day: Option<Date>,
    pub cost: Option<Decimal<6, 2>>,
}

/// A row with all kinds of nesting.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Order<'a> {
    pub id: i64,
    pub day: Date,
    pub price: Option<Money>,
    pub tags: Option<Vec<Option<&'a str>>>,
    pub address: Option<Address<'a>>,
    pub stops: Vec<Stop>,
}

/// Doubles the price, moves the day on by one, turns the tags round, and adds a stop for the day.
/// Orders without a price are refused.
pub struct Nested;

impl Map for Nested {
    type Config = ();
    type In = Order<'static>;
    type Out = Emit<Order<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, mut row: Order<'_>, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        let price = row.price.or_reject("the price is missing")?;
        row.price = Some(price.checked_mul_int(2).or_reject("the price is too large")?);
        row.stops.push(Stop { day: Some(row.day), cost: None });
        row.day = row.day.plus_days(1);
        if let Some(tags) = &mut row.tags {
            tags.reverse();
        }
        out.emit(row);
        Ok(())
    }
}

/// What is summed up.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Sale {
    pub day: Date,
    pub unit: Option<Decimal<6, 2>>,
    pub price: Option<Money>,
}

/// The key: a day, and the cost of a unit.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct PerDay {
    pub day: Date,
    pub unit: Option<Decimal<6, 2>>,
}

/// The takings of a key so far, with all days on which it was sold.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Taking {
    pub day: Date,
    pub unit: Option<Decimal<6, 2>>,
    pub sum: Money,
    pub prices: Vec<Money>,
}

/// The state of a key.
#[derive(Slots)]
pub struct TakingsState {
    pub sold: Value<Sold>,
}

/// All prices, and the last day.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Sold {
    pub prices: Vec<Money>,
    pub last: Date,
}

pub struct Takings;

impl Keyed for Takings {
    type Config = ();
    type In = Sale;
    type Key = PerDay;
    type State = TakingsState;
    type Out = Emit<Taking>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        key: PerDay,
        row: Sale,
        state: &mut TakingsState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let prices = state.sold.update(|sold| {
            sold.prices.extend(row.price);
            sold.last = key.day;
            sold.prices.clone()
        });
        let sum = prices.iter().try_fold(Money::ZERO, |sum, price| sum.checked_add(*price));
        let sum = sum.or_reject("the sum is too large")?;
        out.emit(Taking { day: key.day, unit: key.unit, sum, prices });
        Ok(())
    }
}
