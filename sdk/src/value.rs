//! One slot: the values of a batch's keys, typed.
//!
//! A value is decoded at most once per key and batch, when the function first looks at it, and
//! encoded at most once, at the end of the batch. Values lie in an array by key index, so that a
//! row costs no hashing; what a row found is kept until the next row starts, so that it can be
//! undone.

use std::cell::OnceCell;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmill_abi::effects::EffectsWriter;
use wasmill_abi::manifest::{Slot, SlotKind, Ttl};
use wasmill_abi::wire::put_varint;

use crate::Error;
use crate::state::{Cells, Older, Stored, StoredValues, read_versioned, values_of};
use crate::ttl::Stamps;

/// A value per key that survives crashes and upgrades.
///
/// `T` is stored by serde, and the module's manifest describes it, so that `wasmill state` can show
/// values. Every change of `T` that changes its serde form needs a new `#[slot(version = ..)]`, and
/// a way from the version before: see [below](#a-type-that-changed). A job refuses to start with a
/// module that cannot read what is stored, so nothing is ever misread.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::KeyedTest;
///
/// #[derive(Row)]
/// struct Visit {
///     user: u64,
///     page: u32,
/// }
/// #[derive(Row)]
/// struct User {
///     user: u64,
/// }
///
/// #[derive(Slots)]
/// struct State {
///     #[slot(version = 1)]
///     visits: Value<u32>,
///     last: Value<u32>,
/// }
///
/// struct Repeats;
/// impl Keyed for Repeats {
///     type Config = ();
///     type In = Visit;
///     type Key = User;
///     type State = State;
///     type Out = Emit<Visit>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Repeats)
///     }
///     fn process(
///         &mut self,
///         _: User,
///         row: Visit,
///         state: &mut State,
///         out: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         state.visits.update(|n| *n += 1);
///         let repeated = state.last.get() == Some(&row.page);
///         state.last.put(row.page);
///         if repeated {
///             out.emit(row);
///         }
///         Ok(())
///     }
/// }
///
/// let mut test = KeyedTest::<Repeats>::open([])?;
/// test.feed([7, 8, 8].map(|page| Visit { user: 1, page }))?;
/// assert_eq!(test.display("out"), ["1, 8"]);
/// assert_eq!(test.state(User { user: 1 }).visits.get(), Some(&3));
/// # Ok::<(), Error>(())
/// ```
///
/// # A time to live
///
/// `#[slot(ttl = "24h")]` lets a value go a day after it was written last: then it is absent, and its
/// space is given back. With `since = create` the day counts from the first write. The clock is event
/// time: the row's own, compared with the watermark; with `clock = processing` it is the host's. All
/// kinds of state take these options; in a [`MapState`](crate::MapState) or
/// [`ListState`](crate::ListState) each entry has a time of its own.
///
/// # A type that changed
///
/// Raise the version, keep the old type, and name for each older version the function that makes the
/// next one of it: `#[slot(version = 3, migrate(1 = count_to_visits, 2 = visits_to_user))]`. A value
/// of version 1 then goes through both, one of version 2 through the second, and the next write
/// stores it with version 3. It happens value by value, when a value is read: a new module starts at
/// once, however much is stored. A version that is no longer named can no longer be read.
///
/// ```
/// # use wasmill_sdk::prelude::*;
/// # use wasmill_sdk::testing::KeyedTest;
/// # #[derive(Row)]
/// # struct Visit {
/// #     user: u64,
/// # }
/// #[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
/// struct Visits {
///     count: u64,
///     streak: u32,
/// }
///
/// /// Version 1 was a plain number.
/// fn from_count(count: u32) -> Visits {
///     Visits { count: count.into(), streak: 0 }
/// }
///
/// #[derive(Slots)]
/// struct State {
///     #[slot(version = 2, migrate(1 = from_count))]
///     visits: Value<Visits>,
/// }
/// # struct Count;
/// # impl Keyed for Count {
/// #     type Config = ();
/// #     type In = Visit;
/// #     type Key = Visit;
/// #     type State = State;
/// #     type Out = Emit<Visit>;
/// #     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
/// #         Ok(Count)
/// #     }
/// #     fn process(
/// #         &mut self,
/// #         _: Visit,
/// #         _: Visit,
/// #         state: &mut State,
/// #         _: &mut Self::Out,
/// #         _: &mut KeyedContext,
/// #     ) -> Result<(), Error> {
/// #         state.visits.update(|visits| visits.count += 1);
/// #         Ok(())
/// #     }
/// # }
///
/// let mut test = KeyedTest::<Count>::open([])?.with_stored(Visit { user: 1 }, "visits", 1, &41u32);
/// test.feed([Visit { user: 1 }])?;
/// assert_eq!(test.state(Visit { user: 1 }).visits.get().map(|v| v.count), Some(42));
/// assert_eq!(test.stored_version(Visit { user: 1 }, "visits"), Some(2));
/// # Ok::<(), Error>(())
/// ```
pub struct Value<T: 'static> {
    name: &'static str,
    version: u32,
    older: &'static [Older<T>],
    stored: StoredValues,
    entries: Vec<Entry<T>>,
    key: usize,
    before: Before<T>,
    /// For a slot with a time to live.
    stamps: Option<Box<Stamps>>,
    fault: OnceCell<Error>,
}

