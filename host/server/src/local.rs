//! Running one job in this process, from its job file to its end.

use crate::load::{self, Loaded};
use crate::metrics::{Endpoint, Exposition, Listener, Note, url_of_running};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wasmill_core::explain::Explained;
use wasmill_core::job::Overrides;
use wasmill_core::plan::Plan;
use wasmill_runtime::carrier;
use wasmill_runtime::measure::Measures;

pub use wasmill_runtime::carrier::{EpochReport, MetricTotal, MetricValue, Progress, Stop, Summary};
pub use wasmill_runtime::measure::{Activity, EpochTotals, FAILURES, OperatorTotals, PhaseTotals};

/// What to run, and how.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    pub job_file: PathBuf,
    /// `.wasmill/JOB` beside the job file when not given.
    pub state_dir: Option<PathBuf>,
    /// In place of what the job file says.
    pub parallelism: Option<u16>,
    /// In place of what the job file says.
    pub epoch: Option<Duration>,
    /// Where metrics are exposed, in place of what the job file says.
    pub metrics: Option<SocketAddr>,
}

/// Why a job could not start or go on. Everything up to its last committed epoch is safe.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    kind: RunErrorKind,
    code: &'static str,
    message: String,
}

/// The groups of errors that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunErrorKind {
    /// The job file, or what it says, is wrong; the message holds all problems.
    Spec,
    /// Modules cannot be run here.
    Module,
    /// The state directory cannot be used.
    State,
    /// An input cannot be read.
    Input,
    /// An output cannot be written.
    Output,
    /// A function failed in a way that stops the job.
    Function,
    /// The drain took longer than the job allows.
    Interrupted,
    Bug,
}

impl RunErrorKind {
    /// The code of an error of which no more is known.
    fn code(self) -> &'static str {
        match self {
            RunErrorKind::Spec => "job-refused",
            RunErrorKind::Module => "wasm-unavailable",
            RunErrorKind::State => "state-store",
            RunErrorKind::Input => "input-io",
            RunErrorKind::Output => "output-io",
            RunErrorKind::Function => "function-failed",
            RunErrorKind::Interrupted => "drain-timed-out",
            RunErrorKind::Bug => "bug",
        }
    }
}

impl RunError {
    pub(crate) fn new(kind: RunErrorKind, message: String) -> Self {
        let code = kind.code();
        Self { kind, code, message }
    }

    pub fn kind(&self) -> RunErrorKind {
        self.kind
    }

    /// The page of `docs/errors` that explains it.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl From<carrier::RunError> for RunError {
    fn from(error: carrier::RunError) -> Self {
        use carrier::RunErrorKind as Kind;
        let kind = match error.kind() {
            Kind::Spec => RunErrorKind::Spec,
            Kind::Input => RunErrorKind::Input,
            Kind::Output => RunErrorKind::Output,
            Kind::State => RunErrorKind::State,
            Kind::Function => RunErrorKind::Function,
            Kind::Drain => RunErrorKind::Interrupted,
            Kind::Bug => RunErrorKind::Bug,
        };
        Self { kind, code: error.code(), message: error.to_string() }
    }
}

/// Everything that is wrong with a job file and its modules, or its plan, without running it; also
/// whether the modules can go on with the state that is there, if there is any.
pub fn check(job_file: &Path, state_dir: Option<&Path>) -> Result<Plan, RunError> {
    check_varied(job_file, state_dir, &Variation::default())
}

/// As [`check`], with a variation.
pub fn check_varied(job_file: &Path, state_dir: Option<&Path>, variation: &Variation) -> Result<Plan, RunError> {
    let loaded = load::load_varied(job_file, &Overrides::default(), variation)?;
    let default_dir = || loaded.base.join(".wasmill").join(&loaded.plan.job);
    crate::state::admits(&loaded, &state_dir.map_or_else(default_dir, Path::to_path_buf))?;
    Ok(loaded.plan)
}

