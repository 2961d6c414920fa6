//! Reads one source, function or sink of a job file.

use super::problem::{Problem, Problems};
use super::settings::{
    EVERY_ROWS, EVERY_ROWS_DEFAULT, IDLE_TIMEOUT, MAX_DELAY, MAX_DELAY_DEFAULT, RATE, ROLL_AGE, ROLL_AGE_DEFAULT,
    ROLL_BYTES, ROLL_BYTES_DEFAULT, VIEW_EVERY, VIEW_EVERY_DEFAULT,
};
use super::spec::{EventTimeSpec, FunctionSpec, InputSpec, SettingSpec, SinkSpec, SourceSpec, Spanned};
use super::types;
use super::values::{duration, flag, input, names, number, one_of, parallelism, path, size, text};
use super::walk::Walk;
use super::yaml::{Node, Value};
use super::{follow, generator, keys, sides, whole_files};
use crate::plan::{Format, OnError, SinkConnector, SourceConnector};
use std::path::Path;
use std::time::Duration;
use wasmill_abi::{Field, Schema};

pub(super) const FORMATS: &[(&str, Format)] =
    &[("ndjson", Format::Ndjson), ("csv", Format::Csv), ("parquet", Format::Parquet), ("avro", Format::Avro)];
pub(super) const ON_ERROR: &[(&str, OnError)] =
    &[("fail", OnError::Fail), ("skip", OnError::Skip), ("dead-letter", OnError::DeadLetter)];

pub(super) const SOURCE_KINDS: &[(&str, SourceKind)] =
    &[("file", SourceKind::File), ("stdin", SourceKind::Stdin), ("generator", SourceKind::Generator)];
pub(super) const SINK_KINDS: &[(&str, SinkKind)] =
    &[("file", SinkKind::File), ("stdout", SinkKind::Stdout), ("blackhole", SinkKind::Blackhole)];

#[derive(Clone, Copy, PartialEq)]
pub(super) enum SourceKind {
    File,
    Stdin,
    Generator,
}

/// What stands in the files of a sink.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum SinkMode {
    /// Every row.
    Append,
    /// The newest row of each key.
    Upsert,
}

pub(super) const SINK_MODES: &[(&str, SinkMode)] = &[("append", SinkMode::Append), ("upsert", SinkMode::Upsert)];

#[derive(Clone, Copy, PartialEq)]
pub(super) enum SinkKind {
    File,
    Stdout,
    Blackhole,
}

pub(super) fn source(name: Spanned<String>, node: &Node, problems: &mut Problems) -> SourceSpec {
    let what = format!("source `{}`", name.value);
    let mut spec = SourceSpec {
        name,
        connector: None,
        format: None,
        schema: None,
        op: None,
        event_time: None,
        rate: None,
        parallelism: None,
        broken: true,
    };
    let Some(mut walk) = Walk::start(node, &what, spec.name.span, &keys::SOURCE, problems) else {
        return spec;
    };
    let kind = walk.required("connector", one_of(SOURCE_KINDS)).map(|k| k.value);
    match kind {
        Some(SourceKind::Generator) => generated(&mut walk, &mut spec),
        _ => read(&mut walk, kind, &mut spec),
    }
    spec.event_time = event_time(&mut walk);
    spec.rate = walk.optional("rate", number(RATE)).map(|r| r.value);
    spec.parallelism = walk.optional("parallelism", parallelism);
    if let (Some(SourceKind::Stdin), Some(Spanned { value: 2.., span })) = (kind, &spec.parallelism) {
        let message = format!("`parallelism`: {what} reads stdin, its parallelism can only be 1");
        walk.problem(Problem::new("out-of-range", *span, message));
    }
    spec.broken = walk.broken;
    spec
}

/// A source that makes its rows.
fn generated(walk: &mut Walk<'_, '_>, spec: &mut SourceSpec) {
    walk.refuse(&["path", "follow", "format", "schema"], "connector `generator` makes its rows; see `columns`");
    walk.refuse(&["op"], "what connector `generator` makes is no changelog");
    if let Some((generator, schema)) = generator::generator(walk) {
        spec.connector = Some(SourceConnector::Generator(generator));
        spec.schema = Some(schema);
        // No bytes are read, so any format would do.
        spec.format = Some(Format::Ndjson);
    }
}

/// A source that reads bytes.
fn read(walk: &mut Walk<'_, '_>, kind: Option<SourceKind>, spec: &mut SourceSpec) {
    walk.refuse(generator::KEYS, "only connector `generator` has them");
    spec.connector = source_connector(walk, kind);
    let by_path = match &spec.connector {
        Some(SourceConnector::File { path } | SourceConnector::Follow { path }) => format_of(path),
        _ => None,
    };
    // A path that could not be read might have told the format.
    if by_path.is_none() && spec.connector.is_some() {
        walk.require("format");
    }
    spec.format = walk.optional("format", one_of(FORMATS)).map(|f| f.value).or(by_path);
    follow::check(walk, spec);
    whole_files::check_source(walk, spec);
    walk.require("schema");
    spec.schema = schema(walk);
    spec.op = op(walk);
}

