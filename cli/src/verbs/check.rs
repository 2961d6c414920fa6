//! `wasmill check`: everything that is wrong with a job, without running it.

use crate::exit::Failure;
use crate::terminal::Terminal;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wasmill_core::job::{self, JobSpec, Overrides, Problem, Problems};
use wasmill_core::plan::Plan;
use wasmill_server::modules;

const EXAMPLES: &str = "\
Examples:
  wasmill check job.yaml";

/// Check a job file and its modules without running them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file
    job: PathBuf,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let file = args.job.display().to_string();
    let text =
        std::fs::read_to_string(&args.job).map_err(|e| Failure::usage(format!("cannot read job {file}: {e}")))?;
    let (spec, problems) = job::parse_lenient(&text);
    let plan = match spec {
        Some(spec) => plan(&spec, args.job.parent().unwrap_or(Path::new("")), problems),
        None => Err(problems),
    };
    let plan = plan.map_err(|p| Failure::refused(format!("job {file} is refused\n{}", p.render(&file).trim_end())))?;
    let (operators, fragments) = (plan.operators.len(), plan.fragments.len());
    if terminal.json {
        let answer = json!({ "job": plan.job, "operators": operators, "fragments": fragments });
        terminal.print(&answer.to_string())?;
    } else {
        terminal
            .print(&format!("{file}: job {} is right: {operators} operators in {fragments} fragments", plan.job))?;
    }
    Ok(())
}

fn plan(spec: &JobSpec, dir: &Path, mut problems: Problems) -> Result<Plan, Problems> {
    let mut manifests = BTreeMap::new();
    for (name, path, span) in spec.modules() {
        let path = dir.join(path);
        let told = |e: &dyn std::fmt::Display| format!("module `{name}` at {}: {e}", path.display());
        let read = std::fs::read(&path).map_err(|e| told(&e));
        match read.and_then(|bytes| modules::inspect(&bytes, &spec.limits).map_err(|e| told(&e))) {
            Ok(report) => drop(manifests.insert(name.to_owned(), report.manifest)),
            Err(message) => problems.push(Problem::new("bad-module", span, message)),
        }
    }
    match job::check(spec, &manifests, &Overrides::default()) {
        Ok(plan) if problems.is_empty() => Ok(plan),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}