/// The graph of a job, which is checked first.
pub fn explain(job_file: &Path) -> Result<Explained, RunError> {
    load::load(job_file, &Overrides::default()).map(|loaded| wasmill_core::explain::explain(&loaded.plan))
}

/// The directory that relative paths of a job file start from.
pub(crate) fn base_of(job_file: &Path) -> PathBuf {
    match job_file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Runs a job until its input ends, `stop` is requested, or it fails. `observer` hears of progress
/// about five times a second, and once at the end.
pub fn run(options: RunOptions, stop: Arc<Stop>, observer: &mut dyn FnMut(&Progress)) -> Result<Summary, RunError> {
    run_varied(options, &Variation::default(), stop, observer).map(|(summary, _)| summary)
}

/// What a tool of authors changes about a job that it runs.
#[derive(Debug, Clone, Default)]
pub struct Variation {
    /// Files to take in place of those that the job names, by the names of modules.
    pub modules: BTreeMap<String, PathBuf>,
    /// Count the fuel that functions spend.
    pub metered: bool,
}

/// As [`run`], with a variation. Returns the fuel that was spent, if it was counted.
pub fn run_varied(
    options: RunOptions,
    variation: &Variation,
    stop: Arc<Stop>,
    observer: &mut dyn FnMut(&Progress),
) -> Result<(Summary, Option<u64>), RunError> {
    let overrides = Overrides { parallelism: options.parallelism, epoch: options.epoch };
    let Loaded { plan, factories, base, runtime } = load::load_varied(&options.job_file, &overrides, variation)?;
    let state_dir = options.state_dir.unwrap_or_else(|| base.join(".wasmill").join(&plan.job));
    let job = carrier::Job { plan: &plan, base: &base, state_dir: &state_dir, factories: &factories, stop: &stop };
    let listener = options.metrics.or(plan.metrics).map(listen).transpose()?;
    let opened = carrier::Opened::open(job)?;
    // Both end with the run.
    let _seen = listener.map(|listener| expose(listener, opened.measures(), &state_dir)).transpose()?;
    let summary = opened.run(observer)?;
    Ok((summary, runtime.fuel_spent()))
}

fn listen(address: SocketAddr) -> Result<Listener, RunError> {
    Listener::bind(address).map_err(|e| {
        let next = match e.kind() {
            std::io::ErrorKind::AddrInUse => "another process uses it; name another port, or 0 for any that is free",
            _ => "name an address of this machine and a port that this user may use",
        };
        RunError::new(RunErrorKind::Output, format!("metrics cannot be exposed at {address}: {e}; {next}"))
    })
}

/// Answers for the measures, and notes in the state directory where.
fn expose(listener: Listener, measures: Arc<Measures>, state_dir: &Path) -> Result<(Endpoint, Note), RunError> {
    let refused = |e| RunError::new(RunErrorKind::State, format!("metrics cannot be exposed: {e}"));
    let job = measures.job().to_owned();
    let endpoint = listener.serve(Exposition::new(measures)).map_err(refused)?;
    let note = Note::write(state_dir, endpoint.address()).map_err(refused)?;
    tracing::info!(job, address = %endpoint.address(), "metrics are exposed");
    Ok((endpoint, note))
}

/// Where the running job of a job file exposes its metrics; `None` when it does not, or does not run.
pub fn metrics_url(job_file: &Path, state_dir: Option<&Path>) -> Result<Option<String>, RunError> {
    let state_dir = match state_dir {
        Some(dir) => dir.to_owned(),
        None => load::state_dir(job_file)?,
    };
    url_of_running(&state_dir).map_err(|e| {
        RunError::new(RunErrorKind::State, format!("the state directory {} cannot be read: {e}", state_dir.display()))
    })
}

/// The text of a job file.
///
/// # Errors
/// What to tell the user, naming the file.
pub fn job_text(job_file: &Path) -> Result<String, String> {
    crate::files::job_text(job_file)
}
