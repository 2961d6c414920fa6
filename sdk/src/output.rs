//! Outputs: where emitted rows are collected, marked per input row, and written as effects.

use wasmill_abi::Schema;
use wasmill_abi::block::BlockWriter;
use wasmill_abi::effects::EffectsWriter;
use wasmill_abi::manifest::Output;

use crate::row::RowBuilders;
use crate::{Row, RowOf};

/// An output that takes rows of type `R`.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::MapTest;
///
/// #[derive(Row)]
/// struct Word<'a> {
///     word: &'a str,
/// }
///
/// struct Split;
/// impl Map for Split {
///     type Config = ();
///     type In = Word<'static>;
///     type Out = Emit<Word<'static>>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Split)
///     }
///     fn map(&mut self, row: Word<'_>, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
///         row.word.split(' ').for_each(|word| out.emit(Word { word }));
///         Ok(())
///     }
/// }
///
/// let mut test = MapTest::<Split>::open([])?;
/// test.feed([Word { word: "to be" }])?;
/// assert_eq!(test.display("out"), ["to", "be"]);
/// # Ok::<(), Error>(())
/// ```
pub struct Emit<R: Row> {
    builders: R::Builders,
    rows: usize,
    /// Rows that are kept; those behind them belong to the current input row.
    kept: usize,
    /// Each row that is kept comes from the input row of its own number; then `origins` is unused.
    in_step: bool,
    /// Otherwise the input row of each row that is kept.
    origins: Vec<u32>,
    buffers: usize,
}

impl<R: Row> Emit<R> {
    /// Adds a row to this output.
    #[inline]
    pub fn emit(&mut self, row: RowOf<'_, R>) {
        R::write(&mut self.builders, self.rows, &row);
        self.rows += 1;
    }

    /// All rows, those of the current input row too.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Writes what is kept as output `id`, with the code of each row's operation, and drops it.
    pub(crate) fn write_changes(&mut self, id: u16, ops: Option<&[u8]>, effects: &mut EffectsWriter) {
        if self.rows == 0 {
            return;
        }
        let origins = (!self.in_step).then_some(self.origins.as_slice());
        effects.changes(id, self.rows, origins, ops, self.buffers, |block| self.builders.write(self.rows, block));
        Port::clear(self);
    }

    /// Keeps the rows of an input row of which there are any.
    #[inline(always)]
    fn keep(&mut self, origin: u32) {
        let is_one = self.rows == self.kept + 1;
        match self.in_step {
            true if is_one && self.kept == origin as usize => {}
            false if is_one => self.origins.push(origin),
            _ => self.keep_any(origin),
        }
        self.kept = self.rows;
    }

    #[inline(never)]
    fn keep_any(&mut self, origin: u32) {
        if self.in_step {
            self.in_step = false;
            self.origins.clear();
            self.origins.extend(0..self.kept as u32);
        }
        self.origins.resize(self.rows, origin);
    }
}

/// What [`Outputs`] asks of each of its fields.
#[doc(hidden)]
pub trait Port {
    /// Whether every row says what it does.
    const CHANGELOG: bool = false;
    fn create() -> Self;
    fn schema() -> Schema;
    /// Keeps the rows of an input row; returns the bytes that wait.
    fn commit(&mut self, origin: u32) -> usize;
    /// Drops the rows of the current input row.
    fn undo(&mut self);
    /// Drops everything.
    fn clear(&mut self);
    /// Writes what is kept as output `id`, and drops it.
    fn write(&mut self, id: u16, effects: &mut EffectsWriter);
}

impl<R: Row> Port for Emit<R> {
    fn create() -> Self {
        Self {
            builders: R::Builders::default(),
            rows: 0,
            kept: 0,
            in_step: true,
            origins: Vec::new(),
            buffers: BlockWriter::buffers_of(&R::schema()),
        }
    }

    fn schema() -> Schema {
        R::schema()
    }

    #[inline]
    fn commit(&mut self, origin: u32) -> usize {
        if self.rows != self.kept {
            self.keep(origin);
        }
        self.builders.bytes(self.rows) + self.rows * 4
    }

    fn undo(&mut self) {
        self.rows = self.kept;
        self.builders.truncate(self.rows);
    }

    fn clear(&mut self) {
        self.kept = 0;
        self.in_step = true;
        Port::undo(self);
    }

    fn write(&mut self, id: u16, effects: &mut EffectsWriter) {
        self.write_changes(id, None, effects);
    }
}

/// The outputs of a function: an [`Emit`] or [`Changes`](crate::Changes), whose name is `out`, or a
/// struct of several of them with `#[derive(Outputs)]`, where each is named like its field.
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
/// #[derive(Outputs)]
/// struct Sorted {
///     even: Emit<Number>,
///     odd: Emit<Number>,
/// }
///
/// struct Sort;
/// impl Map for Sort {
///     type Config = ();
///     type In = Number;
///     type Out = Sorted;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Sort)
///     }
///     fn map(&mut self, row: Number, out: &mut Sorted, _: &mut Context) -> Result<(), Error> {
///         if row.n % 2 == 0 { out.even.emit(row) } else { out.odd.emit(row) }
///         Ok(())
///     }
/// }
///
/// let mut test = MapTest::<Sort>::open([])?;
/// test.feed((1..=5).map(|n| Number { n }))?;
/// assert_eq!(test.display("odd"), ["1", "3", "5"]);
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of outputs",
    note = "use Emit<YourRow> or Changes<YourRow>, or a struct of these with #[derive(Outputs)]"
)]
pub trait Outputs {
    /// The names and schemas, in the order of their ids.
    fn outputs() -> Vec<Output>;
    #[doc(hidden)]
    fn create() -> Self;
    #[doc(hidden)]
    fn commit(&mut self, origin: u32) -> usize;
    #[doc(hidden)]
    fn undo(&mut self);
    #[doc(hidden)]
    fn clear(&mut self);
    #[doc(hidden)]
    fn write(&mut self, effects: &mut EffectsWriter);
}

/// One output by itself is called `out`.
impl<P: Port> Outputs for P {
    fn outputs() -> Vec<Output> {
        vec![Output { name: "out".to_owned(), schema: P::schema(), changelog: P::CHANGELOG }]
    }

    fn create() -> Self {
        Port::create()
    }

    #[inline]
    fn commit(&mut self, origin: u32) -> usize {
        Port::commit(self, origin)
    }

    fn undo(&mut self) {
        Port::undo(self);
    }

    fn clear(&mut self) {
        Port::clear(self);
    }

    fn write(&mut self, effects: &mut EffectsWriter) {
        Port::write(self, 0, effects);
    }
}
