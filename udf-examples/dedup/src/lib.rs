//! Payments that a careless sender sends more than once: only the first of each id goes through.
//!
//! An id is remembered for an hour of event time after it was seen first, so the state does not grow
//! for ever: compaction gives the space of forgotten ids back.

use wasmill_sdk::prelude::*;

/// A payment, as it comes.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Payment<'a> {
    pub id: &'a str,
    pub time: Timestamp,
    pub cents: i64,
}

/// The key.
#[derive(Row, Debug)]
pub struct Id<'a> {
    pub id: &'a str,
}

/// What is known of an id.
#[derive(Slots)]
pub struct Known {
    #[slot(ttl = "1h", since = create)]
    seen: Value<()>,
}

/// Lets the first payment of each id through.
pub struct Dedup {
    repeated: Counter,
}

impl Keyed for Dedup {
    const METRICS: &'static [MetricDef] = &[MetricDef::counter("repeated")];
    type Config = ();
    type In = Payment<'static>;
    type Key = Id<'static>;
    type State = Known;
    type Out = Emit<Payment<'static>>;

    fn open(_: (), ctx: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self { repeated: ctx.counter("repeated")? })
    }

    fn process(
        &mut self,
        _: Id<'_>,
        row: Payment<'_>,
        state: &mut Known,
        out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        if state.seen.get().is_some() {
            ctx.add(self.repeated, 1);
            return Ok(());
        }
        state.seen.put(());
        out.emit(row);
        Ok(())
    }
}

wasmill_sdk::export! {
    /// Lets the first payment of each id through; an id is forgotten an hour after it was seen first.
    "dedup" => keyed Dedup,
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmill_sdk::testing::KeyedTest;

    fn payment(id: &str, minute: i64) -> Payment<'_> {
        Payment { id, time: Timestamp::from_secs(minute * 60), cents: 100 }
    }

    #[test]
    fn the_first_of_each_id_goes_through() {
        for batch_rows in [1, 100] {
            let mut test = KeyedTest::<Dedup>::open([]).expect("opens").event_time("time").batch_rows(batch_rows);
            test.feed([("a", 0), ("b", 1), ("a", 2), ("a", 59)].map(|(id, at)| payment(id, at))).expect("handles");
            assert_eq!(test.output::<Payment<'_>>("out"), [payment("a", 0), payment("b", 1)]);
            assert_eq!(test.counter("repeated"), 2);
        }
    }

    #[test]
    fn an_id_is_forgotten_an_hour_after_it_was_seen_first() {
        let mut test = KeyedTest::<Dedup>::open([]).expect("opens").event_time("time");
        test.feed([payment("a", 0)]).expect("handles");
        test.set_watermark(Timestamp::from_secs(3599)).expect("no timers");
        test.feed([payment("a", 60)]).expect("handles");
        assert_eq!(test.counter("repeated"), 1, "seeing it again does not make it live longer");
        test.set_watermark(Timestamp::from_secs(3600)).expect("no timers");
        test.restart().expect("opens again");
        test.feed([payment("a", 61)]).expect("handles");
        assert_eq!(test.output::<Payment<'_>>("out"), [payment("a", 0), payment("a", 61)]);
    }
}
