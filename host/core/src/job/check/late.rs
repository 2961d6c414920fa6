//! The outputs that the host adds for late rows: they have the columns of the stream that comes in,
//! so what they are is known only when operators are connected.

use super::graph::Graph;
use crate::plan::{Output, Side};
use wasmill_abi::Schema;
use wasmill_abi::manifest::Function;

/// All outputs of a function; those for late rows stand last, without their columns.
pub(super) fn outputs(function: &Function) -> Vec<Output> {
    let own = function.outputs.iter().map(|o| Output {
        name: o.name.clone(),
        schema: o.schema.clone(),
        changelog: o.changelog,
    });
    let late = |name: &&str| Output { name: (*name).to_owned(), schema: Schema::default(), changelog: false };
    own.chain(function.late_outputs().iter().map(late)).collect()
}

/// Gives outputs for late rows their columns, and calls them changelogs where they are. A function may read the late rows of another, so this
/// goes on until nothing new is found; what then has none reads from itself in a circle, or from
/// something that is wrong.
pub(super) fn resolve(graph: &mut Graph<'_>) {
    let late: Vec<_> = late_outputs(graph).collect();
    columns(graph, late.clone());
    changelogs(graph, &late);
}

/// Every output for late rows, with the operator and the input that it is of.
fn late_outputs(graph: &Graph<'_>) -> impl Iterator<Item = (usize, usize, Side)> {
    graph.ops.iter().enumerate().flat_map(|(op, o)| {
        let own = o.function.map_or(0, |f| f.outputs.len());
        let late = o.function.map_or(0, |f| f.late_outputs().len());
        (0..late).zip([Side::Left, Side::Right]).map(move |(i, side)| (op, own + i, side))
    })
}

fn columns(graph: &mut Graph<'_>, mut waiting: Vec<(usize, usize, Side)>) {
    graph.unknown = waiting.iter().map(|&(op, output, _)| (op, output)).collect();
    loop {
        let before = waiting.len();
        waiting.retain(|&(op, output, side)| {
            let Some(schema) = graph.input(op, side).map(|(_, schema)| schema.clone()) else { return true };
            graph.unknown.remove(&(op, output));
            if let Some(outputs) = &mut graph.ops[op].outputs {
                outputs[output].schema = schema;
            }
            false
        });
        if waiting.len() == before {
            return;
        }
    }
}

/// Late rows of a changelog keep what they do.
fn changelogs(graph: &mut Graph<'_>, late: &[(usize, usize, Side)]) {
    loop {
        let plain = late.iter().find(|&&(op, output, side)| {
            let is_known = graph.ops[op].outputs.as_ref().is_some_and(|outputs| outputs[output].changelog);
            let mut edges = graph.ops[op].edges.iter().filter(|edge| edge.written.side == side);
            !is_known && edges.any(|edge| graph.is_changelog(edge))
        });
        let Some(&(op, output, _)) = plain else { return };
        let Some(outputs) = &mut graph.ops[op].outputs else { return };
        outputs[output].changelog = true;
    }
}
