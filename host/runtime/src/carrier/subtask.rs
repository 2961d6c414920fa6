//! A subtask that reads from channels: aligns its inputs, drives its fragment, hands in epochs.

use super::error::RunError;
use super::outlets::Outlets;
use super::progress::Counters;
use super::task::{Event, HandIn};
use crate::exchange::Message;
use crate::failpoint;
use crate::fragment::{Carrier, Counts, Fragment, FragmentError};
use crate::measure::{Activity, Cell};
use crossbeam_channel::{Receiver, Select, Sender};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmill_abi::frame::NO_WATERMARK;
use wasmill_core::align::{Alignment, END_OF_TIME, ProtocolError};
use wasmill_core::plan::Side;

/// What every kind of subtask has: its fragment, its outlets, and its way to the coordinator.
pub struct Worker {
    /// The number of the subtask among all of the job, and in its fragment.
    pub subtask: usize,
    pub index: u16,
    /// The operator at the head of the fragment.
    pub head: String,
    /// How far event time has come, the end of time aside; at first, where the last run left it.
    pub watermark: i64,
    pub fragment: Fragment,
    pub outlets: Outlets,
    pub events: Sender<Event>,
    pub counters: Arc<Counters>,
    /// Of the operator at the head.
    pub cell: Arc<Cell>,
    /// More buffered bytes than this end the epoch early.
    pub buffer_bytes: u64,
    pub reported: Counts,
    pub epoch_wanted: bool,
}

impl Worker {
    /// What stands on every line that the subtask's thread logs. Of the highest level: a span that
    /// is left out would leave its lines without a name.
    pub fn span(&self, job: &str) -> tracing::Span {
        tracing::error_span!("subtask", job, operator = self.head, subtask = self.index)
    }

    /// Tells the next fragments how far event time had come in the last run, before any row.
    pub fn resume(&mut self) -> Result<(), RunError> {
        if self.watermark == NO_WATERMARK {
            return Ok(());
        }
        self.cell.watermark.raise(self.watermark);
        self.pass_on(self.watermark)
    }

    /// Advances event time and passes it on; it never falls. The end of time is passed on by
    /// [`Worker::end`].
    pub fn watermark(&mut self, watermark: i64) -> Result<(), RunError> {
        if watermark <= self.watermark {
            return Ok(());
        }
        self.fragment.watermark(watermark, &mut self.outlets)?;
        if watermark == END_OF_TIME {
            return Ok(());
        }
        self.watermark = watermark;
        self.cell.watermark.raise(watermark);
        self.pass_on(watermark)
    }

    fn pass_on(&self, watermark: i64) -> Result<(), RunError> {
        Ok(self.outlets.broadcast(&Message::Watermark(watermark)).map_err(FragmentError::from)?)
    }

    /// Tells the next fragments that nothing comes for now, and that they need not wait.
    pub fn idle(&self) -> Result<(), RunError> {
        Ok(self.outlets.broadcast(&Message::Idle).map_err(FragmentError::from)?)
    }

    /// Tells the next fragments that rows come again, before they do.
    pub fn awake(&self) -> Result<(), RunError> {
        self.pass_on(self.watermark)
    }

    /// Tells the next fragments that no rows follow.
    pub fn end(&mut self) -> Result<(), RunError> {
        Ok(self.outlets.broadcast(&Message::End).map_err(FragmentError::from)?)
    }

    /// Ends an epoch: passes the barrier on and hands in what the epoch leaves behind.
    pub fn barrier(&mut self, epoch: u64, ended: bool, positions: Vec<(String, Vec<u8>)>) -> Result<(), RunError> {
        self.outlets.broadcast(&Message::Barrier(epoch)).map_err(FragmentError::from)?;
        let started = Instant::now();
        failpoint::hit("subtask.barrier");
        let part = self.fragment.prepare_barrier(epoch);
        let (head, watermark) = (self.head.clone(), self.watermark);
        let hand_in = HandIn {
            subtask: self.subtask,
            index: self.index,
            epoch,
            head,
            watermark,
            ended,
            part,
            positions,
            stall: started.elapsed(),
        };
        self.cell.spent(Activity::Barrier, hand_in.stall);
        self.epoch_wanted = false;
        self.events.send(Event::HandIn(hand_in)).map_err(|_| FragmentError::Stopping)?;
        Ok(())
    }

