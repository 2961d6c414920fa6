//! The key `metrics` of a job: an address, or a map that says as well that other machines may
//! reach it.

use super::keys;
use super::spec::Scalar;
use super::walk::{Fault, Walk};
use super::yaml::{Node, Value};
use crate::listen::{self, ListenError, Reach};
use core::net::SocketAddr;

/// Where the job's metrics are; `None` when it has none, or what stands there is wrong.
pub(super) fn metrics(walk: &mut Walk<'_, '_>) -> Option<SocketAddr> {
    let node = walk.get("metrics").filter(|n| !n.is_null())?;
    if !matches!(node.value, Value::Map(_)) {
        return walk.optional("metrics", |node| address(node, Reach::ThisMachine)).map(|a| a.value);
    }
    let mut walk = Walk::start(node, "`metrics`", node.span, &keys::METRICS, walk.problems)?;
    let remote = walk.optional("remote", yes_or_no).is_some_and(|remote| remote.value);
    let reach = if remote { Reach::Network } else { Reach::ThisMachine };
    walk.required("address", |node| address(node, reach)).map(|a| a.value)
}

fn yes_or_no(node: &Node) -> Result<bool, Fault> {
    match node.scalar() {
        Some(Scalar::Bool(value)) => Ok(value),
        _ => Err(Fault::kind("`true` or `false`", node)),
    }
}

fn address(node: &Node, reach: Reach) -> Result<SocketAddr, Fault> {
    let Value::Scalar { text, .. } = &node.value else {
        return Err(Fault::kind("an address such as `127.0.0.1:9464`", node));
    };
    listen::parse(text, reach).map_err(|error| match error {
        ListenError::Unreadable(_) => Fault::new("bad-value", error.to_string()),
        ListenError::NotThisMachine(address) => Fault::new("not-this-machine", error.to_string())
            .with_help(format!("to allow that, write `metrics: {{ address: \"{address}\", remote: true }}`")),
    })
}
