//! The epochs of a job: when a barrier is injected, when an epoch is complete, when the job is done.
//!
//! ```text
//! tick -> Inject(e) -> every subtask hands in e -> Commit(e) -> committed(e) -> ... -> Finish
//! ```
//!
//! At most [`UNCOMMITTED_MAX`] epochs are injected and not yet committed.

use std::collections::BTreeMap;

/// With so many epochs injected and not committed, no further one is injected.
pub const UNCOMMITTED_MAX: u64 = 2;

/// What the carrier must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send the barrier of this epoch through every source.
    Inject(u64),
    /// Everything of this epoch is handed in: commit it, then report [`Epochs::committed`].
    Commit(u64),
    /// The last epoch is committed: end all subtasks.
    Finish(Finish),
}

/// Why a job is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Every input was read to its end.
    Ended,
    /// It was asked to stop; it goes on from here at the next start.
    Drained,
}

#[derive(Debug, Clone, Default)]
struct Open {
    handed_in: Vec<bool>,
    ended: usize,
}

/// All epochs of one job between its start and its end.
#[derive(Debug, Clone)]
pub struct Epochs {
    subtasks: usize,
    injected: u64,
    committing: Option<u64>,
    committed: u64,
    open: BTreeMap<u64, Open>,
    /// The epoch at which every subtask said that nothing follows.
    ended_at: Option<u64>,
    drain: Drain,
    /// The latest epoch whose end someone asked for.
    wanted: u64,
    finished: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    No,
    Requested,
    /// The sources read nothing behind this epoch's barrier.
    At(u64),
}

/// A report came that the protocol does not allow. It is a bug in the carrier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("epoch protocol: {0}: this is a bug, please report it")]
pub struct EpochError(String);

impl Epochs {
    /// A job of `subtasks` subtasks whose state holds `committed`.
    pub fn new(subtasks: usize, committed: u64) -> Self {
        Self {
            subtasks,
            injected: committed,
            committing: None,
            committed,
            open: BTreeMap::new(),
            ended_at: None,
            drain: Drain::No,
            wanted: 0,
            finished: false,
        }
    }

    pub fn committed_epoch(&self) -> u64 {
        self.committed
    }

    pub fn injected_epoch(&self) -> u64 {
        self.injected
    }

    /// A subtask asks for the end of this epoch before its time. Several may ask for the same one.
    /// When its barrier cannot be injected yet, [`Self::overdue`] gives it later.
    pub fn want(&mut self, epoch: u64) -> Option<Action> {
        self.wanted = self.wanted.max(epoch);
        self.overdue()
    }

    /// The barrier that a drain or a subtask waits for, when it can be injected now. To be asked
    /// after every commit: the next tick may be an hour away.
    pub fn overdue(&mut self) -> Option<Action> {
        let is_waited_for = self.wanted > self.injected || self.drain == Drain::Requested;
        if is_waited_for { self.tick() } else { None }
    }

    /// The epoch's time is over.
    pub fn tick(&mut self) -> Option<Action> {
        let behind_last = self.ended_at.is_some() || matches!(self.drain, Drain::At(_)) || self.finished;
        if behind_last || self.injected - self.committed >= UNCOMMITTED_MAX {
            return None;
        }
        self.injected += 1;
        self.open.insert(self.injected, Open { handed_in: vec![false; self.subtasks], ended: 0 });
        if self.drain == Drain::Requested {
            self.drain = Drain::At(self.injected);
        }
        Some(Action::Inject(self.injected))
    }

    /// Someone asked to stop: the sources read no further, and the next barrier is the last.
    pub fn drain(&mut self) {
        if self.drain == Drain::No {
            self.drain = Drain::Requested;
        }
    }

    /// A subtask handed in its part of an epoch; `ended` says that it has nothing to add in any
    /// later one.
    pub fn handed_in(&mut self, subtask: usize, epoch: u64, ended: bool) -> Result<Option<Action>, EpochError> {
        let open = self.open.get_mut(&epoch).ok_or_else(|| EpochError(format!("epoch {epoch} is not open")))?;
        let part =
            open.handed_in.get_mut(subtask).ok_or_else(|| EpochError(format!("subtask {subtask} does not exist")))?;
        if std::mem::replace(part, true) {
            return Err(EpochError(format!("subtask {subtask} handed in epoch {epoch} twice")));
        }
        open.ended += usize::from(ended);
        if open.ended == self.subtasks && self.ended_at.is_none() {
            self.ended_at = Some(epoch);
        }
        Ok(self.next_commit())
    }

    /// An epoch is durable. Returns what follows from it.
    pub fn committed(&mut self, epoch: u64) -> Result<Option<Action>, EpochError> {
        if self.committing != Some(epoch) {
            return Err(EpochError(format!("epoch {epoch} was committed, expected {:?}", self.committing)));
        }
        self.committing = None;
        self.committed = epoch;
        self.open.remove(&epoch);
        if let Some(finish) = self.finish() {
            self.finished = true;
            return Ok(Some(Action::Finish(finish)));
        }
        Ok(self.next_commit())
    }

    fn finish(&self) -> Option<Finish> {
        if self.ended_at.is_some_and(|e| e <= self.committed) {
            return Some(Finish::Ended);
        }
        (self.drain == Drain::At(self.committed)).then_some(Finish::Drained)
    }

    fn next_commit(&mut self) -> Option<Action> {
        let (&epoch, open) = self.open.first_key_value()?;
        if self.committing.is_some() || self.finished || !open.handed_in.iter().all(|h| *h) {
            return None;
        }
        self.committing = Some(epoch);
        Some(Action::Commit(epoch))
    }

    /// The invariants: commits follow each other without a gap, and the uncommitted are bounded.
    pub fn validate(&self) -> Result<(), String> {
        if self.injected - self.committed > UNCOMMITTED_MAX {
            return Err(format!("{} epochs are uncommitted", self.injected - self.committed));
        }
        if !self.open.keys().copied().eq(self.committed + 1..=self.injected) {
            return Err(format!("open epochs {:?} between {} and {}", self.open.keys(), self.committed, self.injected));
        }
        if self.committing.is_some_and(|e| e != self.committed + 1) {
            return Err(format!("committing {:?} after {}", self.committing, self.committed));
        }
        Ok(())
    }
}
