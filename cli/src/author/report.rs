//! The manifest of a module for people and for programs. It must not judge the
//! module, nor believe it: its names and texts are a stranger's.

use crate::terminal::{Palette, Terminal, grouped};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use wasmill_abi::Schema;
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::manifest::{ConfigField, ConfigValue, Function, MetricKind, Slot, SlotKind, Ttl, TtlFrom};
use wasmill_core::printable::{lines, one_line};
use wasmill_core::units::format_duration;
use wasmill_server::modules::ModuleReport;

/// Where the second column starts, and where lines end if they can.
const INDENT: usize = 12;
const WIDTH: usize = 100;

/// Prints a report of the module at `path` to stdout.
pub fn print(report: &ModuleReport, path: &Path, terminal: &Terminal) -> anyhow::Result<()> {
    if terminal.json {
        terminal.print(&json(report, path).to_string())
    } else {
        terminal.print(text(report, path, &terminal.out).trim_end())
    }
}

fn text(report: &ModuleReport, path: &Path, palette: &Palette) -> String {
    let manifest = &report.manifest;
    let name = one_line(&format!("{} {}", manifest.name, manifest.version)).into_owned();
    let mut out = format!("{} {}\n", palette.heading(&name), one_line(&manifest.sdk));
    line(&mut out, "module", &path.display().to_string());
    line(&mut out, "size", &format!("{} bytes", grouped(report.bytes)));
    line(&mut out, "sha256", &report.sha256);
    line(&mut out, "asks for", &or_nothing(report.imports.join(", ")));
    for function in &manifest.functions {
        out.push('\n');
        function_text(&mut out, function, palette);
    }
    out
}

fn function_text(out: &mut String, function: &Function, palette: &Palette) {
    let kind = match function.key() {
        None => "map".to_owned(),
        Some(key) => format!("keyed by {key}"),
    };
    let _ = writeln!(out, "{} {}", palette.heading(&one_line(&function.name)), palette.dim(&one_line(&kind)));
    if !function.doc.is_empty() {
        let _ = writeln!(out, "  {}", lines(&wrapped(function.doc.split_whitespace(), " ", 2)));
    }
    let changes = if function.reads_changes { "  (may be a changelog)" } else { "" };
    match &function.right {
        None => line(out, "input", &format!("{}{changes}", columns(&function.input))),
        Some(right) => {
            line(out, "input", &format!("left  {}{changes}", columns(&function.input)));
            line(out, "input", &format!("right  {}{changes}", columns(right)));
        }
    }
    for output in &function.outputs {
        let changelog = if output.changelog { "  (a changelog)" } else { "" };
        line(out, "output", &format!("{}  {}{changelog}", output.name, columns(&output.schema)));
    }
    for output in function.late_outputs() {
        line(out, "output", &format!("{output}  the rows of the stream that came too late"));
    }
    for slot in function.slots() {
        line(out, "state", &slot_text(slot));
    }
    for setting in &function.config {
        line(out, "setting", setting_text(setting).trim_end());
    }
    for metric in &function.metrics {
        line(out, "metric", &format!("{}, a {}", metric.name, metric_kind(metric.kind)));
    }
}

fn line(out: &mut String, label: &str, value: &str) {
    let _ = writeln!(out, "  {label:<width$}{}", lines(value), width = INDENT - 2);
}

fn columns(schema: &Schema) -> String {
    let fields: Vec<String> = schema.fields.iter().map(ToString::to_string).collect();
    or_nothing(wrapped(fields.iter().map(String::as_str), ", ", INDENT))
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "nothing".to_owned() } else { text }
}

/// Joins items and starts a new line, indented, before one that would pass [`WIDTH`].
fn wrapped<'a>(items: impl Iterator<Item = &'a str>, separator: &str, indent: usize) -> String {
    let (mut out, mut column) = (String::new(), indent);
    for item in items {
        let width = item.chars().count() + separator.len();
        if !out.is_empty() {
            out += separator;
            if column + width > WIDTH {
                out.truncate(out.trim_end().len());
                let _ = write!(out, "\n{:indent$}", "");
                column = indent;
            }
        }
        out += item;
        column += width;
    }
    out
}

