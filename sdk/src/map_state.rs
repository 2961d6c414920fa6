//! Maps: any number of entries per key, in the order of their own keys, larger than memory.
//!
//! What a batch has read or written is kept until its end, so an entry is asked for once; what it has
//! written stands over what the host tells.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmill_abi::effects::{EffectsWriter, EntryChange};
use wasmill_abi::manifest::{Slot, SlotKind, Ttl, TtlFrom};

use crate::entries::Place;
use crate::entry_key::{EntryKey, MapKey, decoded, encoded};
use crate::shape::shape_of;
use crate::state::{Cells, Older, Stored, values_of};
use crate::{Error, host};

/// A map per key, whose entries are read and written one by one: it may be larger than memory.
///
/// Looking an entry up costs a call of the host, once per batch; writing and removing costs none. For
/// one value per key, take a [`Value`](crate::Value), which costs no call at all.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::KeyedTest;
///
/// #[derive(Row)]
/// struct View<'a> {
///     user: u64,
///     page: &'a str,
/// }
/// #[derive(Row)]
/// struct User {
///     user: u64,
/// }
///
/// #[derive(Slots)]
/// struct State {
///     pages: MapState<String, u32>,
/// }
///
/// /// Counts the views of each user and page.
/// struct Views;
/// impl Keyed for Views {
///     type Config = ();
///     type In = View<'static>;
///     type Key = User;
///     type State = State;
///     type Out = Emit<View<'static>>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(Views)
///     }
///     fn process(
///         &mut self,
///         _: User,
///         row: View<'_>,
///         state: &mut State,
///         out: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         let views = state.pages.get(row.page).unwrap_or(0) + 1;
///         state.pages.put(row.page, views);
///         if views == 1 {
///             out.emit(row);
///         }
///         Ok(())
///     }
/// }
///
/// let mut test = KeyedTest::<Views>::open([])?;
/// test.feed(["b", "a", "b"].map(|page| View { user: 1, page }))?;
/// assert_eq!(test.display("out"), ["1, b", "1, a"]);
/// test.look(User { user: 1 }, |state| {
///     assert_eq!(state.pages.get("b"), Some(2));
///     let pages: Vec<_> = state.pages.iter().collect();
///     assert_eq!(pages, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
///     assert_eq!(state.pages.range("aa".to_owned()..).count(), 1);
/// });
/// # Ok::<(), Error>(())
/// ```
pub struct MapState<K: 'static, V: 'static> {
    place: Place,
    older: &'static [Older<V>],
    /// What this batch has read or written, by key of the frame and entry.
    known: RefCell<BTreeMap<(u32, Vec<u8>), Known>>,
    /// Keys whose stored entries are all gone.
    cleared: BTreeSet<u32>,
    /// How to take back what the current row did, latest last.
    undo: Vec<Undo>,
    types: PhantomData<fn() -> (K, V)>,
}

/// An entry as this batch knows it.
#[derive(Clone)]
struct Known {
    /// Without its stamp.
    value: Option<Vec<u8>>,
    written: bool,
    /// It was removed before it was written last, so the value is a new one.
    renewed: bool,
    stamp: i64,
}

enum Undo {
    Entry(Vec<u8>, Option<Known>),
    /// All that was known of the key, and whether it was cleared before.
    Cleared(Vec<(Vec<u8>, Known)>, bool),
}