struct Entry<T> {
    /// Unset: not yet decoded. `None`: absent.
    value: OnceCell<Option<T>>,
    /// Whether the value must be written at the end of the batch.
    dirty: bool,
}

/// What the current row found in the entry of its key.
struct Before<T> {
    found: Found,
    dirty: bool,
    /// The value, if it was `Found::Present`; otherwise memory to clone the next one into.
    value: Option<T>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The row has not written.
    Untouched,
    Undecoded,
    Absent,
    Present,
}

impl<T: Serialize + DeserializeOwned + Clone + 'static> Value<T> {
    /// The value of the current key, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        let entry = self.entries.get(self.key)?;
        match entry.value.get() {
            Some(value) => value.as_ref(),
            None => self.decode(entry),
        }
    }

    /// Stores a value for the current key.
    #[inline]
    pub fn put(&mut self, value: T) {
        self.replace(Some(value));
    }

    /// Removes the value of the current key.
    pub fn remove(&mut self) {
        self.replace(None);
    }

    /// Changes the value of the current key in place, starting from the default if there is none;
    /// returns what `change` returns.
    #[inline]
    pub fn update<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R
    where
        T: Default,
    {
        let over = self.get().is_some();
        if self.stamps.is_some() {
            self.stamp(Some(over));
        }
        let entry = &mut self.entries[self.key];
        if self.before.found == Found::Untouched {
            self.before.keep_clone(entry);
        }
        entry.dirty = true;
        if entry.value.get().is_none() {
            entry.value = OnceCell::from(None);
        }
        change(entry.value.get_mut().expect("it was just set").get_or_insert_default())
    }

    #[inline]
    fn replace(&mut self, value: Option<T>) {
        if self.stamps.is_some() {
            let over = match self.entries[self.key].value.get() {
                Some(value) => value.is_some(),
                None => !self.stored.get(self.key).is_empty(),
            };
            self.stamp(value.is_some().then_some(over));
        }
        let entry = &mut self.entries[self.key];
        let old = std::mem::replace(&mut entry.value, OnceCell::from(value));
        if self.before.found == Found::Untouched {
            self.before.keep(old.into_inner(), entry.dirty);
        }
        entry.dirty = true;
    }

    /// Before a write: `Some` tells of a value whether it stands over another one.
    fn stamp(&mut self, over: Option<bool>) {
        let Some(stamps) = &mut self.stamps else { return };
        if self.before.found == Found::Untouched {
            stamps.keep(self.key);
        }
        if let Some(over) = over {
            stamps.write(self.key, over);
        }
    }

    /// What is stored of a value: without its stamp, if it has one.
    fn stored(&self, key: usize) -> &[u8] {
        let bytes = self.stored.get(key);
        if self.stamps.is_some() && !bytes.is_empty() { bytes.get(8..).unwrap_or(&[0xff]) } else { bytes }
    }

    #[cold]
    fn fail(&self, problem: impl std::fmt::Display) {
        let error = Error::fatal(format_args!("state slot {:?}: {problem}", self.name));
        // Only the first failure counts: the batch fails with it.
        let _ = self.fault.set(error);
    }

    #[inline(never)]
    fn decode<'s>(&'s self, entry: &'s Entry<T>) -> Option<&'s T> {
        let value = match self.stored(self.key) {
            [] => None,
            bytes => read_versioned(bytes, self.version, self.older).map_err(|problem| self.fail(problem)).ok(),
        };
        entry.value.get_or_init(|| value).as_ref()
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        put_varint(out, self.version);
        postcard::serialize_with_flavor(value, Append(out))
            .map_err(|e| Error::fatal(format_args!("state slot {:?}: the value cannot be stored: {e}", self.name)))
    }
}

