//! What one epoch cost, phase by phase.

use std::time::Duration;

/// One committed epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochReport {
    pub epoch: u64,
    /// From the barrier's injection until every subtask had handed in its part.
    pub align: Duration,
    /// The longest that a subtask stood still to take out its part.
    pub stall: Duration,
    /// Making it durable: one synced batch.
    pub commit: Duration,
    /// Putting its output where readers see it; `None` when the job ended meanwhile.
    pub publish: Option<Duration>,
    /// Bytes of the batch.
    pub bytes: u64,
    /// Puts and deletes in the batch.
    pub entries: u64,
}
