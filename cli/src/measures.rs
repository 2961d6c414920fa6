//! What a run measured of its operators and epochs, as JSON for programs.

use serde_json::{Map, Value, json};
use wasmill_server::local::{Activity, EpochTotals, FAILURES, OperatorTotals};

/// `{operator: {rows_in, .., time_s: {activity: seconds}}}`, in the order of the plan.
pub fn operators(operators: &[OperatorTotals]) -> Value {
    operators.iter().map(|o| (o.name.clone(), operator(o))).collect::<Map<_, _>>().into()
}

fn operator(o: &OperatorTotals) -> Value {
    let time = Activity::ALL.into_iter().filter(|a| !o.time(*a).is_zero());
    let time: Map<_, _> = time.map(|a| (a.name().to_owned(), json!(o.time(a).as_secs_f64()))).collect();
    let failed = FAILURES.into_iter().zip(o.failures).filter(|(_, n)| *n > 0);
    let failed: Map<_, _> = failed.map(|(kind, n)| (kind.to_owned(), json!(n))).collect();
    let mut told = json!({
        "kind": o.kind,
        "subtasks": o.subtasks,
        "rows_in": o.rows_in,
        "rows_out": o.rows_out,
        "batches": o.batches,
        "bytes_in": o.bytes_in,
        "bytes_out": o.bytes_out,
        "dead_letters": o.dead_letters,
        "skipped": o.skipped,
        "failed_calls": failed,
        "time_s": time,
    });
    if let Some(state) = &o.state {
        told["state"] = json!({
            "hits": state.hits,
            "misses": state.misses,
            "reads": state.reads,
            "evictions": state.evictions,
            "keys": state.entries,
            "bytes": state.bytes,
            "timers": state.timers,
        });
    }
    told
}

/// All epochs of the run together; of each phase the number of epochs and their time.
pub fn epochs(epochs: &EpochTotals) -> Value {
    let phase = |p: &_| {
        let wasmill_server::local::PhaseTotals { name, count, time, .. } = p;
        ((*name).to_owned(), json!({ "count": count, "time_s": time.as_secs_f64() }))
    };
    let phases: Map<_, _> = epochs.phases.iter().map(phase).collect();
    json!({ "bytes": epochs.bytes, "entries": epochs.entries, "phases": phases })
}
