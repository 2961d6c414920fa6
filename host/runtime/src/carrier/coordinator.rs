//! The coordinator: the one place that decides what a running job does next. It runs in the
//! caller's thread: one event in, what the machines in the core say goes out.

use super::committer::Request;
use super::epoch_report::EpochReport;
use super::error::RunError;
use super::outlets::now_micros;
use super::progress::{Counters, Progress, Reporter};
use super::task::{Control, Event, HandIn, POLL};
use super::{Stop, Summary};
use crate::state::CommitStats;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmill_core::epoch::{Action, EpochError, Epochs, Finish};
use wasmill_core::life::{Life, LifeEvent};

/// How often progress is told.
const REPORT: Duration = Duration::from_millis(200);

/// Everything that the coordinator holds while a job runs.
pub struct Coordinator<'a> {
    pub epochs: Epochs,
    pub epoch_length: Duration,
    pub drain_timeout: Duration,
    pub sources: Vec<Sender<Control>>,
    pub committer: Sender<Request>,
    pub events: Receiver<Event>,
    pub committed: Arc<AtomicU64>,
    pub counters: Arc<Counters>,
    pub stop: &'a Stop,
    pub life: Life,
    pub parts: BTreeMap<u64, Vec<HandIn>>,
    pub reporter: Reporter,
    /// When the barrier of each open epoch was sent.
    pub injected_at: BTreeMap<u64, Instant>,
    /// The longest stall of a subtask so far, for each open epoch.
    pub stalls: BTreeMap<u64, Duration>,
    /// The epoch that is committed and, as far as is known, not published.
    pub unpublished: Option<EpochReport>,
}

impl Coordinator<'_> {
    /// Runs the job to its end. On return the control channels are closed, so every task ends.
    pub fn run(mut self, observer: &mut dyn FnMut(&Progress)) -> Result<Summary, RunError> {
        self.live(LifeEvent::Started);
        let mut next_tick = Instant::now() + self.epoch_length;
        let mut next_report = Instant::now() + REPORT;
        loop {
            if self.stop.requested() && self.live(LifeEvent::StopRequested) {
                self.drain();
            }
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + self.epoch_length;
                if let Some(action) = self.epochs.tick() {
                    self.act(action);
                }
            }
            if now >= next_report {
                next_report = now + REPORT;
                observer(&self.progress());
            }
            if self.stop.deadline(self.drain_timeout).is_some_and(|d| now >= d) {
                self.live(LifeEvent::DrainTimedOut);
                let epoch = self.epochs.committed_epoch();
                return Err(RunError::DrainTimedOut { limit: self.drain_timeout, epoch });
            }
            let wait = next_tick.min(next_report).saturating_duration_since(Instant::now()).min(POLL);
            match self.events.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(RunError::Bug("every task ended early".to_owned())),
                Ok(event) => {
                    if let Some(finish) = self.event(event)? {
                        self.live(LifeEvent::LastEpochCommitted);
                        return Ok(self.finish(finish, observer));
                    }
                }
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<Option<Finish>, RunError> {
        let action = match event {
            // Whoever failed first says so itself; its neighbours only notice a closed channel.
            Event::Failed(error) if error.is_consequence() => None,
            Event::Failed(error) => {
                self.live(LifeEvent::Error);
                return Err(error);
            }
            Event::EpochWanted(epoch) => self.epochs.want(epoch),
            Event::HandIn(part) => {
                let (subtask, epoch, ended) = (part.subtask, part.epoch, part.ended);
                let stall = self.stalls.entry(epoch).or_default();
                *stall = part.stall.max(*stall);
                self.parts.entry(epoch).or_default().push(part);
                self.epochs.handed_in(subtask, epoch, ended).map_err(bug)?
            }
            Event::Published { epoch, took } => {
                if let Some(report) = self.unpublished.take_if(|report| report.epoch == epoch) {
                    self.done(EpochReport { publish: Some(took), ..report });
                }
                None
            }
            Event::Committed { epoch, stats } => {
                self.report(epoch, &stats);
                self.counters.measures.epochs.committed.set(epoch);
                self.committed.store(epoch, Ordering::Release);
                self.tell_sources(Control::Committed(epoch));
                self.epochs.committed(epoch).map_err(bug)?
            }
        };
        let finish = action.and_then(|action| self.act(action));
        if let Some(action) = self.epochs.overdue() {
            self.act(action);
        }
        self.counters.measures.epochs.uncommitted.set(self.injected_at.len() as u64);
        // A machine that has lost its way must not commit anything more.
        self.epochs.validate().map_err(RunError::Bug)?;
        Ok(finish)
    }

    fn act(&mut self, action: Action) -> Option<Finish> {
        match action {
            Action::Inject(epoch) => {
                self.injected_at.insert(epoch, Instant::now());
                self.tell_sources(Control::Barrier(epoch));
            }
            Action::Commit(epoch) => {
                let parts = self.parts.remove(&epoch).unwrap_or_default();
                // A committer that is gone has sent its error, which comes next.
                let _ = self.committer.send(Request::Commit { epoch, parts });
            }
            Action::Finish(finish) => return Some(finish),
        }
        None
    }

    /// The sources read no further, and the next barrier, sent at once if it may be, is the last.
    fn drain(&mut self) {
        self.epochs.drain();
        self.tell_sources(Control::Drain);
        if let Some(action) = self.epochs.tick() {
            self.act(action);
        }
    }

    fn tell_sources(&self, control: Control) {
        // A source that is gone has sent its error, which comes next.
        for source in &self.sources {
            let _ = source.send(control);
        }
    }

    /// An epoch of which nothing more will be known.
    fn done(&mut self, report: EpochReport) {
        self.counters.measures.epochs.observe(&report);
        self.reporter.epoch(report);
    }

    /// Begins the report of an epoch that is durable since now.
    fn report(&mut self, epoch: u64, stats: &CommitStats) {
        let commit = Duration::from_micros(stats.micros);
        let since_barrier = self.injected_at.remove(&epoch).map_or(commit, |at| at.elapsed());
        let report = EpochReport {
            epoch,
            align: since_barrier.saturating_sub(commit),
            stall: self.stalls.remove(&epoch).unwrap_or_default(),
            commit,
            publish: None,
            bytes: stats.bytes,
            entries: stats.entries,
        };
        if let Some(last) = self.unpublished.replace(report) {
            self.done(last);
        }
    }

    fn live(&mut self, event: LifeEvent) -> bool {
        let next = self.life.after(event);
        if let Some(next) = next {
            tracing::debug!(from = ?self.life, to = ?next, "job");
            self.life = next;
        }
        next.is_some()
    }

    fn progress(&mut self) -> Progress {
        self.reporter.report(&self.counters, self.epochs.committed_epoch(), now_micros())
    }

    fn finish(mut self, finish: Finish, observer: &mut dyn FnMut(&Progress)) -> Summary {
        let _ = self.committer.send(Request::Finish);
        if let Some(last) = self.unpublished.take() {
            self.done(last);
        }
        let progress = self.progress();
        observer(&progress);
        Summary { progress, ended: finish == Finish::Ended }
    }
}

fn bug(error: EpochError) -> RunError {
    RunError::Bug(error.to_string())
}