impl<K: MapKey, V: Serialize + DeserializeOwned + 'static> MapState<K, V> {
    /// The value of an entry of the current key, if there is one.
    pub fn get<Q: EntryKey + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let entry = (self.place.key, encoded(key));
        let known = self.known.borrow().get(&entry).map(|known| known.value.clone());
        let value = match known {
            Some(value) => value,
            None if self.cleared.contains(&entry.0) => None,
            None => {
                let value = self.place.take(host::get(self.place.id, entry.0, &entry.1))?;
                let known = Known { value: value.clone(), written: false, renewed: false, stamp: 0 };
                self.known.borrow_mut().insert(entry, known);
                value
            }
        };
        self.place.decode(&value?, self.older)
    }

    /// Whether there is such an entry.
    pub fn contains<Q: EntryKey + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Stores an entry, over what there was. It reads nothing.
    pub fn put<Q: EntryKey + ?Sized>(&mut self, key: &Q, value: V)
    where
        K: Borrow<Q>,
    {
        self.write(encoded(key), Some(self.place.encode(&value)));
    }

    /// Removes an entry; nothing happens if there is none. It reads nothing.
    pub fn remove<Q: EntryKey + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.write(encoded(key), None);
    }

    /// Removes all entries of the current key. The host looks each of them up to do so.
    pub fn clear(&mut self) {
        let key = self.place.key;
        let known = self.known.get_mut();
        let entries: Vec<_> = known.range((key, Vec::new())..(key + 1, Vec::new())).map(|(k, _)| k.clone()).collect();
        let removed = entries.into_iter().filter_map(|k| known.remove(&k).map(|old| (k.1, old))).collect();
        let before = !self.cleared.insert(key);
        self.undo.push(Undo::Cleared(removed, before));
    }

    /// All entries of the current key, in the order of their keys.
    pub fn iter(&self) -> MapEntries<'_, K, V> {
        self.between(Vec::new(), Vec::new())
    }

    /// The entries with keys in a range, in order.
    pub fn range(&self, range: impl RangeBounds<K>) -> MapEntries<'_, K, V> {
        // No encoded key starts with another one, so nothing lies between a key and it with a zero.
        let behind = |key| [encoded::<K>(key), vec![0]].concat();
        let start = match range.start_bound() {
            Bound::Included(key) => encoded(key),
            Bound::Excluded(key) => behind(key),
            Bound::Unbounded => Vec::new(),
        };
        let end = match range.end_bound() {
            Bound::Included(key) => behind(key),
            Bound::Excluded(key) => encoded(key),
            Bound::Unbounded => Vec::new(),
        };
        self.between(start, end)
    }

    fn between(&self, start: Vec<u8>, end: Vec<u8>) -> MapEntries<'_, K, V> {
        let more = !self.cleared.contains(&self.place.key);
        MapEntries { map: self, ours: start.clone(), theirs: start, end, page: Vec::new().into_iter().peekable(), more }
    }

    fn write(&mut self, entry: Vec<u8>, value: Option<Vec<u8>>) {
        let at = (self.place.key, entry);
        let known = self.known.get_mut();
        let old = known.get(&at).cloned();
        let mut new = Known { value, written: true, renewed: false, stamp: self.place.stamp() };
        if let Some(old) = &old {
            let kept = old.written && old.value.is_some() && new.value.is_some();
            new.renewed = old.renewed || (old.written && old.value.is_none());
            if kept && self.place.ttl.is_some_and(|ttl| ttl.from == TtlFrom::Create) {
                new.stamp = old.stamp;
            }
        }
        known.insert(at.clone(), new);
        self.undo.push(Undo::Entry(at.1, old));
    }
}

impl<'m, K: MapKey, V: Serialize + DeserializeOwned + 'static> IntoIterator for &'m MapState<K, V> {
    type Item = (K, V);
    type IntoIter = MapEntries<'m, K, V>;
    fn into_iter(self) -> MapEntries<'m, K, V> {
        self.iter()
    }
}

/// The entries of a [`MapState`] in order; they come from the host page by page.
pub struct MapEntries<'m, K: 'static, V: 'static> {
    map: &'m MapState<K, V>,
    /// Where what this batch knows goes on, and where the host does.
    ours: Vec<u8>,
    theirs: Vec<u8>,
    /// Empty for none.
    end: Vec<u8>,
    page: std::iter::Peekable<std::vec::IntoIter<(Vec<u8>, Vec<u8>)>>,
    /// The host may have more.
    more: bool,
}

