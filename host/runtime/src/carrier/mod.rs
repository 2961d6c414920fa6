//! The local carrier: runs a plan with threads, channels, files and one RocksDB.
//!
//! ```text
//! coordinator --control--> source subtasks ==channels==> subtasks ... (rows, watermarks, barriers)
//!      ^  |                      |                          |
//!      |  +--requests--> committer                          |
//!      +---- events: hand-ins, committed, errors <----------+
//! ```

pub mod admission;
mod build;
mod careful;
mod committer;
mod coordinator;
mod destination;
mod epoch_report;
mod error;
mod log;
mod outlets;
mod progress;
mod sinks;
mod source;
mod subtask;
mod task;
mod views;
mod watermarks;

pub use crate::fragment::metrics::MetricValue;
pub use epoch_report::EpochReport;
pub use error::{RunError, RunErrorKind};
pub use progress::{MetricTotal, Progress};

use crate::connect::{self, SourceError};
use crate::letters;
use crate::measure::Measures;
use crate::state::{Database, Identity};
use crate::wasm::Factory;
use build::Built;
use careful::Starts;
use committer::Committer;
use coordinator::Coordinator;
use progress::{Counters, Reporter};
use sinks::Sinks;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use views::Views;
use wasmill_core::epoch::Epochs;
use wasmill_core::life::Life;
use wasmill_core::plan::{OperatorKind, Plan};
use watermarks::Watermarks;

/// A request to stop, which may be made from any thread.
#[derive(Debug, Default)]
pub struct Stop(OnceLock<Instant>);

impl Stop {
    /// Asks the job to drain: read no further, commit what was read, and end. Only the first request
    /// counts.
    pub fn request(&self) {
        self.0.get_or_init(Instant::now);
    }

    pub fn requested(&self) -> bool {
        self.0.get().is_some()
    }

    /// When a job that may drain for so long must be over; `None` when nobody asked it to stop.
    fn deadline(&self, drain_timeout: Duration) -> Option<Instant> {
        self.0.get().map(|asked| *asked + drain_timeout)
    }
}

/// What a job needs to run.
pub struct Job<'a> {
    pub plan: &'a Plan,
    /// The directory that relative paths of the plan start from.
    pub base: &'a Path,
    pub state_dir: &'a Path,
    /// The plan's modules by their name in the job.
    pub factories: &'a BTreeMap<String, Arc<Factory>>,
    pub stop: &'a Stop,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    pub progress: Progress,
    /// Every input was read to its end; otherwise the job was drained and goes on from here.
    pub ended: bool,
}

/// A job whose state is open: it knows where it goes on from.
pub struct Opened<'a> {
    job: Job<'a>,
    db: Arc<Database>,
    sinks: Sinks,
    views: Views,
    partitions: Partitions,
    meta: Vec<(String, Option<Vec<u8>>)>,
    watermarks: Watermarks,
    published: u64,
    measures: Arc<Measures>,
    starts: Starts,
}

/// The partitions of all sources, with the ids that positions use.
#[derive(Debug, Default)]
struct Partitions {
    names: Vec<String>,
    /// By operator.
    of_source: BTreeMap<String, BTreeMap<String, u16>>,
}

/// Stored values: the id of each partition, by source and name.
const PARTITION: &str = "partition/";

impl<'a> Opened<'a> {
    /// Opens a job's state, brings its sinks up to the committed epoch, and finds its inputs.
    pub fn open(job: Job<'a>) -> Result<Self, RunError> {
        let _entered = tracing::error_span!("job", job = job.plan.job).entered();
        let identity = Identity { job: &job.plan.job, key_groups: job.plan.key_groups };
        let db = Database::open(job.state_dir, &identity)?;
        let mut meta = admission::admit(job.plan, job.factories, db.as_ref())?;
        let starts = Starts::count(job.state_dir, db.committed_epoch())?;
        let mut sinks = Sinks::open(job.plan, job.base, job.state_dir, &db)?;
        for entry in db.outbox()? {
            sinks.publish(&entry)?;
        }
        let mut views = Views::open(job.plan, job.base, &db, &mut meta)?;
        views.resume(&db)?;
        sinks.close_leftovers()?;
        for (name, factory) in job.factories {
            letters::keep_module(job.state_dir, factory.sha256(), factory.component()).unwrap_or_else(|e| {
                tracing::warn!("module {name:?} is not kept for `wasmill replay`: {e}");
            });
        }
        let partitions = Partitions::open(&job, &db, &mut meta)?;
        let (watermarks, published) = (Watermarks::open(&db)?, db.committed_epoch());
        let measures = Arc::new(Measures::of(job.plan));
        measures.epochs.committed.set(published);
        Ok(Self { job, db, sinks, views, partitions, meta, watermarks, published, measures, starts })
    }

    /// What is measured of the job while it runs; all at nothing before.
    pub fn measures(&self) -> Arc<Measures> {
        self.measures.clone()
    }

    /// The epoch that the job goes on from; `None` when it starts from nothing.
    fn resumes_from(&self) -> Option<u64> {
        Some(self.db.committed_epoch()).filter(|e| *e > 0)
    }

