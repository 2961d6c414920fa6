//! The frames of one function: rows are grouped by key, the state of the distinct keys is loaded and
//! stands beside them. It calls no guest and applies nothing.

use super::keys::{KeySink, RowKeys};
use crate::batch::Batch;
use crate::measure::{Activity, Cell};
use crate::state::{ByteList, Clock, DueTimers, Grouper, KeySet, KeyedState, StateError};
use crate::wasm::frame::{Bytes, CallInfo, KeyColumns, KeySection, Timers, data_frame, timer_frame};
use std::ops::Range;
use std::sync::Arc;
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::manifest::{Slot, SlotKind};
use wasmill_abi::{DecodeError, hash};
use wasmill_core::plan::{FunctionCall, Side};

/// What one batch of work consists of.
#[derive(Clone, Copy)]
pub enum Work<'w> {
    /// Rows of one input.
    Rows(Side, &'w Batch),
    Timers(TimerFamily, &'w DueTimers),
}

impl Work<'_> {
    /// The input that rows belong to.
    pub fn side(&self) -> Side {
        match self {
            Work::Rows(side, _) => *side,
            Work::Timers(..) => Side::Left,
        }
    }
}

/// Why there is no frame.
pub enum FrameError {
    State(StateError),
    /// Stored keys do not have the types of the key's columns.
    Damaged(DecodeError),
}

impl From<StateError> for FrameError {
    fn from(error: StateError) -> Self {
        FrameError::State(error)
    }
}

impl From<DecodeError> for FrameError {
    fn from(error: DecodeError) -> Self {
        FrameError::Damaged(error)
    }
}

/// Builds frames. It holds nothing but memory that is used again from call to call.
pub struct Frames {
    cell: Arc<Cell>,
    frame: Vec<u8>,
    row_keys: RowKeys,
    grouper: Grouper,
    row_key: Vec<u32>,
    timer_keys: KeySet,
    /// The slots that are values.
    slots: Vec<u16>,
    /// By position in `slots`.
    values: Vec<ByteList>,
}

impl Frames {
    /// For a function with these state slots, whose times are counted in `cell`.
    pub fn new(slots: &[Slot], cell: Arc<Cell>) -> Self {
        let values = (0u16..).zip(slots).filter(|(_, slot)| slot.kind == SlotKind::Value);
        let slots: Vec<u16> = values.map(|(id, _)| id).collect();
        Self {
            cell,
            frame: Vec::new(),
            row_keys: RowKeys::default(),
            grouper: Grouper::new(),
            row_key: Vec::new(),
            timer_keys: KeySet::new(),
            values: slots.iter().map(|_| ByteList::default()).collect(),
            slots,
        }
    }

    /// Builds the frame of a part of the work, for [`Self::frame`]; returns its number of distinct
    /// keys, which are those that `state` loaded last. `state` is there for keyed functions.
    pub fn build(
        &mut self,
        call: &FunctionCall,
        info: &CallInfo,
        work: Work<'_>,
        range: Range<usize>,
        state: Option<&mut KeyedState>,
    ) -> Result<u32, FrameError> {
        let buffer = std::mem::take(&mut self.frame);
        let (frame, keys) = match (work, state) {
            (Work::Rows(_, batch), None) => {
                let mut laps = self.cell.laps();
                let frame = data_frame(buffer, info, &call.function.input, &call.columns, batch, range, None)?;
                laps.lap(Activity::Boundary);
                (frame, 0)
            }
            (Work::Rows(_, batch), Some(state)) => self.keyed(buffer, call, info, batch, range, state)?,
            (Work::Timers(family, due), Some(state)) => self.timers(buffer, call, info, (family, due), range, state)?,
            (Work::Timers(..), None) => unreachable!("only functions with state have timers"),
        };
        self.frame = frame;
        Ok(keys)
    }

