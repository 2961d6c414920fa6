//! A function in a fragment: batches go into the guest, effects come out and are applied, and rows
//! that break the function are found and dealt with while their neighbours go through.

use super::caution::{Caution, Entered};
use super::dead_letters::{self, DeadLetters, LetterId, NO_POSITION, Reason, RowOf};
use super::frames::{FrameError, Frames, Work};
use super::guest::Guest;
use super::kept;
use super::late::late_rows;
use super::metrics::Metrics;
use super::{Carrier, Emitted, FragmentError};
use crate::batch::{Batch, Position};
use crate::measure::{Activity, Cell};
use crate::state::{DueTimers, KeyedState};
use crate::wasm::frame::CallInfo;
use crate::wasm::{Advice, CallError, Effects, EffectsReader, OutputRows, column_bytes};
use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::{Schema, hash, key};
use wasmill_core::bisect::{Bisection, Step};
use wasmill_core::limits::Limits;
use wasmill_core::plan::{FunctionCall, OnError, Operator, Side};

/// Waits between the tries of a call that failed for a passing reason.
const TRANSIENT_WAITS: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];
/// From this try on, a fresh instance is used.
const TRANSIENT_RENEW: usize = 2;

/// What a call is told about the moment it is made in.
pub struct Call<'c> {
    pub epoch: u64,
    pub watermark: i64,
    pub carrier: &'c mut dyn Carrier,
}

/// Where an operator's work is counted, and what its function reports of itself.
pub struct Meter {
    pub cell: Arc<Cell>,
    pub reported: Arc<Metrics>,
}

impl Meter {
    fn refused(&self, policy: OnError) {
        match policy {
            OnError::DeadLetter => self.cell.dead_letters.add(1),
            OnError::Skip => self.cell.skipped.add(1),
            OnError::Fail => {}
        }
    }
}

/// The schemas of the streams that a function reads.
#[derive(Debug, Clone)]
pub struct Inputs {
    pub left: Schema,
    /// For functions with two inputs.
    pub right: Option<Schema>,
}

impl Inputs {
    fn of(&self, side: Side) -> &Schema {
        match (side, &self.right) {
            (Side::Right, Some(right)) => right,
            _ => &self.left,
        }
    }
}

/// One function in one subtask.
pub struct FunctionOperator {
    name: String,
    call: FunctionCall,
    /// The schemas of the streams that come in, and whether their rows have event times.
    inputs: Inputs,
    event_time: bool,
    guest: Guest,
    effects: EffectsReader,
    limits: Arc<Limits>,
    meter: Meter,
    /// Where the seeds of calls start.
    seed: u64,
    calls: u64,
    frames: Frames,
    caution: Option<Arc<dyn Caution>>,
}

/// Why an attempt was not applied.
enum Failed {
    Call(CallError),
    Stop(FragmentError),
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Failed::Call(error)
    }
}

impl FunctionOperator {
    /// `seed` is where the seeds of calls start.
    pub fn new(
        operator: &Operator,
        call: FunctionCall,
        inputs: Inputs,
        guest: Guest,
        limits: Arc<Limits>,
        seed: u64,
        meter: Meter,
    ) -> Self {
        Self {
            effects: EffectsReader::new(&call.function),
            frames: Frames::new(call.function.slots(), meter.cell.clone()),
            name: operator.name.clone(),
            call,
            inputs,
            event_time: operator.event_time,
            guest,
            limits,
            meter,
            seed,
            calls: 0,
            caution: None,
        }
    }

    /// Asks this before every row for as long as it is on.
    pub fn with_caution(self, caution: Option<Arc<dyn Caution>>) -> Self {
        Self { caution, ..self }
    }

    /// At most this many rows or timers go into one call.
    pub fn batch_rows(&self) -> usize {
        self.limits.batch_rows as usize
    }

    /// One watermark may cause so many calls with timers.
    pub fn timer_rounds(&self) -> u64 {
        self.limits.timer_rounds.into()
    }

    /// Applies the operator's policy to timers that came of timers without end. They do not fire, so
    /// they set no others.
    pub fn give_up(&self, family: TimerFamily, due: &DueTimers, dead: &mut DeadLetters) -> Result<(), FragmentError> {
        let message = format!(
            "its timers set others that were due at once, for more than {} calls (limit `timer_rounds`); set the \
             next timer later than the one that fired",
            self.limits.timer_rounds
        );
        let reason = Reason { kind: "endless-timers", code: None, message, backtrace: Vec::new() };
        (0..due.len()).try_for_each(|i| self.refuse(Work::Timers(family, due), i, &reason, dead).map(drop))
    }

