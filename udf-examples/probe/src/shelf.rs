//! `shelf`: state of every kind, with and without a time to live, changed and shown as rows say.

use wasmill_sdk::prelude::*;

/// What is to be done.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Act<'a> {
    pub time: Timestamp,
    pub name: &'a str,
    pub id: i64,
    /// `put`, `take`, `empty`, `shelf` (shows the map), `push`, `drop`, `list`, `add`, `forget`, `sums`,
    /// `see` (writes what has a time to live), `seen` (shows it).
    pub what: &'a str,
    pub item: &'a str,
    pub n: i64,
    /// The row is refused after it did all that.
    pub refuse: bool,
}

/// The key.
#[derive(Row, Debug)]
pub struct Shelf<'a> {
    pub name: &'a str,
}

/// What was found.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Shown<'a> {
    pub name: &'a str,
    /// The row that asked.
    pub id: i64,
    pub item: &'a str,
    pub n: i64,
}

/// The state of a shelf.
#[derive(Slots)]
pub struct ShelfState {
    pub items: MapState<String, i64>,
    pub list: ListState<i64>,
    pub sum: CounterState,
    pub least: MinState,
    pub most: MaxState,
    #[slot(ttl = "7s")]
    pub last: Value<i64>,
    #[slot(ttl = "7s", since = create)]
    pub first: Value<i64>,
    #[slot(ttl = "7s")]
    pub recent: MapState<String, i64>,
    #[slot(ttl = "7s", since = create)]
    pub known: MapState<(String, i64), i64>,
    #[slot(ttl = "7s")]
    pub lately: ListState<i64>,
    #[slot(ttl = "7s")]
    pub burst: CounterState,
    #[slot(ttl = "7s", since = create)]
    pub peak: MaxState,
}

pub struct Shelves;

impl Keyed for Shelves {
    type Config = ();
    type In = Act<'static>;
    type Key = Shelf<'static>;
    type State = ShelfState;
    type Out = Emit<Shown<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        key: Shelf<'_>,
        row: Act<'_>,
        state: &mut ShelfState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        let mut show = |item: &str, n: i64| out.emit(Shown { name: key.name, id: row.id, item, n });
        match row.what {
            "put" => {
                let old = state.items.get(row.item);
                show("old", old.unwrap_or(-1));
                state.items.put(row.item, row.n);
            }
            "take" => state.items.remove(row.item),
            "empty" => state.items.clear(),
            "shelf" => {
                state.items.iter().for_each(|(item, n)| show(&item, n));
                let some = state.items.range(row.item.to_owned()..);
                show("from here", some.count() as i64);
            }
            "push" => state.list.push(row.n),
            "drop" => state.list.clear(),
            "list" => state.list.iter().for_each(|n| show("list", n)),
            "add" => {
                state.sum.add(row.n);
                state.least.merge(row.n);
                state.most.merge(row.n);
            }
            "forget" => {
                state.sum.remove();
                state.least.remove();
            }
            "sums" => {
                let sums = [("sum", state.sum.get()), ("least", state.least.get()), ("most", state.most.get())];
                sums.into_iter().for_each(|(what, n)| show(what, n.unwrap_or(-1)));
            }
            "see" => see(&row, state),
            _ => seen(state, &mut show),
        }
        if row.refuse {
            return Err(Error::reject("as was asked"));
        }
        Ok(())
    }
}

/// Writes to every slot with a time to live; zero removes now and then, before or after.
fn see(row: &Act<'_>, state: &mut ShelfState) {
    if row.n % 5 == 0 {
        state.first.remove();
        state.known.remove(&(row.item.to_owned(), row.n % 2));
    }
    state.last.put(row.n);
    state.first.update(|n| *n += row.n);
    state.recent.put(row.item, row.n);
    state.known.put(&(row.item.to_owned(), row.n % 2), row.n);
    state.lately.push(row.n);
    state.burst.add(row.n);
    state.peak.merge(row.n);
    if row.n % 7 == 0 {
        state.last.remove();
        state.burst.remove();
    }
}

fn seen(state: &ShelfState, show: &mut dyn FnMut(&str, i64)) {
    show("last", state.last.get().copied().unwrap_or(-1));
    show("first", state.first.get().copied().unwrap_or(-1));
    state.recent.iter().for_each(|(item, n)| show(&item, n));
    state.known.iter().for_each(|((item, half), n)| show(&format!("{item} {half}"), n));
    state.lately.iter().for_each(|n| show("lately", n));
    show("burst", state.burst.get().unwrap_or(-1));
    show("peak", state.peak.get().unwrap_or(-1));
}
