//! `wasmill run`: one job in this process. It starts the job, turns signals into a drain and the
//! job's end into an exit status; how a job runs is not known here.

use crate::exit::{Failure, Status};
use crate::progress::ProgressView;
use crate::terminal::Terminal;
use anyhow::Context;
use signal_hook::consts::signal::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use wasmill_core::listen::{self, ListenError, Reach};
use wasmill_core::units::parse_duration;
use wasmill_server::local::{self, RunError, RunErrorKind, RunOptions, Stop};

const EXAMPLES: &str = "\
Examples:
  wasmill run job.yaml
  wasmill run job.yaml --parallelism 4 --epoch 1s
  wasmill run job.yaml --json 2> progress.jsonl
  wasmill run job.yaml --metrics 9464      then, elsewhere: wasmill top job.yaml

Run the same command again after a crash or a drain: the job resumes from its last committed
epoch. SIGTERM and Ctrl-C drain the job within its drain_timeout; a second one ends it at once,
which loses nothing either.";

const EPOCH_MIN: Duration = Duration::from_millis(10);
const EPOCH_MAX: Duration = Duration::from_secs(3600);

/// Run a job in this process, or resume it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file
    job: PathBuf,
    /// Where the job keeps its state [default: .wasmill/JOB beside the job file]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Subtasks per operator, instead of what the job file says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallelism: Option<u16>,
    /// Time between two commits, instead of what the job file says
    #[arg(long, value_name = "DURATION", value_parser = epoch)]
    pub epoch: Option<Duration>,
    /// Expose metrics there: a port of this machine, or an address; 0 as port for any that is free
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
    /// Let --metrics be an address that other machines reach; there is no password
    #[arg(long, requires = "metrics")]
    metrics_remote: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
}

fn epoch(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|e| e.to_string())?;
    let allowed = (EPOCH_MIN..=EPOCH_MAX).contains(&duration);
    if allowed { Ok(duration) } else { Err("an epoch takes at least 10ms and at most 1h".to_owned()) }
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let stop = Arc::new(Stop::default());
    let watch = SignalWatch::start(Arc::clone(&stop), terminal.clone())?;
    let mut view = ProgressView::new(terminal.clone(), args.quiet);
    let options = RunOptions {
        metrics: metrics(&args)?,
        job_file: args.job,
        state_dir: args.state_dir,
        parallelism: args.parallelism,
        epoch: args.epoch,
    };
    let result = local::run(options, stop, &mut |progress| view.show(progress));
    let signal = watch.end();
    let summary = result.map_err(|e| ended(e, signal))?;
    view.summary(&summary);
    Ok(())
}

/// Where metrics are to be exposed.
fn metrics(args: &Args) -> Result<Option<SocketAddr>, Failure> {
    let reach = if args.metrics_remote { Reach::Network } else { Reach::ThisMachine };
    let address = args.metrics.as_deref().map(|text| listen::parse(text, reach)).transpose();
    address.map_err(|e| {
        let next =
            if matches!(e, ListenError::NotThisMachine(_)) { "; add --metrics-remote to allow that" } else { "" };
        Failure::new(Status::Usage, anyhow::anyhow!("--metrics: {e}{next}"))
    })
}

/// `signal` is the number of the signal that asked for a drain, if one did.
pub(super) fn status(kind: RunErrorKind, signal: Option<i32>) -> Status {
    match kind {
        RunErrorKind::Spec | RunErrorKind::Module => Status::Refused,
        RunErrorKind::State => Status::State,
        RunErrorKind::Input | RunErrorKind::Output => Status::Io,
        RunErrorKind::Interrupted => Status::Signal(signal.and_then(|s| u8::try_from(s).ok()).unwrap_or(SIGINT as u8)),
        RunErrorKind::Function | RunErrorKind::Bug => Status::Failed,
    }
}

/// The failure of a verb that does not run the job itself.
pub fn failure(error: RunError) -> Failure {
    ended(error, None)
}

/// `signal` is the number of the signal that asked for a drain, if one did.
fn ended(error: RunError, signal: Option<i32>) -> Failure {
    let code = error.code();
    Failure::new(status(error.kind(), signal), told(error)).coded(code)
}

fn told(error: RunError) -> anyhow::Error {
    let is_bug = error.kind() == RunErrorKind::Bug;
    let error = anyhow::Error::from(error);
    if is_bug { error.context("this is a bug in wasmill; please report it with the lines below") } else { error }
}

/// The thread that turns the first SIGINT or SIGTERM into a drain, and the second into the end of
/// the process. It ends with [`SignalWatch::end`]; should it fail, signals end the process at once.
struct SignalWatch {
    handle: Handle,
    thread: std::thread::JoinHandle<()>,
    /// 0 until a signal came.
    first: Arc<AtomicI32>,
}

impl SignalWatch {
    fn start(stop: Arc<Stop>, terminal: Terminal) -> anyhow::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for SIGINT and SIGTERM")?;
        let handle = signals.handle();
        let first = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&first);
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if seen.swap(signal, Ordering::SeqCst) != 0 {
                    // Committed epochs are safe; nothing may delay the end, so nothing is unwound.
                    signal_hook::low_level::exit(128 + signal);
                }
                if !terminal.json {
                    terminal.note("draining; once more to end at once");
                }
                stop.request();
            }
        })?;
        Ok(Self { handle, thread, first })
    }

    /// Stops listening. Returns the signal that asked for the drain.
    fn end(self) -> Option<i32> {
        self.handle.close();
        if self.thread.join().is_err() {
            tracing::error!("the thread that listens for signals panicked");
        }
        Some(self.first.load(Ordering::SeqCst)).filter(|s| *s != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Status, status};
    use signal_hook::consts::signal::SIGTERM;
    use wasmill_server::local::RunErrorKind as Kind;

    #[test]
    fn kinds_of_errors_have_their_statuses() {
        for (kind, code) in
            [(Kind::Spec, 3), (Kind::Module, 3), (Kind::State, 4), (Kind::Input, 5), (Kind::Output, 5), (Kind::Bug, 1)]
        {
            assert_eq!(status(kind, None).code(), code, "{kind:?}");
        }
        assert_eq!(status(Kind::Function, Some(SIGTERM)), Status::Failed);
        assert_eq!(status(Kind::Interrupted, Some(SIGTERM)).code(), 143);
        assert_eq!(status(Kind::Interrupted, None).code(), 130);
    }
}
