//! Reads what a source of connector `generator` makes.

use super::problem::Problem;
use super::settings::{GENERATOR_EVENTS, GENERATOR_KEYS, GENERATOR_PARTITIONS};
use super::suggest::nearest;
use super::values::{names, number, one_of};
use super::walk::Walk;
use crate::nexmark::{Nexmark, NexmarkStream};
use wasmill_abi::Schema;

/// The keys that only generators have.
pub(super) const KEYS: &[&str] = &["dataset", "stream", "events", "keys", "partitions", "columns"];

#[derive(Clone, Copy, PartialEq)]
enum Dataset {
    Nexmark,
}

/// The generator, and the columns that it makes.
pub(super) fn generator(walk: &mut Walk<'_, '_>) -> Option<(Nexmark, Schema)> {
    let dataset = walk.required("dataset", one_of(&[("nexmark", Dataset::Nexmark)])).map(|d| d.value);
    let stream = walk.required("stream", one_of(NexmarkStream::ALL)).map(|s| s.value);
    let events = walk.required("events", number(GENERATOR_EVENTS)).map(|n| n.value);
    let keys = walk.optional("keys", number(GENERATOR_KEYS)).map_or(0, |n| n.value);
    let partitions = walk.optional("partitions", number(GENERATOR_PARTITIONS)).map_or(1, |n| n.value);
    let columns = walk.optional("columns", names);
    let (Dataset::Nexmark, stream) = (dataset?, stream?);
    let all = stream.schema();
    let schema = match columns {
        None => all,
        Some(columns) => {
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
    };
    Some((Nexmark { stream, events: events?, keys, partitions }, schema))
}
