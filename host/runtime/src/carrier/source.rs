//! A subtask that reads from a source: rows go into its fragment, barriers come from the
//! coordinator, and the position of every partition is part of each epoch.

use super::error::RunError;
use super::progress::Counters;
use super::subtask::Worker;
use super::task::Control;
use crate::connect::{Next, Rows, SourceReader};
use crate::failpoint;
use crate::measure::Activity;
use crate::wasm::column_bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use wasmill_abi::Schema;
use wasmill_core::align::END_OF_TIME;
use wasmill_core::plan::Side;

/// The head of a fragment that begins with a source.
pub struct SourceSubtask {
    pub worker: Worker,
    pub operator: String,
    pub schema: Schema,
    pub reader: Box<dyn SourceReader>,
    pub control: Receiver<Control>,
    /// At most this many rows per second.
    pub pace: Option<Pace>,
    pub ended: bool,
    pub draining: bool,
    /// Those who read from it were told that it is idle.
    pub idle: bool,
    /// The epoch of the last barrier, and the last one known to be committed.
    pub barrier: u64,
    pub committed: u64,
    /// The positions as they were last handed in, by name.
    pub handed_in: HashMap<String, Vec<u8>>,
}

/// Keeps a source at or below a rate.
pub struct Pace {
    per_second: f64,
    started: Instant,
    rows: u64,
}

impl Pace {
    pub fn new(rows_per_second: u32) -> Self {
        Self { per_second: f64::from(rows_per_second), started: Instant::now(), rows: 0 }
    }

    fn due(&self) -> Instant {
        self.started + Duration::from_secs_f64(self.rows as f64 / self.per_second)
    }
}

/// What the control channel brought.
enum Heard {
    Control(Control),
    Nothing,
    /// The job is over.
    Closed,
}

impl SourceSubtask {
    /// Runs until the control channel closes.
    pub fn run(mut self) -> Result<(), RunError> {
        self.worker.resume()?;
        loop {
            match self.listen() {
                Heard::Closed => return Ok(()),
                Heard::Control(control) => self.control(control)?,
                Heard::Nothing => self.read()?,
            }
            self.worker.after_step();
        }
    }

    /// With two epochs uncommitted a source waits: that bounds memory, and nothing else has to.
    fn may_read(&self) -> bool {
        !self.ended && !self.draining && self.barrier <= self.committed + 1
    }

    fn listen(&self) -> Heard {
        let received = if !self.may_read() {
            let mut laps = self.worker.cell.laps();
            let received = self.control.recv();
            let has_more = !self.ended && !self.draining;
            laps.lap(if has_more { Activity::WaitCommit } else { Activity::WaitInput });
            received.map_err(|_| TryRecvError::Disconnected)
        } else if let Some(due) = self.pace.as_ref().map(Pace::due).filter(|due| *due > Instant::now()) {
            let mut laps = self.worker.cell.laps();
            let received = self.control.recv_deadline(due);
            laps.lap(Activity::WaitInput);
            received.map_err(|e| match e {
                RecvTimeoutError::Timeout => TryRecvError::Empty,
                RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
            })
        } else {
            self.control.try_recv()
        };
        match received {
            Ok(control) => Heard::Control(control),
            Err(TryRecvError::Empty) => Heard::Nothing,
            Err(TryRecvError::Disconnected) => Heard::Closed,
        }
    }

    fn control(&mut self, control: Control) -> Result<(), RunError> {
        match control {
            Control::Drain => self.draining = true,
            Control::Committed(epoch) => {
                self.committed = epoch;
                self.worker.fragment.committed(epoch);
            }
            Control::Barrier(epoch) => {
                failpoint::hit("source.barrier");
                self.barrier = epoch;
                let positions = self.moved_positions();
                self.worker.barrier(epoch, self.ended, positions)?;
            }
        }
        Ok(())
    }

    /// The positions that have changed since the last barrier: a commit costs what changed, however
    /// many files there are.
    fn moved_positions(&mut self) -> Vec<(String, Vec<u8>)> {
        let mut moved = Vec::new();
        for (partition, at) in self.reader.positions() {
            let name = position_key(&self.operator, &partition);
            if self.handed_in.get(&name) != Some(&at) {
                self.handed_in.insert(name.clone(), at.clone());
                moved.push((name, at));
            }
        }
        moved
    }

    fn read(&mut self) -> Result<(), RunError> {
        let mut laps = self.worker.cell.laps();
        let next = self.reader.next();
        laps.lap(if matches!(next, Ok(Next::Pending)) { Activity::WaitInput } else { Activity::Read });
        match next.map_err(|source| RunError::Source { operator: self.operator.clone(), source })? {
            Next::Pending => Ok(()),
            Next::Idle => {
                self.idle = true;
                self.worker.idle()
            }
            Next::Rows(rows) => {
                if std::mem::take(&mut self.idle) {
                    self.worker.awake()?;
                }
                self.rows(rows)
            }
            Next::Watermark(watermark) => {
                self.worker.counters.watermark(watermark);
                self.worker.watermark(watermark)
            }
            Next::End => {
                self.ended = true;
                self.worker.watermark(END_OF_TIME)?;
                self.worker.end()?;
                // Nothing more can join the epoch under way, so nothing is gained by waiting.
                self.worker.want_epoch();
                Ok(())
            }
        }
    }

    fn rows(&mut self, rows: Rows) -> Result<(), RunError> {
        let n = (rows.batch.rows() + rows.dead.len()) as u64;
        Counters::add(&self.worker.counters.rows_in, n);
        if let Some(pace) = &mut self.pace {
            pace.rows += n;
        }
        self.measure(&rows);
        if let Some(time) = rows.batch.event_time.as_ref().and_then(|times| times.iter().max()) {
            self.worker.counters.event_time(*time);
            self.worker.cell.event_time.raise(*time);
        }
        rows.dead.iter().for_each(|line| self.worker.fragment.dead_line(&self.operator, line));
        Ok(self.worker.fragment.rows(Side::Left, rows.batch, &mut self.worker.outlets)?)
    }
}

impl SourceSubtask {
    /// Counts what the fragment does not see: lines that no row came of, and bytes.
    fn measure(&self, rows: &Rows) {
        let (cell, dead) = (&self.worker.cell, rows.dead.len() as u64);
        cell.rows_in.add(dead);
        cell.dead_letters.add(dead);
        let columns = rows.batch.columns.columns().iter().zip(&self.schema.fields);
        cell.bytes_out.add(columns.map(|(c, f)| column_bytes(f, c.as_ref()) as u64).sum());
    }
}

/// The name under which a partition's position is stored.
pub fn position_key(operator: &str, partition: &str) -> String {
    format!("source/{operator}/{partition}")
}
