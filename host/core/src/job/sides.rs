//! Reads `input` and `key` of a function: names, or names for a `left` and a `right` input.

use super::keys::SIDES;
use super::spec::{InputSpec, Spanned};
use super::values::{input, names};
use super::walk::Walk;
use super::yaml::Value;
use crate::plan::Side;

type Names = Spanned<Vec<Spanned<String>>>;

/// The inputs of a function. Without names of sides they are all left ones.
pub(super) fn inputs(walk: &mut Walk<'_, '_>) -> Vec<InputSpec> {
    let of = |names: Option<Names>, side: Side| {
        let names = names.map(|n| n.value).unwrap_or_default();
        names.into_iter().map(move |name| InputSpec { side, ..input(&name.value, name.span) })
    };
    match sided(walk, "input") {
        Some([left, right]) => of(left, Side::Left).chain(of(right, Side::Right)).collect(),
        None => of(walk.required("input", names), Side::Left).collect(),
    }
}

/// The key's columns: those of the left input, and those of the right one when it has its own.
pub(super) fn keys(walk: &mut Walk<'_, '_>) -> (Option<Names>, Option<Names>) {
    match sided(walk, "key") {
        Some([left, right]) => (left, right),
        None => (walk.optional("key", names), None),
    }
}

/// The names of both sides; `None` when the key's value is no map.
fn sided(walk: &mut Walk<'_, '_>, key: &'static str) -> Option<[Option<Names>; 2]> {
    let node = walk.get(key).filter(|node| matches!(node.value, Value::Map(_)))?;
    let what = format!("`{key}`");
    let mut inner = Walk::start(node, &what, node.span, &SIDES, walk.problems)?;
    let both = [inner.required("left", names), inner.required("right", names)];
    let broken = inner.broken;
    walk.broken |= broken;
    Some(both)
}
