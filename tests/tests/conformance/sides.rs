//! A function with two inputs: natively and in the host the same, frame by frame, and the same
//! whatever the cut into batches and whichever input is ahead between two watermarks.

use crate::cells::{Cell, Row};
use crate::pair::{KeyText, Pair, Told};
use crate::{NAMES, pick};
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::frame::Kind;
use wasmill_tests::Random;

const HOUR: i64 = 3_600_000_000;

/// Rows of one input, with their keys and event times.
type Side = (Vec<Row>, Vec<KeyText>, Vec<i64>);

/// Rows of one hour, some of which are late.
fn side(kind: Kind, hour: i64, random: &mut Random) -> Side {
    let mut side = Side::default();
    for _ in 0..20 + random.below(40) {
        let at = (hour - random.below(2) as i64) * HOUR + random.below(HOUR as u64) as i64;
        let mut row = vec![Cell::i64(at), Cell::i64(random.number() as i64 >> 20)];
        if kind == Kind::Right {
            row.push(if random.below(9) == 0 { Cell::text("reject") } else { Cell::Null });
        }
        side.0.push(row);
        side.1.push(vec![pick(&NAMES, random).to_owned()]);
        side.2.push(at);
    }
    side
}

/// Feeds both sides of each hour; `step` tells the size of batches, `first` which side comes first.
fn feed(hours: &[[Side; 2]], step: usize, first: usize, random: &mut Random) -> Told {
    let mut pair = Pair::open("probe", "reconcile", Vec::new());
    for (hour, sides) in (1..).zip(hours) {
        for i in [first, 1 - first] {
            let (kind, (rows, keys, times)) = ([Kind::Data, Kind::Right][i], &sides[i]);
            for start in (0..rows.len()).step_by(step) {
                let range = start..(start + step).min(rows.len());
                pair.rows_of(kind, &rows[range.clone()], Some(&keys[range.clone()]), Some(&times[range]));
                pair.maybe_restart(random);
            }
        }
        pair.fire(TimerFamily::Event, hour * HOUR);
    }
    pair.fire(TimerFamily::Event, i64::MAX);
    pair.told()
}

#[test]
fn two_inputs_with_late_rows_and_rows_that_are_refused() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    for _ in 0..4 {
        let hours: Vec<_> =
            (0..6).map(|hour| [Kind::Data, Kind::Right].map(|kind| side(kind, hour, &mut random))).collect();
        let whole = feed(&hours, usize::MAX, 0, &mut random);
        assert!(!whole.late.is_empty() && !whole.rejects.is_empty() && !whole.rows.is_empty(), "{whole:?}");
        assert!(whole.timers.is_empty() && whole.state.is_empty(), "something is left over: {whole:?}");
        assert!(feed(&hours, 3, 0, &mut random) == whole, "seed {seed}: the cut made a difference");
        let swapped = feed(&hours, 5, 1, &mut random);
        assert!(swapped.rows == whole.rows, "seed {seed}: which input came first made a difference");
        assert_eq!(swapped.late.len(), whole.late.len());
    }
}
