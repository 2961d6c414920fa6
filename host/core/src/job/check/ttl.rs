//! A time to live by a clock that the stream does not have.

use super::flow::Flow;
use super::graph::Graph;
use crate::job::problem::{Problem, Problems};
use crate::units::shortened;
use wasmill_abi::effects::TimerFamily;

/// Slots that count in event time need rows that have one: without it nothing would ever go.
pub(super) fn check(graph: &Graph<'_>, flows: &[Flow], problems: &mut Problems) {
    for (op, flow) in graph.ops.iter().zip(flows) {
        let Some(function) = op.function.filter(|_| flow.event_time == Some(false)) else { continue };
        let in_event_time = |ttl: wasmill_abi::manifest::Ttl| ttl.clock == TimerFamily::Event;
        let Some(slot) = function.slots().iter().find(|slot| slot.ttl.is_some_and(in_event_time)) else { continue };
        let (name, slot) = (op.name(), shortened(&slot.name));
        let message = format!(
            "the state slot `{slot}` of `{}` has a time to live in event time, but the rows that it gets have none",
            name.value
        );
        let help = "give the source an `event_time`, or let the slot count with `clock = processing`";
        problems.push(Problem::new("ttl-without-event-time", name.span, message).with_help(help));
    }
}
