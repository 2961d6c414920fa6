//! Reads a job file into a [`JobSpec`]: syntax, keys, kinds and ranges. It knows no manifest and
//! resolves no name.

use super::keys::JOB;
use super::metrics::metrics;
use super::operators::{function, sink, source};
use super::problem::{Problem, Problems};
use super::settings::{
    DRAIN_TIMEOUT, DRAIN_TIMEOUT_DEFAULT, EPOCH, EPOCH_DEFAULT, KEY_GROUPS, KEY_GROUPS_DEFAULT, LIMIT_SECTION, LIMITS,
    OPERATORS_MAX, PARALLELISM_DEFAULT, Unit,
};
use super::spec::{JobSpec, ModuleSpec, Span, Spanned};
use super::values::{duration, job_name, name_fault, number, parallelism, path, size};
use super::walk::{Fault, Walk};
use super::yaml::{self, Node, Value};
use crate::limits::Limits;
use crate::units::format_size;
use std::collections::BTreeMap;
use std::time::Duration;

/// The size of a job file at most.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Reads a job file that must be right in itself.
///
/// # Errors
/// All problems of syntax, keys, kinds and ranges.
pub fn parse(text: &str) -> Result<JobSpec, Problems> {
    match parse_lenient(text) {
        (Some(spec), problems) if problems.is_empty() => Ok(spec),
        (_, problems) => Err(problems),
    }
}

/// Reads a job file as far as it can be read, so that what is right in it can be checked along
/// with what is wrong. The spec is `None` when the text is not YAML or not a map.
pub fn parse_lenient(text: &str) -> (Option<JobSpec>, Problems) {
    let mut problems = Problems::new();
    let mut spec = read(text, &mut problems);
    if let Some(spec) = &mut spec {
        spec.problems = problems.clone();
    }
    (spec, problems)
}

fn read(text: &str, problems: &mut Problems) -> Option<JobSpec> {
    if text.len() > FILE_BYTES_MAX {
        let (size, max) = (text.len(), format_size(FILE_BYTES_MAX as u64));
        let message = format!("the job file has {size} bytes, at most {max} are allowed");
        problems.push(Problem::new("file-too-large", Span::default(), message));
        return None;
    }
    let Some(root) = yaml::load(text, problems) else {
        if problems.is_empty() {
            let problem = Problem::new("empty-file", Span { line: 1, column: 1 }, "the job file is empty");
            problems.push(problem.with_help("a job needs at least the keys `job`, `sources` and `sinks`"));
        }
        return None;
    };
    let mut walk = Walk::start(&root, "the job", root.span, &JOB, problems)?;
    let mut spec = settings(&mut walk, root.span);
    sections(&mut walk, &mut spec);
    let sections = ["modules", "sources", "functions", "sinks"];
    spec.incomplete = sections.iter().any(|s| walk.may_be_misspelt(s) || !is_section(walk.get(s)));
    spec.incomplete |= walk.get("sources").is_none();
    unique_names(&spec, problems);
    Some(spec)
}

fn settings(walk: &mut Walk<'_, '_>, span: Span) -> JobSpec {
    let or = |read: Option<Spanned<u16>>, default| read.unwrap_or(Spanned::new(default, span));
    JobSpec {
        job: walk.required("job", job_name),
        parallelism: or(walk.optional("parallelism", parallelism), PARALLELISM_DEFAULT),
        epoch: walk.optional("epoch", duration(EPOCH)).map_or(EPOCH_DEFAULT, |d| d.value),
        drain_timeout: walk
            .optional("drain_timeout", duration(DRAIN_TIMEOUT))
            .map_or(DRAIN_TIMEOUT_DEFAULT, |d| d.value),
        key_groups: or(walk.optional("key_groups", number(KEY_GROUPS)), KEY_GROUPS_DEFAULT),
        metrics: metrics(walk),
        limits: limits(walk),
        modules: Vec::new(),
        sources: Vec::new(),
        functions: Vec::new(),
        sinks: Vec::new(),
        span,
        incomplete: false,
        problems: Problems::new(),
    }
}

