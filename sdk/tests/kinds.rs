//! Maps, lists and merge slots in the harness: pages, ranges, what a refused row takes back, and
//! times to live.

use std::ops::Bound;
use wasmill_sdk::prelude::*;
use wasmill_sdk::testing::KeyedTest;

#[derive(Row)]
struct Act<'a> {
    key: u32,
    what: &'a str,
    n: u32,
}

#[derive(Row)]
struct Key {
    key: u32,
}

#[derive(Slots)]
struct State {
    map: MapState<u32, String>,
    list: ListState<u32>,
    sum: CounterState,
    #[slot(ttl = "10s", since = create, clock = processing)]
    seen: MapState<u32, u32>,
}

struct Acts;
impl Keyed for Acts {
    type Config = ();
    type In = Act<'static>;
    type Key = Key;
    type State = State;
    type Out = Emit<Act<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Acts)
    }

    fn process(
        &mut self,
        _: Key,
        row: Act<'_>,
        state: &mut State,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        match row.what {
            "put" => state.map.put(&row.n, "x".repeat(500)),
            "see" => state.seen.put(&row.n, row.n),
            "seen" if state.seen.contains(&row.n) => out.emit(row),
            "count" => out.emit(Act { n: state.map.iter().count() as u32, ..row }),
            "spoil" => {
                state.map.get(&row.n);
                state.map.clear();
                state.map.put(&row.n, "spoiled".to_owned());
                state.map.remove(&(row.n + 1));
                state.list.push(row.n);
                state.list.clear();
                state.list.push(row.n);
                state.sum.add(1000);
                state.sum.remove();
                return Err(Error::reject("spoiled"));
            }
            _ => {
                state.list.push(row.n);
                state.sum.add(row.n.into());
            }
        }
        Ok(())
    }
}

fn act(what: &str, n: u32) -> Act<'_> {
    Act { key: 1, what, n }
}

#[test]
fn a_map_of_many_pages_is_scanned_in_order() {
    let mut test = KeyedTest::<Acts>::open([]).expect("opens");
    // 2.5 MB, of which a page holds 1 MiB; put in disorder.
    test.feed((0..5000).map(|i| act("put", i * 7919 % 5000 * 2))).expect("handles");
    // The batch that scans has entries of its own between, before and over the stored ones.
    test.feed([act("put", 1), act("put", 4), act("put", 10_001), act("count", 0)]).expect("handles");
    assert_eq!(test.display("out"), ["1, count, 5002"]);
    test.look(Key { key: 1 }, |state| {
        let keys: Vec<u32> = state.map.iter().map(|(key, _)| key).collect();
        assert!(keys.is_sorted() && keys.len() == 5002);
        let within = |range: (Bound<u32>, Bound<u32>)| state.map.range(range).map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(within((Bound::Included(4), Bound::Excluded(8))), [4, 6]);
        assert_eq!(within((Bound::Excluded(4), Bound::Included(8))), [6, 8]);
        assert_eq!(within((Bound::Included(9998), Bound::Unbounded)), [9998, 10_001]);
        assert_eq!(within((Bound::Unbounded, Bound::Included(2))), [0, 1, 2]);
        assert!(within((Bound::Included(8), Bound::Excluded(8))).is_empty());
    });
    test.look(Key { key: 2 }, |state| assert_eq!(state.map.iter().count(), 0, "another key has another map"));
}

#[test]
fn a_refused_row_takes_back_all_that_it_did() {
    for batch_rows in [1, 100] {
        let mut test = KeyedTest::<Acts>::open([]).expect("opens").batch_rows(batch_rows);
        test.feed([act("add", 5), act("put", 3), act("put", 4), act("spoil", 3), act("add", 7)]).expect("handles");
        assert_eq!(test.rejects().len(), 1);
        test.look(Key { key: 1 }, |state| {
            let map: Vec<(u32, usize)> = state.map.iter().map(|(key, value)| (key, value.len())).collect();
            assert_eq!(map, [(3, 500), (4, 500)]);
            assert_eq!(state.list.iter().collect::<Vec<_>>(), [5, 7]);
            assert_eq!(state.sum.get(), Some(12));
        });
    }
}

#[test]
fn an_entry_is_gone_when_its_time_is_over() {
    let mut test = KeyedTest::<Acts>::open([]).expect("opens");
    let seconds = Duration::from_secs;
    test.feed([act("see", 1)]).expect("handles");
    test.advance(seconds(6)).expect("no timers");
    test.feed([act("see", 1), act("see", 2), act("seen", 1)]).expect("handles");
    test.advance(seconds(4)).expect("no timers");
    test.feed([act("seen", 1), act("seen", 2)]).expect("handles");
    assert_eq!(test.display("out"), ["1, seen, 1", "1, seen, 2"]);
    test.feed([act("see", 1)]).expect("handles");
    test.advance(seconds(9)).expect("no timers");
    test.feed([act("seen", 1), act("seen", 2)]).expect("handles");
    assert_eq!(test.display("out"), ["1, seen, 1", "1, seen, 2", "1, seen, 1"]);
}
