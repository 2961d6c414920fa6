//! The job under development: how it starts, stops, and what of it is where.

use super::Event;
use super::modules::DevModule;
use crate::exit::Failure;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use wasmill_core::job::{JobSpec, parse_lenient};
use wasmill_core::plan::SinkConnector;
use wasmill_server::local::{self, RunError, RunOptions, Stop, Variation};

pub struct Job {
    file: PathBuf,
    /// Where its state was asked to be.
    given_state_dir: Option<PathBuf>,
    state_dir: PathBuf,
    spec: JobSpec,
    /// Of the run at hand.
    running: Option<Arc<Stop>>,
}

impl Job {
    /// Reads the job file for its names and places; whether it is right is checked at each start.
    pub fn open(file: PathBuf, state_dir: Option<PathBuf>) -> Result<Self, Failure> {
        let (spec, name) = read(&file)?;
        let given_state_dir = state_dir.clone();
        let state_dir = state_dir.unwrap_or_else(|| directory_of(&file).join(".wasmill").join(name));
        Ok(Self { file, given_state_dir, state_dir, spec, running: None })
    }

    /// Reads the job file anew; when it cannot be read, all stays as it is.
    pub fn reread(&mut self) -> Result<(), Failure> {
        let running = self.running.clone();
        *self = Self { running, ..Self::open(self.file.clone(), self.given_state_dir.clone())? };
        Ok(())
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn name(&self) -> &str {
        self.spec.job.as_ref().map_or("", |j| j.value.as_str())
    }

    /// Where paths of the job file start.
    pub fn base(&self) -> PathBuf {
        directory_of(&self.file)
    }

    /// Names and paths of the modules, from where this process stands.
    pub fn modules(&self) -> Vec<(String, PathBuf)> {
        let base = self.base();
        self.spec.modules().map(|(name, path, _)| (name.to_owned(), base.join(path))).collect()
    }

    /// Names and directories of the file sinks.
    pub fn file_sinks(&self) -> Vec<(String, PathBuf)> {
        let base = self.base();
        let of = |sink: &wasmill_core::job::SinkSpec| match &sink.connector.as_ref()?.value {
            SinkConnector::File { path, .. } => Some((sink.name.value.clone(), base.join(path))),
            _ => None,
        };
        self.spec.sinks.iter().filter_map(of).collect()
    }

    /// Whether a sink writes to this process's standard output.
    pub fn uses_stdout(&self) -> bool {
        let connectors = self.spec.sinks.iter().filter_map(|s| s.connector.as_ref());
        connectors.into_iter().any(|c| matches!(c.value, SinkConnector::Stdout))
    }

    pub fn dead_letters(&self) -> PathBuf {
        self.state_dir.join("dead-letters")
    }

    /// Where modules are kept that were built for development only.
    pub fn scratch(&self) -> PathBuf {
        self.base().join(".wasmill").join("dev")
    }

    pub fn is_file(&self, path: &Path) -> bool {
        path.file_name() == self.file.file_name() && same_directory(path, &self.file)
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the job can be started with the modules as they were built.
    pub fn check(&self, modules: &[DevModule]) -> Result<(), RunError> {
        local::check_varied(&self.file, Some(&self.state_dir), &variation(modules)).map(drop)
    }

    /// Starts the job on a thread, which tells how it goes on and how it ended.
    pub fn start(&mut self, modules: &[DevModule], sender: Sender<Event>) {
        let stop = Arc::new(Stop::default());
        self.running = Some(Arc::clone(&stop));
        let (variation, state_dir) = (variation(modules), Some(self.state_dir.clone()));
        let options =
            RunOptions { job_file: self.file.clone(), state_dir, parallelism: None, epoch: None, metrics: None };
        std::thread::spawn(move || {
            // The loop may be gone; then nobody needs to know.
            let told = |event| drop(sender.send(event));
            let mut observer = |progress: &local::Progress| told(Event::Progress(Box::new(progress.clone())));
            let result = local::run_varied(options, &variation, stop, &mut observer).map(|(summary, _)| summary);
            told(Event::Ended(result));
        });
    }

    /// Asks the job to drain; it has ended when its thread says so.
    pub fn stop(&self) {
        if let Some(stop) = &self.running {
            stop.request();
        }
    }

    pub fn has_ended(&mut self) {
        self.running = None;
    }
}

fn variation(modules: &[DevModule]) -> Variation {
    let built = modules.iter().filter_map(|m| Some((m.name.clone(), m.built.as_ref()?.path.clone())));
    Variation { modules: built.collect(), metered: false }
}

/// A job file and the job's name.
fn read(file: &Path) -> Result<(JobSpec, String), Failure> {
    let text = local::job_text(file).map_err(Failure::refused)?;
    let (spec, problems) = parse_lenient(&text);
    let shown = file.display();
    let refused =
        || Failure::refused(format!("the job file {shown} is refused\n{}", problems.render(&shown.to_string())));
    let spec = spec.ok_or_else(refused)?;
    let name = spec.job.as_ref().map(|j| j.value.clone()).ok_or_else(refused)?;
    Ok((spec, name))
}

fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn same_directory(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| directory_of(path).canonicalize().ok();
    real(a).is_some() && real(a) == real(b)
}
