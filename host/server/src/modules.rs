//! Looking into module files.

use std::path::{Path, PathBuf};
use wasmill_abi::manifest::Manifest;
use wasmill_core::limits::Limits;
use wasmill_runtime::wasm::{self, Factory};

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

/// Has modules compiled by processes of this program, which must call [`serve_compiler`] when it is
/// started with these arguments and a number. Only the first call counts.
pub fn compile_in_child(program: PathBuf, args: Vec<String>) {
    crate::load::COMPILER.get_or_init(|| wasm::CompilerProcess { program, args });
}

/// The part of that process: a component from stdin, compiled code to stdout.
///
/// # Errors
/// What is wrong with the component.
pub fn serve_compiler(cpu_seconds: u64) -> Result<(), String> {
    wasm::serve_compiler(std::io::stdin().lock(), std::io::stdout().lock(), cpu_seconds)
}

/// The bytes of a module file, when it is a file and not above the limit of modules.
///
/// # Errors
/// What to tell the user, naming the file.
pub fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, String> {
    crate::files::module_bytes(path, limits.module_bytes)
}

/// Compiles and checks a module as a job would, and reads its manifest.
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<ModuleReport, ModuleError> {
    let runtime = crate::load::runtime()?;
    let factory = Factory::load(&runtime, bytes, limits)?;
    Ok(ModuleReport {
        sha256: factory.sha256().to_owned(),
        bytes: bytes.len() as u64,
        imports: factory.imports().to_vec(),
        manifest: factory.manifest().clone(),
    })
}
