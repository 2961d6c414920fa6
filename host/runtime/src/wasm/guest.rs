//! What the host keeps for one guest, and the functions that a guest may call.

use super::interface::{Level, interface_name};
use super::limiter::{Deadline, MemoryLimiter};
use super::log::{GuestLog, LogSink};
use super::state_calls::{self, StateCallError, StateCalls};
use arrow_buffer::Buffer;
use std::time::Duration;
use wasmill_core::limits::Limits;
use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};

/// What a chunk costs beside its bytes: a flood of empty chunks is a flood.
const CHUNK_OVERHEAD: u64 = 128;

/// Effects as the guest pushed them: bytes in memory of the host, aligned for Arrow. Unchecked.
#[derive(Debug, Clone)]
pub struct Chunk(Buffer);

impl Chunk {
    /// Copies bytes into aligned memory.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self(Buffer::from(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.0
    }
}

/// Why the host ended a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    Deadline,
    Effects { got: u64 },
    State(StateCallError),
}

/// The data of a store.
pub(super) struct Guest {
    pub memory: MemoryLimiter,
    pub log: GuestLog,
    pub stop: Option<Stop>,
    /// Answers what the guest asks about its state; none for functions without such slots.
    pub state: Option<Box<dyn StateCalls>>,
    chunks: Vec<Chunk>,
    effects_bytes: u64,
    effects_limit: u64,
    deadline: Deadline,
}

impl Guest {
    pub fn new_store(engine: &Engine, limits: &Limits, log: LogSink) -> Store<Guest> {
        let guest = Guest {
            memory: MemoryLimiter::new(limits.memory_bytes),
            log: GuestLog::new(log, limits.log_line_bytes),
            stop: None,
            state: None,
            chunks: Vec::new(),
            effects_bytes: 0,
            effects_limit: limits.effects_bytes,
            deadline: Deadline::start(Duration::ZERO),
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.epoch_deadline_callback(|mut store| {
            let guest = store.data_mut();
            Ok(match guest.deadline.ticks_left() {
                Some(ticks) => UpdateDeadline::Continue(ticks),
                None => {
                    guest.stop = Some(Stop::Deadline);
                    UpdateDeadline::Interrupt
                }
            })
        });
        // No single value that a guest hands over can be larger than its memory.
        store.set_hostcall_fuel(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX));
        // Where fuel is counted, a store without any would trap at once. Elsewhere this is refused, and
        // nothing is needed.
        let _ = store.set_fuel(u64::MAX);
        store
    }

    /// Starts a call: effects, stop reason and panic of the last one are forgotten.
    pub fn begin(store: &mut Store<Guest>, limit: Duration) {
        let deadline = Deadline::start(limit);
        store.set_epoch_deadline(deadline.ticks());
        let guest = store.data_mut();
        guest.deadline = deadline;
        guest.chunks.clear();
        guest.effects_bytes = 0;
        guest.stop = None;
        guest.memory.take_refused();
        guest.log.take_panic();
    }

    pub fn take_chunks(&mut self) -> Vec<Chunk> {
        std::mem::take(&mut self.chunks)
    }

    pub fn deadline_limit(&self) -> Duration {
        self.deadline.limit
    }

    /// Reserves room for a chunk.
    fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.effects_bytes += bytes as u64 + CHUNK_OVERHEAD;
        if self.effects_bytes <= self.effects_limit.saturating_add(CHUNK_OVERHEAD) {
            return Ok(());
        }
        self.stop = Some(Stop::Effects { got: self.effects_bytes - CHUNK_OVERHEAD });
        Err(wasmtime::Error::msg("the effects of this call exceed their limit"))
    }
}

/// The host's functions.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    linker.instance(&interface_name("effects"))?.func_wrap("push", push)?;
    linker.instance(&interface_name("log"))?.func_wrap("write", write)?;
    state_calls::link(&mut linker)?;
    Ok(linker)
}

/// `effects.push`: reads the list in place and copies it once.
fn push(mut store: StoreContextMut<'_, Guest>, (list,): (WasmList<u8>,)) -> wasmtime::Result<()> {
    store.data_mut().charge(list.len())?;
    let chunk = Chunk::copy_of(list.as_le_slice(&store));
    store.data_mut().chunks.push(chunk);
    Ok(())
}

/// `log.write`.
fn write(mut store: StoreContextMut<'_, Guest>, (level, message): (Level, WasmStr)) -> wasmtime::Result<()> {
    // The text lies in memory that the store owns, as the log does: one short copy.
    let text = message.to_str(&store)?;
    let text = store.data().log.longest_kept(&text).to_owned();
    store.data_mut().log.write(level, &text);
    Ok(())
}
