//! A module: compiled, checked, and shared by all its instances. Everything that can be known about
//! a module before it runs is decided here, once, with an error that says what to do.

use super::cache::hex;
use super::compile;
use super::error::{CallError, ModuleError};
use super::guest::Guest;
use super::instance::{Instance, failure, guest_failure};
use super::interface::{
    FRAMES, FrameRange, GuestError, OFFERED, VERSION, interface_name, our_interface, version_track,
};
use super::log::LogSink;
use super::nesting;
use super::runtime::Runtime;
use sha2::{Digest, Sha256};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use wasmill_abi::manifest::Manifest;
use wasmill_abi::open::OpenContext;
use wasmill_core::limits::Limits;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Lower};

/// Time that a module may take to tell its manifest.
const DESCRIBE_DEADLINE: Duration = Duration::from_secs(1);

type DescribeResult = (Result<Vec<u8>, GuestError>,);

/// A compiled and checked module.
pub struct Factory {
    runtime: Arc<Runtime>,
    pre: InstancePre<Guest>,
    exports: Exports,
    sha256: String,
    component: Arc<[u8]>,
    imports: Vec<String>,
    manifest: Manifest,
    compile_time: Duration,
    cached: bool,
}

/// Where the guest's functions stand in its component.
pub(super) struct Exports {
    describe: ComponentExportIndex,
    pub open: ComponentExportIndex,
    pub process: ComponentExportIndex,
}

impl Factory {
    /// Compiles and checks a component, and asks it for its manifest in a scratch instance.
    ///
    /// # Errors
    /// Each tells what is wrong with the module and what to do; none goes away by trying again.
    pub fn load(runtime: &Arc<Runtime>, bytes: &[u8], limits: &Limits) -> Result<Arc<Self>, ModuleError> {
        check_form(bytes, limits)?;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let started = Instant::now();
        let known = runtime.cache().and_then(|cache| cache.load(runtime.engine(), &digest));
        let cached = known.is_some();
        let component = match known {
            Some(component) => component,
            None => {
                let component = match runtime.compiler() {
                    Some(process) => compile::compile(process, runtime.engine(), bytes, limits.compile_time)?,
                    None => compile_here(runtime.engine(), bytes, limits.compile_time)?,
                };
                if let Some(cache) = runtime.cache() {
                    cache.store(&digest, &component);
                }
                component
            }
        };
        let compile_time = started.elapsed();
        let imports = check_imports(&component)?;
        let pre = runtime
            .linker()
            .instantiate_pre(&component)
            .map_err(|e| ModuleError::ImportMismatch { reason: format!("{e:#}") })?;
        let exports = find_exports(&component)?;
        let manifest = describe(runtime, &pre, &exports, limits)?;
        let (sha256, component) = (hex(&digest), Arc::from(bytes));
        let runtime = runtime.clone();
        Ok(Arc::new(Self { runtime, pre, exports, sha256, component, imports, manifest, compile_time, cached }))
    }

    /// What the module offers.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 of the component, in lower-case hexadecimal: the module's identity.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The component itself.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// The interfaces of the host that the module asks for, with their versions.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// How long it took to compile the module, or to load it from the cache.
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// Whether the compiled code came from the cache.
    pub fn cached(&self) -> bool {
        self.cached
    }

    /// Makes an instance and opens a function in it.
    ///
    /// # Errors
    /// What the guest's `open` returned, or what ended it.
    pub fn instantiate(
        self: &Arc<Self>,
        open: &OpenContext,
        limits: &Limits,
        log: LogSink,
    ) -> Result<Instance, CallError> {
        Instance::open(self, open, limits, log)
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn engine(&self) -> &Engine {
        self.runtime.engine()
    }

    pub(super) fn pre(&self) -> &InstancePre<Guest> {
        &self.pre
    }

    pub(super) fn exports(&self) -> &Exports {
        &self.exports
    }
}

/// What can be said about a file without compiling it.
fn check_form(bytes: &[u8], limits: &Limits) -> Result<(), ModuleError> {
    let got = bytes.len() as u64;
    if got > limits.module_bytes {
        return Err(ModuleError::TooLarge { got, limit: limits.module_bytes });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(ModuleError::NotWasm { start: start_of(bytes) });
    }
    // Behind the magic: version and layer, 16 bits each. Layer 0 is a core module.
    if bytes.get(6..8) == Some(&[0, 0]) {
        return Err(ModuleError::CoreModule);
    }
    nesting::excess(bytes).map_or(Ok(()), |reason| Err(ModuleError::Invalid { reason }))
}

fn start_of(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing: it is empty".to_owned();
    }
    format!("\"{}\"", bytes[..bytes.len().min(8)].escape_ascii())
}