    /// Counts rows of an output that nothing reads.
    pub fn unread(&self, output: usize, rows: usize) {
        self.meter.reported.unread(output, rows as u64);
    }

    /// An epoch ended.
    pub fn epoch_ended(&mut self) {
        self.guest.epoch_ended();
    }

    /// Runs the function over rows of one input. `state` is there for keyed functions.
    pub fn rows(
        &mut self,
        side: Side,
        batch: &Batch,
        mut state: Option<&mut KeyedState>,
        mut call: Call<'_>,
        dead: &mut DeadLetters,
    ) -> Result<Vec<Emitted>, FragmentError> {
        let mut emitted = Vec::new();
        let step = self.rows_per_call(side, batch);
        for start in (0..batch.rows()).step_by(step) {
            let range = start..(start + step).min(batch.rows());
            self.work(Work::Rows(side, batch), range, state.as_deref_mut(), &mut call, dead, &mut emitted)?;
        }
        Ok(emitted)
    }

    /// Runs the function over timers that are due, each of another key.
    pub fn timers(
        &mut self,
        family: TimerFamily,
        due: &DueTimers,
        state: &mut KeyedState,
        mut call: Call<'_>,
        dead: &mut DeadLetters,
    ) -> Result<Vec<Emitted>, FragmentError> {
        let mut emitted = Vec::new();
        self.work(Work::Timers(family, due), 0..due.len(), Some(state), &mut call, dead, &mut emitted)?;
        Ok(emitted)
    }

    /// Rows that stay within the byte limit, judged by the batch's average row.
    fn rows_per_call(&self, side: Side, batch: &Batch) -> usize {
        let fields = &self.inputs.of(side).fields;
        let bytes: usize = batch.columns.columns().iter().zip(fields).map(|(c, f)| column_bytes(f, c.as_ref())).sum();
        let average = (bytes / batch.rows().max(1)).max(1) as u64;
        let by_bytes = usize::try_from(self.limits.batch_bytes / average).unwrap_or(usize::MAX);
        by_bytes.clamp(1, self.batch_rows())
    }

    /// Runs a part of the work: at once, or in careful mode one row (or timer) after the other.
    fn work(
        &mut self,
        work: Work<'_>,
        range: Range<usize>,
        mut state: Option<&mut KeyedState>,
        call: &mut Call<'_>,
        dead: &mut DeadLetters,
        emitted: &mut Vec<Emitted>,
    ) -> Result<(), FragmentError> {
        let Some(caution) = self.caution.clone().filter(|c| c.is_on()) else {
            return self.search(work, range, state, call, dead, emitted);
        };
        for index in range {
            match caution.enter(&self.name_of(work, index)) {
                Entered::Run(_running) => {
                    self.search(work, index..index + 1, state.as_deref_mut(), call, dead, emitted)?;
                }
                Entered::Deadly => drop(self.refuse(work, index, &deadly(), dead)?),
            }
        }
        Ok(())
    }

    /// A name that a row (or timer) has again when it comes again after a restart.
    fn name_of(&self, work: Work<'_>, index: usize) -> String {
        match work {
            Work::Rows(side, batch) => {
                let at = Position::unpack(batch.positions[index]);
                let digest = dead_letters::digest(self.inputs.of(side), &batch.columns.slice(index, 1));
                format!("{} {}:{} {digest:08x}", self.name, at.partition, at.row)
            }
            Work::Timers(family, due) => {
                let key = hash::hash32(due.keys().key(index));
                format!("{} {family:?} {} {key:08x}", self.name, due.times()[index])
            }
        }
    }

