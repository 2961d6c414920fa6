//! Lists: values that are appended without a read, and read in that order.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmill_abi::effects::{EffectsWriter, EntryChange};
use wasmill_abi::manifest::{Slot, SlotKind, Ttl};

use crate::entries::Place;
use crate::state::{Cells, Older, Stored, values_of};
use crate::{Error, host};

/// A list per key. Appending reads nothing; reading comes from the host page by page, so a list may
/// be larger than memory.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::KeyedTest;
///
/// #[derive(Row)]
/// struct Step {
///     order: u64,
///     step: u32,
/// }
/// #[derive(Row)]
/// struct Order {
///     order: u64,
/// }
///
/// #[derive(Slots)]
/// struct State {
///     steps: ListState<u32>,
/// }
///
/// /// Gives the steps of an order once step 0, the last one, has come.
/// struct Orders;
/// impl Keyed for Orders {
///     type Config = ();
///     type In = Step;
///     type Key = Order;
///     type State = State;
///     type Out = Emit<Step>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Orders)
///     }
///     fn process(
///         &mut self,
///         key: Order,
///         row: Step,
///         state: &mut State,
///         out: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         if row.step > 0 {
///             state.steps.push(row.step);
///             return Ok(());
///         }
///         for step in state.steps.iter() {
///             out.emit(Step { order: key.order, step });
///         }
///         state.steps.clear();
///         Ok(())
///     }
/// }
///
/// let mut test = KeyedTest::<Orders>::open([])?;
/// test.feed([7, 3, 0, 5].map(|step| Step { order: 1, step }))?;
/// assert_eq!(test.display("out"), ["1, 7", "1, 3"]);
/// test.look(Order { order: 1 }, |state| assert_eq!(state.steps.iter().collect::<Vec<_>>(), [5]));
/// # Ok::<(), Error>(())
/// ```
pub struct ListState<T: 'static> {
    place: Place,
    older: &'static [Older<T>],
    /// What this batch has done to each key of the frame, in order.
    done: BTreeMap<u32, Vec<Done>>,
    /// How much of it there was before the current row.
    mark: usize,
}

enum Done {
    /// The value's bytes, with their stamp.
    Appended(Vec<u8>),
    Cleared,
}

impl<T: Serialize + DeserializeOwned + 'static> ListState<T> {
    /// Appends a value to the list of the current key.
    pub fn push(&mut self, value: T) {
        let bytes = self.place.stamped(self.place.stamp(), &self.place.encode(&value));
        self.done.entry(self.place.key).or_default().push(Done::Appended(bytes));
    }

    /// Removes all values of the current key. The host looks each of them up to do so.
    pub fn clear(&mut self) {
        self.done.entry(self.place.key).or_default().push(Done::Cleared);
    }

    /// The values of the current key, in the order in which they were appended.
    pub fn iter(&self) -> ListValues<'_, T> {
        let done = self.done.get(&self.place.key).map_or(&[][..], Vec::as_slice);
        let cleared = done.iter().rposition(|done| matches!(done, Done::Cleared));
        let appended = done[cleared.map_or(0, |at| at + 1)..].iter();
        ListValues { list: self, start: Vec::new(), page: Vec::new().into_iter(), more: cleared.is_none(), appended }
    }

    /// Whether the list of the current key is empty.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'l, T: Serialize + DeserializeOwned + 'static> IntoIterator for &'l ListState<T> {
    type Item = T;
    type IntoIter = ListValues<'l, T>;
    fn into_iter(self) -> ListValues<'l, T> {
        self.iter()
    }
}

/// The values of a [`ListState`] in order.
pub struct ListValues<'l, T: 'static> {
    list: &'l ListState<T>,
    /// Where the host goes on.
    start: Vec<u8>,
    page: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    /// The host may have more.
    more: bool,
    appended: std::slice::Iter<'l, Done>,
}

impl<T: Serialize + DeserializeOwned + 'static> Iterator for ListValues<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let place = &self.list.place;
        loop {
            if let Some((_, value)) = self.page.next() {
                return place.decode(&value, self.list.older);
            }
            if !self.more {
                break;
            }
            let (entries, more) = place.take(host::page(place.id, place.key, &self.start, &[]))?;
            if let Some((last, _)) = entries.last() {
                self.start = [last, &[0][..]].concat();
            }
            self.more = more && !entries.is_empty();
            self.page = entries.into_iter();
        }
        match self.appended.next()? {
            Done::Appended(bytes) => {
                let stamp = if place.ttl.is_some() { 8 } else { 0 };
                place.decode(&bytes[stamp..], self.list.older)
            }
            Done::Cleared => unreachable!("it starts behind the last one"),
        }
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Cells for ListState<T> {
    type Value = T;

    fn slot(name: &str, version: u32, type_name: &str, older: &[Older<T>]) -> Slot {
        Slot { values: values_of(older, None), ..Slot::new(name, SlotKind::List, version, type_name) }
    }

    fn create(name: &'static str, version: u32, older: &'static [Older<T>]) -> Self {
        Self { place: Place::new(name, version), older, done: BTreeMap::new(), mark: 0 }
    }

    fn set_ttl(&mut self, ttl: Ttl) {
        self.place.ttl = Some(ttl);
    }

    fn load(&mut self, id: u16, _: &Stored<'_>) -> Result<(), Error> {
        self.place.load(id);
        self.done.clear();
        self.mark = 0;
        Ok(())
    }

    fn select(&mut self, key: usize) {
        self.place.key = key as u32;
        self.mark = self.done.get(&self.place.key).map_or(0, Vec::len);
    }

    fn undo(&mut self) {
        if let Some(done) = self.done.get_mut(&self.place.key) {
            done.truncate(self.mark);
        }
    }

    fn fault(&self) -> Result<(), Error> {
        self.place.fault()
    }

    fn write(&self, id: u16, effects: &mut EffectsWriter) -> Result<(), Error> {
        let mut changes = Vec::new();
        for (&key, done) in &self.done {
            let cleared = done.iter().rposition(|done| matches!(done, Done::Cleared)).unwrap_or(0);
            let change = |done| match done {
                &Done::Cleared => EntryChange { key, entry: None, value: None },
                Done::Appended(bytes) => EntryChange { key, entry: None, value: Some(bytes) },
            };
            changes.extend(done[cleared..].iter().map(change));
        }
        if !changes.is_empty() {
            effects.entries(id, &changes);
        }
        Ok(())
    }
}
