//! Refuses formats that stand in whole files where there are none.

use super::problem::Problem;
use super::spec::SourceSpec;
use super::walk::Walk;
use crate::plan::{Format, SinkConnector, SourceConnector};

/// A source needs files, and plain ones where they are read from their end.
pub(super) fn check_source(walk: &mut Walk<'_, '_>, spec: &SourceSpec) {
    let Some(word) = spec.format.and_then(word_of) else { return };
    match &spec.connector {
        Some(SourceConnector::Stdin) => refuse(walk, "stdin", word),
        Some(SourceConnector::File { path })
            if spec.format == Some(Format::Parquet) && path.extension().is_some_and(|e| e == "gz" || e == "zst") =>
        {
            let span = walk.get("path").expect("a file source has one").span;
            let message = "`path`: a Parquet file is read from its end, and cannot be compressed as a whole";
            let help = "uncompress the file: its columns are compressed already";
            walk.problem(Problem::new("whole-files", span, message).with_help(help));
        }
        _ => {}
    }
}

/// A sink needs files, and one that drops its rows some work to do for each.
pub(super) fn check_sink(walk: &mut Walk<'_, '_>, connector: &SinkConnector, format: Option<Format>) {
    let Some(word) = format.and_then(word_of) else { return };
    match connector {
        SinkConnector::Stdout => refuse(walk, "stdout", word),
        SinkConnector::Blackhole { .. } if format == Some(Format::Parquet) => refuse(walk, "blackhole", word),
        _ => {}
    }
}

/// A view is written anew, line by line.
pub(super) fn check_view(walk: &mut Walk<'_, '_>, format: Option<Format>) {
    if let (Some(word), Some(node)) = (format.and_then(word_of), walk.get("format")) {
        let message = format!("`format`: a view cannot have `{word}`");
        let help = "take `ndjson` or `csv`, or leave `mode: upsert` out";
        walk.problem(Problem::new("whole-files", node.span, message).with_help(help));
    }
}

fn word_of(format: Format) -> Option<&'static str> {
    match format {
        Format::Ndjson | Format::Csv => None,
        Format::Parquet => Some("parquet"),
        Format::Avro => Some("avro"),
    }
}

fn refuse(walk: &mut Walk<'_, '_>, connector: &str, word: &str) {
    if let Some(node) = walk.get("format") {
        let message = format!("`format`: connector `{connector}` cannot have `{word}`, which stands in whole files");
        let help = "take the connector `file`, or the format `ndjson`";
        walk.problem(Problem::new("whole-files", node.span, message).with_help(help));
    }
}
