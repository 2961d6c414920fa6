//! A function gives the same natively, under `cargo test`, and as a component in the host: frame by
//! frame to the byte, however rows are cut into batches, and as a whole job through the binary.

mod cells;
mod jobs;
mod kinds;
mod pair;
mod sides;

use cells::{Cell, Row, any};
use pair::{KeyText, Pair, Told};
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::manifest::ConfigValue;
use wasmill_tests::Random;

const NAMES: [&str; 7] = ["", "a", "b", "JFK", "größer", "日本", "\0\u{ff}"];

fn pick<'a>(of: &[&'a str], random: &mut Random) -> &'a str {
    of[random.below(of.len() as u64) as usize]
}

/// What happens between two watermarks.
struct Stretch {
    rows: Vec<Row>,
    /// For keyed functions.
    keys: Option<Vec<KeyText>>,
    watermark: Option<i64>,
    now: Option<i64>,
}

/// Feeds stretches in batches whose sizes `batch` tells.
fn feed(pair: &mut Pair, stretches: &[Stretch], random: &mut Random, batch: impl Fn(&mut Random) -> usize) -> Told {
    for stretch in stretches {
        let mut start = 0;
        while start < stretch.rows.len() {
            let end = (start + batch(random).max(1)).min(stretch.rows.len());
            pair.rows(&stretch.rows[start..end], stretch.keys.as_ref().map(|keys| &keys[start..end]));
            pair.maybe_restart(random);
            start = end;
        }
        if let Some(now) = stretch.now {
            pair.fire(TimerFamily::Processing, now);
        }
        if let Some(watermark) = stretch.watermark {
            pair.fire(TimerFamily::Event, watermark);
        }
    }
    pair.told()
}

/// Both sides agree on every frame, and no cut into batches changes what comes of the whole.
fn agree(open: impl Fn() -> Pair, make: impl Fn(&Pair, &mut Random) -> Vec<Stretch>) -> Told {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    let mut last = Told::default();
    for _ in 0..6 {
        let mut whole = open();
        let stretches = make(&whole, &mut random);
        last = feed(&mut whole, &stretches, &mut random, |_| usize::MAX);
        let mut cut = open();
        let told = feed(&mut cut, &stretches, &mut random, |random| 1 + random.below(9) as usize);
        assert!(cut.frames > whole.frames, "the cut made no difference to the frames");
        assert!(told == last, "seed {seed}: cut\n{told:?}\nwhole\n{last:?}");
    }
    assert!(!last.rows.is_empty(), "nothing came out");
    last
}

/// One stretch of rows without keys.
fn only_rows(rows: Vec<Row>) -> Vec<Stretch> {
    vec![Stretch { rows, keys: None, watermark: None, now: None }]
}

#[test]
fn echo_of_every_type() {
    let open = || Pair::open("probe", "echo", Vec::new());
    agree(open, |pair, random| {
        let input = pair.input();
        let row = |random: &mut Random| input.fields.iter().map(|f| any(f, random)).collect();
        only_rows((0..100 + random.below(100)).map(|_| row(random)).collect())
    });
}

fn transfers(random: &mut Random, actions: &[&str]) -> Stretch {
    let n = 50 + random.below(100);
    let names: Vec<&str> = (0..n).map(|_| pick(&NAMES, random)).collect();
    let rows = names.iter().zip(0i64..).map(|(name, id)| {
        let amount = random.number() as i64 >> (8 + random.below(50));
        vec![Cell::text(name), Cell::i64(id), Cell::i64(amount), Cell::text(pick(actions, random))]
    });
    let rows = rows.collect();
    Stretch { rows, keys: Some(names.iter().map(|n| vec![(*n).to_owned()]).collect()), watermark: None, now: None }
}

#[test]
fn ledger_with_rows_that_it_refuses() {
    let told = agree(
        || Pair::open("probe", "ledger", Vec::new()),
        |_, random| (0..4).map(|_| transfers(random, &["ok", "ok", "ok", "remove", "reject", "what?"])).collect(),
    );
    assert!(!told.rejects.is_empty() && !told.state.is_empty());
}

#[test]
fn ledger_with_batches_that_fail() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    let mut pair = Pair::open("probe", "ledger", Vec::new());
    let mut stretches: Vec<_> = (0..10).map(|_| transfers(&mut random, &["ok", "remove", "reject"])).collect();
    for (i, action) in [(2, "transient"), (5, "fatal"), (8, "transient")] {
        stretches[i].rows[20][3] = Cell::text(action);
    }
    let told = feed(&mut pair, &stretches, &mut random, |_| usize::MAX);
    assert_eq!(told.failures.len(), 3, "{:?}", told.failures);
    assert!(told.failures[1].starts_with("Fatal 0 Some(20) row 20 asked for the end"), "{:?}", told.failures);
}

