//! The dead letters of a job, for people: listed, shown, and run again. It only reads, also while
//! the job runs.

use crate::files;
use crate::local::{RunError, RunErrorKind};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmill_core::job;
use wasmill_core::limits::Limits;
use wasmill_runtime::fragment::kept::KeptCall;
use wasmill_runtime::wasm::{Factory, Runtime};
use wasmill_runtime::{letters, replay};

/// Finds the twin of a module: the same code with the names and lines of its source. It is given the
/// module's SHA-256 and the directories where it may lie.
pub type FindTwin<'a> = &'a dyn Fn(&str, &[PathBuf]) -> Option<Vec<u8>>;

/// The letters of one job.
pub struct DeadLetters {
    job_file: PathBuf,
    state_dir: PathBuf,
    /// Where the job's modules lie.
    module_dirs: Vec<PathBuf>,
    limits: Limits,
}

/// What came of a letter's call when it was run again.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    pub letter: Value,
    /// The outcome with the module that the job ran, and whether it is what the letter tells.
    pub recorded: Outcome,
    pub is_as_recorded: bool,
    /// The outcome with the other module, if one was named.
    pub other: Option<Outcome>,
}

/// What one module made of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The module's SHA-256.
    pub module: String,
    /// Whether its backtraces have the lines of the source.
    pub has_lines: bool,
    /// `outcome`, and what belongs to it.
    pub result: Value,
}

impl DeadLetters {
    /// The letters of the job in this file; `state_dir` as for a run.
    pub fn of(job_file: &Path, state_dir: Option<PathBuf>) -> Result<Self, RunError> {
        let shown = job_file.display().to_string();
        let text = files::job_text(job_file).map_err(spec)?;
        let (parsed, problems) = job::parse_lenient(&text);
        let Some((parsed, name)) = parsed.and_then(|p| p.job.clone().map(|name| (p, name.value))) else {
            return Err(spec(format!("the job file {shown} is refused\n{}", problems.render(&shown).trim_end())));
        };
        let base = job_file.parent().unwrap_or(Path::new(""));
        let module_dirs = parsed.modules().map(|(_, path, _)| directory(&base.join(path))).collect();
        let state_dir = state_dir.unwrap_or_else(|| base.join(".wasmill").join(&name));
        if !state_dir.is_dir() {
            return Err(RunError::new(
                RunErrorKind::State,
                format!(
                    "job {name:?} has no state in {}: it has not run yet, or with another --state-dir",
                    state_dir.display()
                ),
            ));
        }
        Ok(Self { job_file: job_file.to_owned(), state_dir, module_dirs, limits: parsed.limits.clone() })
    }

    /// Calls `found` with each letter, the oldest first, until it says `false`.
    pub fn each(&self, found: &mut dyn FnMut(Value) -> bool) -> Result<(), RunError> {
        letters::each(&self.state_dir, found).map_err(state)
    }

    /// One letter, with `input`: what its call was given, when that was kept.
    pub fn show(&self, id: &str) -> Result<Value, RunError> {
        let mut letter = self.letter(id)?;
        if let Some((call, _)) = letters::call(&self.state_dir, id).map_err(state)? {
            letter["module"] = call.module.clone().into();
            letter["function"] = call.open.function.clone().into();
            letter["input"] = match self.recorded_module(&runtime()?, &call) {
                Ok(factory) => replay::function_of(&call, &factory)
                    .and_then(|function| replay::input_of(&call, function))
                    .map_err(function_error)?,
                Err(e) => json!({ "unknown": e.to_string() }),
            };
        }
        Ok(letter)
    }

