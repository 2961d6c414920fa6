//! What a fragment may ask of the local carrier: send rows on, tell the time, wait.

use crate::batch::Batch;
use crate::exchange::{Closed, Message, Outlet};
use crate::fragment::Carrier;
use crossbeam_channel::Receiver;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The outlets of one subtask.
pub struct Outlets {
    outlets: Vec<Outlet>,
    /// Closes when the job stops; nothing is ever sent through it.
    stopping: Receiver<()>,
}

impl Outlets {
    pub fn new(outlets: Vec<Outlet>, stopping: Receiver<()>) -> Self {
        Self { outlets, stopping }
    }

    /// Sends a message through every outlet.
    pub fn broadcast(&self, message: &Message) -> Result<(), Closed> {
        self.outlets.iter().try_for_each(|o| o.broadcast(message))
    }
}

impl Carrier for Outlets {
    fn send(&mut self, outlet: usize, batch: Batch) -> Result<(), Closed> {
        self.outlets[outlet].rows(batch)
    }

    fn now(&self) -> i64 {
        now_micros()
    }

    fn pause(&mut self, time: Duration) -> Result<(), Closed> {
        match self.stopping.recv_timeout(time) {
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => Err(Closed),
            _ => Ok(()),
        }
    }
}

/// Microseconds since 1970 by this machine's clock.
pub fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
}