/// The column that says what a row of a changelog does.
fn op(walk: &mut Walk<'_, '_>) -> Option<Spanned<String>> {
    let node = walk.get("op").filter(|node| !node.is_null())?;
    let Some(mut inner) = Walk::start(node, "`op`", node.span, &keys::OP, walk.problems) else {
        walk.broken = true;
        return None;
    };
    let column = inner.required("column", text);
    let broken = inner.broken;
    walk.broken |= broken;
    column
}

fn source_connector(walk: &mut Walk<'_, '_>, kind: Option<SourceKind>) -> Option<SourceConnector> {
    match kind? {
        SourceKind::File => {
            let path = walk.required("path", path);
            let follow = walk.optional("follow", flag);
            follow::connector(walk, path?, follow)
        }
        SourceKind::Stdin => {
            walk.refuse(&["path", "follow"], "connector `stdin` has none");
            Some(SourceConnector::Stdin)
        }
        SourceKind::Generator => None,
    }
}

/// The format that a path's extension tells, before the extension of a compression.
fn format_of(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    match name.rsplit_once('.')?.1 {
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "csv" => Some(Format::Csv),
        "parquet" => Some(Format::Parquet),
        "avro" => Some(Format::Avro),
        _ => None,
    }
}

fn schema(walk: &mut Walk<'_, '_>) -> Option<Schema> {
    let node = walk.get("schema")?;
    let Value::Map(entries) = &node.value else {
        walk.wrong_kind("schema", node, "a map from column names to types");
        return None;
    };
    if entries.is_empty() || entries.len() > Schema::COLUMNS_MAX {
        let message = format!("`schema`: {} columns, it must have from 1 to {}", entries.len(), Schema::COLUMNS_MAX);
        walk.problem(Problem::new("out-of-range", node.span, message));
        return None;
    }
    let mut fields = Vec::with_capacity(entries.len());
    for (column, node) in entries {
        if column.value.is_empty() {
            walk.problem(Problem::new("bad-name", column.span, "`schema`: the name of a column is empty"));
            continue;
        }
        match types::column(&column.value, node) {
            Ok(field) => fields.push(field),
            Err(_) if matches!(node.value, Value::Broken) => walk.broken = true,
            Err(fault) => walk.problem(fault.at(&column.value, node.span)),
        }
    }
    let columns: usize = fields.iter().map(Field::columns).sum();
    if columns > Schema::COLUMNS_MAX {
        let max = Schema::COLUMNS_MAX;
        let message = format!("`schema`: {columns} columns with those of nested types, at most {max} are allowed");
        walk.problem(Problem::new("out-of-range", node.span, message));
        return None;
    }
    (fields.len() == entries.len()).then(|| Schema::new(fields))
}

fn event_time(walk: &mut Walk<'_, '_>) -> Option<EventTimeSpec> {
    let node = walk.get("event_time")?;
    let Some(mut inner) = Walk::start(node, "`event_time`", node.span, &keys::EVENT_TIME, walk.problems) else {
        walk.broken = true;
        return None;
    };
    let column = inner.required("column", text);
    let max_delay = inner.optional("max_delay", duration(MAX_DELAY)).map_or(MAX_DELAY_DEFAULT, |d| d.value);
    let every_rows = inner.optional("every", number(EVERY_ROWS)).map_or(EVERY_ROWS_DEFAULT, |n| n.value);
    let idle_timeout = inner.optional("idle_timeout", duration(IDLE_TIMEOUT)).map(|d| d.value);
    let broken = inner.broken;
    walk.broken |= broken;
    Some(EventTimeSpec { column: column?, max_delay, every_rows, idle_timeout })
}

pub(super) fn function(name: Spanned<String>, node: &Node, problems: &mut Problems) -> FunctionSpec {
    let what = format!("function `{}`", name.value);
    let mut spec = FunctionSpec {
        name,
        module: None,
        function: None,
        inputs: Vec::new(),
        key: None,
        key_right: None,
        on_error: OnError::default(),
        parallelism: None,
        config: Vec::new(),
        broken: true,
    };
    let Some(mut walk) = Walk::start(node, &what, spec.name.span, &keys::FUNCTION, problems) else {
        return spec;
    };
    spec.module = walk.required("module", text);
    spec.function = walk.optional("function", text);
    spec.inputs = sides::inputs(&mut walk);
    (spec.key, spec.key_right) = sides::keys(&mut walk);
    spec.on_error = walk.optional("on_error", one_of(ON_ERROR)).map(|o| o.value).unwrap_or_default();
    spec.parallelism = walk.optional("parallelism", parallelism);
    spec.config = config(&mut walk);
    spec.broken = walk.broken;
    spec
}

