//! Holds a job file against the manifests of its modules: names, schemas, keys, types, settings,
//! cycles. What passes becomes a [`Plan`].

mod build;
mod changes;
mod columns;
mod config;
mod flow;
mod functions;
mod graph;
mod inputs;
mod late;
mod order;
mod sides;
mod sinks;
mod ttl;

use super::problem::{Problem, Problems};
use super::settings::{EPOCH, OPERATORS_MAX, PARALLELISM};
use super::spec::{JobSpec, Span};
use crate::plan::Plan;
use crate::units::format_duration;
use graph::Graph;
use std::collections::BTreeMap;
use std::time::Duration;
use wasmill_abi::manifest::Manifest;

/// Settings from outside of the job file that take the place of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Instead of the job's `parallelism`; operators that name their own keep it.
    pub parallelism: Option<u16>,
    pub epoch: Option<Duration>,
}

/// Makes the plan of a job. `manifests` holds those of the job's modules, by the name that the job
/// gives them. When one is missing, the checks that need it are skipped.
///
/// # Errors
/// Everything that is wrong, including what was wrong with the file itself when the spec comes from
/// [`parse_lenient`](super::parse_lenient). Without any problem in it when nothing but a manifest
/// is missing: of that the caller knows the reason.
pub fn check(spec: &JobSpec, manifests: &BTreeMap<String, Manifest>, overrides: &Overrides) -> Result<Plan, Problems> {
    let mut problems = spec.problems.clone();
    overrides.check(&mut problems);
    let mut graph = Graph::of(spec);
    if graph.ops.len() > OPERATORS_MAX || spec.modules.len() > OPERATORS_MAX {
        return Err(problems);
    }
    functions::resolve(&mut graph, manifests, &mut problems);
    inputs::connect(&mut graph, &mut problems);
    let kinds: Vec<_> = (0..graph.ops.len()).map(|op| columns::bind(&graph, op, &mut problems)).collect();
    changes::check(&graph, &mut problems);
    sinks::check(spec, &mut problems);
    let Some(order) = order::sort(&graph, &mut problems) else {
        return Err(problems);
    };
    let flows = flow::run(&graph, &order, overrides, &mut problems);
    ttl::check(&graph, &flows, &mut problems);
    let complete = problems.is_empty() && spec.job.is_some();
    let plan = if complete { build::plan(&graph, kinds, &order, &flows, overrides) } else { None };
    plan.ok_or(problems)
}

impl Overrides {
    fn check(&self, problems: &mut Problems) {
        let mut refuse = |what: &str, value: String, min: String, max: String| {
            let message =
                format!("the {what} given from outside of the file is {value}, it must be from {min} to {max}");
            problems.push(Problem::new("out-of-range", Span::default(), message));
        };
        if let Some(p) = self.parallelism.filter(|p| !PARALLELISM.contains(p)) {
            refuse("parallelism", p.to_string(), PARALLELISM.start().to_string(), PARALLELISM.end().to_string());
        }
        if let Some(e) = self.epoch.filter(|e| !EPOCH.contains(e)) {
            refuse("epoch", format_duration(e), format_duration(*EPOCH.start()), format_duration(*EPOCH.end()));
        }
    }
}