    /// The frame that was built last.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    fn keyed(
        &mut self,
        buffer: Vec<u8>,
        call: &FunctionCall,
        info: &CallInfo,
        batch: &Batch,
        range: Range<usize>,
        state: &mut KeyedState,
    ) -> Result<(Vec<u8>, u32), FrameError> {
        let mut laps = self.cell.laps();
        self.grouper.clear();
        self.row_key.clear();
        self.row_key.reserve(range.len());
        let mut sink = Grouping { grouper: &mut self.grouper, row_key: &mut self.row_key };
        let key_columns = call.key_of(info.side);
        self.row_keys.each(&batch.columns, key_columns, &call.key_types, range.clone(), &mut sink);
        state.load(self.grouper.keys())?;
        state.begin(self.grouper.keys(), clock(info));
        let keys = self.grouper.keys().len();
        gather(state, keys, &self.slots, &mut self.values);
        laps.lap(Activity::State);
        let values = of_slots(&self.slots, &self.values);
        let section = KeySection {
            schema: call.function.key().expect("keyed functions have keys"),
            keys,
            columns: KeyColumns::FirstRows { rows: self.grouper.first_rows(), columns: key_columns },
            row_key: &self.row_key,
            state: &values,
        };
        let (schema, columns) = call.reads(info.side);
        let frame = data_frame(buffer, info, schema, columns, batch, range, Some(&section))?;
        laps.lap(Activity::Boundary);
        Ok((frame, keys as u32))
    }

    fn timers(
        &mut self,
        buffer: Vec<u8>,
        call: &FunctionCall,
        info: &CallInfo,
        (family, due): (TimerFamily, &DueTimers),
        range: Range<usize>,
        state: &mut KeyedState,
    ) -> Result<(Vec<u8>, u32), FrameError> {
        let mut laps = self.cell.laps();
        let keys = range.len();
        self.timer_keys.clear();
        for (key, hash) in due.keys().iter().skip(range.start).take(keys) {
            self.timer_keys.push(key, hash);
        }
        state.load(&self.timer_keys)?;
        state.begin(&self.timer_keys, clock(info));
        gather(state, keys, &self.slots, &mut self.values);
        laps.lap(Activity::State);
        let values = of_slots(&self.slots, &self.values);
        // At most one timer of a key is in a call, so timer i has key i.
        self.row_key.clear();
        self.row_key.extend(0..keys as u32);
        let section = KeySection {
            schema: call.function.key().expect("only keyed functions have timers"),
            keys,
            columns: KeyColumns::Encoded(bytes_of(self.timer_keys.list())),
            row_key: &self.row_key,
            state: &values,
        };
        let families = vec![family as u8; keys];
        let timers = Timers { times: &due.times()[range], families: &families };
        let frame = timer_frame(buffer, info, timers, &section)?;
        laps.lap(Activity::Boundary);
        Ok((frame, keys as u32))
    }
}

/// Gives each row the index of its key.
pub(super) struct Grouping<'g> {
    pub grouper: &'g mut Grouper,
    pub row_key: &'g mut Vec<u32>,
}

impl KeySink for Grouping<'_> {
    #[inline(always)]
    fn fixed<const N: usize>(&mut self, key: &[u8; N]) {
        self.row_key.push(self.grouper.add_fixed(key, hash::hash32(key)));
    }

    #[inline]
    fn any(&mut self, key: &[u8]) {
        self.row_key.push(self.grouper.add(key, hash::hash32(key)));
    }
}

/// The stored values of the keys that were loaded last, per slot.
fn gather(state: &KeyedState, keys: usize, slots: &[u16], lists: &mut [ByteList]) {
    for (slot, values) in slots.iter().map(|&slot| usize::from(slot)).zip(lists) {
        values.clear();
        match state.expires(slot) {
            false => (0..keys).for_each(|key| values.push(state.value(slot, key))),
            true => (0..keys).for_each(|key| values.push(state.living_value(slot, key))),
        }
    }
}

fn of_slots<'l>(slots: &[u16], lists: &'l [ByteList]) -> Vec<(u16, Bytes<'l>)> {
    slots.iter().copied().zip(lists.iter().map(bytes_of)).collect()
}

fn clock(info: &CallInfo) -> Clock {
    Clock { watermark: info.watermark, now: info.now }
}

fn bytes_of(list: &ByteList) -> Bytes<'_> {
    Bytes { offsets: list.offsets(), bytes: list.bytes() }
}
