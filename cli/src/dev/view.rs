//! What development shows: one picture on a terminal, plain lines elsewhere. It decides nothing.

use super::job::Job;
use super::modules::{Built, DevModule};
use super::output::Tail;
use crate::exit::Failure;
use crate::terminal::{Terminal, grouped};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use std::collections::VecDeque;
use std::io::{IsTerminal, Write, stderr, stdin};
use std::path::PathBuf;
use wasmill_core::printable::one_line;
use wasmill_server::local::{Progress, RunError, Summary};

/// Lines that are kept of each pane.
const KEPT: usize = 200;
/// Lines of output that one tick prints when there is no picture.
const PLAIN_LINES_MAX: usize = 10;

pub struct View {
    terminal: Terminal,
    /// A picture is drawn.
    live: bool,
    job: String,
    status: String,
    numbers: String,
    sinks: Vec<(String, Tail)>,
    dead_letters: Tail,
    output: VecDeque<String>,
    dead: VecDeque<String>,
    log: VecDeque<String>,
}

impl View {
    /// A picture needs a terminal for keys and text, and a standard output that is not a sink.
    pub fn open(terminal: &Terminal, job: &Job) -> Self {
        let live = terminal.live && stdin().is_terminal() && !job.uses_stdout() && !terminal.json;
        let live = live && enable_raw_mode().is_ok();
        if live {
            let _ = crossterm::execute!(stderr(), EnterAlternateScreen);
            terminal.hold();
        }
        Self {
            terminal: terminal.clone(),
            live,
            job: job.name().to_owned(),
            status: "starting".to_owned(),
            numbers: String::new(),
            sinks: job.file_sinks().into_iter().map(|(name, dir)| (name, Tail::new(dir))).collect(),
            dead_letters: Tail::new(job.dead_letters()),
            output: VecDeque::new(),
            dead: VecDeque::new(),
            log: VecDeque::new(),
        }
    }

    /// Gives the terminal back as it was.
    pub fn close(&mut self) {
        if std::mem::take(&mut self.live) {
            let _ = crossterm::execute!(stderr(), LeaveAlternateScreen);
            let _ = disable_raw_mode();
            self.terminal.release();
        }
    }

    /// Looks at the outputs that the job has by now. What was looked at already goes on where it was.
    pub fn follow(&mut self, job: &Job) {
        job.name().clone_into(&mut self.job);
        let mut before = std::mem::take(&mut self.sinks);
        let mut tail = |name: String, dir: PathBuf| {
            let same = before.iter().position(|(n, tail)| *n == name && tail.directory() == dir);
            same.map_or_else(|| (name, Tail::new(dir)), |at| before.swap_remove(at))
        };
        self.sinks = job.file_sinks().into_iter().map(|(name, dir)| tail(name, dir)).collect();
        if self.dead_letters.directory() != job.dead_letters() {
            self.dead_letters = Tail::new(job.dead_letters());
        }
    }

    pub fn note(&mut self, text: &str) {
        if !self.live {
            self.terminal.note(text);
        }
        keep(&mut self.log, one_line(text).into_owned());
    }

    pub fn building(&mut self, module: &str) {
        self.note(&format!("building {module}"));
    }

    pub fn built(&mut self, module: &str, built: &Built, is_new: bool) {
        let (hash, seconds) = (&built.sha256[..12], built.took.as_secs_f64());
        let told = if is_new { "" } else { ", which is what runs" };
        self.note(&format!("built {module} {hash} in {seconds:.1} s{told}"));
    }

    pub fn build_failed(&mut self, module: &str, error: &str) {
        self.note(&format!("module {module} does not build; the one before goes on"));
        if !self.live {
            self.terminal.note(error);
        }
    }

    pub fn starting(&mut self, job: &Job) {
        self.status = "running".to_owned();
        self.note(&format!("starting job {}", job.name()));
    }

    pub fn progress(&mut self, p: &Progress) {
        let resumed = p.resumed_from.map_or(String::new(), |epoch| format!("  resumed from {epoch}"));
        self.numbers = format!(
            "epoch {}  {} rows in  {} out  {} dead letters{resumed}",
            p.epoch,
            grouped(p.rows_in),
            grouped(p.rows_out),
            grouped(p.dead_letters)
        );
    }

    pub fn drained(&mut self, summary: &Summary) {
        self.status = "stopped".to_owned();
        self.note(&format!("drained at epoch {}", summary.progress.epoch));
    }

