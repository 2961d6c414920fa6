//! The side that is measured: modules are built and jobs are run by the command line.

use crate::args::Args;
use crate::measure::{self, Used};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The binary, with the modules that it built.
pub struct Wasmill {
    binary: PathBuf,
    /// Job files, state and inputs; emptied at the start.
    pub work: PathBuf,
    pub nexmark: PathBuf,
    pub functions: PathBuf,
}

/// A run that ended well.
pub struct Ran {
    pub used: Used,
    pub rows_in: u64,
    pub summary: Value,
}

impl Wasmill {
    /// Builds the modules.
    pub fn prepare(args: &Args) -> Result<Self> {
        let binary = std::path::absolute(&args.wasmill)?;
        ensure!(binary.exists(), "{} does not exist: cargo build -p wasmill", binary.display());
        let out = std::path::absolute(&args.out)?;
        let work = out.join("work");
        if work.exists() {
            std::fs::remove_dir_all(&work)?;
        }
        std::fs::create_dir_all(&work).with_context(|| format!("{} cannot be made", work.display()))?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bench/ lies in the project").to_path_buf();
        let this = Self { nexmark: out.join("nexmark.wasm"), functions: out.join("functions.wasm"), binary, work };
        for (source, module) in [("udf-examples/nexmark", &this.nexmark), ("bench/functions", &this.functions)] {
            eprintln!("bench: building {source}");
            let mut build = Command::new(&this.binary);
            build.arg("build").arg(root.join(source)).arg("--out").arg(module);
            measure::run(build)?;
        }
        Ok(this)
    }

    /// Writes a job file and drops the state of an earlier job of this name.
    pub fn job(&self, name: &str, yaml: &str) -> Result<PathBuf> {
        let dir = self.work.join(name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let path = dir.join("job.yaml");
        std::fs::write(&path, yaml)?;
        Ok(path)
    }

    /// `wasmill run JOB --json`, not started yet.
    pub fn command(&self, job: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("run").arg(job).arg("--json");
        command
    }

    /// Runs a new job to its end.
    pub fn run(&self, name: &str, yaml: &str) -> Result<Ran> {
        let job = self.job(name, yaml)?;
        let used = measure::run(self.command(&job)).with_context(|| format!("job {name}"))?;
        let summary =
            summary_of(&used.stderr).with_context(|| format!("job {name} gave no summary: {}", used.stderr))?;
        let count = |key: &str| summary[key].as_u64().with_context(|| format!("no {key} in {summary}"));
        ensure!(summary["dead_letters"] == 0, "job {name} has dead letters: {summary}");
        Ok(Ran { rows_in: count("rows_in")?, used, summary })
    }
}

/// The line of a run's `--json` that sums it up.
pub fn summary_of(stderr: &str) -> Option<Value> {
    let lines = stderr.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| line["event"] == "summary")
}
