//! The outputs that the host adds for late rows: they have the columns of the stream that comes in,
//! so what they are is known only when operators are connected.

use super::graph::Graph;
use crate::plan::{Output, Side};
use wasmill_abi::Schema;
use wasmill_abi::manifest::Function;

/// All outputs of a function; those for late rows stand last, without their columns.
pub(super) fn outputs(function: &Function) -> Vec<Output> {
    let own = function.outputs.iter().map(|o| Output { name: o.name.clone(), schema: o.schema.clone() });
    let late = function.late_outputs().iter();
    own.chain(late.map(|name| Output { name: (*name).to_owned(), schema: Schema::default() })).collect()
}

/// Gives outputs for late rows their columns. A function may read the late rows of another, so this
/// goes on until nothing new is found; what then has none reads from itself in a circle, or from
/// something that is wrong.
pub(super) fn resolve(graph: &mut Graph<'_>) {
    let outputs = graph.ops.iter().enumerate().flat_map(|(op, o)| {
        let own = o.function.map_or(0, |f| f.outputs.len());
        let late = o.function.map_or(0, |f| f.late_outputs().len());
        (0..late).zip([Side::Left, Side::Right]).map(move |(i, side)| (op, own + i, side))
    });
    let mut waiting: Vec<(usize, usize, Side)> = outputs.collect();
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
