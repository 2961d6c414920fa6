//! Functions by key with two inputs.

use wasmill_abi::frame::Kind;

use crate::by_key::ByKey;
use crate::effects::Push;
use crate::module::Instance;
use crate::{Config, Error, KeyedContext, LateRows, MetricDef, OpenContext, Outputs, Row, RowOf, Slots, Timer};

/// A function that handles the rows of two inputs by one key, with state and timers of that key: a
/// join, say, or rows that are enriched by what another stream said last.
///
/// Rows of one key and one input come in the order of their stream. Which of the two inputs is
/// ahead is decided by no data: it may differ from run to run. So let a result depend on event time
/// and not on arrival: keep what came, and emit it from an event timer. A timer fires when *both*
/// inputs are past its time, late rows aside.
///
/// A job names both inputs, and the key of each, whose columns may have different names:
///
/// ```yaml
/// functions:
///   matched:
///     module: shop
///     input: {left: orders, right: payments}
///     key: {left: id, right: order_id}
/// ```
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::CoKeyedTest;
///
/// #[derive(Row)]
/// struct Order {
///     id: u64,
///     at: Timestamp,
///     cents: i64,
/// }
/// #[derive(Row)]
/// struct Payment {
///     order_id: u64,
///     at: Timestamp,
///     cents: i64,
/// }
/// #[derive(Row)]
/// struct Id {
///     id: u64,
/// }
/// #[derive(Row)]
/// struct Settled {
///     id: u64,
///     ordered: i64,
///     paid: i64,
/// }
///
/// #[derive(Slots)]
/// struct Sums {
///     ordered: Value<i64>,
///     paid: Value<i64>,
/// }
///
/// /// Says an hour after an order what was paid for it until then.
/// struct Settle;
/// impl CoKeyed for Settle {
///     type Config = ();
///     type Left = Order;
///     type Right = Payment;
///     type Key = Id;
///     type State = Sums;
///     type Out = Emit<Settled>;
///
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Settle)
///     }
///
///     fn process_left(
///         &mut self,
///         _: Id,
///         row: Order,
///         state: &mut Sums,
///         _: &mut Self::Out,
///         ctx: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         state.ordered.put(row.cents);
///         ctx.set_event_timer(row.at + Duration::from_secs(3600));
///         Ok(())
///     }
///
///     fn process_right(
///         &mut self,
///         _: Id,
///         row: Payment,
///         state: &mut Sums,
///         _: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         state.paid.update(|paid| *paid += row.cents);
///         Ok(())
///     }
///
///     fn on_timer(
///         &mut self,
///         key: Id,
///         _: Timer,
///         state: &mut Sums,
///         out: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         let ordered = *state.ordered.get().or_fatal("a timer without an order")?;
///         let paid = state.paid.get().copied().unwrap_or(0);
///         out.emit(Settled { id: key.id, ordered, paid });
///         state.ordered.remove();
///         state.paid.remove();
///         Ok(())
///     }
/// }
///
/// let mut test = CoKeyedTest::<Settle>::open([])?.key_columns(&["id"], &["order_id"]);
/// test.feed_right([Payment { order_id: 7, at: Timestamp::from_secs(9), cents: 300 }])?;
/// test.feed_left([Order { id: 7, at: Timestamp::from_secs(5), cents: 500 }])?;
/// test.end_of_input()?;
/// assert_eq!(test.display("out"), ["7, 500, 300"]);
/// # Ok::<(), Error>(())
/// ```
pub trait CoKeyed: Sized {
    /// The settings that a job gives; `()` for none.
    type Config: Config;
    /// The rows of the left input, with `'static` for a lifetime.
    type Left: Row;
    /// The rows of the right input, with `'static` for a lifetime.
    type Right: Row;
    /// The key's columns, with `'static` for a lifetime. The job says for each input which columns
    /// they are.
    type Key: Row;
    /// The state of a key: a struct with `#[derive(Slots)]`; `()` for none.
    type State: Slots;
    /// Where rows go: an [`Emit`](crate::Emit), or a struct of them.
    type Out: Outputs;
    /// The metrics that it reports.
    const METRICS: &'static [MetricDef] = &[];
    /// What becomes of rows that come too late. The outputs for them are `late_left` and
    /// `late_right`.
    const LATE: LateRows = LateRows::Handled;
    /// Whether it understands changelogs, on either input: then [`Context::op`](crate::Context::op)
    /// says what each row does. A job that gives a changelog to a function that does not is refused.
    const READS_CHANGES: bool = false;

    /// Called once, before the first row. An error stops the job.
    fn open(config: Self::Config, ctx: &mut OpenContext) -> Result<Self, Error>;

    /// Handles one row of the left input. An error says what becomes of the row, and undoes its
    /// outputs, state writes and timers.
    fn process_left(
        &mut self,
        key: RowOf<'_, Self::Key>,
        row: RowOf<'_, Self::Left>,
        state: &mut Self::State,
        out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error>;

    /// Handles one row of the right input, like [`CoKeyed::process_left`].
    fn process_right(
        &mut self,
        key: RowOf<'_, Self::Key>,
        row: RowOf<'_, Self::Right>,
        state: &mut Self::State,
        out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error>;

    /// Handles a timer that is due; it exists no longer. Does nothing unless you write it.
    fn on_timer(
        &mut self,
        key: RowOf<'_, Self::Key>,
        timer: Timer,
        state: &mut Self::State,
        out: &mut Self::Out,
        ctx: &mut KeyedContext,
    ) -> Result<(), Error> {
        let _ = (key, timer, state, out, ctx);
        Ok(())
    }
}

pub(crate) struct CoKeyedRunner<F: CoKeyed> {
    function: F,
    by_key: ByKey<F::State, F::Out>,
}

impl<F: CoKeyed> CoKeyedRunner<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, by_key: ByKey::new(F::METRICS.len(), F::LATE, F::READS_CHANGES) }
    }
}

impl<F: CoKeyed> Instance for CoKeyedRunner<F> {
    fn process(&mut self, frame: Vec<u8>, push: Push<'_>) -> Result<(), Error> {
        let Self { function, by_key } = self;
        by_key.run(frame, push, |by_key, frame, push| match frame.header.kind {
            Kind::Data => by_key.rows::<F::Key, F::Left>(frame, push, |key, row, state, out, ctx| {
                function.process_left(key, row, state, out, ctx)
            }),
            Kind::Right => by_key.rows::<F::Key, F::Right>(frame, push, |key, row, state, out, ctx| {
                function.process_right(key, row, state, out, ctx)
            }),
            Kind::Timers => by_key.timers::<F::Key>(frame, push, |key, timer, state, out, ctx| {
                function.on_timer(key, timer, state, out, ctx)
            }),
        })
    }
}
