//! Resolves `input`: to operators, to their outputs, and holds the members of a union against each
//! other.

use super::graph::{Edge, Graph, OUT, Op, Part};
use super::late;
use crate::job::problem::{Problem, Problems};
use crate::job::spec::InputSpec;
use crate::job::suggest::{did_you_mean, list};
use crate::plan::Side;
use crate::units::shortened;

pub(super) fn connect(graph: &mut Graph<'_>, problems: &mut Problems) {
    for op in 0..graph.ops.len() {
        let mut edges: Vec<Edge<'_>> = Vec::new();
        for written in graph.ops[op].inputs() {
            let Some(edge) = resolve(graph, written, problems) else { continue };
            let place = |e: &Edge<'_>| (e.from, e.output, e.written.side);
            if edges.iter().any(|e| e.output.is_some() && place(e) == place(&edge)) {
                let message = format!("`{}` reads this output twice", graph.ops[op].name().value);
                problems.push(Problem::new("duplicate-input", written.span, message).with_help("name it once"));
                continue;
            }
            edges.push(edge);
        }
        graph.ops[op].edges = edges;
    }
    late::resolve(graph);
    for op in 0..graph.ops.len() {
        [Side::Left, Side::Right].into_iter().for_each(|side| check_union(graph, op, side, problems));
    }
}

fn resolve<'a>(graph: &Graph<'a>, written: &'a InputSpec, problems: &mut Problems) -> Option<Edge<'a>> {
    let Some(&from) = graph.by_name.get(written.operator.as_str()) else {
        if !graph.spec.incomplete {
            problems.push_with(|| unknown_operator(graph, written));
        }
        return None;
    };
    let sender = &graph.ops[from];
    if let Part::Sink(_) = sender.part {
        let message = format!("`{}` is a sink, nothing can be read from it", written.operator);
        problems.push(Problem::new("unknown-input", written.span, message).with_help("read what the sink reads"));
        return None;
    }
    let output = match output_of(sender, written) {
        Ok(output) => output,
        Err(problem) => {
            problems.push(problem);
            // The operators are connected, so a cycle through here is still a cycle.
            None
        }
    };
    Some(Edge { from, output, written })
}

fn unknown_operator(graph: &Graph<'_>, written: &InputSpec) -> Problem {
    let readable = || {
        let ops = graph.ops.iter().filter(|op| !matches!(op.part, Part::Sink(_)));
        ops.map(|op| op.name().value.as_str())
    };
    let name = shortened(&written.operator);
    let message = format!("there is no operator `{name}`, the sources and functions are {}", list(readable()));
    let help = did_you_mean(&written.operator, readable());
    Problem::new("unknown-input", written.span, message).with_help_maybe(help)
}

/// The position of the output that is meant; `None` when the outputs are unknown.
fn output_of(sender: &Op<'_>, written: &InputSpec) -> Result<Option<usize>, Problem> {
    let Some(outputs) = &sender.outputs else { return Ok(None) };
    let operator = &written.operator;
    let known = || outputs.iter().map(|o| o.name.as_str());
    let position = |name: &str| known().position(|known| known == name);
    if outputs.is_empty() {
        let message = format!("`{operator}` has no output, nothing can be read from it");
        return Err(Problem::new("unknown-output", written.span, message));
    }
    let Some(name) = &written.output else {
        // Late rows are meant only by those who name them.
        let own = sender.function.map_or(outputs.len(), |f| f.outputs.len());
        let found = if own == 1 { Some(0) } else { position(OUT) };
        return found.map(Some).ok_or_else(|| {
            let paths: Vec<String> = known().map(|o| format!("{operator}.{o}")).collect();
            let message = format!("`{operator}` has several outputs and none is called `{OUT}`");
            let help = format!("say which: {}", list(paths.iter().map(String::as_str)));
            Problem::new("ambiguous-output", written.span, message).with_help(help)
        });
    };
    position(name).map(Some).ok_or_else(|| {
        let message = format!("`{operator}` has no output `{}`, its outputs are {}", shortened(name), list(known()));
        Problem::new("unknown-output", written.span, message).with_help_maybe(did_you_mean(name, known()))
    })
}

/// All that an operator reads on one side must have the same columns in the same order.
fn check_union(graph: &Graph<'_>, op: usize, side: Side, problems: &mut Problems) {
    let Some((first, columns)) = graph.input(op, side) else { return };
    for edge in graph.ops[op].edges.iter().filter(|edge| edge.written.side == side) {
        let Some(other) = graph.schema(edge).filter(|s| *s != columns) else { continue };
        let (a, b) = (first.written, edge.written);
        let message = format!(
            "the inputs of `{}` differ: `{a}` has the columns ({}), `{b}` has ({})",
            graph.ops[op].name().value,
            shortened_schema(columns),
            shortened_schema(other),
        );
        let help = "a union needs the same columns, with the same types, in the same order";
        problems.push(Problem::new("union-mismatch", edge.written.span, message).with_help(help));
    }
}

/// A schema for a message.
pub(super) fn shortened_schema(schema: &wasmill_abi::Schema) -> String {
    const COLUMNS_MAX: usize = 24;
    let fields = schema.fields.iter().take(COLUMNS_MAX);
    let mut text = fields.map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if schema.fields.len() > COLUMNS_MAX {
        text += &format!(" and {} more", schema.fields.len() - COLUMNS_MAX);
    }
    text
}
