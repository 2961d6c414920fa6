//! Numbers of several rounds, and processes whose resources are counted.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use wait4::Wait4;

/// One round of a workload on one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Round {
    pub events_per_s: f64,
    pub cpu_us_per_event: f64,
    pub peak_mib: f64,
}

/// The middle of some values; the mean of the two middle ones when their number is even.
///
/// # Panics
/// When there is no value.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this share of the values lies, interpolated.
///
/// # Panics
/// When there is no value.
pub fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    assert!(!sorted.is_empty(), "a quantile of nothing");
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// The medians of all figures.
pub fn medians(rounds: &[Round]) -> Round {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    Round {
        events_per_s: of(|r| r.events_per_s),
        cpu_us_per_event: of(|r| r.cpu_us_per_event),
        peak_mib: of(|r| r.peak_mib),
    }
}

/// What a process took from its start to its end.
#[derive(Debug, Clone)]
pub struct Used {
    pub status: ExitStatus,
    pub wall: Duration,
    pub cpu: Duration,
    pub peak_bytes: u64,
    pub stderr: String,
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Result<Used> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    forget_our_peak()?;
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("{} could not be started", name_of(&command)))?;
    let stderr = std::io::read_to_string(child.stderr.take().expect("stderr is piped"))?;
    let used = ended(child, started, stderr)?;
    ensure!(used.status.success(), "{} failed: {}\n{}", name_of(&command), used.status, used.stderr);
    Ok(used)
}

/// A child's peak starts with that of the process that starts it. Source: proc(5), `clear_refs`.
pub fn forget_our_peak() -> Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("the peak of this process could not be reset")
}

/// Waits for a process, whatever its status.
pub fn ended(child: Child, started: Instant, stderr: String) -> Result<Used> {
    let end = child.wait4()?;
    let usage = end.rusage;
    Ok(Used {
        status: end.status,
        wall: started.elapsed(),
        cpu: usage.utime + usage.stime,
        peak_bytes: usage.maxrss,
        stderr,
    })
}

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert_eq!(quantile((0..=100).map(f64::from), 0.99), 99.0);
        assert_eq!(quantile([7.0], 0.99), 7.0);
    }

    #[test]
    fn a_process_is_counted() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo told >&2; exit 0"]);
        let used = run(command).expect("the shell runs");
        assert_eq!(used.stderr, "told\n");
        assert!(used.peak_bytes > 100 << 10, "{} bytes", used.peak_bytes);
        let mut failing = Command::new("sh");
        failing.args(["-c", "exit 3"]);
        assert!(run(failing).is_err());
    }
}
