//! `wasmill test`: a crate's own tests, then its golden files through the real component, with what
//! a row costs in fuel.

use crate::author::golden::Golden;
use crate::author::{cargo::FunctionCrate, component, symbols};
use crate::exit::{Failure, Status};
use crate::terminal::{Terminal, grouped};
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmill_abi::manifest::Manifest;
use wasmill_server::local::{self, RunOptions, Stop, Variation};

const EXAMPLES: &str = "\
Examples:
  wasmill test                  the crate in this directory
  wasmill test my-function
  wasmill test --bless          write what comes out into the golden files; then read the diff
  wasmill test --golden-only    leave out cargo test

Golden files stand in tests/golden/NAME.ndjson: a head, rows that go in, and what must come out.
Fuel counts the instructions of the function and is the same on every machine. A budget is set for
all files in Cargo.toml, or in the head of one:
  [package.metadata.wasmill.budget]
  fuel_per_row = 3000";

/// Run a crate's tests, then its golden files through the real component
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The crate's directory, or its Cargo.toml
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Write what comes out into the golden files
    #[arg(long)]
    bless: bool,
    /// Do not run the crate's native tests
    #[arg(long)]
    golden_only: bool,
}

/// What became of one golden file.
struct Case {
    name: String,
    function: String,
    rows: u64,
    rows_out: u64,
    dead_letters: u64,
    fuel_per_row: u64,
    budget: Option<u64>,
    difference: Option<String>,
}

impl Case {
    fn is_over_budget(&self) -> bool {
        self.budget.is_some_and(|budget| self.fuel_per_row > budget)
    }

    fn verdict(&self) -> &'static str {
        match (&self.difference, self.is_over_budget()) {
            (Some(_), _) => "differs",
            (None, true) => "over budget",
            (None, false) => "ok",
        }
    }
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let function_crate = FunctionCrate::find(&args.path).map_err(|e| Failure::new(Status::Usage, e))?;
    if !args.golden_only {
        function_crate.test().map_err(|e| Failure::from(e).coded("tests-failed"))?;
    }
    let goldens = Golden::of_crate(function_crate.dir()).map_err(Failure::usage_error)?;
    let home = tempfile::tempdir().context("cannot make a directory for the golden files")?;
    let mut cases = Vec::new();
    if !goldens.is_empty() {
        let (module, manifest) = build(&function_crate, home.path())?;
        for golden in &goldens {
            let dir = home.path().join(golden.name());
            fs::create_dir_all(&dir).with_context(|| format!("cannot make directory {}", dir.display()))?;
            let mut case = run(golden, &dir, &module, &manifest, args.bless)?;
            case.budget = golden.budget().or(function_crate.fuel_per_row);
            cases.push(case);
        }
    }
    show(&cases, terminal)?;
    judge(&cases)
}

fn build(function_crate: &FunctionCrate, home: &Path) -> Result<(PathBuf, Manifest), Failure> {
    let core = function_crate.build()?;
    let bytes = fs::read(&core).with_context(|| format!("cannot read {}", core.display()))?;
    let refused = |e: anyhow::Error| Failure::new(Status::Refused, e).coded("module-refused");
    let bytes = symbols::strip(&bytes).map_err(refused)?;
    let bytes = component::componentize(&bytes).map_err(refused)?;
    let module = home.join("module.wasm");
    fs::write(&module, &bytes).with_context(|| format!("cannot write {}", module.display()))?;
    Ok((module.clone(), super::inspect::accept(&module, &bytes)?.manifest))
}

fn run(golden: &Golden, dir: &Path, module: &Path, manifest: &Manifest, bless: bool) -> Result<Case, Failure> {
    let function = golden.function(manifest).map_err(Failure::usage_error)?;
    let job_file = golden.lay_out(dir, module, function)?;
    let options =
        RunOptions { job_file, state_dir: Some(dir.join("state")), parallelism: Some(1), epoch: None, metrics: None };
    let variation = Variation { metered: true, ..Variation::default() };
    let (summary, fuel) = local::run_varied(options, &variation, Arc::new(Stop::default()), &mut |_| {})
        .map_err(|e| super::run::failure(e).of(&golden.path))?;
    let outcome = golden.outcome(dir, function)?;
    if bless {
        golden.bless(&outcome)?;
    }
    Ok(Case {
        name: golden.name(),
        function: function.name.clone(),
        rows: summary.progress.rows_in,
        rows_out: outcome.iter().filter(|line| line.get("out").is_some()).count() as u64,
        dead_letters: summary.progress.dead_letters,
        fuel_per_row: fuel.unwrap_or(0) / summary.progress.rows_in.max(1),
        budget: None,
        difference: if bless { None } else { golden.difference(&outcome) },
    })
}

fn show(cases: &[Case], terminal: &Terminal) -> anyhow::Result<()> {
    if terminal.json {
        return terminal.print(&Value::Array(cases.iter().map(case_json).collect()).to_string());
    }
    if cases.is_empty() {
        return terminal.print("no golden files: write tests/golden/NAME.ndjson, see `wasmill test --help`");
    }
    let width = |of: fn(&Case) -> &str, least: usize| cases.iter().map(|c| of(c).len()).max().unwrap_or(0).max(least);
    let (name, function) = (width(|c| &c.name, 6), width(|c| &c.function, 8));
    let head = format!(
        "{:name$}  {:function$}  {:>8}  {:>8}  {:>6}  {:>10}  {:>10}",
        "golden", "function", "rows", "out", "dead", "fuel/row", "budget"
    );
    let mut lines = vec![terminal.out.heading(&head)];
    for case in cases {
        let budget = case.budget.map_or("-".to_owned(), grouped);
        lines.push(format!(
            "{:name$}  {:function$}  {:>8}  {:>8}  {:>6}  {:>10}  {budget:>10}  {}",
            case.name,
            case.function,
            grouped(case.rows),
            grouped(case.rows_out),
            grouped(case.dead_letters),
            grouped(case.fuel_per_row),
            case.verdict()
        ));
    }
    terminal.print(&lines.join("\n"))
}

fn case_json(case: &Case) -> Value {
    json!({
        "golden": case.name,
        "function": case.function,
        "rows": case.rows,
        "rows_out": case.rows_out,
        "dead_letters": case.dead_letters,
        "fuel_per_row": case.fuel_per_row,
        "budget": case.budget,
        "verdict": case.verdict(),
        "difference": case.difference,
    })
}

/// A difference fails before a budget does: the cost of a wrong answer means little.
fn judge(cases: &[Case]) -> Result<(), Failure> {
    let different: Vec<_> = cases.iter().filter_map(|c| c.difference.as_deref()).collect();
    if !different.is_empty() {
        let told = different.join("\n");
        let help = "if that is what you want, run `wasmill test --bless` and look at the diff";
        return Err(Failure::from(anyhow!("{told}\n{help}")).coded("golden-differs"));
    }
    let over: Vec<_> = cases.iter().filter(|c| c.is_over_budget()).collect();
    if over.is_empty() {
        return Ok(());
    }
    let told = |c: &&Case| {
        let budget = c.budget.map_or_else(String::new, grouped);
        format!("{}: a row costs {} fuel, the budget is {budget}", c.name, grouped(c.fuel_per_row))
    };
    let told: Vec<_> = over.iter().map(told).collect();
    Err(Failure::from(anyhow!("{}", told.join("\n"))).coded("over-budget"))
}