#[test]
fn ticker_with_timers_of_both_clocks() {
    const WHATS: [&str; 7] =
        ["event", "event", "processing", "delete-event", "delete-processing", "every", "no such wish"];
    let told = agree(
        || Pair::open("probe", "ticker", Vec::new()),
        |_, random| {
            let stretch = |i: i64, random: &mut Random| {
                let names: Vec<&str> = (0..30 + random.below(30)).map(|_| pick(&NAMES, random)).collect();
                let row = |name: &&str| {
                    // Whole seconds, so that timers meet; some are late.
                    let at = (i * 10 + random.below(25) as i64 - 5) * 1_000_000;
                    let times = random.below(4) as i32;
                    vec![Cell::text(name), Cell::i64(at), Cell::text(pick(&WHATS, random)), Cell::i32(times)]
                };
                let rows = names.iter().map(row).collect();
                let time = Some(i * 10_000_000);
                let keys = Some(names.iter().map(|n| vec![(*n).to_owned()]).collect());
                Stretch { rows, keys, watermark: time, now: time }
            };
            let mut all: Vec<_> = (0..8).map(|i| stretch(i, random)).collect();
            all.push(Stretch { rows: Vec::new(), keys: None, watermark: Some(i64::MAX), now: Some(i64::MAX) });
            all
        },
    );
    assert!(told.timers.is_empty() && !told.rejects.is_empty());
}

const AIRPORTS: [&str; 9] = ["JFK", "LAX", " ORD", "ATL ", "SFO", "J", "", "日本", "A-1"];

fn flight(random: &mut Random, spread: u64) -> (Row, [&'static str; 2]) {
    let airports = [pick(&AIRPORTS, random), pick(&AIRPORTS, random)];
    let delay = match random.below(9) {
        0 => Cell::Null,
        _ => Cell::i32(random.number() as i32 >> random.below(32)),
    };
    let distance = Cell::i32(random.below(5000) as i32 - 50);
    let date = Cell::i64(random.below(spread) as i64 * 60_000_000);
    (vec![date, delay, distance, Cell::text(airports[0]), Cell::text(airports[1])], airports)
}

#[test]
fn clean_flights() {
    for minutes in [1440, -5] {
        let config = vec![("max_delay".to_owned(), ConfigValue::Int(minutes))];
        let told = agree(
            || Pair::open("flights", "clean", config.clone()),
            |_, random| only_rows((0..300).map(|_| flight(random, 1 << 40).0).collect()),
        );
        assert!(!told.rejects.is_empty() && told.rows.len() == 2, "{:?}", told.rows.keys());
    }
}

#[test]
fn hourly_totals_with_late_flights() {
    let told = agree(
        || Pair::open("flights", "hourly", Vec::new()),
        |_, random| {
            let stretch = |i: i64, random: &mut Random| {
                let flights: Vec<_> = (0..60).map(|_| flight(random, 200)).collect();
                let row = |(row, _): &(Row, _)| {
                    let Cell::Fixed(date) = &row[0] else { panic!("dates are never missing") };
                    let date = i64::from_le_bytes(date.as_slice().try_into().expect("eight bytes")) + i * 3_600_000_000;
                    let delay = if row[1] == Cell::Null { Cell::i32(0) } else { row[1].clone() };
                    vec![Cell::i64(date), delay, row[2].clone()]
                };
                let keys = flights.iter().map(|(_, airports)| vec![airports[0].to_owned()]).collect();
                let rows = flights.iter().map(row).collect();
                Stretch { rows, keys: Some(keys), watermark: Some((i + 2) * 3_600_000_000), now: None }
            };
            let mut all: Vec<_> = (0..6).map(|i| stretch(i, random)).collect();
            all.push(Stretch { rows: Vec::new(), keys: None, watermark: Some(i64::MAX), now: None });
            all
        },
    );
    assert!(told.state.is_empty() && told.timers.is_empty() && !told.rejects.is_empty());
}

#[test]
fn running_totals_of_routes() {
    let told = agree(
        || Pair::open("flights", "routes", Vec::new()),
        |_, random| {
            let flights: Vec<_> = (0..300).map(|_| flight(random, 10)).collect();
            let delay = |row: &Row| if row[1] == Cell::Null { Cell::i32(0) } else { row[1].clone() };
            let rows = flights.iter().map(|(row, _)| vec![delay(row)]).collect();
            let key = |airports: &[&str; 2]| airports.iter().map(|&a| a.to_owned()).collect();
            let keys = flights.iter().map(|(_, airports)| key(airports)).collect();
            vec![Stretch { rows, keys: Some(keys), watermark: None, now: None }]
        },
    );
    assert_eq!(told.rows[&0].len(), 300);
}