impl<K: MapKey, V: Serialize + DeserializeOwned + 'static> MapEntries<'_, K, V> {
    /// The next entry that this batch has written: its key, and its value if it was not removed.
    fn next_of_ours(&self) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let known = self.map.known.borrow();
        let mut from = known.range((self.map.place.key, self.ours.clone())..);
        let (at, known) = from.find(|(at, known)| known.written || at.0 != self.map.place.key)?;
        let inside = at.0 == self.map.place.key && (self.end.is_empty() || at.1 < self.end);
        inside.then(|| (at.1.clone(), known.value.clone()))
    }

    fn fill(&mut self) -> Option<()> {
        let place = &self.map.place;
        while self.more && self.page.peek().is_none() {
            let (entries, more) = place.take(host::page(place.id, place.key, &self.theirs, &self.end))?;
            if let Some((last, _)) = entries.last() {
                self.theirs = [last, &[0][..]].concat();
            }
            self.more = more && !entries.is_empty();
            self.page = entries.into_iter().peekable();
        }
        Some(())
    }

    fn next_bytes(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        loop {
            self.fill()?;
            let ours = self.next_of_ours();
            let theirs = self.page.peek().map(|(key, _)| key);
            let Some((key, value)) = ours.filter(|(ours, _)| theirs.is_none_or(|theirs| ours <= theirs)) else {
                return self.page.next();
            };
            if theirs == Some(&key) {
                self.page.next();
            }
            self.ours = [&key, &[0][..]].concat();
            if let Some(value) = value {
                return Some((key, value));
            }
        }
    }
}

impl<K: MapKey, V: Serialize + DeserializeOwned + 'static> Iterator for MapEntries<'_, K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        let (key, value) = self.next_bytes()?;
        let key = self.map.place.take(decoded(&key))?;
        Some((key, self.map.place.decode(&value, self.map.older)?))
    }
}

impl<K: MapKey, V: Serialize + DeserializeOwned + 'static> Cells for MapState<K, V> {
    type Value = V;

    fn slot(name: &str, version: u32, type_name: &str, older: &[Older<V>]) -> Slot {
        let values = values_of(older, Some(shape_of::<K>()));
        Slot { values, ..Slot::new(name, SlotKind::Map, version, type_name) }
    }

    fn create(name: &'static str, version: u32, older: &'static [Older<V>]) -> Self {
        Self {
            place: Place::new(name, version),
            older,
            known: RefCell::default(),
            cleared: BTreeSet::new(),
            undo: Vec::new(),
            types: PhantomData,
        }
    }

    fn set_ttl(&mut self, ttl: Ttl) {
        self.place.ttl = Some(ttl);
    }

    fn load(&mut self, id: u16, _: &Stored<'_>) -> Result<(), Error> {
        self.place.load(id);
        self.known.get_mut().clear();
        self.cleared.clear();
        self.undo.clear();
        Ok(())
    }

    fn select(&mut self, key: usize) {
        self.place.key = key as u32;
        self.undo.clear();
    }

    fn undo(&mut self) {
        let key = self.place.key;
        let known = self.known.get_mut();
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Entry(entry, Some(old)) => drop(known.insert((key, entry), old)),
                Undo::Entry(entry, None) => drop(known.remove(&(key, entry))),
                Undo::Cleared(entries, before) => {
                    // What was read since then was read over an empty map.
                    known.retain(|at, _| at.0 != key);
                    known.extend(entries.into_iter().map(|(entry, old)| ((key, entry), old)));
                    if !before {
                        self.cleared.remove(&key);
                    }
                }
            }
        }
    }

    fn fault(&self) -> Result<(), Error> {
        self.place.fault()
    }

    fn write(&self, id: u16, effects: &mut EffectsWriter) -> Result<(), Error> {
        let known = self.known.borrow();
        let keeps = self.place.ttl.is_some_and(|ttl| ttl.from == TtlFrom::Create);
        let written: Vec<_> = known.iter().filter(|(_, known)| known.written).collect();
        let stamped = |known: &Known| known.value.as_ref().map(|value| self.place.stamped(known.stamp, value));
        let values: Vec<_> = written.iter().map(|(_, known)| stamped(known)).collect();
        let cleared = self.cleared.iter().map(|&key| EntryChange { key, entry: None, value: None });
        let mut changes: Vec<_> = cleared.collect();
        for (((key, entry), known), value) in written.into_iter().zip(&values) {
            let entry = Some(&entry[..]);
            if keeps && known.renewed && value.is_some() {
                changes.push(EntryChange { key: *key, entry, value: None });
            }
            changes.push(EntryChange { key: *key, entry, value: value.as_deref() });
        }
        if !changes.is_empty() {
            effects.entries(id, &changes);
        }
        Ok(())
    }
}
