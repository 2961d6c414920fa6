//! What a function is told about the world: at `open`, per row, and per row with a key.

use std::ops::{Deref, DerefMut};

use wasmill_abi::Op;
use wasmill_abi::effects::{TimerChange, TimerFamily};
use wasmill_abi::frame::{Header, NO_WATERMARK};
use wasmill_abi::manifest::MetricKind;
use wasmill_abi::open::OpenContext as Opened;

use crate::metric::Reports;
use crate::{Counter, Error, Gauge, MetricDef, Timestamp};

/// Where a function stands, told once when it is opened; see [`Map::open`](crate::Map::open).
///
/// ```
/// # use wasmill_sdk::prelude::*;
/// # use wasmill_sdk::testing::MapTest;
/// # #[derive(Row, Debug, PartialEq)]
/// # struct Number {
/// #     n: i64,
/// # }
/// struct Share {
///     subtask: i64,
/// }
/// impl Map for Share {
/// #   type Config = ();
/// #   type In = Number;
/// #   type Out = Emit<Number>;
///     // (types left out)
///     fn open(_: (), ctx: &mut OpenContext) -> Result<Self, Error> {
///         info!("{} {} of {}", ctx.operator(), ctx.subtask(), ctx.parallelism());
///         Ok(Share { subtask: ctx.subtask().into() })
///     }
/// #   fn map(&mut self, row: Number, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
/// #       out.emit(Number { n: row.n + self.subtask });
/// #       Ok(())
/// #   }
/// }
///
/// let test = MapTest::<Share>::open([])?;
/// assert_eq!(test.logs()[0].1, "test 0 of 1");
/// # Ok::<(), Error>(())
/// ```
pub struct OpenContext {
    opened: Opened,
    metrics: &'static [MetricDef],
}

impl OpenContext {
    pub(crate) fn new(opened: Opened, metrics: &'static [MetricDef]) -> Self {
        Self { opened, metrics }
    }

    /// The job's name.
    pub fn job(&self) -> &str {
        &self.opened.job
    }

    /// The operator's name in the job.
    pub fn operator(&self) -> &str {
        &self.opened.operator
    }

    /// Which of the operator's parallel copies this is, from 0.
    pub fn subtask(&self) -> u16 {
        self.opened.subtask
    }

    /// How many parallel copies there are.
    pub fn parallelism(&self) -> u16 {
        self.opened.parallelism
    }

    /// A counter that `METRICS` declares; fatal if it does not.
    pub fn counter(&self, name: &str) -> Result<Counter, Error> {
        MetricDef::find(self.metrics, name, MetricKind::Counter).map(Counter)
    }

    /// A gauge that `METRICS` declares; fatal if it does not.
    pub fn gauge(&self, name: &str) -> Result<Gauge, Error> {
        MetricDef::find(self.metrics, name, MetricKind::Gauge).map(Gauge)
    }
}

/// The only clock, randomness and reporting that a function has.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::MapTest;
///
/// #[derive(Row)]
/// struct Event {
///     at: Timestamp,
/// }
/// #[derive(Row)]
/// struct Lag {
///     seconds: u64,
/// }
///
/// struct Measure;
/// impl Map for Measure {
///     type Config = ();
///     type In = Event;
///     type Out = Emit<Lag>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Measure)
///     }
///     fn map(&mut self, row: Event, out: &mut Self::Out, ctx: &mut Context) -> Result<(), Error> {
///         out.emit(Lag { seconds: ctx.now().since(row.at).as_secs() });
///         Ok(())
///     }
/// }
///
/// let mut test = MapTest::<Measure>::open([])?;
/// test.set_now(Timestamp::from_secs(100));
/// test.feed([Event { at: Timestamp::from_secs(40) }])?;
/// assert_eq!(test.display("out"), ["60"]);
/// # Ok::<(), Error>(())
/// ```
pub struct Context {
    now: i64,
    watermark: i64,
    event_time: Option<i64>,
    op: Op,
    seed: u64,
    row: u32,
    draws: u32,
    pub(crate) reports: Reports,
}

impl Context {
    pub(crate) fn new(metrics: usize) -> Self {
        let reports = Reports::new(metrics);
        Self { now: 0, watermark: NO_WATERMARK, event_time: None, op: Op::Insert, seed: 0, row: 0, draws: 0, reports }
    }

    /// Starts a batch.
    pub(crate) fn begin(&mut self, header: &Header) {
        self.now = header.now;
        self.watermark = header.watermark;
        self.seed = header.seed;
        self.op = Op::Insert;
        self.reports.clear();
    }

    /// Starts a row or timer of the batch.
    #[inline]
    pub(crate) fn enter(&mut self, row: u32, event_time: Option<i64>) {
        self.row = row;
        self.draws = 0;
        self.event_time = event_time;
    }

    #[inline(always)]
    pub(crate) fn set_op(&mut self, op: Op) {
        self.op = op;
    }

