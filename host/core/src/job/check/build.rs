//! Builds the plan of a job that was found to be right: routes, fragments, positions.

use super::Overrides;
use super::flow::Flow;
use super::graph::Graph;
use crate::plan::{
    Fragment, FragmentIndex, Input, Operator, OperatorIndex, OperatorKind, Plan, Route, Side, Sink, SinkConnector,
};

/// `kinds` and `flows` by position in the graph. `None` when a part of the job is unknown.
pub(super) fn plan(
    graph: &Graph<'_>,
    mut kinds: Vec<Option<OperatorKind>>,
    order: &[usize],
    flows: &[Flow],
    overrides: &Overrides,
) -> Option<Plan> {
    let mut positions = vec![OperatorIndex(0); order.len()];
    order.iter().enumerate().for_each(|(position, &op)| positions[op] = OperatorIndex(position));
    let mut operators: Vec<Operator> = Vec::with_capacity(order.len());
    let mut fragments: Vec<Fragment> = Vec::new();
    for &op in order {
        let kind = kinds[op].take()?;
        let inputs = inputs(graph, op, &kind, &positions, flows)?;
        let fragment = match inputs.as_slice() {
            [Input { from, route: Route::Local, .. }] => operators[from.0].fragment,
            _ => {
                fragments.push(Fragment { operators: Vec::new(), parallelism: flows[op].parallelism });
                FragmentIndex(fragments.len() - 1)
            }
        };
        fragments[fragment.0].operators.push(positions[op]);
        operators.push(Operator {
            name: graph.ops[op].name().value.clone(),
            kind,
            parallelism: flows[op].parallelism,
            fragment,
            inputs,
            outputs: graph.ops[op].outputs.clone()?,
            event_time: flows[op].event_time?,
        });
    }
    let spec = graph.spec;
    Some(Plan {
        job: spec.job.as_ref()?.value.clone(),
        epoch: overrides.epoch.unwrap_or(spec.epoch),
        drain_timeout: spec.drain_timeout,
        key_groups: spec.key_groups.value,
        metrics: spec.metrics,
        limits: spec.limits.clone(),
        operators,
        fragments,
    })
}

/// The edges of an operator with their routes. Keyed functions and views read by key; a single input of equal
/// parallelism is a function call; everything else goes through channels.
fn inputs(
    graph: &Graph<'_>,
    op: usize,
    kind: &OperatorKind,
    positions: &[OperatorIndex],
    flows: &[Flow],
) -> Option<Vec<Input>> {
    let edges = &graph.ops[op].edges;
    let alone = edges.len() == 1;
    let route = |from: usize, side: Side| match kind {
        // The members of a union have the same columns, so the positions hold for each sender.
        OperatorKind::Function(call) if call.is_keyed() => Route::ByKey { columns: call.key_of(side).to_vec() },
        OperatorKind::Sink(Sink { connector: SinkConnector::View { .. }, key, .. }) => {
            Route::ByKey { columns: key.clone() }
        }
        _ if alone && flows[from].parallelism == flows[op].parallelism => Route::Local,
        _ => Route::Forward,
    };
    let input = |edge: &super::graph::Edge<'_>| {
        let side = edge.written.side;
        Some(Input { from: positions[edge.from], output: edge.output?, side, route: route(edge.from, side) })
    };
    edges.iter().map(input).collect()
}
