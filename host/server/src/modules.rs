//! Looking into module files.

use wasmill_abi::manifest::Manifest;
use wasmill_core::limits::Limits;
use wasmill_runtime::wasm::{self, Factory, Runtime};

/// Why a module is refused.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The module, or a limit, has to change.
    #[error(transparent)]
    Module(#[from] wasm::ModuleError),
    /// WebAssembly cannot be run here at all.
    #[error(transparent)]
    Host(#[from] wasm::WasmError),
}

/// What a module is, offers and asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleReport {
    /// Of the module's bytes, in hexadecimal: its identity.
    pub sha256: String,
    /// The module's size.
    pub bytes: u64,
    /// The interfaces that it imports: what it asks for.
    pub imports: Vec<String>,
    pub manifest: Manifest,
}

/// Compiles and checks a module as a job would, and reads its manifest.
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<ModuleReport, ModuleError> {
    let runtime = Runtime::new(crate::load::code_cache().as_deref())?;
    let factory = Factory::load(&runtime, bytes, limits)?;
    Ok(ModuleReport {
        sha256: factory.sha256().to_owned(),
        bytes: bytes.len() as u64,
        imports: factory.imports().to_vec(),
        manifest: factory.manifest().clone(),
    })
}