impl<T: Clone> Before<T> {
    /// Keeps a copy of an entry that is about to change in place, in the memory of the last copy.
    #[inline]
    fn keep_clone(&mut self, entry: &Entry<T>) {
        self.dirty = entry.dirty;
        self.found = match (entry.value.get(), &mut self.value) {
            (None, _) => Found::Undecoded,
            (Some(None), _) => Found::Absent,
            (Some(Some(value)), Some(memory)) => {
                memory.clone_from(value);
                Found::Present
            }
            (Some(Some(value)), memory) => {
                *memory = Some(value.clone());
                Found::Present
            }
        };
    }

    /// Keeps the content of an entry that was replaced.
    #[inline]
    fn keep(&mut self, old: Option<Option<T>>, dirty: bool) {
        self.dirty = dirty;
        self.found = match old {
            None => Found::Undecoded,
            Some(None) => Found::Absent,
            Some(value) => {
                self.value = value;
                Found::Present
            }
        };
    }
}

/// Appends what postcard writes.
struct Append<'v>(&'v mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Append<'_> {
    type Output = ();

    #[inline(always)]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline(always)]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

impl<T: Serialize + DeserializeOwned + Clone + 'static> Cells for Value<T> {
    type Value = T;

    fn slot(name: &str, version: u32, type_name: &str, older: &[Older<T>]) -> Slot {
        Slot { values: values_of(older, None), ..Slot::new(name, SlotKind::Value, version, type_name) }
    }

    fn create(name: &'static str, version: u32, older: &'static [Older<T>]) -> Self {
        let before = Before { found: Found::Untouched, dirty: false, value: None };
        let (stored, entries) = (StoredValues::default(), Vec::new());
        Self { name, version, older, stored, entries, key: 0, before, stamps: None, fault: OnceCell::new() }
    }

    fn set_ttl(&mut self, ttl: Ttl) {
        self.stamps = Some(Box::new(Stamps::new(ttl)));
    }

    fn load(&mut self, id: u16, stored: &Stored<'_>) -> Result<(), Error> {
        let keys = self.stored.load(id, stored)?;
        if let Some(stamps) = &mut self.stamps {
            stamps.load(keys);
        }
        self.entries.clear();
        self.entries.resize_with(keys, || Entry { value: OnceCell::new(), dirty: false });
        self.before.found = Found::Untouched;
        self.fault = OnceCell::new();
        Ok(())
    }

    #[inline]
    fn select(&mut self, key: usize) {
        self.key = key;
        self.before.found = Found::Untouched;
    }

    fn undo(&mut self) {
        let entry = match self.before.found {
            Found::Untouched => return,
            _ => &mut self.entries[self.key],
        };
        if let Some(stamps) = &mut self.stamps {
            stamps.undo(self.key);
        }
        entry.dirty = self.before.dirty;
        entry.value = match self.before.found {
            Found::Present => OnceCell::from(self.before.value.take()),
            Found::Absent => OnceCell::from(None),
            Found::Undecoded | Found::Untouched => OnceCell::new(),
        };
        self.before.found = Found::Untouched;
    }

    fn fault(&self) -> Result<(), Error> {
        self.fault.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    fn write(&self, id: u16, effects: &mut EffectsWriter) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let mut changes = Vec::new();
        for (key, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.dirty) {
            let start = bytes.len();
            match entry.value.get() {
                Some(Some(value)) => {
                    if let Some(stamps) = &self.stamps {
                        bytes.extend_from_slice(&stamps.of(key, self.stored.get(key)));
                    }
                    self.encode(value, &mut bytes)?;
                }
                _ if self.stored.get(key).is_empty() => continue,
                _ => {}
            }
            changes.push((key as u32, start..bytes.len()));
        }
        // A stored value starts with its version, so it is never empty.
        let value_of = |range: std::ops::Range<usize>| (!range.is_empty()).then(|| &bytes[range]);
        let entries: Vec<_> = changes.into_iter().map(|(key, range)| (key, value_of(range))).collect();
        if !entries.is_empty() {
            effects.state(id, &entries);
        }
        Ok(())
    }
}
