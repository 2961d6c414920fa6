//! Development of a job: it runs while its functions are edited. One loop takes what happens (a
//! file changed, a build ended, the job told something, a key was pressed) and decides what is done
//! next; the work is done by threads that only send events.
//!
//! | thread | ends when |
//! |---|---|
//! | watcher (`notify`'s own) | its [`watch::Watcher`] is dropped |
//! | build, one at a time | its crate is built |
//! | run, one at a time | the job has ended |
//! | keys, when stdin is a terminal | the process ends; it only reads |

mod job;
mod keys;
mod modules;
mod output;
mod view;
mod watch;

use crate::exit::Failure;
use crate::terminal::Terminal;
use modules::{Built, DevModule};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use view::View;
use wasmill_server::local::{Progress, RunError, Summary};

/// Between two looks at the output, and two pictures of the view.
const TICK: Duration = Duration::from_millis(200);

/// All that can happen.
pub enum Event {
    /// These files changed.
    Changed(Vec<PathBuf>),
    /// A build of the module with this name has ended.
    Built(String, Result<Built, String>),
    Progress(Box<Progress>),
    /// The job has ended by itself, or because it was asked to.
    Ended(Result<Summary, RunError>),
    /// The user or a signal wants to end.
    Quit,
}

/// What `wasmill dev` was asked to do.
pub struct Options {
    pub job_file: PathBuf,
    pub state_dir: Option<PathBuf>,
    /// Crates that the place of a module does not tell: module name and crate.
    pub crates: Vec<(String, PathBuf)>,
}

/// Runs until the user ends it.
pub fn develop(options: Options, terminal: &Terminal) -> Result<(), Failure> {
    let (sender, events) = channel();
    let mut session = Session::open(options, terminal, sender)?;
    session.build_all();
    let result = session.work(&events);
    session.view.close();
    result
}

struct Session {
    job: job::Job,
    modules: Vec<DevModule>,
    view: View,
    sender: Sender<Event>,
    /// As the options said.
    crates: Vec<(String, PathBuf)>,
    _watcher: watch::Watcher,
    _keys: keys::Keys,
    /// A module is being built.
    building: bool,
    /// Ask the job to stop, and start it again when it has.
    restart: bool,
    quitting: bool,
}

impl Session {
    fn open(options: Options, terminal: &Terminal, sender: Sender<Event>) -> Result<Self, Failure> {
        let job = job::Job::open(options.job_file, options.state_dir)?;
        let modules = modules::find(&job, &options.crates).map_err(Failure::usage_error)?;
        let watcher = watch::Watcher::start(job.file(), &modules, sender.clone())?;
        let view = View::open(terminal, &job);
        let keys = keys::Keys::start(sender.clone())?;
        Ok(Self {
            job,
            modules,
            view,
            sender,
            crates: options.crates,
            _watcher: watcher,
            _keys: keys,
            building: false,
            restart: false,
            quitting: false,
        })
    }

    fn build_all(&mut self) {
        self.modules.iter_mut().for_each(|m| m.is_dirty = true);
        self.advance();
    }

    fn work(&mut self, events: &Receiver<Event>) -> Result<(), Failure> {
        let mut next_tick = Instant::now() + TICK;
        loop {
            match events.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {
                    next_tick = Instant::now() + TICK;
                    self.view.tick(&self.modules);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.quitting && !self.job.is_running() {
                self.view.tick(&self.modules);
                return Ok(());
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Changed(paths) => self.changed(&paths),
            Event::Built(module, result) => self.built(&module, result),
            Event::Progress(progress) => self.view.progress(&progress),
            Event::Ended(result) => self.ended(result),
            Event::Quit => {
                self.quitting = true;
                self.view.note("stopping: the job is drained");
                self.job.stop();
            }
        }
    }

    fn changed(&mut self, paths: &[PathBuf]) {
        for module in &mut self.modules {
            module.is_dirty |= paths.iter().any(|p| module.is_touched_by(p));
        }
        if paths.iter().any(|p| self.job.is_file(p)) {
            self.view.note("the job file has changed");
            match self.reread() {
                Ok(()) => self.restart = true,
                Err(failure) => self.view.refused(&failure),
            }
        }
        self.advance();
    }

    /// Takes over what the job file says by now. When it cannot be used, what runs goes on.
    fn reread(&mut self) -> Result<(), Failure> {
        self.job.reread()?;
        let mut modules = modules::find(&self.job, &self.crates).map_err(Failure::usage_error)?;
        for module in &mut modules {
            match self.modules.iter().position(|old| old.is_same(module)) {
                Some(at) => *module = self.modules.swap_remove(at),
                None => module.is_dirty = true,
            }
        }
        self.modules = modules;
        self.view.follow(&self.job);
        self._watcher = watch::Watcher::start(self.job.file(), &self.modules, self.sender.clone())?;
        Ok(())
    }

    fn built(&mut self, module: &str, result: Result<Built, String>) {
        self.building = false;
        let Some(module) = self.modules.iter_mut().find(|m| m.name == module) else {
            // The job file names it no longer.
            return self.advance();
        };
        match result {
            Ok(built) => {
                let is_new = module.built.as_ref().is_none_or(|old| old.sha256 != built.sha256);
                self.view.built(&module.name, &built, is_new);
                module.error = None;
                module.built = Some(built);
                self.restart |= is_new;
            }
            Err(error) => {
                self.view.build_failed(&module.name, &error);
                module.error = Some(error);
            }
        }
        self.advance();
    }

    fn ended(&mut self, result: Result<Summary, RunError>) {
        self.job.has_ended();
        match result {
            Ok(summary) if self.quitting || self.restart => self.view.drained(&summary),
            Ok(summary) => self.view.done(&summary),
            Err(error) => self.view.job_failed(&error),
        }
        self.advance();
    }

    /// Does the next thing that is due: builds come first, then one check, one drain, one start.
    fn advance(&mut self) {
        if self.quitting || self.building {
            return;
        }
        if let Some(module) = self.modules.iter_mut().find(|m| m.is_dirty) {
            module.is_dirty = false;
            self.building = true;
            self.view.building(&module.name);
            return module.start_build(self.sender.clone());
        }
        if !self.restart || self.modules.iter().any(|m| m.built.is_none()) {
            return;
        }
        if self.job.is_running() {
            // What cannot run must not stop what does.
            match self.job.check(&self.modules) {
                Ok(()) => return self.job.stop(),
                Err(error) => {
                    self.restart = false;
                    return self.view.cannot_start(&error);
                }
            }
        }
        self.restart = false;
        self.view.starting(&self.job);
        self.job.start(&self.modules, self.sender.clone());
    }
}