    /// Runs the job until its input ends, it is asked to stop, or it fails.
    pub fn run(self, observer: &mut dyn FnMut(&Progress)) -> Result<Summary, RunError> {
        let _entered = tracing::error_span!("job", job = self.job.plan.job).entered();
        let start = self.db.committed_epoch();
        let resumes_from = self.resumes_from();
        let counters = Arc::new(Counters::new(self.measures.clone()));
        let committed = Arc::new(AtomicU64::new(start));
        let (event_sender, events) = crossbeam_channel::unbounded();
        // Subtasks that wait for something else than a channel watch this one close.
        let (running, stopping) = crossbeam_channel::bounded::<()>(0);
        let Built { sources, channels } = build::subtasks(&self, &counters, &committed, &event_sender, &stopping)?;
        let subtasks = sources.len() + channels.len();

        let (requests, request_receiver) = crossbeam_channel::unbounded();
        let db = self.db.clone();
        let committer = Committer {
            db: self.db,
            sinks: self.sinks,
            views: self.views,
            requests: request_receiver,
            events: event_sender.clone(),
            published: self.published,
            published_is_recorded: false,
            meta: self.meta,
            watermarks: self.watermarks,
            careful: self.starts.careful(),
        };
        let job = self.job.plan.job.as_str();
        let committing = tracing::error_span!("committer", job);
        let mut tasks =
            vec![task::spawn("committer".to_owned(), committing, event_sender.clone(), move || committer.run())?];
        let mut controls = Vec::new();
        for (name, control, subtask) in sources {
            controls.push(control);
            let span = subtask.worker.span(job);
            tasks.push(task::spawn(name, span, event_sender.clone(), move || subtask.run())?);
        }
        for (name, subtask) in channels {
            let span = subtask.worker.span(job);
            tasks.push(task::spawn(name, span, event_sender.clone(), move || subtask.run())?);
        }
        drop(event_sender);

        let coordinator = Coordinator {
            epochs: Epochs::new(subtasks, start),
            epoch_length: self.job.plan.epoch,
            drain_timeout: self.job.plan.drain_timeout,
            sources: controls,
            committer: requests,
            events: events.clone(),
            committed,
            counters,
            stop: self.job.stop,
            life: Life::Starting,
            parts: BTreeMap::new(),
            reporter: Reporter::new(resumes_from),
            injected_at: BTreeMap::new(),
            stalls: BTreeMap::new(),
            unpublished: None,
        };
        let summary = coordinator.run(observer);
        drop(running);
        let (stop, limit) = (self.job.stop, self.job.plan.drain_timeout);
        let given_up = Instant::now() + limit;
        // A job that has failed may hang where its error does not tell, a sink with no reader say.
        let deadline = || if summary.is_err() { Some(given_up) } else { stop.deadline(limit) };
        let settled = task::settle(&events, deadline);
        let mut summary = summary?;
        let Some(late) = settled else {
            return Err(RunError::DrainTimedOut { limit, epoch: db.committed_epoch() });
        };
        tasks.into_iter().for_each(|t| t.join().expect("tasks catch their own panics"));
        // Recording that everything was published took one more epoch.
        summary.progress.epoch = db.committed_epoch();
        late.map_or(Ok(summary), Err)
    }
}

impl Partitions {
    /// Finds the partitions of all sources: those known from before, which keep their ids, and new
    /// ones. Ids are stored with the next commit.
    fn open(job: &Job<'_>, db: &Database, meta: &mut Vec<(String, Option<Vec<u8>>)>) -> Result<Self, RunError> {
        let mut partitions = Self::default();
        for (key, value) in db.meta_prefix(PARTITION)? {
            let id = std::str::from_utf8(&value).ok().and_then(|v| v.parse().ok());
            let (Some(id), Some((operator, name))) = (id, key[PARTITION.len()..].split_once('/')) else {
                return Err(RunError::Bug(format!("the state holds an unreadable partition at {key}")));
            };
            partitions.add(operator, name.to_owned(), id);
        }
        for operator in &job.plan.operators {
            let OperatorKind::Source(source) = &operator.kind else { continue };
            let found = match connect::list_partitions(source, job.base) {
                Err(SourceError::NoFiles { .. }) if partitions.of_source.contains_key(&operator.name) => Vec::new(),
                found => found.map_err(|source| RunError::Source { operator: operator.name.clone(), source })?,
            };
            for name in found {
                if partitions.of_source.get(&operator.name).is_some_and(|known| known.contains_key(&name)) {
                    continue;
                }
                let Ok(id) = u16::try_from(partitions.names.len()) else {
                    return Err(RunError::Refused(format!(
                        "the sources of this job have more than {} partitions (files); join some of them",
                        u16::MAX
                    )));
                };
                meta.push((format!("{PARTITION}{}/{name}", operator.name), Some(id.to_string().into_bytes())));
                partitions.add(&operator.name, name, id);
            }
        }
        Ok(partitions)
    }

    fn add(&mut self, operator: &str, name: String, id: u16) {
        let len = self.names.len().max(usize::from(id) + 1);
        self.names.resize(len, String::new());
        self.names[usize::from(id)].clone_from(&name);
        self.of_source.entry(operator.to_owned()).or_default().insert(name, id);
    }
}
