//! The errors of Wasm in the host: the runtime's, a module's, a call's; and what to do about them.

use super::interface::Fault;
use std::path::PathBuf;
use std::time::Duration;
use wasmill_abi::DecodeError;

/// The Wasm runtime cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WasmError {
    #[error("the Wasm engine refuses its configuration: {0}; this is a bug, please report it")]
    Engine(String),
    #[error(
        "the cache of compiled code {path:?} cannot be used: {problem}; give this user a directory of its own, or \
         run without a cache"
    )]
    Cache { path: PathBuf, problem: String },
    #[error("the system gives no thread for the Wasm epoch: {0}")]
    Thread(std::io::Error),
}

/// A module is refused. Trying again will not help: the module or a limit must change.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    #[error("the module has {got} bytes, the limit is {limit} (limit `module`); strip it, or raise the limit")]
    TooLarge { got: u64, limit: u64 },
    #[error("this is not WebAssembly: it starts with {start}; build a function with `wasmill build`")]
    NotWasm { start: String },
    #[error("this is a core Wasm module, not a component; run `wasmill build`, which makes a component of it")]
    CoreModule,
    #[error("the component is invalid or uses what this host does not allow: {reason}; build it with `wasmill build`")]
    Invalid { reason: String },
    #[error(
        "the component imports {name:?}, which this host does not offer; it offers {offered}. Remove what needs it \
         from the function: there are no files, clocks or sockets in a guest"
    )]
    UnknownImport { name: String, offered: String },
    #[error("the component's imports do not fit what this host offers: {reason}; rebuild it with this host's SDK")]
    ImportMismatch { reason: String },
    #[error(
        "the component does not export wasmill:function/guest, it exports {exports}; export a function with the \
         SDK's export macro"
    )]
    MissingExport { exports: String },
    #[error("the component speaks {found}, this host speaks wasmill:function@{ours}; rebuild it with this host's SDK")]
    OtherAbi { found: String, ours: &'static str },
    #[error("the component's export wasmill:function/guest does not fit: {reason}; rebuild it with this host's SDK")]
    ExportMismatch { reason: String },
    #[error("compiling took longer than {limit:?} (limit `compile_time`); make the module smaller, or raise the limit")]
    CompileTime { limit: Duration },
    #[error("the module could not be compiled: {0}")]
    Compile(String),
    #[error("the module could not tell its manifest: {0}")]
    Describe(CallError),
    #[error("the module's manifest is unusable: {0}; rebuild it with this host's SDK")]
    Manifest(DecodeError),
}

/// A call of a guest failed; none of its effects may be applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    #[error("the function trapped: {}", panic.as_ref().unwrap_or(message))]
    Trap {
        /// What Wasm says, for example `wasm trap: integer divide by zero`.
        message: String,
        /// What the guest's panic hook said: message and place.
        panic: Option<String>,
        /// The guest's frames, innermost first.
        backtrace: Vec<String>,
    },
    #[error(
        "the function took more than {limit:?} of CPU time for {rows} rows (limits `deadline` and `deadline_per_row`)"
    )]
    Deadline { limit: Duration, rows: u32 },
    #[error("the function needs more memory than {limit} bytes (limit `memory`)")]
    Memory { limit: u64 },
    #[error("the function's effects in one call have {got} bytes or more, the limit is {limit} (limit `effects`)")]
    EffectsTooLarge { limit: u64, got: u64 },
    #[error("the function answered with something unusable: {0}")]
    BadEffects(DecodeError),
    #[error("the function failed ({}, code {code}): {message}", fault.name())]
    Guest {
        fault: Fault,
        code: u32,
        message: String,
        /// The input row that is to blame, if one is.
        row: Option<u32>,
    },
    #[error("the instance was abandoned after an earlier trap; make a new one")]
    Abandoned,
    #[error("the host could not start or serve the function: {0}")]
    Host(String),
}

/// What a caller should do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// This row is to blame: apply the operator's policy to it and call again with the others.
    Reject(u32),
    /// Some row is to blame: find it with fresh instances.
    Bisect,
    /// Call again with the same batch, later.
    Retry,
    /// No batch will get through: stop the job.
    Stop,
}

impl CallError {
    /// A word for dead letters and metrics; it never changes.
    pub fn kind(&self) -> &'static str {
        match self {
            CallError::Trap { .. } => "trap",
            CallError::Deadline { .. } => "deadline",
            CallError::Memory { .. } => "memory",
            CallError::EffectsTooLarge { .. } => "effects-too-large",
            CallError::BadEffects(_) => "bad-effects",
            CallError::Guest { fault, .. } => fault.name(),
            CallError::Abandoned => "abandoned",
            CallError::Host(_) => "host",
        }
    }

    /// What to do about an error of `process`. An `open` that fails stops the job, whatever this says.
    pub fn advice(&self) -> Advice {
        match self {
            CallError::Trap { .. }
            | CallError::Deadline { .. }
            | CallError::Memory { .. }
            | CallError::EffectsTooLarge { .. }
            | CallError::BadEffects(_) => Advice::Bisect,
            CallError::Guest { fault: Fault::BadRecord, row: Some(row), .. } => Advice::Reject(*row),
            CallError::Guest { fault: Fault::BadRecord, .. } => Advice::Bisect,
            CallError::Guest { fault: Fault::Transient, .. } => Advice::Retry,
            CallError::Guest { .. } | CallError::Host(_) => Advice::Stop,
            CallError::Abandoned => Advice::Retry,
        }
    }
}

impl From<DecodeError> for CallError {
    fn from(e: DecodeError) -> Self {
        CallError::BadEffects(e)
    }
}