    /// One call, and after a failure as many as it takes to find who is to blame.
    fn search(
        &mut self,
        work: Work<'_>,
        range: Range<usize>,
        mut state: Option<&mut KeyedState>,
        call: &mut Call<'_>,
        dead: &mut DeadLetters,
        emitted: &mut Vec<Emitted>,
    ) -> Result<(), FragmentError> {
        let base = range.start;
        let mut bisection = Bisection::new(range.len() as u32);
        let mut reason = None;
        let mut tries = 0;
        loop {
            match bisection.step() {
                Step::Done => return Ok(()),
                Step::Poison(row) => {
                    let reason = reason.take().expect("a call failed before its row was found to be poison");
                    let letter = self.refuse(work, base + row as usize, &reason, dead)?;
                    // The call that failed last was of this row alone: its frame still stands.
                    self.keep(letter.map(|id| (id, 0)), dead);
                }
                Step::Run(part) => {
                    let part_range = base + part.start as usize..base + part.end as usize;
                    match self.attempt(work, part_range.clone(), state.as_deref_mut(), call) {
                        Ok(effects) => {
                            bisection.succeeded();
                            self.apply(work, part_range.start, effects, state.as_deref_mut(), dead, emitted)?;
                        }
                        Err(Failed::Stop(error)) => return Err(error),
                        Err(Failed::Call(error)) => {
                            self.meter.cell.failed(error.kind());
                            let blamed = match error.advice() {
                                Advice::Stop => return Err(self.stopped(error.to_string())),
                                Advice::Retry if tries < TRANSIENT_WAITS.len() => {
                                    self.wait(tries, call)?;
                                    tries += 1;
                                    continue;
                                }
                                Advice::Reject(row) => Some(part.start + row),
                                Advice::Retry | Advice::Bisect => None,
                            };
                            tracing::debug!(operator = self.name, rows = part.len(), %error, "a call failed");
                            bisection.failed(blamed);
                            reason = Some(reason_of(&error));
                        }
                    }
                }
            }
        }
    }

    fn wait(&mut self, tries: usize, call: &mut Call<'_>) -> Result<(), FragmentError> {
        if tries >= TRANSIENT_RENEW {
            self.guest.renew();
        }
        let mut laps = self.meter.cell.laps();
        let paused = call.carrier.pause(TRANSIENT_WAITS[tries]);
        laps.lap(Activity::WaitRetry);
        Ok(paused?)
    }

    /// One guest call over a part of the work. Nothing is applied.
    fn attempt(
        &mut self,
        work: Work<'_>,
        range: Range<usize>,
        state: Option<&mut KeyedState>,
        call: &mut Call<'_>,
    ) -> Result<Effects, Failed> {
        let n = range.len() as u32;
        self.calls += 1;
        let info = CallInfo {
            epoch: call.epoch,
            watermark: call.watermark,
            now: call.carrier.now(),
            seed: self.seed << 32 ^ call.epoch << 20 ^ self.calls,
            side: work.side(),
        };
        let entries = state.as_ref().and_then(|state| state.entries());
        let keys = self.frames.build(&self.call, &info, work, range, state).map_err(|error| match error {
            FrameError::State(error) => Failed::Stop(error.into()),
            FrameError::Damaged(e) => Failed::Stop(self.stopped(format!("its stored state is damaged: {e}"))),
        })?;
        let cell = &self.meter.cell;
        cell.bytes_in.add(self.frames.frame().len() as u64);
        let mut laps = cell.laps();
        let called = self.guest.call(self.frames.frame(), n, entries);
        laps.lap(Activity::Guest);
        let chunks = called?;
        let effects = self.effects.read(&chunks, n, keys).map_err(CallError::BadEffects);
        laps.lap(Activity::Boundary);
        cell.bytes_out.add(chunks.iter().map(|c| c.bytes().len() as u64).sum());
        Ok(effects?)
    }

    /// Applies everything that a successful call asked for. `start` is where its part begins.
    fn apply(
        &mut self,
        work: Work<'_>,
        start: usize,
        effects: Effects,
        state: Option<&mut KeyedState>,
        dead: &mut DeadLetters,
        emitted: &mut Vec<Emitted>,
    ) -> Result<(), FragmentError> {
        let cell = self.meter.cell.clone();
        let mut laps = cell.laps();
        if let Some(state) = state {
            for change in effects.state() {
                state.apply(change.slot.into(), change.key as usize, change.value);
            }
            for record in effects.entries() {
                state.apply_entries(record.slot, &record.changes())?;
            }
            for change in &effects.timers {
                let key = change.key as usize;
                match change.delete {
                    false => state.set_timer(change.family, change.time, key),
                    true => state.delete_timer(change.family, change.time, key),
                }
            }
            laps.lap(Activity::State);
        }
        let mut letters = Vec::new();
        for reject in &effects.rejects {
            let (code, message) = (Some(reject.code), reject.message.clone());
            let reason = Reason { kind: "rejected", code, message, backtrace: Vec::new() };
            let letter = self.refuse(work, start + reject.row as usize, &reason, dead)?;
            letters.extend(letter.map(|id| (id, reject.row)));
        }
        self.keep(letters, dead);
        match work {
            Work::Rows(side, batch) if !effects.late.is_empty() => {
                emitted.push(late_rows(&self.call.function, side, batch, start, &effects.late));
            }
            Work::Rows(..) | Work::Timers(..) => {}
        }
        effects.metrics.iter().for_each(|(metric, report)| self.meter.reported.report(*metric, *report));
        for rows in effects.rows {
            emitted.push(Emitted { output: rows.output, batch: carry(work, start, rows, self.event_time) });
        }
        laps.lap(Activity::Boundary);
        Ok(())
    }