fn limits(walk: &mut Walk<'_, '_>) -> Limits {
    let mut limits = Limits::default();
    let Some(node) = walk.get("limits").filter(|n| !n.is_null()) else {
        return limits;
    };
    let Some(mut walk) = Walk::start(node, "`limits`", node.span, &LIMIT_SECTION, walk.problems) else {
        return limits;
    };
    for limit in LIMITS {
        let range = limit.min..=limit.max;
        let value = match limit.unit {
            Unit::Bytes => walk.optional(limit.key, size(range)),
            Unit::Count => walk.optional(limit.key, number(range)),
            Unit::Time => {
                let range = Duration::from_micros(limit.min)..=Duration::from_micros(limit.max);
                let micros =
                    |d: Duration| u64::try_from(d.as_micros()).expect("the range ends below 2^64 microseconds");
                walk.optional(limit.key, |node| duration(range)(node).map(micros))
            }
        };
        if let Some(value) = value {
            limit.set(&mut limits, value.value);
        }
    }
    limits
}

fn sections(walk: &mut Walk<'_, '_>, spec: &mut JobSpec) {
    walk.require("sources");
    for (name, node) in section(walk, "modules", "module") {
        let path = path(node).map(|p| Spanned::new(p, node.span));
        let path = path.map_err(|fault| broken_path(walk, &name, node, fault)).ok();
        spec.modules.push(ModuleSpec { name, path });
    }
    for (name, node) in section(walk, "sources", "source") {
        spec.sources.push(source(name, node, walk.problems));
    }
    for (name, node) in section(walk, "functions", "function") {
        spec.functions.push(function(name, node, walk.problems));
    }
    for (name, node) in section(walk, "sinks", "sink") {
        spec.sinks.push(sink(name, node, walk.problems));
    }
}

fn broken_path(walk: &mut Walk<'_, '_>, name: &Spanned<String>, node: &Node, fault: Fault) {
    if !matches!(node.value, Value::Broken) {
        walk.problems.push(fault.at(&name.value, node.span));
    }
}

/// Whether a section is one that can be read; an absent one is empty.
fn is_section(node: Option<&Node>) -> bool {
    node.is_none_or(|n| n.is_null() || matches!(n.value, Value::Map(_)))
}

/// The named entries of a section, bad names included: what they name exists nevertheless.
fn section<'n>(walk: &mut Walk<'n, '_>, key: &'static str, what: &str) -> Vec<(Spanned<String>, &'n Node)> {
    let Some(node) = walk.get(key).filter(|n| !n.is_null()) else {
        return Vec::new();
    };
    let Value::Map(entries) = &node.value else {
        walk.wrong_kind(key, node, &format!("a map from names to {what}s"));
        return Vec::new();
    };
    for (name, _) in entries {
        if let Some(fault) = name_fault(&name.value) {
            walk.problems.push(fault.at(key, name.span));
        }
    }
    entries.iter().map(|(name, node)| (name.clone(), node)).collect()
}

/// Operators share one space of names: state and inputs are found by them.
fn unique_names(spec: &JobSpec, problems: &mut Problems) {
    let mut names: Vec<(&Spanned<String>, &str)> = Vec::new();
    names.extend(spec.sources.iter().map(|s| (&s.name, "source")));
    names.extend(spec.functions.iter().map(|f| (&f.name, "function")));
    names.extend(spec.sinks.iter().map(|s| (&s.name, "sink")));
    names.sort_by_key(|(name, _)| name.span);
    if let Some(module) = spec.modules.get(OPERATORS_MAX) {
        let message = format!("the job has {} modules, at most {OPERATORS_MAX} are allowed", spec.modules.len());
        problems.push(Problem::new("too-many-modules", module.name.span, message));
    }
    if names.len() > OPERATORS_MAX {
        let message = format!("the job has {} operators, at most {OPERATORS_MAX} are allowed", names.len());
        problems.push(Problem::new("too-many-operators", names[OPERATORS_MAX].0.span, message));
    }
    let mut seen = BTreeMap::new();
    for (name, what) in names {
        if let Some((first, line)) = seen.get(name.value.as_str()) {
            let message = format!("`{}` names a {first} in line {line} and a {what} here", name.value);
            let problem = Problem::new("duplicate-name", name.span, message);
            problems.push(problem.with_help("operators need different names: their state is found by them"));
        } else {
            seen.insert(name.value.as_str(), (what, name.span.line));
        }
    }
}
