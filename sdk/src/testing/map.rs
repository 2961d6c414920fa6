//! The harness for functions without keys.

use std::ops::{Deref, DerefMut};

use wasmill_abi::block::BlockWriter;
use wasmill_abi::frame::{FrameWriter, Kind, Tag};

use super::Results;
use super::batch::{Bench, Rows, event_times, read_block};
use crate::module::map_def;
use crate::{ConfigValue, Error, Map, Op, RowOf, Timestamp};

/// Runs a [`Map`] function; see [`testing`](crate::testing). What it did is in [`Results`].
///
/// ```
/// # use wasmill_sdk::prelude::*;
/// # use wasmill_sdk::testing::MapTest;
/// # #[derive(Row, Debug, PartialEq)]
/// # struct Number {
/// #     n: i64,
/// # }
/// # struct Half;
/// # impl Map for Half {
/// #     type Config = ();
/// #     type In = Number;
/// #     type Out = Emit<Number>;
/// #     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
/// #         Ok(Half)
/// #     }
/// #     fn map(&mut self, row: Number, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
/// #         if row.n % 2 != 0 {
/// #             return Err(Error::reject("odd").with_code(9));
/// #         }
/// #         out.emit(Number { n: row.n / 2 });
/// #         Ok(())
/// #     }
/// # }
/// let mut test = MapTest::<Half>::open([])?.batch_rows(2);
/// test.feed([4, 5, 6].map(|n| Number { n }))?;
/// assert_eq!(test.display("out"), ["2", "3"]);
/// # Ok::<(), Error>(())
/// ```
pub struct MapTest<F: Map> {
    bench: Bench,
    event_time: Option<String>,
    function: std::marker::PhantomData<F>,
}

impl<F: Map + 'static> MapTest<F> {
    /// Opens the function with these settings; the others have their defaults.
    pub fn open<'s>(settings: impl IntoIterator<Item = (&'s str, ConfigValue)>) -> Result<Self, Error> {
        let bench = Bench::open(map_def::<F>(Bench::name(), &[]), settings)?;
        Ok(Self { bench, event_time: None, function: std::marker::PhantomData })
    }

    /// Takes the event time of each row from this timestamp column.
    #[must_use]
    pub fn event_time(mut self, column: &str) -> Self {
        self.event_time = Some(column.to_owned());
        self
    }

    /// Sets how many rows come in one batch, 4096 otherwise. A function should give the same
    /// whatever the number.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.bench.batch_rows = rows.max(1);
        self
    }

    /// Moves the clock.
    pub fn set_now(&mut self, now: Timestamp) {
        self.bench.now = now.micros();
    }

    /// Moves the watermark.
    pub fn set_watermark(&mut self, watermark: Timestamp) {
        self.bench.watermark = self.bench.watermark.max(watermark.micros());
    }

    /// Drops the instance and opens a new one, as the host may do between any two batches.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.bench.restart()
    }

    /// Hands rows to the function, in batches. Fails with the first batch that fails.
    pub fn feed<'r>(&mut self, rows: impl IntoIterator<Item = RowOf<'r, F::In>>) -> Result<(), Error> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut batch = Rows::<F::In>::new();
            rows.by_ref().take(self.bench.batch_rows).for_each(|row| batch.add(&row));
            self.run(&batch)?;
        }
        Ok(())
    }

    /// Hands changes to the function, in batches, as [`Self::feed`] hands rows. Panics if the
    /// function does not read changes.
    pub fn feed_changes<'r>(&mut self, changes: impl IntoIterator<Item = (Op, RowOf<'r, F::In>)>) -> Result<(), Error> {
        assert!(F::READS_CHANGES, "a function without READS_CHANGES is given no changelog");
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let mut batch = Rows::<F::In>::new();
            changes.by_ref().take(self.bench.batch_rows).for_each(|(op, row)| batch.add_change(op, &row));
            self.run(&batch)?;
        }
        Ok(())
    }

    fn run(&mut self, rows: &Rows<F::In>) -> Result<(), Error> {
        let header = self.bench.header(Kind::Data, rows.count, 0, 0);
        let sections = 1 + usize::from(self.event_time.is_some()) + usize::from(!rows.ops.is_empty());
        let mut frame = FrameWriter::new(Vec::new(), &header, sections);
        let (schema, bytes) = rows.block_bytes();
        frame.block(Tag::Columns, 0, rows.count, BlockWriter::buffers_of(&schema), |b| rows.write(b));
        rows.write_ops(&mut frame);
        if let Some(column) = &self.event_time {
            frame.i64s(Tag::EventTime, event_times(&schema, &read_block(&schema, &bytes, rows.count), column));
        }
        self.bench.run(&header, frame.finish(), |_| {})
    }
}

impl<F: Map> Deref for MapTest<F> {
    type Target = Results;
    fn deref(&self) -> &Results {
        &self.bench.results
    }
}

impl<F: Map> DerefMut for MapTest<F> {
    fn deref_mut(&mut self) -> &mut Results {
        &mut self.bench.results
    }
}
