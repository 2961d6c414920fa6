//! What flows from inputs to outputs: parallelism and whether rows carry an event time.

use super::Overrides;
use super::graph::{Graph, Part};
use crate::job::problem::{Problem, Problems};
use crate::job::spec::{SourceSpec, Span};
use crate::plan::SourceConnector;

#[derive(Clone, Copy)]
pub(super) struct Flow {
    pub parallelism: u16,
    /// `None` when unknown.
    pub event_time: Option<bool>,
}

/// The flow of every operator, by its position in the graph.
pub(super) fn run(graph: &Graph<'_>, order: &[usize], overrides: &Overrides, problems: &mut Problems) -> Vec<Flow> {
    let job = overrides.parallelism.unwrap_or(graph.spec.parallelism.value);
    let mut flows = vec![Flow { parallelism: job, event_time: None }; graph.ops.len()];
    for &op in order {
        flows[op] = Flow {
            parallelism: parallelism(graph, op, job, &flows),
            event_time: match graph.ops[op].part {
                Part::Source(source) => source_event_time(source),
                _ => input_event_time(graph, op, &flows, problems),
            },
        };
        check_key_groups(graph, op, flows[op].parallelism, overrides, problems);
    }
    flows
}

fn parallelism(graph: &Graph<'_>, op: usize, job: u16, flows: &[Flow]) -> u16 {
    let operator = &graph.ops[op];
    if let Part::Source(SourceSpec { connector: Some(SourceConnector::Stdin), .. }) = operator.part {
        return 1;
    }
    if let Some(own) = operator.parallelism() {
        return own.value;
    }
    match operator.edges.first() {
        Some(edge) if !operator.is_keyed() => flows[edge.from].parallelism,
        _ => job,
    }
}

fn source_event_time(source: &SourceSpec) -> Option<bool> {
    match (&source.event_time, source.broken) {
        (Some(_), _) => Some(true),
        (None, false) => Some(false),
        (None, true) => None,
    }
}

/// All inputs of a union must agree: half of the rows cannot have an event time.
fn input_event_time(graph: &Graph<'_>, op: usize, flows: &[Flow], problems: &mut Problems) -> Option<bool> {
    let edges = &graph.ops[op].edges;
    let (first, has) = edges.iter().find_map(|e| Some((e, flows[e.from].event_time?)))?;
    let other = edges.iter().find(|e| flows[e.from].event_time == Some(!has));
    if let Some(other) = other {
        let (with, without) = if has { (first, other) } else { (other, first) };
        let (with, without) = (with.written, without.written);
        let name = &graph.ops[op].name().value;
        let message = format!("`{name}` unites `{with}`, which has event time, with `{without}`, which has none");
        let help = "give both sources an `event_time`, or neither";
        problems.push(Problem::new("event-time-mismatch", other.written.span, message).with_help(help));
        return None;
    }
    Some(has)
}

fn check_key_groups(graph: &Graph<'_>, op: usize, parallelism: u16, overrides: &Overrides, problems: &mut Problems) {
    let (operator, groups) = (&graph.ops[op], graph.spec.key_groups.value);
    if !operator.is_keyed() || parallelism <= groups {
        return;
    }
    let span = match (operator.parallelism(), overrides.parallelism) {
        (Some(own), _) => own.span,
        (None, None) => graph.spec.parallelism.span,
        (None, Some(_)) => Span::default(),
    };
    let name = &operator.name().value;
    let what = match operator.part {
        Part::Sink(_) => "view",
        _ => "keyed function",
    };
    let message = format!("{what} `{name}` has parallelism {parallelism}, but there are only {groups} key groups");
    let help = format!("lower the parallelism to {groups} or less, or raise `key_groups`");
    problems.push(Problem::new("too-few-key-groups", span, message).with_help(help));
}