    pub fn done(&mut self, summary: &Summary) {
        self.status = "done".to_owned();
        let (rows_in, rows_out) = (grouped(summary.progress.rows_in), grouped(summary.progress.rows_out));
        let told = "the input is read to its end; waiting for changes";
        self.note(&format!("done at epoch {}: {rows_in} rows in, {rows_out} out; {told}", summary.progress.epoch));
    }

    /// The job file cannot be used; what runs goes on.
    pub fn refused(&mut self, failure: &Failure) {
        self.complain(failure.code, &format!("{:#}", failure.error));
    }

    /// The job cannot be started as it is now; what runs goes on.
    pub fn cannot_start(&mut self, error: &RunError) {
        self.complain(error.code(), &error.to_string());
    }

    fn complain(&mut self, code: &str, error: &str) {
        format!("error[{code}]: {error}").lines().for_each(|line| self.note(line));
    }

    pub fn job_failed(&mut self, error: &RunError) {
        self.status = "failed".to_owned();
        self.complain(error.code(), &error.to_string());
        self.note("waiting for changes");
    }

    /// Looks at the outputs, and draws the picture.
    pub fn tick(&mut self, modules: &[DevModule]) {
        let mut output = Vec::new();
        for (name, tail) in &mut self.sinks {
            output.extend(tail.lines().into_iter().map(|line| format!("{name}  {}", one_line(&line))));
        }
        let dead: Vec<_> = self.dead_letters.lines().iter().map(|line| one_line(line).into_owned()).collect();
        if self.live {
            self.terminal.take_held().into_iter().for_each(|line| keep(&mut self.log, line));
        } else {
            self.print("out", &output);
            self.print("dead letter", &dead);
        }
        output.into_iter().for_each(|line| keep(&mut self.output, line));
        dead.into_iter().for_each(|line| keep(&mut self.dead, line));
        if self.live {
            let (width, height) = crossterm::terminal::size().unwrap_or((100, 30));
            let picture = self.picture(modules, width.into(), height.into());
            let mut err = stderr().lock();
            let _ = write!(err, "\x1b[H\x1b[2J{}", picture.join("\r\n"));
            let _ = err.flush();
        }
    }

    fn print(&self, what: &str, lines: &[String]) {
        let left_out = lines.len().saturating_sub(PLAIN_LINES_MAX);
        if left_out > 0 {
            self.terminal.note(&format!("{what}: {left_out} more"));
        }
        lines[left_out..].iter().for_each(|line| self.terminal.note(&format!("{what}: {line}")));
    }

    /// The lines of the picture, none wider or more than there is room for.
    fn picture(&self, modules: &[DevModule], width: usize, height: usize) -> Vec<String> {
        let palette = &self.terminal.err;
        let mut lines = vec![format!("job {}  {}  {}", self.job, self.status, self.numbers)];
        for module in modules {
            let built = module.built.as_ref();
            let hash = built.map_or("not built yet", |b| &b.sha256[..12]);
            let took = built.map_or(String::new(), |b| format!("  built in {:.1} s", b.took.as_secs_f64()));
            lines.push(format!("module {}  {hash}{took}", module.name));
        }
        let errors = modules.iter().filter_map(|m| m.error.as_ref()).flat_map(|e| e.lines());
        let errors: Vec<_> = errors.map(|line| one_line(line).into_owned()).collect();
        let room = height.saturating_sub(lines.len() + 5);
        let of_errors = errors.len().min(room / 2);
        lines.extend(errors.into_iter().take(of_errors));
        let room = room - of_errors;
        let panes = [("output", &self.output, room / 2), ("dead letters", &self.dead, room / 4)];
        let rest = room - panes[0].2 - panes[1].2;
        for (title, kept, room) in panes.into_iter().chain([("log", &self.log, rest)]) {
            lines.push(format!("-- {title} {}", "-".repeat(width.saturating_sub(title.len() + 5))));
            let shown = kept.iter().skip(kept.len().saturating_sub(room)).cloned();
            lines.extend(shown.chain(std::iter::repeat_n(String::new(), room.saturating_sub(kept.len()))));
        }
        lines.push("q quits".to_owned());
        let mut lines: Vec<String> = lines.iter().map(|l| l.chars().take(width.saturating_sub(1)).collect()).collect();
        lines[0] = palette.heading(&lines[0]);
        lines.truncate(height);
        lines
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.close();
    }
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.len() == KEPT {
        lines.pop_front();
    }
    lines.push_back(line);
}