    /// After each step: reports counts, and asks for an early end of an epoch that has grown large.
    pub fn after_step(&mut self) {
        let counts = self.fragment.counts();
        Counters::add(&self.counters.rows_out, counts.rows_out - self.reported.rows_out);
        Counters::add(&self.counters.dead_letters, counts.dead_letters - self.reported.dead_letters);
        Counters::add(&self.counters.skipped, counts.skipped - self.reported.skipped);
        self.reported = counts;
        if !self.epoch_wanted && self.fragment.buffered_bytes() > self.buffer_bytes {
            self.want_epoch();
        }
    }

    /// Asks for an end of the epoch before its time.
    pub fn want_epoch(&mut self) {
        self.epoch_wanted = true;
        // A coordinator that is gone has ended the job.
        let _ = self.events.send(Event::EpochWanted(self.fragment.epoch()));
    }
}

/// A subtask behind an exchange.
pub struct ChannelSubtask {
    pub worker: Worker,
    pub inlets: Vec<Receiver<Message>>,
    /// Which input of the head each inlet belongs to.
    pub sides: Vec<Side>,
    pub alignment: Alignment,
    pub committed: Arc<AtomicU64>,
    pub seen_committed: u64,
    /// The last thing done was to fire processing-time timers: messages have their turn now.
    pub fired: bool,
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
        self.worker.resume()?;
        loop {
            let wake = self.next();
            self.fired = matches!(wake, Wake::ProcessingTime);
            match wake {
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
        let until_timer = self.until_processing_timer();
        if until_timer == Some(Duration::ZERO) && !self.fired {
            return Wake::ProcessingTime;
        }
        self.worker.cell.queued.set(self.inlets.iter().map(|i| i.len() as u64).sum());
        let operation = match select.try_select() {
            Ok(operation) => operation,
            Err(_) => {
                let mut laps = self.worker.cell.laps();
                let operation = match until_timer {
                    None => Ok(select.select()),
                    Some(wait) => select.select_timeout(wait),
                };
                laps.lap(Activity::WaitInput);
                match operation {
                    Ok(operation) => operation,
                    Err(_) => return Wake::ProcessingTime,
                }
            }
        };
        let input = open[operation.index()];
        operation.recv(&self.inlets[input]).map_or(Wake::Closed, |message| Wake::Message(input, message))
    }

    /// How long it is until a processing-time timer is due. Behind the end of all inputs none fires:
    /// what it emitted would come behind this subtask's own end. It waits in the state for the next
    /// run.
    fn until_processing_timer(&self) -> Option<Duration> {
        let due = self.worker.fragment.next_processing_timer().filter(|_| !self.alignment.all_ended())?;
        let wait = due.saturating_sub(self.worker.outlets.now());
        Some(Duration::from_micros(u64::try_from(wait).unwrap_or(0)))
    }

    fn message(&mut self, input: usize, message: Message) -> Result<(), RunError> {
        let was_idle = self.alignment.is_idle();
        let risen = match message {
            Message::Rows(batch) => {
                self.alignment.rows(input).map_err(bug)?;
                if was_idle {
                    self.worker.awake()?;
                }
                self.worker.fragment.rows(self.sides[input], batch, &mut self.worker.outlets)?;
                None
            }
            Message::Watermark(watermark) => self.alignment.watermark_of(input, watermark).map_err(bug)?,
            Message::Idle => self.alignment.idle(input).map_err(bug)?,
            Message::End => self.alignment.end(input).map_err(bug)?,
            Message::Barrier(epoch) => {
                let aligned = self.alignment.barrier(input, epoch).map_err(bug)?;
                self.alignment.validate().map_err(RunError::Bug)?;
                if aligned {
                    self.worker.barrier(epoch, self.alignment.all_ended(), Vec::new())?;
                }
                None
            }
        };
        if let Some(watermark) = risen {
            self.worker.watermark(watermark)?;
            if self.alignment.all_ended() {
                return self.worker.end();
            }
        }
        match (was_idle, self.alignment.is_idle()) {
            (false, true) => self.worker.idle(),
            (true, false) => self.worker.awake(),
            _ => Ok(()),
        }
    }
}

fn bug(error: ProtocolError) -> RunError {
    RunError::Bug(error.to_string())
}
