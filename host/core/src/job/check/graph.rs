//! The operators of a job in the order of its file, and what is found out about them step by step.
//! Unknown is not wrong: a part that is absent was reported before, and is not reported again.

use crate::job::spec::{FunctionSpec, InputSpec, JobSpec, SinkSpec, SourceSpec, Spanned};
use crate::plan::{Output, Side, SinkConnector};
use std::collections::{BTreeMap, BTreeSet};
use wasmill_abi::Schema;
use wasmill_abi::manifest::Function;

/// The output of a source, and the one of a function that is meant when none is named.
pub(super) const OUT: &str = "out";

#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    Source(&'a SourceSpec),
    Function(&'a FunctionSpec),
    Sink(&'a SinkSpec),
}

pub(super) struct Op<'a> {
    pub part: Part<'a>,
    /// For functions whose manifest entry was found.
    pub function: Option<&'a Function>,
    /// `None` when unknown.
    pub outputs: Option<Vec<Output>>,
    /// The inputs that could be resolved.
    pub edges: Vec<Edge<'a>>,
}

/// An input whose operator exists.
#[derive(Clone, Copy)]
pub(super) struct Edge<'a> {
    pub from: usize,
    /// `None` when the sender's outputs are unknown.
    pub output: Option<usize>,
    pub written: &'a InputSpec,
}

pub(super) struct Graph<'a> {
    pub spec: &'a JobSpec,
    pub ops: Vec<Op<'a>>,
    pub by_name: BTreeMap<&'a str, usize>,
    /// Operators and outputs of theirs whose columns are not known.
    pub unknown: BTreeSet<(usize, usize)>,
}

/// The columns of a source's rows: without that of a changelog's operations.
fn without_op(source: &SourceSpec, schema: &Schema) -> Schema {
    let is_op = |name: &str| source.op.as_ref().is_some_and(|op| op.value == name);
    Schema::new(schema.fields.iter().filter(|field| !is_op(&field.name)).cloned().collect())
}

impl<'a> Op<'a> {
    pub fn name(&self) -> &'a Spanned<String> {
        match self.part {
            Part::Source(s) => &s.name,
            Part::Function(f) => &f.name,
            Part::Sink(s) => &s.name,
        }
    }

    pub fn inputs(&self) -> &'a [InputSpec] {
        match self.part {
            Part::Source(_) => &[],
            Part::Function(f) => &f.inputs,
            Part::Sink(s) => &s.inputs,
        }
    }

    pub fn parallelism(&self) -> Option<&'a Spanned<u16>> {
        match self.part {
            Part::Source(s) => s.parallelism.as_ref(),
            Part::Function(f) => f.parallelism.as_ref(),
            Part::Sink(s) => s.parallelism.as_ref(),
        }
    }

    /// Whether rows come by key: to a keyed function, or to a view.
    pub fn is_keyed(&self) -> bool {
        match self.part {
            Part::Sink(sink) => sink.connector.as_ref().is_some_and(|c| matches!(c.value, SinkConnector::View { .. })),
            _ => self.function.is_some_and(|f| f.key().is_some()),
        }
    }
}

impl<'a> Graph<'a> {
    pub fn of(spec: &'a JobSpec) -> Self {
        let op = |part| Op { part, function: None, outputs: None, edges: Vec::new() };
        let mut ops: Vec<Op<'a>> = Vec::new();
        for source in &spec.sources {
            let output = |schema: &Schema| {
                let (schema, changelog) = (without_op(source, schema), source.op.is_some());
                vec![Output { name: OUT.to_owned(), schema, changelog }]
            };
            ops.push(Op { outputs: source.schema.as_ref().map(output), ..op(Part::Source(source)) });
        }
        ops.extend(spec.functions.iter().map(|f| op(Part::Function(f))));
        ops.extend(spec.sinks.iter().map(|s| Op { outputs: Some(Vec::new()), ..op(Part::Sink(s)) }));
        ops.sort_by_key(|op| op.name().span);
        let mut by_name = BTreeMap::new();
        for (i, op) in ops.iter().enumerate() {
            by_name.entry(op.name().value.as_str()).or_insert(i);
        }
        Self { spec, ops, by_name, unknown: BTreeSet::new() }
    }

    /// The columns that an edge carries, when they are known.
    pub fn schema(&self, edge: &Edge<'_>) -> Option<&Schema> {
        let output = edge.output.filter(|output| !self.unknown.contains(&(edge.from, *output)))?;
        Some(&self.ops[edge.from].outputs.as_ref()?[output].schema)
    }

    /// Whether an edge carries a changelog, as far as that is known.
    pub fn is_changelog(&self, edge: &Edge<'_>) -> bool {
        let output = self.ops[edge.from].outputs.as_ref().zip(edge.output).and_then(|(outputs, o)| outputs.get(o));
        output.is_some_and(|output| output.changelog)
    }

    /// The columns of one of an operator's inputs, with where they come from.
    pub fn input(&self, op: usize, side: Side) -> Option<(&Edge<'a>, &Schema)> {
        self.ops[op]
            .edges
            .iter()
            .filter(|edge| edge.written.side == side)
            .find_map(|edge| Some((edge, self.schema(edge)?)))
    }
}
