//! A running job that is fed through its standard input, so that what it gets, and when, is in our
//! hands; its progress is read from its stderr as it comes.

use crate::measure::{self, Used};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_secs(600);

/// The process and the ends of its pipes.
pub struct StdinJob {
    /// There until it was waited for.
    child: Option<Child>,
    started: Instant,
    stdin: Option<BufWriter<ChildStdin>>,
    events: Receiver<Value>,
}

/// What one epoch cost, as the job told it.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    pub epoch: u64,
    pub align_us: u64,
    pub stall_us: u64,
    pub commit_us: u64,
    pub publish_us: Option<u64>,
    pub bytes: u64,
    pub entries: u64,
}

impl StdinJob {
    /// Starts a `wasmill run` whose source is `stdin`.
    pub fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        measure::forget_our_peak()?;
        let started = Instant::now();
        let mut child = command.spawn()?;
        let stdin = BufWriter::with_capacity(1 << 16, child.stdin.take().expect("stdin is piped"));
        let stderr = child.stderr.take().expect("stderr is piped");
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child: Some(child), started, stdin: Some(stdin), events })
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    /// Where rows are written to.
    pub fn input(&mut self) -> &mut impl Write {
        self.stdin.as_mut().expect("it is open until the job is ended")
    }

    /// Takes progress until it says what is waited for; returns the epochs that were told meanwhile.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&Value) -> bool) -> Result<Vec<Epoch>> {
        self.input().flush()?;
        let deadline = Instant::now() + PATIENCE;
        let mut epochs = Vec::new();
        loop {
            let event = match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => bail!("waited {PATIENCE:?} in vain until {what}"),
                Err(RecvTimeoutError::Disconnected) => bail!("the job ended before {what}"),
            };
            if event["event"] == "error" || event.is_string() {
                bail!("the job says: {event}");
            }
            if let Some(told) = event.get("epochs") {
                epochs.extend(serde_json::from_value::<Vec<Epoch>>(told.clone()).context("epochs of the progress")?);
            }
            if holds(&event) {
                return Ok(epochs);
            }
        }
    }

    /// Waits until this many rows were read and an epoch behind them is committed.
    pub fn until_committed(&mut self, rows: u64) -> Result<Vec<Epoch>> {
        let mut read_at = None;
        self.until(&format!("{rows} rows are committed"), |event| {
            let epoch = event["epoch"].as_u64().unwrap_or(0);
            if read_at.is_none() && event["rows_in"].as_u64().is_some_and(|n| n >= rows) {
                read_at = Some(epoch);
            }
            // The epoch under way when they had been read, and the one behind it.
            read_at.is_some_and(|at| epoch >= at + 2)
        })
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Result<Used> {
        self.child.as_mut().expect("it is waited for once").kill()?;
        let child = self.child.take().expect("it is waited for once");
        measure::ended(child, self.started, String::new())
    }

    /// Ends the input, and waits for the job's end.
    pub fn finish(mut self) -> Result<Used> {
        self.stdin.take().expect("it is open until the job is ended").into_inner().map_err(|e| e.into_error())?;
        let child = self.child.take().expect("it is waited for once");
        let used = measure::ended(child, self.started, String::new())?;
        anyhow::ensure!(used.status.success(), "the job ended with {}", used.status);
        Ok(used)
    }
}

impl Drop for StdinJob {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // An error made the measurement give up.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The bytes of all part files of a sink so far.
pub fn output_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let files = entries.filter_map(|e| e.ok()).filter(|e| e.file_name().as_encoded_bytes().starts_with(b"part-"));
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

/// Waits, without sleeping long, until a sink's files are longer than `bytes`; returns when it saw it.
pub fn until_output(dir: &Path, bytes: u64) -> Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    while output_bytes(dir) <= bytes {
        anyhow::ensure!(Instant::now() < deadline, "no output in {} within {PATIENCE:?}", dir.display());
        std::thread::park_timeout(Duration::from_micros(200));
    }
    Ok(Instant::now())
}
