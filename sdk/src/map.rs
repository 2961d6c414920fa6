//! Functions without keys: the trait, and how a frame goes through it.

use wasmill_abi::frame::{Frame, Kind, Tag};

use crate::effects::{Effects, Push};
use crate::module::Instance;
use crate::{Config, Context, Error, LateRows, MetricDef, Op, OpenContext, Outputs, Row, RowOf};

/// A function that handles rows one by one; each may become any number of rows.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::MapTest;
///
/// #[derive(Row)]
/// struct Line<'a> {
///     text: &'a str,
/// }
/// #[derive(Row)]
/// struct Length {
///     bytes: u32,
/// }
///
/// struct Measure;
/// impl Map for Measure {
///     type Config = ();
///     type In = Line<'static>;
///     type Out = Emit<Length>;
///
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Measure)
///     }
///
///     fn map(&mut self, row: Line<'_>, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
///         out.emit(Length { bytes: row.text.len().try_into()? });
///         Ok(())
///     }
/// }
///
/// let mut test = MapTest::<Measure>::open([])?;
/// test.feed([Line { text: "four" }])?;
/// assert_eq!(test.display("out"), ["4"]);
/// # Ok::<(), Error>(())
/// ```
pub trait Map: Sized {
    /// The settings that a job gives; `()` for none.
    type Config: Config;
    /// The rows that come in, with `'static` for a lifetime.
    type In: Row;
    /// Where rows go: an [`Emit`](crate::Emit), or a struct of them.
    type Out: Outputs;
    /// The metrics that it reports.
    const METRICS: &'static [MetricDef] = &[];
    /// Whether it understands changelogs: then [`Context::op`] says what each row does. A job that
    /// gives a changelog to a function that does not is refused.
    const READS_CHANGES: bool = false;

    /// Called once, before the first row. An error stops the job.
    fn open(config: Self::Config, ctx: &mut OpenContext) -> Result<Self, Error>;

    /// Handles one row. An error says what becomes of the row, and undoes what it put out.
    fn map(&mut self, row: RowOf<'_, Self::In>, out: &mut Self::Out, ctx: &mut Context) -> Result<(), Error>;
}

pub(crate) struct MapRunner<F: Map> {
    function: F,
    effects: Effects<F::Out>,
    ctx: Context,
}

impl<F: Map> MapRunner<F> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, effects: Effects::new(LateRows::Handled), ctx: Context::new(F::METRICS.len()) }
    }
}

impl<F: Map> Instance for MapRunner<F> {
    fn process(&mut self, frame: Vec<u8>, push: Push<'_>) -> Result<(), Error> {
        let frame = Frame::read(&frame).map_err(Error::incompatible)?;
        if frame.header.kind != Kind::Data {
            return Err(Error::incompatible("a function without keys was given timers or rows of a second input"));
        }
        self.effects.begin();
        self.ctx.begin(&frame.header);
        let block = frame.columns(&F::In::schema()).map_err(Error::incompatible)?;
        let columns = F::In::columns(&block).map_err(Error::incompatible)?;
        let times = event_times(&frame)?;
        let ops = Ops::of(&frame, F::READS_CHANGES)?;
        for row in 0..frame.header.rows {
            self.ctx.set_op(ops.get(row as usize));
            self.ctx.enter(row, times.map(|t| i64::from_le_bytes(t[row as usize])));
            let values = F::In::read(&columns, row as usize);
            match self.function.map(values, &mut self.effects.outputs, &mut self.ctx) {
                Ok(()) => self.effects.keep(row, push),
                Err(error) => self.effects.refuse(row, error)?,
            }
        }
        let reports = &self.ctx.reports;
        self.effects.finish(push, |writer| {
            reports.write(writer);
            Ok(())
        })
    }
}

/// The operation of each row of a changelog; all rows of other streams are inserts.
pub(crate) struct Ops<'a>(&'a [[u8; 1]]);

impl<'a> Ops<'a> {
    pub fn of(frame: &Frame<'a>, reads_changes: bool) -> Result<Self, Error> {
        if !reads_changes || frame.section(Tag::Op, 0).map_err(Error::incompatible)?.is_none() {
            return Ok(Self(&[]));
        }
        let ops = frame.array::<1>(Tag::Op, frame.header.rows).map_err(Error::incompatible)?;
        match ops.iter().find(|op| Op::from_code(op[0]).is_none()) {
            Some(op) => Err(Error::incompatible(format_args!("the frame has a row with operation {}", op[0]))),
            None => Ok(Self(ops)),
        }
    }

    #[inline(always)]
    pub fn get(&self, row: usize) -> Op {
        self.0.get(row).and_then(|op| Op::from_code(op[0])).unwrap_or_default()
    }
}

/// The event time of each row, if the stream has it.
pub(crate) fn event_times<'a>(frame: &Frame<'a>) -> Result<Option<&'a [[u8; 8]]>, Error> {
    match frame.section(Tag::EventTime, 0).map_err(Error::incompatible)? {
        Some(_) => frame.array(Tag::EventTime, frame.header.rows).map(Some).map_err(Error::incompatible),
        None => Ok(None),
    }
}
