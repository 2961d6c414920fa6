//! Metrics: numbers that a function reports under names that its manifest declares.

use wasmill_abi::effects::EffectsWriter;
use wasmill_abi::manifest::{Metric, MetricKind};

use crate::Error;

/// The declaration of a metric, for `const METRICS` of a function.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::MapTest;
///
/// #[derive(Row)]
/// struct Number {
///     n: i64,
/// }
///
/// struct Count {
///     negative: Counter,
///     last: Gauge,
/// }
///
/// impl Map for Count {
///     const METRICS: &'static [MetricDef] = &[MetricDef::counter("negative"), MetricDef::gauge("last")];
///     type Config = ();
///     type In = Number;
///     type Out = Emit<Number>;
///     fn open(_: (), ctx: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Count { negative: ctx.counter("negative")?, last: ctx.gauge("last")? })
///     }
///     fn map(&mut self, row: Number, _: &mut Self::Out, ctx: &mut Context) -> Result<(), Error> {
///         ctx.add(self.negative, u64::from(row.n < 0));
///         ctx.set(self.last, row.n as f64);
///         Ok(())
///     }
/// }
///
/// let mut test = MapTest::<Count>::open([])?;
/// test.feed([Number { n: -1 }, Number { n: -2 }, Number { n: 3 }])?;
/// assert_eq!(test.counter("negative"), 2);
/// assert_eq!(test.gauge("last"), Some(3.0));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDef {
    name: &'static str,
    kind: MetricKind,
}

impl MetricDef {
    /// A number that only grows; reports are added.
    pub const fn counter(name: &'static str) -> Self {
        Self { name, kind: MetricKind::Counter }
    }

    /// A number that goes up and down; the last report counts.
    pub const fn gauge(name: &'static str) -> Self {
        Self { name, kind: MetricKind::Gauge }
    }

    pub(crate) fn metric(&self) -> Metric {
        Metric { name: self.name.to_owned(), kind: self.kind }
    }

    pub(crate) fn find(defs: &[Self], name: &str, kind: MetricKind) -> Result<u16, Error> {
        match defs.iter().position(|d| d.name == name && d.kind == kind) {
            Some(i) => Ok(i as u16),
            None => Err(Error::fatal(format_args!("no {kind:?} {name:?} is declared; add it to METRICS"))),
        }
    }
}

/// A declared counter; see [`MetricDef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter(pub(crate) u16);

/// A declared gauge; see [`MetricDef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge(pub(crate) u16);

/// What was reported in the current batch, one entry per declared metric.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    counters: Vec<u64>,
    gauges: Vec<Option<f64>>,
}

impl Reports {
    pub(crate) fn new(metrics: usize) -> Self {
        Self { counters: vec![0; metrics], gauges: vec![None; metrics] }
    }

    pub(crate) fn clear(&mut self) {
        self.counters.fill(0);
        self.gauges.fill(None);
    }

    #[inline]
    pub(crate) fn add(&mut self, counter: Counter, n: u64) {
        let total = &mut self.counters[usize::from(counter.0)];
        *total = total.wrapping_add(n);
    }

    #[inline]
    pub(crate) fn set(&mut self, gauge: Gauge, value: f64) {
        self.gauges[usize::from(gauge.0)] = Some(value);
    }

    pub(crate) fn write(&self, effects: &mut EffectsWriter) {
        let counters = self.counters.iter().enumerate().filter(|(_, n)| **n > 0);
        counters.for_each(|(id, n)| effects.counter(id as u16, *n));
        let gauges = self.gauges.iter().enumerate().filter_map(|(id, value)| Some((id, (*value)?)));
        gauges.for_each(|(id, value)| effects.gauge(id as u16, value));
    }
}
