//! Functions by key with one input.

use wasmill_abi::effects::TimerFamily;
use wasmill_abi::frame::Kind;

use crate::by_key::ByKey;
use crate::effects::Push;
use crate::module::Instance;
use crate::{Config, Error, KeyedContext, LateRows, MetricDef, OpenContext, Outputs, Row, RowOf, Slots, Timestamp};

/// A timer that is due; see [`KeyedContext`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// The time that it was set for.
    pub time: Timestamp,
    /// The clock that it waited for.
    pub family: TimerFamily,
}

/// A function that handles the rows of each key in order, with state and timers of that key.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::KeyedTest;
///
/// #[derive(Row)]
/// struct Payment<'a> {
///     account: &'a str,
///     cents: i64,
/// }
/// #[derive(Row)]
/// struct Account<'a> {
///     account: &'a str,
/// }
/// #[derive(Row)]
/// struct Balance<'a> {
///     account: &'a str,
///     cents: i64,
/// }
///
/// #[derive(Serialize, Deserialize, Clone, Default)]
/// struct Totals {
///     cents: i64,
/// }
/// #[derive(Slots)]
/// struct State {
///     totals: Value<Totals>,
/// }
///
/// struct Sum;
/// impl Keyed for Sum {
///     type Config = ();
///     type In = Payment<'static>;
///     type Key = Account<'static>;
///     type State = State;
///     type Out = Emit<Balance<'static>>;
///
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Sum)
///     }
///
///     fn process(
///         &mut self,
///         key: Account<'_>,
///         row: Payment<'_>,
///         state: &mut State,
///         out: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         let cents = state.totals.update(|t| {
///             t.cents += row.cents;
///             t.cents
///         });
///         if cents < 0 {
///             return Err(Error::reject("the account would be overdrawn"));
///         }
///         out.emit(Balance { account: key.account, cents });
///         Ok(())
///     }
/// }
///
/// let mut test = KeyedTest::<Sum>::open([])?;
/// test.feed([
///     Payment { account: "ann", cents: 100 },
///     Payment { account: "ann", cents: -500 },
///     Payment { account: "ann", cents: 20 },
/// ])?;
/// assert_eq!(test.display("out"), ["ann, 100", "ann, 120"]);
/// assert_eq!(test.state(Account { account: "ann" }).totals.get().expect("it has paid").cents, 120);
/// # Ok::<(), Error>(())
/// ```
pub trait Keyed: Sized {
    /// The settings that a job gives; `()` for none.
    type Config: Config;
    /// The rows that come in, with `'static` for a lifetime.
    type In: Row;
    /// The key's columns, with `'static` for a lifetime. The job says which columns they are.
    type Key: Row;
    /// The state of a key: a struct with `#[derive(Slots)]`; `()` for none.
    type State: Slots;
    /// Where rows go: an [`Emit`](crate::Emit), or a struct of them.
    type Out: Outputs;
    /// The metrics that it reports.
    const METRICS: &'static [MetricDef] = &[];
    /// What becomes of rows that come too late; they are rows like all others unless you say more.
    const LATE: LateRows = LateRows::Handled;
    /// Whether it understands changelogs: then [`Context::op`](crate::Context::op) says what each row does. A job that
    /// gives a changelog to a function that does not is refused.
    const READS_CHANGES: bool = false;

    /// Called once, before the first row. An error stops the job.
    fn open(config: Self::Config, ctx: &mut OpenContext) -> Result<Self, Error>;

    /// Handles one row. An error says what becomes of the row, and undoes its outputs, state writes
    /// and timers.
    fn process(
        &mut self,
        key: RowOf<'_, Self::Key>,
        row: RowOf<'_, Self::In>,
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

pub(crate) struct KeyedRunner<F: Keyed> {
    function: F,
    by_key: ByKey<F::State, F::Out>,
}

impl<F: Keyed> KeyedRunner<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, by_key: ByKey::new(F::METRICS.len(), F::LATE, F::READS_CHANGES) }
    }
}

impl<F: Keyed> Instance for KeyedRunner<F> {
    fn process(&mut self, frame: Vec<u8>, push: Push<'_>) -> Result<(), Error> {
        let Self { function, by_key } = self;
        by_key.run(frame, push, |by_key, frame, push| match frame.header.kind {
            Kind::Data => by_key.rows::<F::Key, F::In>(frame, push, |key, row, state, out, ctx| {
                function.process(key, row, state, out, ctx)
            }),
            Kind::Timers => by_key.timers::<F::Key>(frame, push, |key, timer, state, out, ctx| {
                function.on_timer(key, timer, state, out, ctx)
            }),
            Kind::Right => Err(Error::incompatible("a function of one input was given rows of a second one")),
        })
    }
}
