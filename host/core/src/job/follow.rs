//! Reads `follow` of a source, and refuses what cannot be followed.

use super::problem::Problem;
use super::spec::{SourceSpec, Spanned};
use super::walk::Walk;
use crate::plan::{Format, SourceConnector};
use std::path::PathBuf;

/// The connector for files that are followed or not.
pub(super) fn connector(
    walk: &mut Walk<'_, '_>,
    path: Spanned<PathBuf>,
    follow: Option<Spanned<bool>>,
) -> Option<SourceConnector> {
    if follow.is_none_or(|follow| !follow.value) {
        return Some(SourceConnector::File { path: path.value });
    }
    if path.value.extension().is_some_and(|e| e == "gz" || e == "zst") {
        let message = "`path`: a compressed file cannot be followed: where it ends is known when it is complete";
        let help = "follow the file before it is compressed, or leave `follow` out";
        walk.problem(Problem::new("follow-compressed", path.span, message).with_help(help));
        return None;
    }
    Some(SourceConnector::Follow { path: path.value })
}

/// A followed file needs a format whose lines stand for themselves.
pub(super) fn check(walk: &mut Walk<'_, '_>, spec: &SourceSpec) {
    let (Some(SourceConnector::Follow { .. }), Some(format)) = (&spec.connector, spec.format) else { return };
    let message = match format {
        Format::Ndjson => None,
        Format::Csv => Some("`follow`: CSV cannot be followed: a file that was just rotated has no header yet"),
        Format::Avro => Some("`follow`: Avro cannot be followed: a block can be read when it is complete"),
        Format::Parquet => Some("`follow`: Parquet cannot be followed: a file can be read when it is complete"),
    };
    if let Some(message) = message {
        let span = walk.key_span("follow").expect("a followed source says so");
        walk.problem(Problem::new("follow-format", span, message).with_help("let the writer write `ndjson`"));
    }
}
