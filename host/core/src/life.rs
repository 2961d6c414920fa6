//! The life of a job, as a table: which state follows from what.

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// State is opened, modules are loaded, sinks are brought up to the committed epoch.
    Starting,
    Running,
    /// The sources read no further; the last epoch is under way.
    Draining,
    /// Over, with everything committed. A job whose input had ended has nothing left to do.
    Finished,
    /// Over, for a reason that was reported; it goes on from the last committed epoch.
    Failed,
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEvent {
    Started,
    StopRequested,
    LastEpochCommitted,
    Error,
    /// The drain took longer than the job allows.
    DrainTimedOut,
}

impl Life {
    /// The state after an event; `None` when the event changes nothing.
    pub fn after(self, event: LifeEvent) -> Option<Life> {
        use Life::{Draining, Failed, Finished, Running, Starting};
        match (self, event) {
            (Starting, LifeEvent::Started) => Some(Running),
            (Starting | Running, LifeEvent::StopRequested) => Some(Draining),
            (Running | Draining, LifeEvent::LastEpochCommitted) => Some(Finished),
            (Starting | Running | Draining, LifeEvent::Error) => Some(Failed),
            (Draining, LifeEvent::DrainTimedOut) => Some(Failed),
            _ => None,
        }
    }

    /// Whether nothing more happens.
    pub fn is_over(self) -> bool {
        matches!(self, Life::Finished | Life::Failed)
    }
}
