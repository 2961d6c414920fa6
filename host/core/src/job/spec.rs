//! The job file as it was written: every part with its place, nothing resolved yet.
//!
//! A spec may come from a file with mistakes. Then the broken parts are absent and marked, so that
//! the checks look at the rest without inventing errors that follow from the first.

use super::problem::Problems;
use crate::limits::Limits;
use crate::plan::{Format, OnError, Side, SinkConnector, SourceConnector};
use core::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasmill_abi::Schema;

/// A place in the job file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// From 1; 0 means the file as a whole.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A job file.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSpec {
    /// `None` when broken.
    pub job: Option<Spanned<String>>,
    pub parallelism: Spanned<u16>,
    pub epoch: Duration,
    pub drain_timeout: Duration,
    pub key_groups: Spanned<u16>,
    pub metrics: Option<SocketAddr>,
    pub limits: Limits,
    pub modules: Vec<ModuleSpec>,
    pub sources: Vec<SourceSpec>,
    pub functions: Vec<FunctionSpec>,
    pub sinks: Vec<SinkSpec>,
    /// Where the file's map starts.
    pub(super) span: Span,
    /// A whole section could not be read, so names may be missing.
    pub(super) incomplete: bool,
    /// What was wrong with the file itself.
    pub(super) problems: Problems,
}

impl JobSpec {
    /// The name, path and place of the path of every module, in the file's order. A path that is
    /// not absolute is relative to the job file's directory.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &Path, Span)> {
        self.modules.iter().filter_map(|m| {
            let path = m.path.as_ref()?;
            Some((m.name.value.as_str(), path.value.as_path(), path.span))
        })
    }
}

/// An entry of `modules`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleSpec {
    pub name: Spanned<String>,
    /// `None` when broken.
    pub path: Option<Spanned<PathBuf>>,
}

/// An entry of `sources`.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSpec {
    pub name: Spanned<String>,
    pub connector: Option<SourceConnector>,
    pub format: Option<Format>,
    pub schema: Option<Schema>,
    /// The column of a changelog's operations.
    pub op: Option<Spanned<String>>,
    pub event_time: Option<EventTimeSpec>,
    /// Rows per second.
    pub rate: Option<u32>,
    pub parallelism: Option<Spanned<u16>>,
    /// Some part was wrong and is absent.
    pub broken: bool,
}

/// `event_time` of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct EventTimeSpec {
    pub column: Spanned<String>,
    pub max_delay: Duration,
    pub every_rows: u32,
    pub idle_timeout: Option<Duration>,
}

/// An entry of `functions`.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSpec {
    pub name: Spanned<String>,
    pub module: Option<Spanned<String>>,
    pub function: Option<Spanned<String>>,
    pub inputs: Vec<InputSpec>,
    /// Of the left input, which is the only one of most functions.
    pub key: Option<Spanned<Vec<Spanned<String>>>>,
    /// Of the right input, when `key` is given for each input.
    pub key_right: Option<Spanned<Vec<Spanned<String>>>>,
    pub on_error: OnError,
    pub parallelism: Option<Spanned<u16>>,
    pub config: Vec<SettingSpec>,
    /// Some part was wrong and is absent.
    pub broken: bool,
}

/// An entry of `sinks`.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkSpec {
    pub name: Spanned<String>,
    /// With the place of the path, or of the connector when it has no path.
    pub connector: Option<Spanned<SinkConnector>>,
    pub format: Option<Format>,
    /// The column that a changelog's operations are written to.
    pub op: Option<Spanned<String>>,
    /// For views.
    pub key: Option<Spanned<Vec<Spanned<String>>>>,
    pub inputs: Vec<InputSpec>,
    pub parallelism: Option<Spanned<u16>>,
    /// Some part was wrong and is absent.
    pub broken: bool,
}

/// `NAME` or `NAME.OUTPUT`.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    pub operator: String,
    pub output: Option<String>,
    /// Which input of the reader it belongs to.
    pub side: Side,
    pub span: Span,
}

impl std::fmt::Display for InputSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.operator)?;
        self.output.as_ref().map_or(Ok(()), |output| write!(f, ".{output}"))
    }
}

/// A setting of a function, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingSpec {
    pub name: Spanned<String>,
    pub value: Spanned<Scalar>,
}

/// A single value, resolved by YAML's core schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
}
