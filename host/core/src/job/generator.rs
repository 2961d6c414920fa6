//! Reads what a source of connector `generator` makes.

use super::problem::Problem;
use super::settings::{GENERATOR_EVENTS, GENERATOR_KEYS, GENERATOR_PARTITIONS};
use super::suggest::nearest;
use super::values::{names, number, one_of};
use super::walk::Walk;
use crate::generator::Generator;
use crate::nexmark::{Nexmark, NexmarkStream};
use crate::orders::Orders;
use wasmill_abi::Schema;

/// The keys that only generators have.
pub(super) const KEYS: &[&str] = &["dataset", "stream", "events", "keys", "partitions", "seed", "columns"];

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Dataset {
    Nexmark,
    Orders,
}

pub(super) const DATASETS: &[(&str, Dataset)] = &[("nexmark", Dataset::Nexmark), ("orders", Dataset::Orders)];

/// The generator, and the columns that it makes.
pub(super) fn generator(walk: &mut Walk<'_, '_>) -> Option<(Generator, Schema)> {
    let dataset = walk.required("dataset", one_of(DATASETS)).map(|d| d.value);
    let events = walk.required("events", number(GENERATOR_EVENTS)).map(|n| n.value);
    let partitions = walk.optional("partitions", number(GENERATOR_PARTITIONS)).map_or(1, |n| n.value);
    let (what, all) = match dataset {
        Some(Dataset::Orders) => orders(walk, events, partitions)?,
        _ => nexmark(walk, events, partitions)?,
    };
    let schema = columns(walk, all);
    dataset.map(|_| (what, schema))
}

fn nexmark(walk: &mut Walk<'_, '_>, events: Option<u64>, partitions: u16) -> Option<(Generator, Schema)> {
    walk.refuse(&["seed"], "the events of dataset `nexmark` are always the same");
    let stream = walk.required("stream", one_of(NexmarkStream::ALL)).map(|s| s.value);
    let keys = walk.optional("keys", number(GENERATOR_KEYS)).map_or(0, |n| n.value);
    let (stream, events) = (stream?, events?);
    Some((Generator::Nexmark(Nexmark { stream, events, keys, partitions }), stream.schema()))
}

fn orders(walk: &mut Walk<'_, '_>, events: Option<u64>, partitions: u16) -> Option<(Generator, Schema)> {
    walk.refuse(&["stream"], "dataset `orders` has one stream");
    let users = walk.optional("keys", number(GENERATOR_KEYS));
    let seed = walk.optional("seed", number(0..=u64::MAX)).map_or(Orders::SEED, |n| n.value);
    if let Some(none) = users.as_ref().filter(|users| users.value == 0) {
        let message = "`keys`: dataset `orders` needs a user, at least 1";
        walk.problem(Problem::new("out-of-range", none.span, message));
    }
    let users = users.map_or(Orders::USERS, |n| n.value);
    Some((Generator::Orders(Orders { events: events?, users, partitions, seed }), Orders::schema()))
}

/// Those of all columns that the source names.
fn columns(walk: &mut Walk<'_, '_>, all: Schema) -> Schema {
    let Some(columns) = walk.optional("columns", names) else { return all };
    let mut fields = Vec::with_capacity(columns.value.len());
    for column in columns.value {
        let known = all.fields.iter().find(|f| f.name == column.value);
        let Some(field) = known.filter(|f| !fields.contains(*f)) else {
            let message = format!("`columns`: the stream has no column `{}`, or it stands twice", column.value);
            let help = match nearest(&column.value, all.fields.iter().map(|f| f.name.as_str())) {
                Some(near) => format!("did you mean `{near}`? It has {all}"),
                None => format!("it has {all}"),
            };
            walk.problem(Problem::new("unknown-column", column.span, message).with_help(help));
            continue;
        };
        fields.push(field.clone());
    }
    Schema::new(fields)
}
