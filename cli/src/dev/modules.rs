//! The modules of a job under development: which crate each comes from, and how it is built.

use super::Event;
use super::job::Job;
use crate::author::cargo::FunctionCrate;
use crate::author::component;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use wasmill_core::limits::Limits;
use wasmill_server::modules::inspect;

/// A module of the job.
pub struct DevModule {
    pub name: String,
    /// The file that the job names.
    file: PathBuf,
    /// What it is built from; without a crate the file itself is watched.
    function_crate: Option<FunctionCrate>,
    scratch: PathBuf,
    /// Changed since the last build began.
    pub is_dirty: bool,
    pub built: Option<Built>,
    /// Why the last build failed.
    pub error: Option<String>,
}

/// A module that can run.
#[derive(Debug, Clone)]
pub struct Built {
    pub path: PathBuf,
    pub sha256: String,
    pub took: Duration,
}

/// The modules of a job with their crates. `wasmill build` writes to
/// `WORKSPACE/target/wasmill/CRATE.wasm`, so a module's place tells its crate; `given` names the
/// crates of modules that lie elsewhere.
pub fn find(job: &Job, given: &[(String, PathBuf)]) -> Result<Vec<DevModule>> {
    let modules = job.modules();
    for (name, _) in given {
        let known: Vec<_> = modules.iter().map(|(name, _)| name.as_str()).collect();
        ensure!(known.contains(&name.as_str()), "the job has no module {name:?}, it has {}", known.join(", "));
    }
    let scratch = job.scratch();
    modules
        .into_iter()
        .map(|(name, file)| {
            let function_crate = match given.iter().find(|(n, _)| *n == name) {
                Some((_, path)) => Some(FunctionCrate::find(path)?),
                None => crate_of(&file),
            };
            let scratch = scratch.join(format!("{name}.wasm"));
            Ok(DevModule { name, file, function_crate, scratch, is_dirty: false, built: None, error: None })
        })
        .collect()
}

/// The crate whose module stands at `WORKSPACE/target/wasmill/CRATE.wasm`.
fn crate_of(module: &Path) -> Option<FunctionCrate> {
    let name = module.file_stem()?.to_str()?;
    let dir = module.parent()?;
    let is_target = dir.ends_with("target/wasmill");
    let workspace = dir.parent()?.parent()?;
    if is_target { FunctionCrate::named(workspace, name) } else { None }
}

impl DevModule {
    /// What to watch: a directory with everything below it, and single files.
    pub fn watched(&self) -> (Option<PathBuf>, Vec<PathBuf>) {
        match &self.function_crate {
            Some(found) => (Some(found.dir().join("src")), vec![found.manifest.clone()]),
            None => (None, vec![self.file.clone()]),
        }
    }

    /// Whether both are the same module, from the same crate.
    pub fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.file == other.file && self.function_crate == other.function_crate
    }

    pub fn is_touched_by(&self, path: &Path) -> bool {
        match &self.function_crate {
            Some(found) => path == found.manifest || path.starts_with(found.dir().join("src")),
            None => path.file_name() == self.file.file_name(),
        }
    }

    /// Builds on a thread, which tells the result.
    pub fn start_build(&self, sender: Sender<Event>) {
        let (found, file, scratch) = (self.function_crate.clone(), self.file.clone(), self.scratch.clone());
        let name = self.name.clone();
        std::thread::spawn(move || {
            let result = build(found.as_ref(), &file, &scratch).map_err(|e| format!("{e:#}"));
            drop(sender.send(Event::Built(name, result)));
        });
    }
}

fn build(found: Option<&FunctionCrate>, file: &Path, scratch: &Path) -> Result<Built> {
    let started = Instant::now();
    let (path, bytes) = match found {
        Some(found) => {
            let core = found.build_fast()?;
            let core = fs::read(&core).with_context(|| format!("cannot read {}", core.display()))?;
            (scratch, component::componentize(&core)?)
        }
        None => (file, fs::read(file).with_context(|| format!("cannot read {}", file.display()))?),
    };
    let report =
        inspect(&bytes, &Limits::default()).with_context(|| format!("module {} is refused", path.display()))?;
    if found.is_some() {
        component::write_whole(path, &bytes)?;
    }
    Ok(Built { path: path.canonicalize()?, sha256: report.sha256, took: started.elapsed() })
}
