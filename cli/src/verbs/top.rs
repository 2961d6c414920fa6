//! `wasmill top`: a running job as it is now, operator by operator. It only reads the job's metrics,
//! so it can neither disturb the job nor needs to run where the job does.

use crate::exit::{Failure, Status};
use crate::terminal::Terminal;
use crate::top::client::Url;
use crate::top::draw;
use crate::top::model::{Order, View};
use crate::top::scrape::Scrape;
use crate::top::screen::{self, Key, Screen};
use anyhow::Context;
use signal_hook::consts::signal::{SIGHUP, SIGTERM};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmill_core::units::parse_duration;
use wasmill_server::local;

const EXAMPLES: &str = "\
Examples:
  wasmill run job.yaml --metrics 9464      in one terminal
  wasmill top job.yaml                     in another
  wasmill top http://127.0.0.1:9464        by address
  wasmill top job.yaml --once              one table, also when stdout is no terminal
  wasmill top job.yaml --json              one JSON object

Keys: s orders by work, rows, waiting, dead letters and the plan in turn; q ends.
GUEST, BOUND (the boundary), STATE, OTHER and WAIT are shares of the time of an operator's threads;
operators of one fragment share their threads. BEHIND is the clock less the watermark. What the
numbers are made of is told in docs/guide/metrics.md.";

/// What is kept for the line of throughput.
const HISTORY: usize = 512;

/// Watch a running job: rows, time, queues, watermarks, failures, operator by operator
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file of a job that runs with `metrics`, or the address of its metrics
    #[arg(value_name = "JOB.yaml|URL")]
    job: String,
    /// Where the job keeps its state [default: .wasmill/JOB beside the job file]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The time that rates are taken over
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Show one table and end
    #[arg(long)]
    once: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|e| e.to_string())?;
    let allowed = (Duration::from_millis(100)..=Duration::from_secs(60)).contains(&duration);
    if allowed { Ok(duration) } else { Err("an interval takes at least 100ms and at most 60s".to_owned()) }
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let url = Url::parse(&url(&args)?).map_err(Failure::usage)?;
    let mut watch = Watch { before: scrape(&url)?, url, taken: Instant::now(), history: Vec::new() };
    if args.once || terminal.json || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        std::thread::sleep(args.interval);
        let view = watch.next()?;
        let lines = || draw::lines(&view, Order::Plan, &[], screen::size().0, terminal.out).join("\n");
        let text = if terminal.json { draw::json(&view).to_string() } else { lines() };
        return Ok(terminal.print(&text)?);
    }
    Ok(live(watch, args.interval, terminal)?)
}

/// The address, as it is given or as the running job noted it.
fn url(args: &Args) -> Result<String, Failure> {
    if args.job.contains("://") {
        return Ok(args.job.clone());
    }
    let noted = local::metrics_url(Path::new(&args.job), args.state_dir.as_deref());
    let noted = noted.map_err(|e| Failure::new(super::run::status(e.kind(), None), e))?;
    noted.ok_or_else(|| {
        let job = &args.job;
        let message = format!(
            "{job} does not run, or runs without metrics: start it with `wasmill run {job} --metrics 9464`, or write \
             `metrics: 9464` into the job file"
        );
        Failure::new(Status::State, anyhow::anyhow!(message))
    })
}

fn scrape(url: &Url) -> Result<Scrape, Failure> {
    let text = url.get().map_err(|e| Failure::new(Status::Io, e.context("the job does not run, or not there")))?;
    let parsed = Scrape::parse(&text);
    parsed.map_err(|line| Failure::new(Status::Io, anyhow::anyhow!("the answer is no metrics: it says {line:?}")))
}

/// A job that is looked at again and again.
struct Watch {
    url: Url,
    before: Scrape,
    taken: Instant,
    /// The job's rows per second, the latest last.
    history: Vec<f64>,
}

impl Watch {
    /// What happened since the last look.
    fn next(&mut self) -> Result<View, Failure> {
        let after = scrape(&self.url)?;
        let apart = self.taken.elapsed();
        self.taken = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        let view = View::between(&self.before, &after, apart, now);
        self.before = after;
        let view = view.ok_or_else(|| {
            Failure::new(Status::Io, anyhow::anyhow!("the metrics there are not those of a job of wasmill"))
        })?;
        self.history.push(view.rows_per_second);
        let surplus = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..surplus);
        Ok(view)
    }
}

/// Redraws until a key, a signal or the job's end.
fn live(mut watch: Watch, interval: Duration, terminal: &Terminal) -> anyhow::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ended)).context("cannot listen for signals")?;
    }
    let screen = Screen::enter()?;
    let mut order = Order::Plan;
    let mut view: Option<View> = None;
    // Rates of the first look would be of an instant.
    let mut due = Instant::now() + interval;
    let mut told = String::new();
    while !ended.load(Ordering::Relaxed) {
        if Instant::now() >= due {
            due = Instant::now() + interval;
            match watch.next() {
                Ok(next) => (view, told) = (Some(next), String::new()),
                Err(failure) => told = format!("{}: {}", terminal.out.error("no answer"), one_line(&failure)),
            }
        }
        let lines = view.as_ref().map(|v| draw::lines(v, order, &watch.history, screen::size().0, terminal.out));
        let keys = terminal.out.dim(&format!("q quit  s sort (now: {})", order.name()));
        screen.draw(&lines.unwrap_or_default(), &format!("{keys}  {told}"))?;
        match screen.key()? {
            Some(Key::Quit) => break,
            Some(Key::Sort) => order = order.next(),
            Some(Key::Other) | None => {}
        }
    }
    Ok(())
}

fn one_line(failure: &Failure) -> String {
    wasmill_core::printable::one_line(&failure.to_string()).into_owned()
}
