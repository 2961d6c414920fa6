//! A small mutational fuzzer. Inputs that reach something new are bred further; what an input reached
//! is told by the words of its error, so that no instrumentation is needed. It knows no decoder.
//!
//! `WASMILL_TEST_SEED` repeats a run, `WASMILL_FUZZ_ROUNDS` makes it longer or shorter, and
//! `WASMILL_FUZZ_KEEP=1` adds one input per outcome to the corpus. An input that fails is kept always.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Rounds of one fuzzer, unless the environment says otherwise; they end early after [`TIME_MAX`].
const ROUNDS: u64 = 200_000;
const TIME_MAX: Duration = Duration::from_secs(5);
/// Inputs grow no longer than this: long ones find nothing that short ones do not, only later.
const INPUT_BYTES_MAX: usize = 4096;
/// A kept input is not bred beyond this number of others.
const POOL_MAX: usize = 512;

/// What is fuzzed.
pub struct Target<'a> {
    pub name: &'a str,
    /// Directory of the corpus.
    pub corpus: PathBuf,
    /// Inputs that are in order.
    pub seeds: Vec<Vec<u8>>,
    /// Makes good what would stop a mutated input at the door, like a total length.
    pub repair: fn(&mut [u8]),
    /// Decodes, and checks what came out; tells the outcome. Panics on a bug.
    pub check: &'a dyn Fn(&[u8]) -> Result<(), String>,
}

/// What a run saw: one input per outcome.
pub struct Report {
    pub outcomes: BTreeMap<String, Vec<u8>>,
    pub rounds: u64,
}

/// Replays the corpus, then breeds. Panics with the place of the input that failed.
pub fn run(target: &Target<'_>) -> Report {
    let seed = seed();
    println!("{}: WASMILL_TEST_SEED={seed} repeats this run", target.name);
    let mut random = Random(seed);
    let mut report = Report { outcomes: BTreeMap::new(), rounds: 0 };
    let mut pool = Vec::new();
    for input in corpus(&target.corpus).into_iter().chain(target.seeds.iter().cloned()) {
        attempt(target, &input, &mut report);
        pool.push(input);
    }
    assert!(!pool.is_empty(), "{}: there is neither corpus nor seed", target.name);
    let given = std::env::var("WASMILL_FUZZ_ROUNDS").ok().and_then(|v| v.parse().ok());
    let (rounds, started) = (given.unwrap_or(ROUNDS), Instant::now());
    while report.rounds < rounds && (given.is_some() || started.elapsed() < TIME_MAX) {
        let input = child(&pool, &mut random, target.repair);
        if attempt(target, &input, &mut report) && pool.len() < POOL_MAX {
            pool.push(input);
        }
        report.rounds += 1;
    }
    if std::env::var_os("WASMILL_FUZZ_KEEP").is_some() {
        let inputs = report.outcomes.values().filter(|input| input.len() <= INPUT_BYTES_MAX);
        inputs.for_each(|input| drop(keep(&target.corpus, "seen", input)));
    }
    println!("{}: {} rounds, {} outcomes", target.name, report.rounds, report.outcomes.len());
    report
}

/// Whether the input reached something new.
fn attempt(target: &Target<'_>, input: &[u8], report: &mut Report) -> bool {
    let Ok(result) = catch_unwind(AssertUnwindSafe(|| (target.check)(input))) else {
        let path = keep(&target.corpus, "failed", input);
        panic!("{}: a check panicked, see above; its input is kept in {}", target.name, path.display());
    };
    let outcome = result.err().map_or_else(|| "fine".to_owned(), |message| shape(&message));
    if report.outcomes.contains_key(&outcome) {
        return false;
    }
    report.outcomes.insert(outcome, input.to_vec());
    true
}

/// A message without its numbers and quoted values.
fn shape(message: &str) -> String {
    // From the first quote to the last, because what is quoted may hold quotes.
    let (head, rest) = message.split_once('"').unwrap_or((message, ""));
    let unquoted = format!("{head}_{}", rest.rsplit_once('"').map_or("", |(_, tail)| tail));
    let mut shape: String = unquoted.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
    while shape.contains("##") {
        shape = shape.replace("##", "#");
    }
    shape
}

fn keep(corpus: &Path, kind: &str, input: &[u8]) -> PathBuf {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let path = corpus.join(format!("{kind}-{hash:016x}.bin"));
    std::fs::create_dir_all(corpus).expect("the corpus can be written");
    std::fs::write(&path, input).expect("the corpus can be written");
    path
}

/// The inputs of a corpus, in the order of their names. A corpus that is not there is empty.
pub fn corpus(dir: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|e| e.expect("the corpus can be listed").path()).collect();
    paths.sort();
    paths.iter().map(|p| std::fs::read(p).expect("the corpus can be read")).collect()
}

fn seed() -> u64 {
    let given = std::env::var("WASMILL_TEST_SEED").ok().and_then(|s| s.parse().ok());
    let clock = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    given.unwrap_or_else(|| clock().map_or(1, |d| d.as_nanos() as u64))
}

fn child(pool: &[Vec<u8>], random: &mut Random, repair: fn(&mut [u8])) -> Vec<u8> {
    let mut input = pool[random.below(pool.len())].clone();
    for _ in 0..=random.below(4) {
        mutate(&mut input, pool, random);
    }
    input.truncate(INPUT_BYTES_MAX);
    if random.below(8) > 0 {
        repair(&mut input);
    }
    input
}

fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], random: &mut Random) {
    if input.is_empty() {
        input.push(random.next() as u8);
        return;
    }
    let len = input.len();
    let (at, span) = (random.below(len), 1 + random.below(16));
    let end = (at + span).min(len);
    match random.below(10) {
        0 => input[at] ^= 1 << random.below(8),
        1 => input[at] = [0, 1, 2, 3, 4, 7, 8, 0x7f, 0x80, 0xff][random.below(10)],
        2 => input[at] = random.next() as u8,
        3 => word(input, at, |v| v.wrapping_add((random.below(17) as u32).wrapping_sub(8))),
        4 => {
            let lengths =
                [0, 1, len as u32, 1 << 16, 1 << 20, 1 << 30, i32::MAX as u32, 1 << 31, u32::MAX - 7, u32::MAX];
            word(input, at, |_| lengths[random.below(lengths.len())]);
        }
        5 => input.truncate(at),
        6 => input.resize(len + span, random.next() as u8 & 1),
        7 => drop(input.drain(at..end)),
        8 => {
            let twice = input[at..end].to_vec();
            input.splice(at..at, twice);
        }
        _ => {
            let other = &pool[random.below(pool.len())];
            let from = at.min(other.len());
            let piece = other[from..(from + span * 4).min(other.len())].to_vec();
            input.splice(at..(at + piece.len()).min(len), piece);
        }
    }
}

/// Changes the little-endian number at or before `at` that is aligned as all numbers of the formats are.
fn word(input: &mut [u8], at: usize, change: impl FnOnce(u32) -> u32) {
    if let Some(bytes) = input.get_mut(at / 4 * 4..at / 4 * 4 + 4) {
        let value = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        bytes.copy_from_slice(&change(value).to_le_bytes());
    }
}

/// SplitMix64. Source: Sebastiano Vigna, public domain.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}
