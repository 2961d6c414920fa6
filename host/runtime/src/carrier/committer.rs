//! The commit thread: makes an epoch durable, then publishes its outbox.
//!
//! One synced batch holds all of an epoch; that it was published is recorded with the next one. A
//! crash anywhere leaves an epoch that is committed and perhaps half published, and publishing it
//! again writes the same bytes to the same places.

use super::careful::Careful;
use super::error::RunError;
use super::outlets::now_micros;
use super::sinks::Sinks;
use super::task::{Event, HandIn};
use super::views::Views;
use super::watermarks::Watermarks;
use crate::failpoint;
use crate::fragment::dead_letters::Letters;
use crate::state::{Commit, CommitStats, Database, Delta, OutboxEntry};
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::time::Instant;

/// What the coordinator asks for.
pub enum Request {
    /// Every subtask's part of an epoch.
    Commit { epoch: u64, parts: Vec<HandIn> },
    /// Record that the last epoch was published; nothing follows.
    Finish,
}

/// Owns all that writes: the database's commits and the sinks.
pub struct Committer {
    pub db: Arc<Database>,
    pub sinks: Sinks,
    pub views: Views,
    pub requests: Receiver<Request>,
    pub events: Sender<Event>,
    /// The last epoch whose outbox is known to be published.
    pub published: u64,
    /// Nothing is in the stored outbox that has to be dropped.
    pub published_is_recorded: bool,
    /// Values that the next commit carries: what is new about the job itself.
    pub meta: Vec<(String, Option<Vec<u8>>)>,
    pub watermarks: Watermarks,
    pub careful: Option<Arc<Careful>>,
}

impl Committer {
    /// Runs until the request channel closes or the job has finished.
    pub fn run(mut self) -> Result<(), RunError> {
        while let Ok(request) = self.requests.recv() {
            match request {
                Request::Commit { epoch, parts } => self.commit(epoch, parts)?,
                Request::Finish => return self.finish(),
            }
        }
        Ok(())
    }

    fn commit(&mut self, epoch: u64, parts: Vec<HandIn>) -> Result<(), RunError> {
        failpoint::hit("commit.before");
        let mut commit = self.empty_commit(epoch);
        commit.meta.extend(self.watermarks.advance(&parts));
        let mut dead = Letters::default();
        let mut views = Vec::new();
        for part in parts {
            views.extend(part.part.views);
            commit.meta.extend(part.positions.into_iter().map(|(key, at)| (key, Some(at))));
            commit.deltas.extend(part.part.state);
            dead.lines.extend_from_slice(&part.part.dead_letters.lines);
            dead.kept.extend_from_slice(&part.part.dead_letters.kept);
            for (sink, bytes) in part.part.sinks {
                commit.outbox.push(self.sinks.address(epoch, sink, part.index, &bytes, now_micros())?);
            }
        }
        commit.outbox.extend(self.sinks.address_dead_letters(epoch, &dead, now_micros())?);
        commit.meta.append(&mut self.sinks.take_positions());
        if self.says_nothing(&commit) {
            return self.skip(epoch);
        }
        let outbox = commit.outbox.clone();
        let stats = self.db.commit(commit)?;
        failpoint::hit("commit.synced");
        if let Some(careful) = &self.careful {
            careful.committed(epoch);
        }
        // The next epoch may go on while this one is published.
        let told = self.events.send(Event::Committed { epoch, stats });
        let started = Instant::now();
        self.publish(&outbox)?;
        views.into_iter().for_each(|view| self.views.changed(view));
        self.views.refresh(&self.db)?;
        self.published = epoch;
        self.published_is_recorded = outbox.is_empty();
        let published = Event::Published { epoch, took: started.elapsed() };
        let told = told.map_err(drop).and_then(|()| self.events.send(published).map_err(drop));
        if told.is_err() {
            tracing::debug!(epoch, "the job ended while its epoch was published");
        }
        Ok(())
    }

    /// Whether the state on disk would be the same without this epoch, its number aside.
    fn says_nothing(&self, commit: &Commit) -> bool {
        commit.meta.is_empty()
            && commit.outbox.is_empty()
            && commit.deltas.iter().all(Delta::is_empty)
            && self.published_is_recorded
    }

    /// Passes over an epoch in which nothing happened: an idle job writes nothing. A restart goes on
    /// from the last epoch that was written, which holds the same.
    fn skip(&mut self, epoch: u64) -> Result<(), RunError> {
        let nothing = CommitStats { bytes: 0, entries: 0, micros: 0 };
        if self.events.send(Event::Committed { epoch, stats: nothing }).is_err() {
            tracing::debug!(epoch, "the job ended while an empty epoch was passed over");
        }
        self.views.refresh(&self.db)
    }

    fn publish(&mut self, outbox: &[OutboxEntry]) -> Result<(), RunError> {
        failpoint::hit("publish.before");
        for entry in outbox {
            self.sinks.publish(entry)?;
        }
        failpoint::hit("publish.after");
        Ok(())
    }

    fn finish(&mut self) -> Result<(), RunError> {
        self.views.refresh_all(&self.db)?;
        failpoint::hit("finish.before");
        let mut commit = self.empty_commit(self.db.committed_epoch() + 1);
        commit.meta.extend(self.sinks.close()?);
        self.db.commit(commit)?;
        failpoint::hit("finish.after");
        Ok(())
    }

    fn empty_commit(&mut self, epoch: u64) -> Commit {
        Commit {
            epoch,
            deltas: Vec::new(),
            meta: std::mem::take(&mut self.meta),
            outbox: Vec::new(),
            drop_outbox_up_to: Some(self.published),
        }
    }
}
