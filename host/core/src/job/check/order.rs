//! Sorts operators so that each stands behind its inputs, and names the cycles that make this
//! impossible. No recursion: the length of a chain is the user's choice.

use super::graph::Graph;
use crate::job::problem::{Problem, Problems};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Positions in the graph, inputs first, else in the file's order; `None` when there is a cycle.
pub(super) fn sort(graph: &Graph<'_>, problems: &mut Problems) -> Option<Vec<usize>> {
    let count = graph.ops.len();
    let mut readers = vec![Vec::new(); count];
    let mut waiting = vec![0usize; count];
    for (op, inputs) in graph.ops.iter().enumerate() {
        // Per edge, also when two edges come from one operator: each is counted and taken off.
        inputs.edges.iter().for_each(|edge| readers[edge.from].push(op));
        waiting[op] = inputs.edges.len();
    }
    let mut ready: BinaryHeap<_> = (0..count).filter(|&op| waiting[op] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(Reverse(op)) = ready.pop() {
        order.push(op);
        for &reader in &readers[op] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    if order.len() == count {
        return Some(order);
    }
    let left = (0..count).filter(|&op| waiting[op] > 0).collect();
    report_cycles(graph, left, problems);
    None
}

/// `left` holds the operators on cycles and those behind them. From each, going back through inputs
/// that are left leads into a cycle; each cycle is told once.
fn report_cycles(graph: &Graph<'_>, left: BTreeSet<usize>, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for &start in &left {
        let mut path = Vec::new();
        let mut at = start;
        while seen.insert(at) {
            path.push(at);
            let input = graph.ops[at].edges.iter().find(|edge| left.contains(&edge.from));
            at = input.expect("an operator is left over because one of its inputs is").from;
        }
        if let Some(begin) = path.iter().position(|&op| op == at) {
            problems.push(cycle(graph, &path[begin..]));
        }
    }
}

/// `path`: each operator reads from the next, the last one from the first.
fn cycle(graph: &Graph<'_>, path: &[usize]) -> Problem {
    let first = (0..path.len()).min_by_key(|&i| path[i]).expect("a cycle has an operator");
    let mut names: Vec<&str> =
        (0..=path.len()).map(|i| graph.ops[path[(first + i) % path.len()]].name().value.as_str()).collect();
    names.reverse();
    let next = path[(first + 1) % path.len()];
    let edge = graph.ops[path[first]].edges.iter().find(|edge| edge.from == next);
    let span = edge.expect("neighbours on the cycle are connected").written.span;
    let message = format!("operators read from each other in a circle: {}", names.join(" -> "));
    Problem::new("cycle", span, message).with_help("rows must flow from sources to sinks: remove one of these inputs")
}
