//! Numbers that are written without a read: sums, smallest and largest.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use wasmill_abi::effects::{EffectsWriter, EntryChange};
use wasmill_abi::manifest::{Slot, SlotKind, Ttl, TtlFrom};

use crate::entries::Place;
use crate::shape::shape_of;
use crate::state::{Cells, Older, Stored};
use crate::{Error, host};

/// How a [`MergeState`] merges.
pub trait Merge: 'static {
    #[doc(hidden)]
    const KIND: SlotKind;
}

/// Numbers are added; they wrap around at the ends of `i64`.
pub struct Sum;
/// The smallest number stays.
pub struct Min;
/// The largest number stays.
pub struct Max;

impl Merge for Sum {
    const KIND: SlotKind = SlotKind::Sum;
}
impl Merge for Min {
    const KIND: SlotKind = SlotKind::Min;
}
impl Merge for Max {
    const KIND: SlotKind = SlotKind::Max;
}

/// A sum per key; see [`MergeState`].
pub type CounterState = MergeState<Sum>;
/// The smallest number per key; see [`MergeState`].
pub type MinState = MergeState<Min>;
/// The largest number per key; see [`MergeState`].
pub type MaxState = MergeState<Max>;

/// A number per key into which others are merged without a read: the cheapest state for keys that are
/// rarely looked at. Reading it is possible, and costs a call of the host.
///
/// With a time to live, the host reads before it merges, because a number whose time is over counts
/// no longer.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::KeyedTest;
///
/// #[derive(Row)]
/// struct Call {
///     user: u64,
///     millis: i64,
/// }
/// #[derive(Row)]
/// struct User {
///     user: u64,
/// }
///
/// #[derive(Slots)]
/// struct State {
///     calls: CounterState,
///     slowest: MaxState,
/// }
///
/// struct Calls;
/// impl Keyed for Calls {
///     type Config = ();
///     type In = Call;
///     type Key = User;
///     type State = State;
///     type Out = Emit<Call>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Calls)
///     }
///     fn process(
///         &mut self,
///         _: User,
///         row: Call,
///         state: &mut State,
///         _: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         state.calls.add(1);
///         state.slowest.merge(row.millis);
///         Ok(())
///     }
/// }
///
/// let mut test = KeyedTest::<Calls>::open([])?;
/// test.feed([30, 70, 20].map(|millis| Call { user: 1, millis }))?;
/// test.look(User { user: 1 }, |state| {
///     assert_eq!((state.calls.get(), state.slowest.get()), (Some(3), Some(70)));
/// });
/// # Ok::<(), Error>(())
/// ```
pub struct MergeState<M: Merge> {
    place: Place,
    /// What this batch asks for, by key of the frame.
    pending: BTreeMap<u32, Pending>,
    /// What the current row found, once it has changed something.
    before: Option<Option<Pending>>,
    merge: PhantomData<fn() -> M>,
}

#[derive(Clone, Copy, Default)]
struct Pending {
    /// What was stored is gone.
    removed: bool,
    number: Option<i64>,
    stamp: i64,
}

impl<M: Merge> MergeState<M> {
    /// Merges a number into that of the current key.
    pub fn merge(&mut self, number: i64) {
        let stamp = self.place.stamp();
        let keeps = self.place.ttl.is_some_and(|ttl| ttl.from == TtlFrom::Create);
        let pending = self.touch();
        if !(keeps && pending.number.is_some()) {
            pending.stamp = stamp;
        }
        pending.number = Some(pending.number.map_or(number, |old| M::KIND.merge(old, number)));
    }

    /// Removes the number of the current key.
    pub fn remove(&mut self) {
        *self.touch() = Pending { removed: true, ..Pending::default() };
    }

    /// The number of the current key; `None` if nothing was merged into it.
    pub fn get(&self) -> Option<i64> {
        let pending = self.pending.get(&self.place.key).copied().unwrap_or_default();
        if pending.removed {
            return pending.number;
        }
        let stored = self.place.take(host::get(self.place.id, self.place.key, &[]))?;
        let number = |bytes: Vec<u8>| bytes.try_into().map(i64::from_le_bytes).map_err(|_| "it is no number");
        let stored = self.place.take(stored.map(number).transpose())?;
        match (stored, pending.number) {
            (Some(stored), Some(number)) => Some(M::KIND.merge(stored, number)),
            (stored, number) => stored.or(number),
        }
    }

    fn touch(&mut self) -> &mut Pending {
        let key = self.place.key;
        if self.before.is_none() {
            self.before = Some(self.pending.get(&key).copied());
        }
        self.pending.entry(key).or_default()
    }
}

impl MergeState<Sum> {
    /// Adds to the sum of the current key.
    pub fn add(&mut self, number: i64) {
        self.merge(number);
    }
}

impl<M: Merge> Cells for MergeState<M> {
    type Value = i64;

    fn slot(name: &str, version: u32, _: &str, _: &[Older<i64>]) -> Slot {
        let mut slot = Slot::new(name, M::KIND, version, "i64");
        slot.values.shape = shape_of::<i64>();
        slot
    }

    fn create(name: &'static str, version: u32, _: &'static [Older<i64>]) -> Self {
        Self { place: Place::new(name, version), pending: BTreeMap::new(), before: None, merge: PhantomData }
    }

    fn set_ttl(&mut self, ttl: Ttl) {
        self.place.ttl = Some(ttl);
    }

    fn load(&mut self, id: u16, _: &Stored<'_>) -> Result<(), Error> {
        self.place.load(id);
        self.pending.clear();
        self.before = None;
        Ok(())
    }

    fn select(&mut self, key: usize) {
        self.place.key = key as u32;
        self.before = None;
    }

    fn undo(&mut self) {
        match self.before.take() {
            Some(Some(before)) => drop(self.pending.insert(self.place.key, before)),
            Some(None) => drop(self.pending.remove(&self.place.key)),
            None => {}
        }
    }

    fn fault(&self) -> Result<(), Error> {
        self.place.fault()
    }

    fn write(&self, id: u16, effects: &mut EffectsWriter) -> Result<(), Error> {
        let operand = |p: &Pending| p.number.map(|number| self.place.stamped(p.stamp, &number.to_le_bytes()));
        let operands: Vec<_> = self.pending.iter().map(|(key, p)| (*key, p.removed, operand(p))).collect();
        let mut changes = Vec::new();
        for (key, removed, operand) in &operands {
            if *removed {
                changes.push(EntryChange { key: *key, entry: None, value: None });
            }
            if operand.is_some() {
                changes.push(EntryChange { key: *key, entry: None, value: operand.as_deref() });
            }
        }
        if !changes.is_empty() {
            effects.entries(id, &changes);
        }
        Ok(())
    }
}
