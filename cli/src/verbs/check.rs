//! `wasmill check`: everything that is wrong with a job, without running it.

use crate::exit::Failure;
use crate::terminal::Terminal;
use serde_json::json;
use std::path::PathBuf;
use wasmill_server::local;

const EXAMPLES: &str = "\
Examples:
  wasmill check job.yaml

When the job has state already, it is checked whether its modules can go on with it.";

/// Check a job file and its modules without running them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file
    job: PathBuf,
    /// Where the job keeps its state [default: .wasmill/JOB beside the job file]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let plan = local::check(&args.job, args.state_dir.as_deref()).map_err(super::run::failure)?;
    let (operators, fragments) = (plan.operators.len(), plan.fragments.len());
    let answer = if terminal.json {
        json!({ "job": plan.job, "operators": operators, "fragments": fragments }).to_string()
    } else {
        format!("{}: job {} is right: {operators} operators in {fragments} fragments", args.job.display(), plan.job)
    };
    Ok(terminal.print(&answer)?)
}