/// Compiles on a thread of its own. wasmtime cannot stop a compilation, so one that takes too long
/// goes on in the background and its result is dropped; the size limit bounds it.
fn compile_here(engine: &Engine, bytes: &[u8], limit: Duration) -> Result<Component, ModuleError> {
    let (sender, receiver) = mpsc::channel();
    let (engine, bytes) = (engine.clone(), bytes.to_owned());
    let work = move || drop(sender.send(Component::from_binary(&engine, &bytes)));
    std::thread::Builder::new()
        .name("wasm-compile".into())
        .spawn(work)
        .map_err(|e| ModuleError::Compile(format!("the system gives no thread: {e}")))?;
    match receiver.recv_timeout(limit) {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(e)) => Err(ModuleError::Invalid { reason: format!("{e:#}") }),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(ModuleError::CompileTime { limit }),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(ModuleError::Compile("the compiler panicked".to_owned())),
    }
}

/// Refuses imports by name; the linker checks their types afterwards. Returns the interfaces whose
/// functions the component asks for.
fn check_imports(component: &Component) -> Result<Vec<String>, ModuleError> {
    let engine = component.engine();
    let mut asked = Vec::new();
    for (name, import) in component.component_type().imports(engine) {
        match our_interface(name) {
            Some((interface, version)) if OFFERED.contains(&interface) => check_version(name, version)?,
            _ => {
                let offered = OFFERED.map(interface_name).join(", ");
                return Err(ModuleError::UnknownImport { name: name.to_owned(), offered });
            }
        }
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if instance.exports(engine).any(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_))) {
            asked.push(name.to_owned());
        }
    }
    Ok(asked)
}

fn check_version(name: &str, version: &str) -> Result<(), ModuleError> {
    if version_track(version) == version_track(VERSION) {
        return Ok(());
    }
    Err(ModuleError::OtherAbi { found: name.to_owned(), ours: VERSION })
}

fn find_exports(component: &Component) -> Result<Exports, ModuleError> {
    let ty = component.component_type();
    let names: Vec<&str> = ty.exports(component.engine()).map(|(name, _)| name).collect();
    let guests = names.iter().filter_map(|n| our_interface(n).filter(|(i, _)| *i == "guest").map(|(_, v)| (*n, v)));
    let guests: Vec<(&str, &str)> = guests.collect();
    let Some(&(name, version)) =
        guests.iter().find(|(_, v)| version_track(v) == version_track(VERSION)).or(guests.first())
    else {
        let exports = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(ModuleError::MissingExport { exports });
    };
    check_version(name, version)?;
    let guest = component.get_export_index(None, name);
    let function = |function: &str| {
        component
            .get_export_index(guest.as_ref(), function)
            .ok_or_else(|| ModuleError::ExportMismatch { reason: format!("it has no function {function:?}") })
    };
    Ok(Exports { describe: function("describe")?, open: function("open")?, process: function("process")? })
}

/// Asks for the manifest in a scratch instance of which nothing is left, and checks the types of the
/// other exports on the way.
fn describe(
    runtime: &Runtime,
    pre: &InstancePre<Guest>,
    exports: &Exports,
    limits: &Limits,
) -> Result<Manifest, ModuleError> {
    let silent: LogSink = Arc::new(|_, _| {});
    let mut store = Guest::new_store(runtime.engine(), limits, silent);
    Guest::begin(&mut store, DESCRIBE_DEADLINE);
    let outcome = pre.instantiate(&mut store);
    let instance = outcome.map_err(|e| ModuleError::Describe(failure(&mut store, limits, 0, &e)))?;
    let mut scratch = Scratch { instance, store };
    scratch.typed::<(&[u8],), (Result<(), GuestError>,)>("open", &exports.open)?;
    scratch.typed::<(&[u8],), (Result<(), GuestError>,)>("process", &exports.process)?;
    let func = scratch.typed::<(FrameRange,), DescribeResult>("describe", &exports.describe)?;
    let (answer,) = func
        .call(&mut scratch.store, (FRAMES,))
        .map_err(|e| ModuleError::Describe(failure(&mut scratch.store, limits, 0, &e)))?;
    let bytes = answer.map_err(|e| ModuleError::Describe(guest_failure(e, 0)))?;
    Manifest::decode(&bytes).map_err(ModuleError::Manifest)
}

struct Scratch {
    instance: wasmtime::component::Instance,
    store: wasmtime::Store<Guest>,
}

impl Scratch {
    fn typed<P, R>(
        &mut self,
        name: &str,
        export: &ComponentExportIndex,
    ) -> Result<wasmtime::component::TypedFunc<P, R>, ModuleError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.instance
            .get_typed_func(&mut self.store, export)
            .map_err(|e| ModuleError::ExportMismatch { reason: format!("{name:?}: {e:#}") })
    }
}
