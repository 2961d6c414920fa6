//! From a job file to a checked plan with its modules loaded.

use crate::files;
use crate::local::{RunError, RunErrorKind, Variation, base_of};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use wasmill_core::job::{self, JobSpec, Overrides, Problem, Problems};
use wasmill_core::plan::Plan;
use wasmill_runtime::wasm::{CompilerProcess, Factory, Runtime, WasmError};

/// The process that compiles modules. It belongs to the binary, not to a job: set once, at its start.
pub static COMPILER: OnceLock<CompilerProcess> = OnceLock::new();

/// A job that may be run.
pub struct Loaded {
    pub plan: Plan,
    pub factories: BTreeMap<String, Arc<Factory>>,
    /// The directory that relative paths start from.
    pub base: PathBuf,
    pub runtime: Arc<Runtime>,
}

/// Reads, loads and checks everything that a job file names. All that is wrong is told at once.
pub fn load(job_file: &Path, overrides: &Overrides) -> Result<Loaded, RunError> {
    load_varied(job_file, overrides, &Variation::default())
}

/// As [`load`], with what a tool of authors changes about it.
pub fn load_varied(job_file: &Path, overrides: &Overrides, variation: &Variation) -> Result<Loaded, RunError> {
    let shown = job_file.display().to_string();
    let text = files::job_text(job_file).map_err(|told| RunError::new(RunErrorKind::Spec, told))?;
    let base = base_of(job_file);
    let (spec, mut problems) = job::parse_lenient(&text);
    let Some(spec) = spec else { return Err(refused(&shown, &problems)) };
    let runtime = if variation.metered { Runtime::metered() } else { runtime() };
    let runtime =
        runtime.map_err(|e| RunError::new(RunErrorKind::Module, format!("WebAssembly cannot be run here: {e}")))?;
    let factories = factories(&spec, &base, &runtime, variation, &mut problems);
    let manifests = factories.iter().map(|(name, f)| (name.clone(), f.manifest().clone())).collect();
    match job::check(&spec, &manifests, overrides) {
        Ok(plan) if problems.is_empty() => Ok(Loaded { plan, factories, base, runtime }),
        Ok(_) => Err(refused(&shown, &problems)),
        Err(more) => {
            problems.extend(more);
            Err(refused(&shown, &problems))
        }
    }
}

/// Where the job of a file keeps its state when nothing else is said. Only the job's name must be
/// right.
pub fn state_dir(job_file: &Path) -> Result<PathBuf, RunError> {
    let shown = job_file.display().to_string();
    let text = files::job_text(job_file).map_err(|told| RunError::new(RunErrorKind::Spec, told))?;
    let (spec, problems) = job::parse_lenient(&text);
    let name = spec.and_then(|spec| spec.job).ok_or_else(|| refused(&shown, &problems))?;
    Ok(base_of(job_file).join(".wasmill").join(name.value))
}

fn factories(
    spec: &JobSpec,
    base: &Path,
    runtime: &Arc<Runtime>,
    variation: &Variation,
    problems: &mut Problems,
) -> BTreeMap<String, Arc<Factory>> {
    let mut factories = BTreeMap::new();
    for (name, path, span) in spec.modules() {
        let path = match variation.modules.get(name) {
            Some(instead) => instead.clone(),
            None if base == Path::new(".") => path.to_owned(),
            None => base.join(path),
        };
        let loaded = files::module_bytes(&path, spec.limits.module_bytes).and_then(|bytes| {
            Factory::load(runtime, &bytes, &spec.limits).map_err(|e| format!("{}: {e}", path.display()))
        });
        match loaded {
            Ok(factory) => {
                factories.insert(name.to_owned(), factory);
            }
            Err(message) => {
                problems.push(Problem::new("module-refused", span, format!("module {name:?}: {message}")));
            }
        }
    }
    factories
}

fn refused(file: &str, problems: &Problems) -> RunError {
    RunError::new(RunErrorKind::Spec, format!("the job file {file} is refused\n{}", problems.render(file).trim_end()))
}

/// WebAssembly with a cache of compiled code, or without one when it cannot be used: then every
/// start compiles again, which is no reason not to run.
pub fn runtime() -> Result<Arc<Runtime>, WasmError> {
    let compiler = COMPILER.get().cloned();
    match Runtime::with_compiler(code_cache().as_deref(), compiler.clone()) {
        Err(e @ WasmError::Cache { .. }) => {
            tracing::warn!("{e}. Modules are compiled again at every start until then");
            Runtime::with_compiler(None, compiler)
        }
        other => other,
    }
}

/// Where compiled code is kept between runs: the user's cache directory, if there is one.
fn code_cache() -> Option<PathBuf> {
    let from = |variable: &str| std::env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("wasmill").join("code"))
}
