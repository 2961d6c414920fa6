//! The guest of one operator: opens an instance when it needs one, and a fresh one after a trap.

use super::state_calls::EntryCalls;
use crate::failpoint;
use crate::state::Entries;
use crate::wasm::{CallError, Chunk, Factory, Instance, LogSink};
use std::sync::{Arc, Mutex};
use wasmill_abi::open::OpenContext;
use wasmill_core::limits::Limits;

/// An instance whose memory has grown beyond this share of its limit is replaced when the epoch
/// ends: linear memory never shrinks.
const RECYCLE_NUMERATOR: u64 = 3;
const RECYCLE_DENOMINATOR: u64 = 4;

/// One function of a module, open in one subtask. Nothing in it outlives a batch that matters:
/// state lives in the host.
pub struct Guest {
    factory: Arc<Factory>,
    open: OpenContext,
    limits: Arc<Limits>,
    log: LogSink,
    instance: Option<Instance>,
}

impl Guest {
    /// Opens the function once, so that an `open` that fails stops the job before any row.
    pub fn open(
        factory: Arc<Factory>,
        open: OpenContext,
        limits: Arc<Limits>,
        log: LogSink,
    ) -> Result<Self, CallError> {
        let instance = factory.instantiate(&open, &limits, log.clone())?;
        Ok(Self { factory, open, limits, log, instance: Some(instance) })
    }

    /// One call. After any failure the instance is dropped, and the next call gets a fresh one.
    /// `state` answers what the guest asks meanwhile.
    pub fn call(
        &mut self,
        frame: &[u8],
        rows: u32,
        state: Option<Arc<Mutex<Entries>>>,
    ) -> Result<Vec<Chunk>, CallError> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            // It opened before, and no row has a part in it: what fails now is the machine, not a row.
            None => self
                .factory
                .instantiate(&self.open, &self.limits, self.log.clone())
                .map_err(|e| CallError::Host(format!("a fresh instance could not be opened: {e}")))?,
        };
        if let Some(state) = state {
            instance.set_state(Box::new(EntryCalls(state)));
        }
        failpoint::hit_with("guest.call", frame);
        let chunks = instance.process(frame, rows)?;
        self.instance = Some(instance);
        Ok(chunks)
    }

    /// What is open: the module's SHA-256, and what `open` was told and allowed.
    pub fn origin(&self) -> (&str, &OpenContext, &Limits) {
        (self.factory.sha256(), &self.open, &self.limits)
    }

    /// Drops the instance, so that the next call gets a fresh one.
    pub fn renew(&mut self) {
        self.instance = None;
    }

    /// An epoch ended: replaces an instance that has grown.
    pub fn epoch_ended(&mut self) {
        let high_water = self.limits.memory_bytes / RECYCLE_DENOMINATOR * RECYCLE_NUMERATOR;
        if self.instance.as_ref().is_some_and(|i| i.memory_bytes() as u64 > high_water) {
            self.renew();
        }
    }
}
