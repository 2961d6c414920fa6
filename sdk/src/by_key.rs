//! How frames of rows and of timers go through a function by key, whether it has one input or two.

use std::rc::Rc;

use wasmill_abi::effects::TimerFamily;
use wasmill_abi::frame::{Frame, NO_WATERMARK, Tag};

use crate::effects::{Effects, Push};
use crate::map::{Ops, event_times};
use crate::state::Stored;
use crate::{Error, Fault, KeyedContext, LateRows, Outputs, Row, Slots, Timer, Timestamp};

/// Everything of an opened function by key but the function itself.
pub(crate) struct ByKey<S: Slots, O: Outputs> {
    state: S,
    effects: Effects<O>,
    ctx: KeyedContext,
    late: LateRows,
    reads_changes: bool,
    /// Some slot has a time to live.
    expires: bool,
}

impl<S: Slots, O: Outputs> ByKey<S, O> {
    pub fn new(metrics: usize, late: LateRows, reads_changes: bool) -> Self {
        let expires = S::slots().iter().any(|slot| slot.ttl.is_some());
        let (effects, ctx) = (Effects::new(late), KeyedContext::new(metrics));
        Self { state: S::create(), effects, ctx, late, reads_changes, expires }
    }

    /// Handles one frame: `handle` puts what it brings through the function.
    pub fn run(
        &mut self,
        frame: Vec<u8>,
        push: Push<'_>,
        handle: impl FnOnce(&mut Self, &Frame<'_>, Push<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let bytes = Rc::new(frame);
        let frame = Frame::read(&bytes).map_err(Error::incompatible)?;
        self.effects.begin();
        self.ctx.begin(&frame.header);
        self.ctx.timers.clear();
        self.state.load(&Stored { bytes: &bytes, frame: &frame })?;
        handle(self, &frame, push)?;
        let Self { state, ctx, effects, .. } = self;
        effects.finish(push, |writer| {
            state.fault()?;
            state.write(writer)?;
            if !ctx.timers.is_empty() {
                writer.timers(&ctx.timers);
            }
            ctx.reports.write(writer);
            Ok(())
        })
    }

    /// Puts the rows of a frame through `process`, each with its key.
    pub fn rows<K: Row, I: Row>(
        &mut self,
        frame: &Frame<'_>,
        push: Push<'_>,
        mut process: impl for<'a> FnMut(K::Of<'a>, I::Of<'a>, &mut S, &mut O, &mut KeyedContext) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let block = frame.columns(&I::schema()).map_err(Error::incompatible)?;
        let columns = I::columns(&block).map_err(Error::incompatible)?;
        let key_block = frame.keys(&K::schema()).map_err(Error::incompatible)?;
        let keys = K::columns(&key_block).map_err(Error::incompatible)?;
        let times = event_times(frame)?;
        let ops = Ops::of(frame, self.reads_changes)?;
        let late_until = match self.late {
            LateRows::BehindWatermark => frame.header.watermark,
            LateRows::Handled | LateRows::Chosen => NO_WATERMARK,
        };
        let row_keys = checked_keys(frame, Tag::RowKey, frame.header.rows)?;
        for (row, key) in row_keys.iter().enumerate() {
            let key = u32::from_le_bytes(*key);
            let time = times.map(|t| i64::from_le_bytes(t[row]));
            if late_until != NO_WATERMARK && time.is_some_and(|time| time <= late_until) {
                self.effects.late(row as u32);
                continue;
            }
            self.ctx.set_op(ops.get(row));
            self.enter(row as u32, key, time);
            if self.expires {
                crate::ttl::enter(frame.header.watermark, time, frame.header.now);
            }
            let mark = self.ctx.timers.len();
            let (key, values) = (K::read(&keys, key as usize), I::read(&columns, row));
            let result = process(key, values, &mut self.state, &mut self.effects.outputs, &mut self.ctx);
            self.leave(row as u32, mark, result, push)?;
        }
        Ok(())
    }

    /// Puts the timers of a frame through `on_timer`.
    pub fn timers<K: Row>(
        &mut self,
        frame: &Frame<'_>,
        push: Push<'_>,
        mut on_timer: impl for<'a> FnMut(K::Of<'a>, Timer, &mut S, &mut O, &mut KeyedContext) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let count = frame.header.timers;
        let key_block = frame.keys(&K::schema()).map_err(Error::incompatible)?;
        let keys = K::columns(&key_block).map_err(Error::incompatible)?;
        let times = frame.array::<8>(Tag::TimerTime, count).map_err(Error::incompatible)?;
        let families = frame.array::<1>(Tag::TimerFamily, count).map_err(Error::incompatible)?;
        let timer_keys = checked_keys(frame, Tag::TimerKey, count)?;
        for (i, key) in timer_keys.iter().enumerate() {
            let key = u32::from_le_bytes(*key);
            let time = i64::from_le_bytes(times[i]);
            let family = TimerFamily::from_code(families[i][0])
                .ok_or_else(|| Error::incompatible(format_args!("timer family {} is unknown", families[i][0])))?;
            self.enter(i as u32, key, Some(time));
            if self.expires {
                let event_time = (family == TimerFamily::Event).then_some(time);
                crate::ttl::enter(frame.header.watermark, event_time, frame.header.now);
            }
            let mark = self.ctx.timers.len();
            let key = K::read(&keys, key as usize);
            let timer = Timer { time: Timestamp::from_micros(time), family };
            let result = on_timer(key, timer, &mut self.state, &mut self.effects.outputs, &mut self.ctx);
            // A timer is no row that could come late.
            let result = result.map_err(|e| if e.fault() == Fault::Late { e.into_reject() } else { e });
            self.leave(i as u32, mark, result, push)?;
        }
        Ok(())
    }

    #[inline]
    fn enter(&mut self, row: u32, key: u32, event_time: Option<i64>) {
        self.ctx.enter(row, event_time);
        self.ctx.select(key);
        self.state.select(key as usize);
    }

    #[inline(always)]
    fn leave(&mut self, row: u32, mark: usize, result: Result<(), Error>, push: Push<'_>) -> Result<(), Error> {
        match result {
            Ok(()) => {
                self.effects.keep(row, push);
                Ok(())
            }
            Err(error) => self.refuse(row, mark, error),
        }
    }

    #[cold]
    fn refuse(&mut self, row: u32, mark: usize, error: Error) -> Result<(), Error> {
        // A value that did not decode explains the error better than the function can.
        self.state.fault().map_err(|e| e.at(row))?;
        self.effects.refuse(row, error)?;
        self.state.undo();
        self.ctx.timers.truncate(mark);
        Ok(())
    }
}

/// Which key each row or timer has, every one of them in range.
fn checked_keys<'a>(frame: &Frame<'a>, tag: Tag, count: u32) -> Result<&'a [[u8; 4]], Error> {
    let keys = frame.array::<4>(tag, count).map_err(Error::incompatible)?;
    let largest = keys.iter().map(|k| u32::from_le_bytes(*k)).max();
    match largest.filter(|k| *k >= frame.header.keys) {
        Some(key) => Err(Error::incompatible(format_args!("the frame names key {key} of {}", frame.header.keys))),
        None => Ok(keys),
    }
}
