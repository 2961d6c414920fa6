//! One guest: its store, its limits, its deadline. It calls and tells what happened; what to do
//! about a failure is the caller's.

use super::error::CallError;
use super::factory::Factory;
use super::guest::{Chunk, Guest, Stop};
use super::interface::GuestError;
use super::log::LogSink;
use super::state_calls::{StateCallError, StateCalls};
use std::sync::Arc;
use std::time::Duration;
use wasmill_abi::DecodeError;
use wasmill_abi::open::OpenContext;
use wasmill_core::limits::Limits;
use wasmtime::component::Func;
use wasmtime::{Store, Trap, WasmBacktrace};

/// Time that `instantiate` with `open` may take, when the job's own deadline is not longer.
const OPEN_DEADLINE: Duration = Duration::from_secs(1);
/// A guest's error message is cut at this length.
const MESSAGE_BYTES_MAX: usize = 4096;

type CallResult = (Result<(), GuestError>,);

/// A guest that was opened. Memory of the guest is a cache: an instance may be dropped between any
/// two calls.
pub struct Instance {
    store: Store<Guest>,
    process: Func,
    limits: Limits,
    usable: bool,
    /// Keeps the runtime, whose tick makes deadlines come.
    factory: Arc<Factory>,
}

impl Instance {
    pub(super) fn open(
        factory: &Arc<Factory>,
        open: &OpenContext,
        limits: &Limits,
        log: LogSink,
    ) -> Result<Self, CallError> {
        let mut store = Guest::new_store(factory.engine(), limits, log);
        Guest::begin(&mut store, OPEN_DEADLINE.max(limits.deadline));
        let outcome = factory.pre().instantiate(&mut store);
        let instance = outcome.map_err(|e| failure(&mut store, limits, 0, &e))?;
        let exports = factory.exports();
        let missing = "the exports were looked up in this component when it was loaded";
        let process = instance.get_func(&mut store, exports.process).expect(missing);
        let opener = instance.get_func(&mut store, exports.open).expect(missing);
        let mut instance = Self { store, process, limits: limits.clone(), usable: true, factory: factory.clone() };
        instance.call(opener, &open.encode(), 0)?;
        Ok(instance)
    }

    /// Hands a frame of so many rows (or timers) to the guest, and returns its effects: unchecked,
    /// complete. The deadline follows from the rows and the limits.
    ///
    /// # Errors
    /// Nothing of the call may be applied. After a trap or a breach the guest is gone, see
    /// [`Instance::is_usable`].
    pub fn process(&mut self, frame: &[u8], rows: u32) -> Result<Vec<Chunk>, CallError> {
        if !self.usable {
            return Err(CallError::Abandoned);
        }
        Guest::begin(&mut self.store, self.limits.deadline_of(rows));
        let before = self.fuel_left();
        let result = self.call(self.process, frame, rows);
        self.factory.runtime().spend(before - self.fuel_left());
        result?;
        Ok(self.store.data_mut().take_chunks())
    }

    /// 0 where fuel is not counted.
    fn fuel_left(&self) -> u64 {
        if self.factory.runtime().is_metered() { self.store.get_fuel().unwrap_or(0) } else { 0 }
    }

    fn call(&mut self, func: Func, bytes: &[u8], rows: u32) -> Result<(), CallError> {
        let func = func.typed::<(&[u8],), CallResult>(&self.store).map_err(|e| CallError::Host(format!("{e:#}")))?;
        // Stays false when the guest does not come back in order.
        self.usable = false;
        let (answer,) =
            func.call(&mut self.store, (bytes,)).map_err(|e| failure(&mut self.store, &self.limits, rows, &e))?;
        self.usable = true;
        answer.map_err(|e| guest_failure(e, rows))
    }

    /// Lets the guest ask about the state of the keys of its frames.
    pub fn set_state(&mut self, state: Box<dyn StateCalls>) {
        self.store.data_mut().state = Some(state);
    }

    /// The guest's linear memory. It never shrinks: drop an instance that has grown too large.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().memory.used()
    }

    /// Whether the guest may be called again. Not after a trap or a breach of a limit: make a new
    /// instance.
    pub fn is_usable(&self) -> bool {
        self.usable
    }
}

/// The error that a guest returned in order. It can only blame a row that it was given.
pub(super) fn guest_failure(e: GuestError, rows: u32) -> CallError {
    let mut message = e.message;
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    CallError::Guest { fault: e.fault, code: e.code, message, row: e.row.filter(|&row| row < rows) }
}

/// What made a guest end without an answer.
pub(super) fn failure(store: &mut Store<Guest>, limits: &Limits, rows: u32, error: &wasmtime::Error) -> CallError {
    let guest = store.data_mut();
    let was_refused_memory = guest.memory.take_refused();
    let panic = guest.log.take_panic();
    match guest.stop.take() {
        Some(Stop::Deadline) => return CallError::Deadline { limit: guest.deadline_limit(), rows },
        Some(Stop::Effects { got }) => return CallError::EffectsTooLarge { limit: limits.effects_bytes, got },
        Some(Stop::State(StateCallError::Asked(problem))) => {
            return CallError::BadEffects(DecodeError::new("state call", problem));
        }
        Some(Stop::State(StateCallError::Host(problem))) => {
            return CallError::Host(format!("its state could not be read: {problem}"));
        }
        None if was_refused_memory => return CallError::Memory { limit: limits.memory_bytes },
        None => {}
    }
    let message = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(frames).unwrap_or_default();
    CallError::Trap { message, panic, backtrace }
}

/// One line per frame, innermost first: offset, module and demangled function; then its place, when
/// the module tells it.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    backtrace.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect()
}
