//! The harness for functions by key with two inputs.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use wasmill_abi::frame::Kind;

use super::Results;
use super::batch::Bench;
use super::keyed::InputSide;
use super::keyed_host::KeyedHost;
use crate::module::co_keyed_def;
use crate::{CoKeyed, ConfigValue, Error, Op, RowOf, TimerFamily, Timestamp};

/// Runs a [`CoKeyed`] function, which has an example; see also [`KeyedTest`](super::KeyedTest).
/// What it did is in [`Results`].
pub struct CoKeyedTest<F: CoKeyed> {
    host: KeyedHost<F::Key, F::State>,
    left: InputSide<F::Left, F::Key>,
    right: InputSide<F::Right, F::Key>,
}

impl<F: CoKeyed + 'static> CoKeyedTest<F> {
    /// Opens the function with these settings; the others have their defaults. The key of each
    /// input is made of the columns that are named like the key's; see [`CoKeyedTest::key_columns`].
    pub fn open<'s>(settings: impl IntoIterator<Item = (&'s str, ConfigValue)>) -> Result<Self, Error> {
        let bench = Bench::open(co_keyed_def::<F>(Bench::name(), &[]), settings)?;
        let host = KeyedHost::new(bench);
        Ok(Self { host, left: InputSide::new(Kind::Data), right: InputSide::new(Kind::Right) })
    }

    /// Makes the key of these columns of each input, as a job does. Panics if there is no such
    /// column.
    #[must_use]
    pub fn key_columns(mut self, left: &[&str], right: &[&str]) -> Self {
        self.left.key_columns(left);
        self.right.key_columns(right);
        self
    }

    /// Takes the event time of each row from these timestamp columns.
    #[must_use]
    pub fn event_time(mut self, left: &str, right: &str) -> Self {
        self.left.event_time = Some(left.to_owned());
        self.right.event_time = Some(right.to_owned());
        self
    }

    /// Sets how many rows or timers come in one batch, 4096 otherwise. A function should give the
    /// same whatever the number.
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.host.bench.batch_rows = rows.max(1);
        self
    }

    /// Hands rows of the left input to the function, in batches. Fails with the first batch that
    /// fails, of which nothing was applied. Panics if the rows do not hold the key.
    pub fn feed_left<'r>(&mut self, rows: impl IntoIterator<Item = RowOf<'r, F::Left>>) -> Result<(), Error> {
        self.left.feed(&mut self.host, rows)
    }

    /// Hands rows of the right input to the function, like [`CoKeyedTest::feed_left`].
    pub fn feed_right<'r>(&mut self, rows: impl IntoIterator<Item = RowOf<'r, F::Right>>) -> Result<(), Error> {
        self.right.feed(&mut self.host, rows)
    }

    /// Hands changes of the left input to the function, as [`CoKeyedTest::feed_left`] hands rows.
    /// Panics if the function does not read changes.
    pub fn feed_left_changes<'r>(
        &mut self,
        changes: impl IntoIterator<Item = (Op, RowOf<'r, F::Left>)>,
    ) -> Result<(), Error> {
        self.left.feed_changes(&mut self.host, None, changes)
    }

    /// Hands changes of the right input to the function, like [`CoKeyedTest::feed_left_changes`].
    pub fn feed_right_changes<'r>(
        &mut self,
        changes: impl IntoIterator<Item = (Op, RowOf<'r, F::Right>)>,
    ) -> Result<(), Error> {
        self.right.feed_changes(&mut self.host, None, changes)
    }

    /// Moves the clock, and fires the processing timers that are due.
    pub fn set_now(&mut self, now: Timestamp) -> Result<(), Error> {
        self.host.set_now(now)
    }

    /// Moves the clock on by `duration`, and fires the processing timers that are due.
    pub fn advance(&mut self, duration: Duration) -> Result<(), Error> {
        self.set_now(Timestamp::from_micros(self.host.bench.now) + duration)
    }

    /// Moves the watermark, which is the lower one of both inputs, never back, and fires the event
    /// timers that are due.
    pub fn set_watermark(&mut self, watermark: Timestamp) -> Result<(), Error> {
        self.host.set_watermark(watermark)
    }

    /// Ends both inputs: every event timer fires.
    pub fn end_of_input(&mut self) -> Result<(), Error> {
        self.set_watermark(Timestamp::MAX)
    }

    /// Drops the instance and opens a new one, as the host may do between any two batches.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.host.bench.restart()
    }

    /// The state of a key, ready to be looked at. Panics if a stored value is not readable.
    pub fn state(&self, key: RowOf<'_, F::Key>) -> F::State {
        self.host.state(key)
    }

    /// Looks at the state of a key, like [`KeyedTest::look`](super::KeyedTest::look).
    pub fn look<R>(&self, key: RowOf<'_, F::Key>, look: impl FnOnce(&F::State) -> R) -> R {
        self.host.look(key, look)
    }

    /// The timers that are set, by family and time, whatever their key.
    pub fn timers(&self) -> Vec<(TimerFamily, Timestamp)> {
        self.host.timers()
    }
}

impl<F: CoKeyed> Deref for CoKeyedTest<F> {
    type Target = Results;
    fn deref(&self) -> &Results {
        &self.host.bench.results
    }
}

impl<F: CoKeyed> DerefMut for CoKeyedTest<F> {
    fn deref_mut(&mut self) -> &mut Results {
        &mut self.host.bench.results
    }
}