    /// Runs the call behind a letter again: in the module that the job ran, and in another build of
    /// it when `other` names one.
    pub fn replay(&self, id: &str, other: Option<&Path>, find_twin: FindTwin<'_>) -> Result<Replay, RunError> {
        let letter = self.letter(id)?;
        let (call, row) = letters::call(&self.state_dir, id).map_err(state)?.ok_or_else(|| not_kept(id, &letter))?;
        let runtime = runtime()?;
        let factory = self.recorded_module(&runtime, &call)?;
        let mut dirs = self.module_dirs.clone();
        dirs.extend(other.map(directory));
        let run = |factory: &Arc<Factory>| -> Result<Outcome, RunError> {
            let twin = find_twin(factory.sha256(), &dirs);
            let twin = twin.and_then(|bytes| Factory::load(&runtime, &bytes, &roomy(&self.limits)).ok());
            let outcome = replay::run(&call, row, twin.as_ref().unwrap_or(factory)).map_err(function_error)?;
            Ok(Outcome { module: factory.sha256().to_owned(), has_lines: twin.is_some(), result: outcome })
        };
        let recorded = run(&factory)?;
        let other = match other {
            None => None,
            Some(path) => {
                let other = self.load(&runtime, path)?;
                let functions = (replay::function_of(&call, &factory), replay::function_of(&call, &other));
                let (ours, theirs) = (functions.0.map_err(function_error)?, functions.1.map_err(function_error)?);
                replay::check_same_shape(ours, theirs, &other).map_err(function_error)?;
                Some(run(&other)?)
            }
        };
        let is_as_recorded = ["reason", "message", "code"].iter().all(|part| {
            let told = &recorded.result[part];
            told.is_null() || *told == letter[part]
        }) && recorded.result["outcome"] != "ok";
        Ok(Replay { letter, recorded, is_as_recorded, other })
    }

    fn letter(&self, id: &str) -> Result<Value, RunError> {
        let mut letter = None;
        self.each(&mut |found| {
            let is_it = found["id"] == id;
            letter = is_it.then_some(found);
            !is_it
        })?;
        letter.ok_or_else(|| {
            let file = self.job_file.display();
            spec(format!("there is no dead letter {id:?}; `wasmill deadletters {file}` lists those there are"))
        })
    }

    fn recorded_module(&self, runtime: &Arc<Runtime>, call: &KeptCall) -> Result<Arc<Factory>, RunError> {
        let path = letters::module_path(&self.state_dir, &call.module);
        if !path.exists() {
            let message = format!(
                "the module {} that made this letter is not kept any more; it would lie at {}. Build it again from \
                 the same source and put it there",
                replay::short(&call.module),
                path.display()
            );
            return Err(RunError::new(RunErrorKind::Module, message));
        }
        let factory = self.load(runtime, &path)?;
        if factory.sha256() == call.module {
            return Ok(factory);
        }
        let message = format!("{} is not the module of its name: it was changed", path.display());
        Err(RunError::new(RunErrorKind::Module, message))
    }

    fn load(&self, runtime: &Arc<Runtime>, path: &Path) -> Result<Arc<Factory>, RunError> {
        let module = |message| RunError::new(RunErrorKind::Module, message);
        let bytes = files::module_bytes(path, self.limits.module_bytes).map_err(module)?;
        Factory::load(runtime, &bytes, &self.limits).map_err(|e| module(format!("{}: {e}", path.display())))
    }
}

/// Debug information makes a module many times larger.
fn roomy(limits: &Limits) -> Limits {
    Limits { module_bytes: limits.module_bytes.saturating_mul(16), ..limits.clone() }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn not_kept(id: &str, letter: &Value) -> RunError {
    let message = match letter["reason"].as_str() {
        Some("format") => format!("letter {id} is a line that no function saw: there is no call to run again"),
        _ => format!(
            "the call behind letter {id} is not kept: it was dropped (limit `replays`), or its epoch had too many. \
             The letter itself is there: `wasmill deadletters JOB {id}`"
        ),
    };
    RunError::new(RunErrorKind::State, message)
}

fn runtime() -> Result<Arc<Runtime>, RunError> {
    crate::load::runtime()
        .map_err(|e| RunError::new(RunErrorKind::Module, format!("WebAssembly cannot be run here: {e}")))
}

fn spec(message: String) -> RunError {
    RunError::new(RunErrorKind::Spec, message)
}

fn state(error: letters::LettersError) -> RunError {
    RunError::new(RunErrorKind::State, error.to_string())
}

fn function_error(error: replay::ReplayError) -> RunError {
    RunError::new(RunErrorKind::Module, error.to_string())
}
