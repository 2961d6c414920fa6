//! The Wasm runtime of a process: one engine, the tick of its epochs, the cache of compiled code.
//! It knows no module.

use super::cache::Cache;
use super::compile::CompilerProcess;
use super::error::WasmError;
use super::guest::{self, Guest};
use super::limiter::TICK;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, Strategy, WasmBacktraceDetails, WasmFeatures};

/// The stack of a guest. Threads that run guests need at least twice as much.
const WASM_STACK_BYTES: usize = 512 << 10;

/// One per process; shared by all modules and instances, which keep it alive.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Guest>,
    cache: Option<Cache>,
    compiler: Option<CompilerProcess>,
    /// What guests have spent, when it is counted.
    fuel: Option<AtomicU64>,
    _ticker: Ticker,
}

impl Runtime {
    /// As [`Runtime::with_compiler`], but modules are compiled by this process.
    pub fn new(cache_dir: Option<&Path>) -> Result<Arc<Self>, WasmError> {
        Self::with_compiler(cache_dir, None)
    }

    /// Compiled code is kept in `cache_dir`, which must belong to this user; `None` keeps none.
    /// Modules are compiled by `compiler`.
    ///
    /// # Errors
    /// When the cache directory cannot be made or used, or the system gives no thread.
    pub fn with_compiler(cache_dir: Option<&Path>, compiler: Option<CompilerProcess>) -> Result<Arc<Self>, WasmError> {
        Self::with(&config(), cache_dir, compiler, None)
    }

    /// Counts the fuel that calls of guests spend: about one for each instruction, the same on every
    /// machine. Guests are slower so, and this process compiles them anew.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn metered() -> Result<Arc<Self>, WasmError> {
        let mut config = config();
        config.consume_fuel(true);
        Self::with(&config, None, None, Some(AtomicU64::new(0)))
    }

    fn with(
        config: &Config,
        cache_dir: Option<&Path>,
        compiler: Option<CompilerProcess>,
        fuel: Option<AtomicU64>,
    ) -> Result<Arc<Self>, WasmError> {
        let engine = Engine::new(config).map_err(|e| WasmError::Engine(format!("{e:#}")))?;
        assert!(!engine.get_concurrency_support(), "component concurrency slows every call and must be off");
        let linker = guest::linker(&engine).map_err(|e| WasmError::Engine(format!("{e:#}")))?;
        let cache = cache_dir.map(|dir| Cache::open(dir, &engine)).transpose()?;
        let ticker = Ticker::start(engine.clone())?;
        Ok(Arc::new(Self { engine, linker, cache, compiler, fuel, _ticker: ticker }))
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn linker(&self) -> &Linker<Guest> {
        &self.linker
    }

    pub(super) fn compiler(&self) -> Option<&CompilerProcess> {
        self.compiler.as_ref()
    }

    /// What calls of guests have spent so far, if it is counted.
    pub fn fuel_spent(&self) -> Option<u64> {
        self.fuel.as_ref().map(|fuel| fuel.load(Ordering::Relaxed))
    }

    pub(super) fn is_metered(&self) -> bool {
        self.fuel.is_some()
    }

    pub(super) fn spend(&self, fuel: u64) {
        if let Some(spent) = &self.fuel {
            spent.fetch_add(fuel, Ordering::Relaxed);
        }
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }
}

/// Advances the engine's epoch; without it no deadline would ever come.
struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: Engine) -> Result<Self, WasmError> {
        let (stop, stopped) = mpsc::channel();
        let tick = move || {
            while stopped.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new().name("wasm-epoch".into()).spawn(tick).map_err(WasmError::Thread)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the ticker only counts, so it cannot panic");
        }
    }
}

/// What a guest's code may use, and how it is compiled. Determinism and a small surface first:
/// whatever Rust's and C's compilers for wasm32 do not need by default is off.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(WASM_STACK_BYTES)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_component_model(true);
    let on = WasmFeatures::SIMD | WasmFeatures::BULK_MEMORY | WasmFeatures::REFERENCE_TYPES;
    let off = WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::GC
        | WasmFeatures::GC_TYPES
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::WIDE_ARITHMETIC
        | WasmFeatures::STACK_SWITCHING
        | WasmFeatures::CUSTOM_PAGE_SIZES;
    config.wasm_features(on, true).wasm_features(off, false);
    config
}
