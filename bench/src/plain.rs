//! The same logic as plain loops over the same batches: no Wasm, no state store, no checkpoints. It
//! is what the machine itself can do, and what the price of safety is measured against.

use crate::workloads::{Source, Workload};
use anyhow::{Context, Result};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use wasmill_core::nexmark::NexmarkStream;
use wasmill_runtime::connect::nexmark::{Event, Number, Text};

/// The rows of a batch, as many as the host puts into one call.
const BATCH_ROWS: usize = 4096;

/// The logic of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    Pass,
    Convert,
    Pick,
    Totals,
    JsonConvert,
    JsonTotals,
}

/// What a loop took per counted event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PlainRun {
    /// Making or reading the rows, and the loop.
    pub whole_ns: f64,
    /// The loop alone.
    pub loop_ns: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: i64,
    sum: i64,
    max: i64,
}

/// A whole bid as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[expect(non_snake_case, reason = "the benchmark names its columns so")]
pub struct Bid<'a> {
    pub auction: i64,
    pub bidder: i64,
    pub price: i64,
    pub channel: &'a str,
    pub url: &'a str,
    pub dateTime: i64,
    pub extra: &'a str,
}

#[derive(Deserialize)]
struct AuctionPrice {
    auction: i64,
    price: i64,
}

#[derive(Serialize)]
struct Totals {
    auction: i64,
    count: i64,
    sum: i64,
    max: i64,
}

/// Runs the workload's loop once.
pub fn run(workload: &Workload, lines: &Path, events: u64) -> Result<PlainRun> {
    match workload.source {
        Source::Lines => json(workload.plain, lines),
        Source::Bids { keys, .. } => Ok(bids(workload, keys, events)),
    }
}

/// Columns of bids.
#[derive(Default)]
struct Columns {
    auction: Vec<i64>,
    bidder: Vec<i64>,
    price: Vec<i64>,
    date_time: Vec<i64>,
}

fn bids(workload: &Workload, keys: u64, events: u64) -> PlainRun {
    let mut totals: HashMap<i64, Sums> = HashMap::new();
    let (mut made, mut looped) = (Duration::ZERO, Duration::ZERO);
    let (mut n, end, mut rows) = (0, workload.generated(events), 0);
    while n < end {
        let started = Instant::now();
        let mut numbers = Vec::with_capacity(BATCH_ROWS);
        while numbers.len() < BATCH_ROWS && n < end {
            if Event::stream(n) == NexmarkStream::Bid {
                numbers.push(n);
            }
            n += 1;
        }
        let column = |c: Number| numbers.iter().map(|&n| Event::new(n).number(c, keys)).collect::<Vec<_>>();
        let mut batch =
            Columns { auction: column(Number::BidAuction), price: column(Number::BidPrice), ..Columns::default() };
        if matches!(workload.plain, Plain::Pass | Plain::Convert) {
            batch.bidder = column(Number::BidBidder);
            batch.date_time = column(Number::DateTime);
        }
        let batch = black_box(batch);
        let between = Instant::now();
        rows += numbers.len() as u64;
        black_box(apply(workload.plain, &batch, &mut totals));
        made += between - started;
        looped += between.elapsed();
    }
    let counted = if workload.generated(events) == events { events } else { rows };
    let per_event = |time: Duration| time.as_nanos() as f64 / counted as f64;
    PlainRun { whole_ns: per_event(made + looped), loop_ns: per_event(looped) }
}

fn apply(plain: Plain, batch: &Columns, totals: &mut HashMap<i64, Sums>) -> Columns {
    let mut out = Columns::default();
    match plain {
        Plain::Pass => {
            out.auction.clone_from(&batch.auction);
            out.bidder.clone_from(&batch.bidder);
            out.price.clone_from(&batch.price);
            out.date_time.clone_from(&batch.date_time);
        }
        Plain::Convert => {
            out.auction.clone_from(&batch.auction);
            out.bidder.clone_from(&batch.bidder);
            out.price = batch.price.iter().map(|price| price * 908 / 1000).collect();
            out.date_time.clone_from(&batch.date_time);
        }
        Plain::Pick => {
            let kept = batch.auction.iter().zip(&batch.price).filter(|(auction, _)| *auction % 123 == 0);
            (out.auction, out.price) = kept.map(|(&auction, &price)| (auction, price)).unzip();
        }
        Plain::Totals => {
            for (&auction, &price) in batch.auction.iter().zip(&batch.price) {
                let sums = add(totals, auction, price);
                out.auction.push(auction);
                out.bidder.push(sums.count);
                out.price.push(sums.sum);
                out.date_time.push(sums.max);
            }
        }
        Plain::JsonConvert | Plain::JsonTotals => unreachable!("they read lines"),
    }
    out
}

fn add(totals: &mut HashMap<i64, Sums>, auction: i64, price: i64) -> Sums {
    let sums = totals.entry(auction).or_default();
    sums.count += 1;
    sums.sum += price;
    sums.max = sums.max.max(price);
    *sums
}

/// From lines to lines, by serde_json with types that are known when this is compiled. The file is
/// in memory before the clock starts.
fn json(plain: Plain, lines: &Path) -> Result<PlainRun> {
    let text = std::fs::read_to_string(lines).with_context(|| format!("reading {}", lines.display()))?;
    let mut totals: HashMap<i64, Sums> = HashMap::new();
    let mut out = Vec::new();
    let mut rows = 0u64;
    let started = Instant::now();
    for line in text.lines() {
        rows += 1;
        if out.len() > 1 << 20 {
            black_box(&out);
            out.clear();
        }
        if plain == Plain::JsonConvert {
            let bid: Bid<'_> = serde_json::from_str(line)?;
            serde_json::to_writer(&mut out, &Bid { price: bid.price * 908 / 1000, ..bid })?;
        } else {
            let AuctionPrice { auction, price } = serde_json::from_str(line)?;
            let Sums { count, sum, max } = add(&mut totals, auction, price);
            serde_json::to_writer(&mut out, &Totals { auction, count, sum, max })?;
        }
        out.push(b'\n');
    }
    let ns = started.elapsed().as_nanos() as f64 / rows as f64;
    Ok(PlainRun { whole_ns: ns, loop_ns: ns })
}

/// Writes the lines that the JSON workloads read: line i is the bid of event i, over and over the
/// first million.
pub fn write_lines(path: &Path, lines: u64, keys: u64) -> Result<()> {
    use std::io::Write;
    const RING: u64 = 1_000_000;
    let tables = [Text::Channel, Text::Url, Text::BidExtra].map(Text::table);
    let file = std::fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    let mut file = std::io::BufWriter::with_capacity(1 << 20, file);
    for i in 0..lines {
        let event = Event::new(i % RING);
        let text = |table: usize, column| tables[table][event.text(column)].as_str();
        let bid = Bid {
            auction: event.number(Number::BidAuction, keys),
            bidder: event.number(Number::BidBidder, keys),
            price: event.number(Number::BidPrice, keys),
            channel: text(0, Text::Channel),
            url: text(1, Text::Url),
            dateTime: event.number(Number::DateTime, keys) / 1000,
            extra: text(2, Text::BidExtra),
        };
        serde_json::to_writer(&mut file, &bid)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(())
}
