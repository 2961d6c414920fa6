//! What `inspect` tells about a module: plain data, for people and as JSON. It prints nothing.

use super::factory::Factory;
use serde::Serialize;
use wasmill_abi::Schema;
use wasmill_abi::manifest::{Function, FunctionKind, MetricKind, SlotKind};

/// A module that was loaded and checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleReport {
    pub name: String,
    pub version: String,
    /// The SDK and its version.
    pub sdk: String,
    pub sha256: String,
    pub size_bytes: usize,
    /// The interfaces of the host that it asks for.
    pub imports: Vec<String>,
    pub compile_ms: u64,
    /// Whether its compiled code came from the cache.
    pub cached: bool,
    pub functions: Vec<FunctionReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionReport {
    pub name: String,
    pub doc: String,
    /// `map` or `keyed`.
    pub kind: &'static str,
    pub input: Vec<ColumnReport>,
    /// Empty for functions without keys.
    pub key: Vec<ColumnReport>,
    pub outputs: Vec<OutputReport>,
    pub slots: Vec<SlotReport>,
    pub config: Vec<ConfigReport>,
    pub metrics: Vec<MetricReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnReport {
    pub name: String,
    /// As in job files.
    #[serde(rename = "type")]
    pub ty: &'static str,
    pub nullable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputReport {
    pub name: String,
    pub columns: Vec<ColumnReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotReport {
    pub name: String,
    /// `value`.
    pub kind: &'static str,
    pub version: u32,
    /// The Rust type, for people.
    #[serde(rename = "type")]
    pub type_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigReport {
    pub name: String,
    #[serde(rename = "type")]
    pub ty: &'static str,
    /// As it would stand in a job file.
    pub default: Option<String>,
    pub optional: bool,
    pub doc: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetricReport {
    pub name: String,
    /// `counter` or `gauge`.
    pub kind: &'static str,
}

impl From<&Factory> for ModuleReport {
    fn from(module: &Factory) -> Self {
        let manifest = module.manifest();
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            sdk: manifest.sdk.clone(),
            sha256: module.sha256().to_owned(),
            size_bytes: module.size_bytes(),
            imports: module.imports().to_vec(),
            compile_ms: u64::try_from(module.compile_time().as_millis()).unwrap_or(u64::MAX),
            cached: module.cached(),
            functions: manifest.functions.iter().map(FunctionReport::from).collect(),
        }
    }
}

impl From<&Function> for FunctionReport {
    fn from(f: &Function) -> Self {
        let kind = match f.kind {
            FunctionKind::Map => "map",
            FunctionKind::Keyed { .. } => "keyed",
        };
        let outputs = f.outputs.iter().map(|o| OutputReport { name: o.name.clone(), columns: columns(&o.schema) });
        let slots = f.slots().iter().map(|s| {
            let SlotKind::Value = s.kind;
            SlotReport { name: s.name.clone(), kind: "value", version: s.version, type_name: s.type_name.clone() }
        });
        let config = f.config.iter().map(|c| ConfigReport {
            name: c.name.clone(),
            ty: c.ty.name(),
            default: c.default.as_ref().map(ToString::to_string),
            optional: c.optional,
            doc: c.doc.clone(),
        });
        let metrics = f.metrics.iter().map(|m| MetricReport {
            name: m.name.clone(),
            kind: match m.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
            },
        });
        Self {
            name: f.name.clone(),
            doc: f.doc.clone(),
            kind,
            input: columns(&f.input),
            key: f.key().map(columns).unwrap_or_default(),
            outputs: outputs.collect(),
            slots: slots.collect(),
            config: config.collect(),
            metrics: metrics.collect(),
        }
    }
}

fn columns(schema: &Schema) -> Vec<ColumnReport> {
    let column = |f: &wasmill_abi::Field| ColumnReport { name: f.name.clone(), ty: f.ty.name(), nullable: f.nullable };
    schema.fields.iter().map(column).collect()
}