/// A plain value is the usual case and needs no word.
fn slot_text(slot: &Slot) -> String {
    let kind = match slot.kind {
        SlotKind::Value => String::new(),
        kind => format!("{} of ", slot_kind(kind)),
    };
    let mut text = format!("{}: {kind}{}, version {}", slot.name, slot.type_name, slot.version);
    if let Some(ttl) = &slot.ttl {
        let (since, clock) = ttl_words(ttl);
        let time = format_duration(Duration::from_micros(ttl.micros));
        let _ = write!(text, ", lives {time} since its {since}, by {clock} time");
    }
    text
}

fn slot_kind(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Value => "value",
        SlotKind::Map => "map",
        SlotKind::List => "list",
        SlotKind::Sum => "sum",
        SlotKind::Min => "min",
        SlotKind::Max => "max",
    }
}

fn ttl_words(ttl: &Ttl) -> (&'static str, &'static str) {
    let since = match ttl.from {
        TtlFrom::Create => "create",
        TtlFrom::Update => "update",
    };
    let clock = match ttl.clock {
        TimerFamily::Event => "event",
        TimerFamily::Processing => "processing",
    };
    (since, clock)
}

fn slot_json(slot: &Slot) -> Value {
    let ttl = slot.ttl.as_ref().map(|ttl| {
        let (since, clock) = ttl_words(ttl);
        json!({ "micros": ttl.micros, "since": since, "clock": clock })
    });
    let (kind, version) = (slot_kind(slot.kind), slot.version);
    json!({ "name": slot.name, "kind": kind, "type": slot.type_name, "version": version, "ttl": ttl })
}

fn setting_text(setting: &ConfigField) -> String {
    let value = match &setting.default {
        Some(default) => format!(" = {default}"),
        None if setting.optional => ", optional".to_owned(),
        None => ", must be given".to_owned(),
    };
    format!("{}: {}{value}  {}", setting.name, setting.ty, setting.doc)
}

fn metric_kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
    }
}

fn json(report: &ModuleReport, path: &Path) -> Value {
    let manifest = &report.manifest;
    json!({
        "module": path.display().to_string(),
        "sha256": report.sha256,
        "bytes": report.bytes,
        "name": manifest.name,
        "version": manifest.version,
        "sdk": manifest.sdk,
        "imports": report.imports,
        "functions": manifest.functions.iter().map(function_json).collect::<Vec<_>>(),
    })
}

fn function_json(function: &Function) -> Value {
    let outputs = function
        .outputs
        .iter()
        .map(|o| json!({ "name": o.name, "columns": columns_json(&o.schema), "changelog": o.changelog }));
    let slots = function.slots().iter().map(slot_json);
    let settings = function.config.iter().map(|c| {
        let default = c.default.as_ref().map(value_json);
        json!({ "name": c.name, "type": c.ty.name(), "default": default, "optional": c.optional, "doc": c.doc })
    });
    let metrics = function.metrics.iter().map(|m| json!({ "name": m.name, "kind": metric_kind(m.kind) }));
    json!({
        "name": function.name,
        "doc": function.doc,
        "kind": if function.key().is_some() { "keyed" } else { "map" },
        "key": function.key().map(columns_json),
        "input": columns_json(&function.input),
        "right": function.right.as_ref().map(columns_json),
        "late_outputs": function.late_outputs(),
        "reads_changes": function.reads_changes,
        "outputs": outputs.collect::<Vec<_>>(),
        "state": slots.collect::<Vec<_>>(),
        "settings": settings.collect::<Vec<_>>(),
        "metrics": metrics.collect::<Vec<_>>(),
    })
}

fn columns_json(schema: &Schema) -> Value {
    let field =
        |f: &wasmill_abi::Field| json!({ "name": f.name, "type": f.type_text().to_string(), "nullable": f.nullable });
    schema.fields.iter().map(field).collect()
}

/// Integers beyond 64 bits have no number in JSON and become text.
fn value_json(value: &ConfigValue) -> Value {
    match value {
        ConfigValue::Bool(v) => json!(v),
        ConfigValue::Int(v) => i64::try_from(*v)
            .map(Value::from)
            .or_else(|_| u64::try_from(*v).map(Value::from))
            .unwrap_or_else(|_| json!(v.to_string())),
        ConfigValue::Float(v) => json!(v),
        ConfigValue::Str(v) => json!(v),
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
