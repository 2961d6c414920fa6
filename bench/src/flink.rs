//! The other side: Apache Flink with its own program for each workload (`bench/flink`).

use crate::measure::Round;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Repetitions in one JVM: the first warms it up and is not counted.
const REPETITIONS: usize = 2;

/// One run of a Flink workload, after a warm-up in the same JVM.
pub struct FlinkRan {
    pub round: Round,
    /// Rows that reached its sink.
    pub rows_out: u64,
}

/// Runs a workload of `FlinkBench.java` over so many events.
pub fn run(args: &[&str], events: u64, parallelism: u16) -> Result<FlinkRan> {
    let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("flink/run");
    let mut command = Command::new(&script);
    command.args(args).arg(format!("n={events}")).arg(format!("p={parallelism}")).arg(format!("reps={REPETITIONS}"));
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{}", script.display()))?;
    if !output.status.success() {
        bail!("Flink's {} failed; see above", args.join(" "));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last =
        text.lines().rfind(|line| line.starts_with("RESULT")).with_context(|| format!("no RESULT in {text:?}"))?;
    let fields = fields(last);
    let number = |name: &str| -> Result<f64> {
        let value = fields.get(name).with_context(|| format!("no {name} in {last:?}"))?;
        value.parse().with_context(|| format!("{name}={value}"))
    };
    let round = Round {
        events_per_s: number("ev_per_s")?,
        cpu_us_per_event: number("cpu_us_per_ev")?,
        peak_mib: number("rss_MiB")?,
    };
    Ok(FlinkRan { round, rows_out: number("out")? as u64 })
}

fn fields(line: &str) -> HashMap<String, String> {
    line.split_whitespace().filter_map(|word| word.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_result_line_is_read() {
        let fields = super::fields("RESULT w2 p=1 reuse=true rep=1 events=10 ev_per_s=18000000 out=7566 load=0.1");
        assert_eq!(fields["ev_per_s"], "18000000");
        assert_eq!(fields["out"], "7566");
        assert_eq!(fields["reuse"], "true");
    }
}