    /// What the row does. Functions with `READS_CHANGES` must ask; all rows of a stream that is no
    /// changelog are inserts. See [`Changes`](crate::Changes) for an example.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The time, which stands still during a batch and is the same when a batch is replayed.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    /// Rows with an earlier event time are late; `None` before the first watermark.
    pub fn watermark(&self) -> Option<Timestamp> {
        (self.watermark != NO_WATERMARK).then(|| Timestamp::from_micros(self.watermark))
    }

    /// The event time of the row, or the time of the timer; `None` in streams without event time.
    pub fn event_time(&self) -> Option<Timestamp> {
        self.event_time.map(Timestamp::from_micros)
    }

    /// The next random number of this row: the same when the batch is replayed, but not when the
    /// row comes in another batch. Not for secrets.
    pub fn random(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
        let position = u64::from(self.row) << 32 | u64::from(self.draws);
        self.draws = self.draws.wrapping_add(1);
        let mix = |z: u64| {
            let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        mix(mix(self.seed).wrapping_add(position.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Adds to a counter. Reports of a rejected row stay, so that rejections can be counted.
    #[inline]
    pub fn add(&mut self, counter: Counter, n: u64) {
        self.reports.add(counter, n);
    }

    /// Sets a gauge.
    #[inline]
    pub fn set(&mut self, gauge: Gauge, value: f64) {
        self.reports.set(gauge, value);
    }
}

/// A [`Context`] that also sets timers for the current key; see [`Keyed`](crate::Keyed).
///
/// A timer is identified by its key, family and time: setting it twice is setting it once.
///
/// ```
/// # use wasmill_sdk::prelude::*;
/// # use wasmill_sdk::testing::KeyedTest;
/// # #[derive(Row)]
/// # struct Ping {
/// #     host: u32,
/// #     at: Timestamp,
/// # }
/// # #[derive(Row)]
/// # struct Host {
/// #     host: u32,
/// # }
/// /// Says when a host was silent for a minute.
/// struct Silence;
/// impl Keyed for Silence {
/// #   type Config = ();
/// #   type In = Ping;
/// #   type Key = Host;
/// #   type Out = Emit<Ping>;
/// #   fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
/// #       Ok(Silence)
/// #   }
///     // (types and open left out)
///     type State = Last;
///
///     fn process(
///         &mut self,
///         _: Host,
///         row: Ping,
///         state: &mut Last,
///         _: &mut Self::Out,
///         ctx: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         let minute = Duration::from_secs(60);
///         if let Some(last) = state.at.get() {
///             ctx.delete_event_timer(*last + minute);
///         }
///         ctx.set_event_timer(row.at + minute);
///         state.at.put(row.at);
///         Ok(())
///     }
///
///     fn on_timer(
///         &mut self,
///         key: Host,
///         timer: Timer,
///         state: &mut Last,
///         out: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         state.at.remove();
///         out.emit(Ping { host: key.host, at: timer.time });
///         Ok(())
///     }
/// }
///
/// #[derive(Slots)]
/// struct Last {
///     at: Value<Timestamp>,
/// }
///
/// let mut test = KeyedTest::<Silence>::open([])?;
/// test.feed([0, 50].map(|s| Ping { host: 1, at: Timestamp::from_secs(s) }))?;
/// test.set_watermark(Timestamp::from_secs(200))?;
/// assert_eq!(test.display("out"), ["1, 1970-01-01T00:01:50Z"]);
/// # Ok::<(), Error>(())
/// ```
pub struct KeyedContext {
    base: Context,
    key: u32,
    pub(crate) timers: Vec<TimerChange>,
}

impl KeyedContext {
    pub(crate) fn new(metrics: usize) -> Self {
        Self { base: Context::new(metrics), key: 0, timers: Vec::new() }
    }

    #[inline]
    pub(crate) fn select(&mut self, key: u32) {
        self.key = key;
    }

    /// Asks for `on_timer` when the watermark reaches this time.
    pub fn set_event_timer(&mut self, at: Timestamp) {
        self.change(TimerFamily::Event, at, false);
    }

    /// Takes back an event timer; nothing happens if there is none.
    pub fn delete_event_timer(&mut self, at: Timestamp) {
        self.change(TimerFamily::Event, at, true);
    }

    /// Asks for `on_timer` when the clock reaches this time.
    pub fn set_processing_timer(&mut self, at: Timestamp) {
        self.change(TimerFamily::Processing, at, false);
    }

    /// Takes back a processing timer; nothing happens if there is none.
    pub fn delete_processing_timer(&mut self, at: Timestamp) {
        self.change(TimerFamily::Processing, at, true);
    }

    #[inline]
    fn change(&mut self, family: TimerFamily, at: Timestamp, delete: bool) {
        let change = TimerChange { time: at.micros(), key: self.key, family, delete };
        // Windows set the same timer again for each row: a run of them is one.
        if self.timers.last() != Some(&change) {
            self.timers.push(change);
        }
    }
}

impl Deref for KeyedContext {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.base
    }
}

impl DerefMut for KeyedContext {
    fn deref_mut(&mut self) -> &mut Context {
        &mut self.base
    }
}
