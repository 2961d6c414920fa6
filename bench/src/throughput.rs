//! Rows per second and what they cost, workload by workload, in turns with Flink and beside a plain
//! loop.

use crate::args::{Args, Peer};
use crate::flink;
use crate::measure::{Round, median, medians};
use crate::plain::{self, PlainRun};
use crate::wasmill::{Ran, Wasmill};
use crate::workloads::{self, FlinkRun, Source, Workload};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// Lines of the JSON workloads.
const LINES: u64 = 4_000_000;
const LINE_KEYS: u64 = 100_000;

/// Everything that was measured of one workload.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub name: &'static str,
    pub what: &'static str,
    pub least_per_s: f64,
    pub wasmill: Round,
    pub rounds: Vec<Round>,
    /// Nanoseconds per event of a job that only makes, or reads and parses, the rows.
    pub source_ns: f64,
    pub plain: PlainRun,
    pub times: Times,
    pub peers: Vec<PeerMeasured>,
}

/// Where the time of the function's operator went, in nanoseconds per row that it got.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Times {
    /// In Wasm.
    pub guest_ns: f64,
    /// Writing frames, and checking and reading effects.
    pub boundary_ns: f64,
    /// Finding, loading and changing state.
    pub state_ns: f64,
    /// Of the frame, per row.
    pub bytes: f64,
}

impl Times {
    /// From the summary of a run; `apply` is the function's operator.
    fn of(summary: &Value) -> Result<Self> {
        let operator = &summary["operators"]["apply"];
        let rows = operator["rows_in"].as_f64().context("the summary tells no rows of the operator `apply`")?;
        let ns = |activity: &str| operator["time_s"][activity].as_f64().unwrap_or(0.0) * 1e9 / rows;
        Ok(Self {
            guest_ns: ns("guest"),
            boundary_ns: ns("boundary"),
            state_ns: ns("state"),
            bytes: operator["bytes_in"].as_f64().unwrap_or(0.0) / rows,
        })
    }
}

/// The other side of a workload, in one of its settings.
#[derive(Debug, Clone, Serialize)]
pub struct PeerMeasured {
    pub label: &'static str,
    pub flink: Round,
    pub rounds: Vec<Round>,
}

impl PeerMeasured {
    /// How many times faster Wasmill is.
    pub fn ratio(&self, wasmill: &Round) -> f64 {
        wasmill.events_per_s / self.flink.events_per_s
    }

    /// How many times less CPU an event takes.
    pub fn cpu_ratio(&self, wasmill: &Round) -> f64 {
        self.flink.cpu_us_per_event / wasmill.cpu_us_per_event
    }
}

/// Runs all workloads that were asked for.
pub fn run(args: &Args, wasmill: &Wasmill) -> Result<Vec<Measured>> {
    let lines = wasmill.work.join("lines.ndjson");
    let is_wanted = |w: &&Workload| args.only.is_empty() || args.only.iter().any(|name| w.name.starts_with(name));
    let wanted: Vec<&Workload> = workloads::ALL.iter().filter(is_wanted).collect();
    ensure!(!wanted.is_empty(), "no workload is called {}; there are {}", args.only.join(" or "), names().join(", "));
    if wanted.iter().any(|w| w.source == Source::Lines) {
        plain::write_lines(&lines, args.scaled(LINES), LINE_KEYS)?;
    }
    wanted.into_iter().map(|workload| compare(args, wasmill, workload, &lines)).collect()
}

fn names() -> Vec<&'static str> {
    workloads::ALL.iter().map(|w| w.name).collect()
}

fn compare(args: &Args, wasmill: &Wasmill, workload: &Workload, lines: &Path) -> Result<Measured> {
    let events = args.scaled(workload.events);
    let mut rounds = Vec::new();
    let mut peers: Vec<(FlinkRun, Vec<Round>)> = match args.peer {
        Some(Peer::Flink) => workload.peers.iter().map(|peer| (*peer, Vec::new())).collect(),
        None => Vec::new(),
    };
    let (mut times, mut source, mut loops) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let yaml = workload.job(wasmill, &lines.display().to_string(), events, args.parallelism);
        let ran = wasmill.run(workload.name, &yaml)?;
        let measured = round_of(&ran, events);
        eprintln!(
            "  {} {round}/{}: wasmill {:.2} M/s, {:.3} us CPU per event",
            workload.name,
            args.rounds,
            measured.events_per_s / 1e6,
            measured.cpu_us_per_event
        );
        rounds.push(measured);
        times.push(Times::of(&ran.summary)?);
        for (peer, rounds) in &mut peers {
            let theirs = flink::run(peer.args, args.scaled(peer.events), args.parallelism)?;
            ensure!(theirs.rows_out > 0, "Flink's {} put nothing out", workload.name);
            eprintln!(
                "  {} {round}/{}: flink {} {:.2} M/s, {:.3} us CPU per event",
                workload.name,
                args.rounds,
                peer.label,
                theirs.round.events_per_s / 1e6,
                theirs.round.cpu_us_per_event
            );
            rounds.push(theirs.round);
        }
        let bare = wasmill
            .run(&format!("{}-source", workload.name), &workload.source_job(&lines.display().to_string(), events))?;
        source.push(bare.used.wall.as_nanos() as f64 / events as f64);
        loops.push(plain::run(workload, lines, events / 4)?);
    }
    let of_times = |figure: fn(&Times) -> f64| median(times.iter().map(figure));
    let of_loops = |figure: fn(&PlainRun) -> f64| median(loops.iter().map(figure));
    Ok(Measured {
        name: workload.name,
        what: workload.what,
        least_per_s: workload.least_per_s,
        wasmill: medians(&rounds),
        rounds,
        source_ns: median(source),
        plain: PlainRun { whole_ns: of_loops(|l| l.whole_ns), loop_ns: of_loops(|l| l.loop_ns) },
        times: Times {
            guest_ns: of_times(|t| t.guest_ns),
            boundary_ns: of_times(|t| t.boundary_ns),
            state_ns: of_times(|t| t.state_ns),
            bytes: of_times(|t| t.bytes),
        },
        peers: peers
            .into_iter()
            .map(|(peer, rounds)| PeerMeasured { label: peer.label, flink: medians(&rounds), rounds })
            .collect(),
    })
}

/// The whole process counts, its start and end included.
fn round_of(ran: &Ran, events: u64) -> Round {
    Round {
        events_per_s: events as f64 / ran.used.wall.as_secs_f64(),
        cpu_us_per_event: ran.used.cpu.as_secs_f64() * 1e6 / events as f64,
        peak_mib: ran.used.peak_bytes as f64 / f64::from(1 << 20),
    }
}
