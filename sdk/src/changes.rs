//! An output that is a changelog: every row says what it does to the table that the output describes.

use wasmill_abi::Op;
use wasmill_abi::effects::EffectsWriter;

use crate::output::Port;
use crate::{Emit, Row, RowOf};

/// An output whose rows are inserts, updates and deletes of type `R`.
///
/// Whoever reads it can keep a table up to date, or take amounts back: a sum adds the rows that
/// [`Op::adds`] and subtracts the others. A sink with `mode: upsert` shows the table itself.
///
/// A function that reads a changelog says so with `READS_CHANGES`, and asks its context for the
/// [`op`](crate::Context::op) of each row.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::KeyedTest;
///
/// #[derive(Row)]
/// struct Vote {
///     team: u32,
/// }
/// #[derive(Row)]
/// struct Votes {
///     team: u32,
///     votes: u64,
/// }
/// #[derive(Slots)]
/// struct State {
///     votes: Value<u64>,
/// }
///
/// /// Counts votes; a vote that is taken back counts no longer.
/// struct Count;
/// impl Keyed for Count {
///     const READS_CHANGES: bool = true;
///     type Config = ();
///     type In = Vote;
///     type Key = Vote;
///     type State = State;
///     type Out = Changes<Votes>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Count)
///     }
///     fn process(
///         &mut self,
///         key: Vote,
///         _: Vote,
///         state: &mut State,
///         out: &mut Self::Out,
///         ctx: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         let before = state.votes.get().copied().unwrap_or(0);
///         let now = before.checked_add_signed(ctx.op().factor()).or_reject("nobody voted yet")?;
///         let row = |votes| Votes { team: key.team, votes };
///         match (before, now) {
///             (0, now) => out.insert(row(now)),
///             (before, 0) => out.delete(row(before)),
///             (before, now) => out.update(row(before), row(now)),
///         }
///         if now == 0 { state.votes.remove() } else { state.votes.put(now) }
///         Ok(())
///     }
/// }
///
/// let mut test = KeyedTest::<Count>::open([])?;
/// test.feed_changes([Op::Insert, Op::Insert, Op::Delete, Op::Delete].map(|op| (op, Vote { team: 7 })))?;
/// assert_eq!(test.display("out"), ["+I 7, 1", "-U 7, 1", "+U 7, 2", "-U 7, 2", "+U 7, 1", "-D 7, 1"]);
/// # Ok::<(), Error>(())
/// ```
pub struct Changes<R: Row> {
    rows: Emit<R>,
    /// The code of each row's operation.
    ops: Vec<u8>,
}

impl<R: Row> Changes<R> {
    /// A new row.
    #[inline]
    pub fn insert(&mut self, row: RowOf<'_, R>) {
        self.emit(Op::Insert, row);
    }

    /// A row that changes: as it was emitted last, and as it is now.
    #[inline]
    pub fn update(&mut self, before: RowOf<'_, R>, after: RowOf<'_, R>) {
        self.emit(Op::UpdateBefore, before);
        self.emit(Op::UpdateAfter, after);
    }

    /// A row that is gone, as it was emitted last.
    #[inline]
    pub fn delete(&mut self, row: RowOf<'_, R>) {
        self.emit(Op::Delete, row);
    }

    /// A row with any operation: for functions that hand on the changes that they are given.
    #[inline]
    pub fn emit(&mut self, op: Op, row: RowOf<'_, R>) {
        self.rows.emit(row);
        self.ops.push(op.code());
    }
}

impl<R: Row> Port for Changes<R> {
    const CHANGELOG: bool = true;

    fn create() -> Self {
        Self { rows: Port::create(), ops: Vec::new() }
    }

    fn schema() -> wasmill_abi::Schema {
        R::schema()
    }

    #[inline]
    fn commit(&mut self, origin: u32) -> usize {
        Port::commit(&mut self.rows, origin) + self.ops.len()
    }

    fn undo(&mut self) {
        Port::undo(&mut self.rows);
        self.ops.truncate(self.rows.len());
    }

    fn clear(&mut self) {
        Port::clear(&mut self.rows);
        self.ops.clear();
    }

    fn write(&mut self, id: u16, effects: &mut EffectsWriter) {
        self.rows.write_changes(id, Some(&self.ops), effects);
        self.ops.clear();
    }
}
