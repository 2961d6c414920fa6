//! A subtask that reads from channels: aligns its inputs, drives its fragment, hands in epochs.

use super::error::RunError;
use super::outlets::Outlets;
use super::progress::Counters;
use super::task::{Event, HandIn};
use crate::exchange::Message;
use crate::failpoint;
use crate::fragment::{Carrier, Counts, Fragment, FragmentError};
use crossbeam_channel::{Receiver, Select, Sender};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmill_core::align::{Alignment, END_OF_TIME, ProtocolError};

/// What every kind of subtask has: its fragment, its outlets, and its way to the coordinator.
pub struct Worker {
    /// The number of the subtask among all of the job, and in its fragment.
    pub subtask: usize,
    pub index: u16,
    pub fragment: Fragment,
    pub outlets: Outlets,
    pub events: Sender<Event>,
    pub counters: Arc<Counters>,
    /// More buffered bytes than this end the epoch early.
    pub buffer_bytes: u64,
    pub reported: Counts,
    pub epoch_wanted: bool,
}

impl Worker {
    /// Advances event time and passes it on. The end of time is passed on by [`Worker::end`].
    pub fn watermark(&mut self, watermark: i64) -> Result<(), RunError> {
        self.fragment.watermark(watermark, &mut self.outlets)?;
        if watermark != END_OF_TIME {
            self.outlets.broadcast(&Message::Watermark(watermark)).map_err(FragmentError::from)?;
        }
        Ok(())
    }

    /// Tells the next fragments that no rows follow.
    pub fn end(&mut self) -> Result<(), RunError> {
        Ok(self.outlets.broadcast(&Message::End).map_err(FragmentError::from)?)
    }

    /// Ends an epoch: passes the barrier on and hands in what the epoch leaves behind.
    pub fn barrier(&mut self, epoch: u64, ended: bool, positions: Vec<(String, Vec<u8>)>) -> Result<(), RunError> {
        self.outlets.broadcast(&Message::Barrier(epoch)).map_err(FragmentError::from)?;
        failpoint::hit("subtask.barrier");
        let part = self.fragment.prepare_barrier(epoch);
        let hand_in = HandIn { subtask: self.subtask, index: self.index, epoch, ended, part, positions };
        self.epoch_wanted = false;
        self.events.send(Event::HandIn(hand_in)).map_err(|_| FragmentError::Stopping)?;
        Ok(())
    }

    /// After each step: reports counts, and asks for an early end of an epoch that has grown large.
    pub fn after_step(&mut self) {
        let counts = self.fragment.counts();
        Counters::add(&self.counters.rows_out, counts.rows_out - self.reported.rows_out);
        Counters::add(&self.counters.dead_letters, counts.dead_letters - self.reported.dead_letters);
        self.reported = counts;
        if !self.epoch_wanted && self.fragment.buffered_bytes() > self.buffer_bytes {
            self.want_epoch();
        }
    }

    /// Asks for an end of the epoch before its time.
    pub fn want_epoch(&mut self) {
        self.epoch_wanted = true;
        // A coordinator that is gone has ended the job.
        let _ = self.events.send(Event::EpochWanted);
    }
}

/// A subtask behind an exchange.
pub struct ChannelSubtask {
    pub worker: Worker,
    pub inlets: Vec<Receiver<Message>>,
    pub alignment: Alignment,
    pub committed: Arc<AtomicU64>,
    pub seen_committed: u64,
}

/// What the subtask wakes up for.
enum Wake {
    Message(usize, Message),
    ProcessingTime,
    Closed,
}

impl ChannelSubtask {
    /// Runs until an input channel closes.
    pub fn run(mut self) -> Result<(), RunError> {
        loop {
            match self.next() {
                Wake::Closed => return Ok(()),
                Wake::ProcessingTime => {
                    let now = self.worker.outlets.now();
                    self.worker.fragment.processing_time(now, &mut self.worker.outlets)?;
                }
                Wake::Message(input, message) => self.message(input, message)?,
            }
            self.worker.after_step();
            let committed = self.committed.load(Ordering::Acquire);
            if committed > self.seen_committed {
                self.seen_committed = committed;
                self.worker.fragment.committed(committed);
            }
        }
    }

    fn next(&self) -> Wake {
        let mut select = Select::new();
        let mut open = Vec::with_capacity(self.inlets.len());
        for (i, inlet) in self.inlets.iter().enumerate().filter(|(i, _)| !self.alignment.is_held(*i)) {
            select.recv(inlet);
            open.push(i);
        }
        let operation = match self.worker.fragment.next_processing_timer() {
            None => select.select(),
            Some(due) => {
                let wait = due.saturating_sub(self.worker.outlets.now());
                if wait <= 0 {
                    return Wake::ProcessingTime;
                }
                match select.select_timeout(Duration::from_micros(wait as u64)) {
                    Ok(operation) => operation,
                    Err(_) => return Wake::ProcessingTime,
                }
            }
        };
        let input = open[operation.index()];
        operation.recv(&self.inlets[input]).map_or(Wake::Closed, |message| Wake::Message(input, message))
    }

    fn message(&mut self, input: usize, message: Message) -> Result<(), RunError> {
        let risen = match message {
            Message::Rows(batch) => {
                self.alignment.rows(input).map_err(bug)?;
                self.worker.fragment.rows(batch, &mut self.worker.outlets)?;
                None
            }
            Message::Watermark(watermark) => self.alignment.watermark_of(input, watermark).map_err(bug)?,
            Message::End => self.alignment.end(input).map_err(bug)?,
            Message::Barrier(epoch) => {
                if self.alignment.barrier(input, epoch).map_err(bug)? {
                    self.worker.barrier(epoch, self.alignment.all_ended(), Vec::new())?;
                }
                None
            }
        };
        let Some(watermark) = risen else { return Ok(()) };
        self.worker.watermark(watermark)?;
        if self.alignment.all_ended() { self.worker.end() } else { Ok(()) }
    }
}

fn bug(error: ProtocolError) -> RunError {
    RunError::Bug(error.to_string())
}
