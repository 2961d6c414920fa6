//! Drawings of a job's graph: [`text`] for terminals, [`svg`] for documents, [`fn@json`] for programs.
//! They must not judge the job. Names and types come from modules: they are strangers' text.

pub mod svg;
pub mod text;

use serde_json::{Value, json};
use wasmill_core::explain::{EdgeView, Explained, OperatorView, RouteView};

/// The graph for programs.
pub fn json(graph: &Explained) -> Value {
    json!({
        "job": graph.job,
        "epoch": graph.epoch,
        "key_groups": graph.key_groups,
        "fragments": graph.fragments.iter().map(|members| names(graph, members)).collect::<Vec<_>>(),
        "operators": graph.operators.iter().map(operator_json).collect::<Vec<_>>(),
        "edges": graph.edges.iter().map(|edge| edge_json(graph, edge)).collect::<Vec<_>>(),
    })
}

fn names<'g>(graph: &'g Explained, members: &[usize]) -> Vec<&'g str> {
    members.iter().map(|&o| graph.operators[o].name.as_str()).collect()
}

fn operator_json(operator: &OperatorView) -> Value {
    let state = operator.state.iter().map(|slot| {
        json!({
            "name": slot.name,
            "kind": slot.kind,
            "version": slot.version,
            "migrates_from": slot.older,
            "values": slot.values,
        })
    });
    let details = operator.details.iter().map(|(label, text)| (label.replace(' ', "_"), json!(text)));
    json!({
        "name": operator.name,
        "role": operator.role.name(),
        "what": operator.what,
        "parallelism": operator.parallelism,
        "fragment": operator.fragment,
        "details": details.collect::<serde_json::Map<_, _>>(),
        "state": state.collect::<Vec<_>>(),
        "guarantee": operator.guarantee.map(|g| g.name()),
    })
}

fn edge_json(graph: &Explained, edge: &EdgeView) -> Value {
    let (route, key) = match &edge.route {
        RouteView::Call => ("call", None),
        RouteView::Forward => ("forward", None),
        RouteView::ByKey(columns) => ("key", Some(columns)),
    };
    json!({
        "from": graph.operators[edge.from].name,
        "output": edge.output,
        "to": graph.operators[edge.to].name,
        "route": route,
        "key": key,
        "columns": edge.columns,
    })
}