    /// Keeps the last call for a replay of these letters, each with its row (or timer) in the call.
    fn keep(&self, letters: impl IntoIterator<Item = (LetterId, u32)>, dead: &mut DeadLetters) {
        let letters: Vec<_> = letters.into_iter().collect();
        if !letters.is_empty() {
            let frame = self.frames.frame();
            dead.keep(frame, |out| kept::write(out, &letters, &self.guest, frame));
        }
    }

    /// Applies the operator's policy to a row or timer that did not go through.
    fn refuse(
        &self,
        work: Work<'_>,
        index: usize,
        reason: &Reason,
        dead: &mut DeadLetters,
    ) -> Result<Option<LetterId>, FragmentError> {
        self.meter.refused(self.call.on_error);
        let letter = match self.call.on_error {
            OnError::Skip => {
                tracing::debug!(operator = self.name, reason = reason.message, "a row was skipped");
                dead.skip();
                None
            }
            OnError::Fail => {
                let what = match work {
                    Work::Rows(..) => "a row",
                    Work::Timers(..) => "a timer",
                };
                return Err(self.stopped(format!(
                    "{what} failed and on_error is `fail`: {}. Mend the function or the data, or set on_error to \
                     `dead-letter`, and start the job again",
                    reason.message
                )));
            }
            OnError::DeadLetter => match work {
                Work::Rows(side, batch) => Some(dead.row(&self.name, reason, &self.row_of(side, batch, index))),
                Work::Timers(family, due) => {
                    let key = key::decode(&self.call.key_types, due.keys().key(index));
                    let family = match family {
                        TimerFamily::Event => "event",
                        TimerFamily::Processing => "processing",
                    };
                    Some(dead.timer(&self.name, reason, &format!("{key:?}"), family, due.times()[index]))
                }
            },
        };
        Ok(letter)
    }

    fn row_of(&self, side: Side, batch: &Batch, index: usize) -> RowOf<'_> {
        RowOf {
            schema: self.inputs.of(side),
            columns: batch.columns.slice(index, 1),
            position: batch.positions[index],
            event_time: batch.event_time.as_ref().map(|t| t[index]),
            op: batch.ops.as_ref().map(|_| batch.op(index)),
        }
    }

    fn stopped(&self, message: String) -> FragmentError {
        FragmentError::Function { operator: self.name.clone(), message }
    }
}

fn deadly() -> Reason {
    let message = "the process died twice while it ran this; it was not run again".to_owned();
    Reason { kind: "process-died", code: None, message, backtrace: Vec::new() }
}

fn reason_of(error: &CallError) -> Reason {
    let code = match error {
        CallError::Guest { code, .. } => Some(*code),
        _ => None,
    };
    let backtrace = match error {
        CallError::Trap { backtrace, .. } => backtrace.clone(),
        _ => Vec::new(),
    };
    Reason { kind: error.kind(), code, message: error.to_string(), backtrace }
}

/// Gives rows that came out the event times and positions of the rows that they came from.
fn carry(work: Work<'_>, start: usize, rows: OutputRows, event_time: bool) -> Batch {
    let OutputRows { columns, origins, ops, .. } = rows;
    match work {
        Work::Rows(_, batch) => Batch {
            event_time: batch.event_time.as_ref().map(|times| origin_values(times, start, &columns, origins.as_ref())),
            positions: origin_values(&batch.positions, start, &columns, origins.as_ref()),
            columns,
            ops,
        },
        Work::Timers(_, due) => {
            let times: ScalarBuffer<i64> = due.times().to_vec().into();
            Batch {
                event_time: event_time.then(|| origin_values(&times, start, &columns, origins.as_ref())),
                positions: vec![NO_POSITION; columns.num_rows()].into(),
                columns,
                ops,
            }
        }
    }
}

/// The values of the rows that rows came from; `None` means one for one.
fn origin_values<T: arrow_buffer::ArrowNativeType>(
    values: &ScalarBuffer<T>,
    start: usize,
    columns: &RecordBatch,
    origins: Option<&ScalarBuffer<u32>>,
) -> ScalarBuffer<T> {
    match origins {
        None => values.slice(start, columns.num_rows()),
        Some(origins) => origins.iter().map(|&o| values[start + o as usize]).collect(),
    }
}
