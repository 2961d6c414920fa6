//! Functions by key: the trait, and how frames of rows and of timers go through it.

use std::rc::Rc;

use wasmill_abi::effects::TimerFamily;
use wasmill_abi::frame::{Frame, Kind, Tag};

use crate::effects::{Effects, Push};
use crate::map::{Ops, event_times};
use crate::module::Instance;
use crate::state::Stored;
use crate::{Config, Error, KeyedContext, MetricDef, OpenContext, Outputs, Row, RowOf, Slots, Timestamp};

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
    state: F::State,
    effects: Effects<F::Out>,
    ctx: KeyedContext,
    /// Some slot has a time to live.
    expires: bool,
}

impl<F: Keyed> KeyedRunner<F> {
    pub(crate) fn new(function: F) -> Self {
        let ctx = KeyedContext::new(F::METRICS.len());
        let expires = F::State::slots().iter().any(|slot| slot.ttl.is_some());
        Self { function, state: F::State::create(), effects: Effects::new(), ctx, expires }
    }

    fn rows(&mut self, frame: &Frame<'_>, push: Push<'_>) -> Result<(), Error> {
        let block = frame.columns(&F::In::schema()).map_err(Error::incompatible)?;
        let columns = F::In::columns(&block).map_err(Error::incompatible)?;
        let key_block = frame.keys(&F::Key::schema()).map_err(Error::incompatible)?;
        let keys = F::Key::columns(&key_block).map_err(Error::incompatible)?;
        let times = event_times(frame)?;
        let ops = Ops::of(frame, F::READS_CHANGES)?;
        let row_keys = checked_keys(frame, Tag::RowKey, frame.header.rows)?;
        for (row, key) in row_keys.iter().enumerate() {
            let key = u32::from_le_bytes(*key);
            self.ctx.set_op(ops.get(row));
            let time = times.map(|t| i64::from_le_bytes(t[row]));
            self.enter(row as u32, key, time);
            if self.expires {
                crate::ttl::enter(frame.header.watermark, time, frame.header.now);
            }
            let mark = self.ctx.timers.len();
            let (key, values) = (F::Key::read(&keys, key as usize), F::In::read(&columns, row));
            let out = &mut self.effects.outputs;
            let result = self.function.process(key, values, &mut self.state, out, &mut self.ctx);
            self.leave(row as u32, mark, result, push)?;
        }
        Ok(())
    }

    fn timers(&mut self, frame: &Frame<'_>, push: Push<'_>) -> Result<(), Error> {
        let count = frame.header.timers;
        let key_block = frame.keys(&F::Key::schema()).map_err(Error::incompatible)?;
        let keys = F::Key::columns(&key_block).map_err(Error::incompatible)?;
        let times = frame.array::<8>(Tag::TimerTime, count).map_err(Error::incompatible)?;
        let families = frame.array::<1>(Tag::TimerFamily, count).map_err(Error::incompatible)?;
        let timer_keys = checked_keys(frame, Tag::TimerKey, count)?;
        for (i, key) in timer_keys.iter().enumerate() {
            let key = u32::from_le_bytes(*key);
            let time = i64::from_le_bytes(times[i]);
            let family = TimerFamily::from_code(families[i][0])
                .ok_or_else(|| Error::incompatible(format_args!("timer family {} is unknown", families[i][0])))?;
            self.enter(i as u32, key, Some(time));
            if self.expires {
                let event_time = (family == TimerFamily::Event).then_some(time);
                crate::ttl::enter(frame.header.watermark, event_time, frame.header.now);
            }
            let mark = self.ctx.timers.len();
            let key = F::Key::read(&keys, key as usize);
            let timer = Timer { time: Timestamp::from_micros(time), family };
            let out = &mut self.effects.outputs;
            let result = self.function.on_timer(key, timer, &mut self.state, out, &mut self.ctx);
            self.leave(i as u32, mark, result, push)?;
        }
        Ok(())
    }

    #[inline]
    fn enter(&mut self, row: u32, key: u32, event_time: Option<i64>) {
        self.ctx.enter(row, event_time);
        self.ctx.select(key);
        self.state.select(key as usize);
    }

    #[inline(always)]
    fn leave(&mut self, row: u32, mark: usize, result: Result<(), Error>, push: Push<'_>) -> Result<(), Error> {
        match result {
            Ok(()) => {
                self.effects.keep(row, push);
                Ok(())
            }
            Err(error) => self.refuse(row, mark, error),
        }
    }

    #[cold]
    fn refuse(&mut self, row: u32, mark: usize, error: Error) -> Result<(), Error> {
        // A value that did not decode explains the error better than the function can.
        self.state.fault().map_err(|e| e.at(row))?;
        self.effects.refuse(row, error)?;
        self.state.undo();
        self.ctx.timers.truncate(mark);
        Ok(())
    }
}

impl<F: Keyed> Instance for KeyedRunner<F> {
    fn process(&mut self, frame: Vec<u8>, push: Push<'_>) -> Result<(), Error> {
        let bytes = Rc::new(frame);
        let frame = Frame::read(&bytes).map_err(Error::incompatible)?;
        self.effects.begin();
        self.ctx.begin(&frame.header);
        self.ctx.timers.clear();
        self.state.load(&Stored { bytes: &bytes, frame: &frame })?;
        match frame.header.kind {
            Kind::Data => self.rows(&frame, push)?,
            Kind::Timers => self.timers(&frame, push)?,
        }
        let Self { state, ctx, effects, .. } = self;
        effects.finish(push, |writer| {
            state.fault()?;
            state.write(writer)?;
            if !ctx.timers.is_empty() {
                writer.timers(&ctx.timers);
            }
            ctx.reports.write(writer);
            Ok(())
        })
    }
}

/// Which key each row or timer has, every one of them in range.
fn checked_keys<'a>(frame: &Frame<'a>, tag: Tag, count: u32) -> Result<&'a [[u8; 4]], Error> {
    let keys = frame.array::<4>(tag, count).map_err(Error::incompatible)?;
    let largest = keys.iter().map(|k| u32::from_le_bytes(*k)).max();
    match largest.filter(|k| *k >= frame.header.keys) {
        Some(key) => Err(Error::incompatible(format_args!("the frame names key {key} of {}", frame.header.keys))),
        None => Ok(keys),
    }
}