fn inputs(walk: &mut Walk<'_, '_>) -> Vec<InputSpec> {
    let names = walk.required("input", names).map(|n| n.value).unwrap_or_default();
    names.iter().map(|name| input(&name.value, name.span)).collect()
}

fn config(walk: &mut Walk<'_, '_>) -> Vec<SettingSpec> {
    let Some(node) = walk.get("config").filter(|n| !n.is_null()) else {
        return Vec::new();
    };
    let Value::Map(entries) = &node.value else {
        walk.wrong_kind("config", node, "a map from settings to values");
        return Vec::new();
    };
    let mut config = Vec::with_capacity(entries.len());
    for (name, node) in entries {
        match node.scalar() {
            Some(value) => config.push(SettingSpec { name: name.clone(), value: Spanned::new(value, node.span) }),
            None => walk.wrong_kind(&name.value, node, "a single value"),
        }
    }
    config
}

pub(super) fn sink(name: Spanned<String>, node: &Node, problems: &mut Problems) -> SinkSpec {
    let what = format!("sink `{}`", name.value);
    let mut spec = SinkSpec {
        name,
        connector: None,
        format: None,
        op: None,
        key: None,
        inputs: Vec::new(),
        parallelism: None,
        broken: true,
    };
    let Some(mut walk) = Walk::start(node, &what, spec.name.span, &keys::SINK, problems) else {
        return spec;
    };
    let kind = walk.required("connector", one_of(SINK_KINDS));
    if kind.as_ref().is_some_and(|k| k.value == SinkKind::File) {
        walk.require("format");
    }
    spec.format = walk.optional("format", one_of(FORMATS)).map(|f| f.value);
    spec.connector = sink_connector(&mut walk, kind, spec.format);
    spec.key = walk.optional("key", names);
    spec.op = walk.optional("op", text);
    spec.inputs = inputs(&mut walk);
    spec.parallelism = walk.optional("parallelism", parallelism);
    spec.broken = walk.broken;
    spec
}

fn sink_connector(
    walk: &mut Walk<'_, '_>,
    kind: Option<Spanned<SinkKind>>,
    format: Option<Format>,
) -> Option<Spanned<SinkConnector>> {
    let kind = kind?;
    let (name, connector) = match kind.value {
        SinkKind::File if mode(walk) == SinkMode::Upsert => {
            whole_files::check_view(walk, format);
            return view(walk);
        }
        SinkKind::File => {
            walk.refuse(&["key", "every"], "only a file sink with `mode: upsert` has them");
            let (roll_bytes, roll_age) = roll(walk);
            let path = walk.required("path", path)?;
            return Some(Spanned::new(SinkConnector::File { path: path.value, roll_bytes, roll_age }, path.span));
        }
        SinkKind::Stdout => ("stdout", SinkConnector::Stdout),
        SinkKind::Blackhole => ("blackhole", SinkConnector::Blackhole { encodes: format }),
    };
    walk.refuse(&["path", "roll", "mode", "key", "every"], &format!("connector `{name}` writes no files"));
    whole_files::check_sink(walk, &connector, format);
    Some(Spanned::new(connector, kind.span))
}

fn mode(walk: &mut Walk<'_, '_>) -> SinkMode {
    walk.optional("mode", one_of(SINK_MODES)).map_or(SinkMode::Append, |mode| mode.value)
}

/// A file sink that shows the newest row of each key.
fn view(walk: &mut Walk<'_, '_>) -> Option<Spanned<SinkConnector>> {
    walk.refuse(&["roll"], "a view is one file that is replaced as a whole");
    walk.refuse(&["op"], "a view has rows and no operations");
    walk.require("key");
    let every = walk.optional("every", duration(VIEW_EVERY)).map_or(VIEW_EVERY_DEFAULT, |every| every.value);
    let path = walk.required("path", path)?;
    Some(Spanned::new(SinkConnector::View { path: path.value, every }, path.span))
}

fn roll(walk: &mut Walk<'_, '_>) -> (u64, Duration) {
    let default = (ROLL_BYTES_DEFAULT, ROLL_AGE_DEFAULT);
    let Some(node) = walk.get("roll").filter(|n| !n.is_null()) else {
        return default;
    };
    let Some(mut inner) = Walk::start(node, "`roll`", node.span, &keys::ROLL, walk.problems) else {
        walk.broken = true;
        return default;
    };
    let bytes = inner.optional("bytes", size(ROLL_BYTES)).map_or(default.0, |b| b.value);
    let age = inner.optional("age", duration(ROLL_AGE)).map_or(default.1, |a| a.value);
    let broken = inner.broken;
    walk.broken |= broken;
    (bytes, age)
}
