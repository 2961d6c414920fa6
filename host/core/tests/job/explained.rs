//! What is told of a plan: routes by the names of columns, and what each end promises.

use crate::support::plan;
use wasmill_core::explain::{Guarantee, Role, RouteView, explain};

#[test]
fn a_graph_is_told_with_names_and_promises() {
    let graph = explain(&plan(&[]));
    let operators: Vec<_> = graph.operators.iter().map(|o| (o.name.as_str(), o.role, o.what.as_str())).collect();
    assert_eq!(
        operators,
        [
            ("departures", Role::Source, "file data/flights-*.ndjson.gz"),
            ("clean", Role::Function, "flights/clean"),
            ("hourly", Role::Function, "flights/hourly"),
            ("result", Role::Sink, "file out/hourly"),
        ]
    );
    let routes: Vec<_> = graph.edges.iter().map(|e| (e.from, e.to, e.route.clone())).collect();
    let by_origin = RouteView::ByKey(vec!["origin".to_owned()]);
    assert_eq!(routes, [(0, 1, RouteView::Call), (1, 2, by_origin), (2, 3, RouteView::Call)]);
    assert_eq!(graph.fragments, [vec![0, 1], vec![2, 3]]);
    let promises: Vec<_> = graph.operators.iter().map(|o| o.guarantee).collect();
    assert_eq!(promises, [Some(Guarantee::Replayed), None, None, Some(Guarantee::ExactlyOnce)]);
    let slot = &graph.operators[2].state[0];
    assert_eq!((slot.name.as_str(), slot.kind, slot.version), ("totals", "value", 1));
}

#[test]
fn weak_ends_are_told_as_such() {
    let graph = explain(&plan(&[
        ("connector: file\n    path: out/hourly\n    format: csv", "connector: stdout\n    format: csv"),
        ("connector: file\n    path: data/flights-*.ndjson.gz", "connector: stdin\n    format: ndjson"),
        ("parallelism: 2", "parallelism: 1"),
    ]));
    let promises: Vec<_> = graph.operators.iter().filter_map(|o| o.guarantee).collect();
    assert_eq!(promises, [Guarantee::NotReplayable, Guarantee::AtLeastOnce]);
}
