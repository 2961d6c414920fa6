//! Compiles a module in a process of its own, which has limits on memory and time and can be killed:
//! Cranelift cannot be stopped, and a module can be written so that it takes minutes.
//!
//! The child is this host's own binary under a hidden verb. It reads the component from stdin and
//! writes compiled code to stdout; nothing else can write into that pipe, so what comes out of it is
//! as trustworthy as what this process would have compiled.

use super::error::ModuleError;
use super::runtime;
use super::sys::{Authentic, TrustedCode, load_compiled};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Address space of the child: compiling the largest module of the default limit takes a quarter.
const MEMORY_BYTES: u64 = 4 << 30;
/// What of the child's complaints is kept.
const COMPLAINT_BYTES_MAX: u64 = 4096;

/// How to start a child that calls [`serve`].
#[derive(Debug, Clone)]
pub struct CompilerProcess {
    pub program: PathBuf,
    pub args: Vec<String>,
}

/// The child's part: limits itself, then compiles what stdin brings to stdout.
///
/// # Errors
/// What is wrong with the component, for the parent to tell.
pub fn serve(mut input: impl Read, mut output: impl Write, cpu_seconds: u64) -> Result<(), String> {
    let limit = |resource, value| {
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(resource, limit).map_err(|e| format!("the compiler cannot limit itself: {e}"))
    };
    limit(Resource::As, MEMORY_BYTES)?;
    limit(Resource::Cpu, cpu_seconds)?;
    limit(Resource::Core, 0)?;
    // Nobody is left to read the code when the parent was killed.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| format!("the compiler cannot tie itself: {e}"))?;
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(|e| format!("the component cannot be read: {e}"))?;
    let engine = Engine::new(&runtime::config()).map_err(|e| format!("{e:#}"))?;
    let code = engine.precompile_component(&component).map_err(|e| format!("{e:#}"))?;
    output.write_all(&code).and_then(|()| output.flush()).map_err(|e| format!("the code cannot be handed over: {e}"))
}

/// Compiles a component in a child, which is killed when it takes longer than `limit`.
pub(super) fn compile(
    process: &CompilerProcess,
    engine: &Engine,
    component: &[u8],
    limit: Duration,
) -> Result<Component, ModuleError> {
    let host = |what: &str, e: &dyn std::fmt::Display| ModuleError::Compile(format!("{what}: {e}"));
    let cpu_seconds = limit.as_secs().saturating_mul(cores()).saturating_add(1);
    let mut command = Command::new(&process.program);
    command.args(&process.args).arg(cpu_seconds.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|e| host("the compiler's process could not be started", &e))?;
    let mut child = Killed(child);
    let (sender, answer) = mpsc::channel();
    let (input, output, complaint) = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
    let received = thread::scope(|scope| {
        let feed = move || input.map_or(Ok(()), |mut pipe| pipe.write_all(component));
        // A child that reads no further says on stderr why.
        scope.spawn(move || drop(feed()));
        scope.spawn(move || drop(sender.send(read(output, complaint))));
        let received = answer.recv_timeout(limit);
        if received.is_err() {
            child.end();
        }
        received
    });
    let (code, complaint) = match received {
        Ok(read) => read.map_err(|e| host("the compiler's process cannot be heard", &e))?,
        Err(RecvTimeoutError::Timeout) => return Err(ModuleError::CompileTime { limit }),
        Err(RecvTimeoutError::Disconnected) => return Err(ModuleError::Compile("its answer was lost".to_owned())),
    };
    let status = child.0.wait().map_err(|e| host("the compiler's process has no end", &e))?;
    refused(status, &complaint, limit)?;
    load_compiled(engine, &TrustedCode::new(&code, Authentic)).map_err(|e| host("compiled code does not load", &e))
}

fn read(output: Option<ChildStdout>, complaint: Option<ChildStderr>) -> io::Result<(Vec<u8>, String)> {
    let (mut code, mut told) = (Vec::new(), Vec::new());
    // The child complains only when it has no code to write, and with less than a pipe holds.
    if let Some(mut output) = output {
        output.read_to_end(&mut code)?;
    }
    if let Some(complaint) = complaint {
        complaint.take(COMPLAINT_BYTES_MAX).read_to_end(&mut told)?;
    }
    let told = String::from_utf8_lossy(&told);
    // It is told like every failure of the binary.
    let told = told.trim_end();
    Ok((code, told.strip_prefix("error: ").unwrap_or(told).to_owned()))
}

/// What the end of the child says of the module.
fn refused(status: ExitStatus, complaint: &str, limit: Duration) -> Result<(), ModuleError> {
    if status.success() {
        return Ok(());
    }
    let is_time = |number| number == Signal::XCPU.as_raw() || number == Signal::KILL.as_raw();
    match status.signal() {
        None => Err(ModuleError::Invalid { reason: complaint.to_owned() }),
        Some(number) if complaint.is_empty() && is_time(number) => Err(ModuleError::CompileTime { limit }),
        Some(number) => Err(ModuleError::Compile(format!(
            "the compiler died of signal {number}{}{complaint}; it may take {} MiB of memory. Make the module smaller",
            if complaint.is_empty() { "" } else { ": " },
            MEMORY_BYTES >> 20,
        ))),
    }
}

fn cores() -> u64 {
    thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

/// A child that does not outlive its caller.
struct Killed(Child);

impl Killed {
    fn end(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.end();
        let _ = self.0.wait();
    }
}
