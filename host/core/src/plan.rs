//! The plan: a job that was checked completely and can run. Schemas fit, names are resolved,
//! operators are cut into fragments at the exchanges.

use crate::generator::Generator;
use crate::limits::Limits;
use core::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use wasmill_abi::manifest::{ConfigValue, Function};
use wasmill_abi::{Schema, Type};

/// A job, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub job: String,
    pub epoch: Duration,
    /// How long a drain may take after SIGTERM.
    pub drain_timeout: Duration,
    /// Fixed when the job's state is created.
    pub key_groups: u16,
    /// Where metrics are exposed while the job runs.
    pub metrics: Option<SocketAddr>,
    pub limits: Limits,
    /// Topologically sorted: an operator stands behind all of its inputs.
    pub operators: Vec<Operator>,
    /// Topologically sorted.
    pub fragments: Vec<Fragment>,
}

/// The position of an operator in [`Plan::operators`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorIndex(pub usize);

/// The position of a fragment in [`Plan::fragments`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentIndex(pub usize);

/// One operator, under the name that the user wrote: its identity.
#[derive(Debug, Clone, PartialEq)]
pub struct Operator {
    pub name: String,
    pub kind: OperatorKind,
    pub parallelism: u16,
    pub fragment: FragmentIndex,
    /// Empty for sources. More than one input on one side is a union: all have the same columns.
    pub inputs: Vec<Input>,
    /// Empty for sinks; one for sources; as in the manifest for functions, and behind them those
    /// for late rows.
    pub outputs: Vec<Output>,
    /// Whether rows carry an event time.
    pub event_time: bool,
}

/// A named output of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub name: String,
    pub schema: Schema,
    /// Whether rows say what they do; otherwise they are only appended.
    pub changelog: bool,
}

/// An edge of the graph, seen from its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub from: OperatorIndex,
    /// The position in the sender's [`Operator::outputs`].
    pub output: usize,
    pub side: Side,
    pub route: Route,
}

/// Which input of an operator rows belong to. All but functions with two inputs have the left one
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Side {
    #[default]
    Left,
    Right,
}

/// How rows get from one operator to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Inside of one fragment: a function call.
    Local,
    /// Through a channel: subtask i sends to subtask `i % parallelism` of the receiver, so rows of
    /// one partition keep their order.
    Forward,
    /// Through a channel to the subtask that owns the key: the positions of the key's columns in
    /// the sender's output.
    ByKey { columns: Vec<usize> },
}

/// What an operator does.
#[derive(Debug, Clone, PartialEq)]
pub enum OperatorKind {
    Source(Source),
    Function(Box<FunctionCall>),
    Sink(Sink),
}

/// A source of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub connector: SourceConnector,
    pub format: Format,
    /// The columns that are read; the operation is none of the operator's output.
    pub schema: Schema,
    /// For changelogs: the column that says what a row does, a non-null string.
    pub op: Option<usize>,
    pub event_time: Option<EventTime>,
    /// At most this many rows per second and subtask; `None` for no bound.
    pub rate: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceConnector {
    /// Files that a glob names, relative to the job file's directory when not absolute.
    File {
        path: PathBuf,
    },
    /// The same while they grow, with those that appear later.
    Follow {
        path: PathBuf,
    },
    Stdin,
    /// Rows that are made, not read.
    Generator(Generator),
}

/// Where event time comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTime {
    /// A non-null timestamp column of the source's schema.
    pub column: usize,
    /// The watermark is the highest event time seen, less this and one microsecond.
    pub max_delay: Duration,
    /// A watermark is sent after every so many rows of a partition.
    pub every_rows: u32,
    /// A partition that has had no rows for so long does not hold the watermark back.
    pub idle_timeout: Option<Duration>,
}

/// How rows stand in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Ndjson,
    /// With a header line.
    Csv,
    /// Columns, in files that can be read once they are closed.
    Parquet,
    /// Object container files.
    Avro,
}

/// A function of a module, applied to a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// The module's name in the job file.
    pub module: String,
    /// From the module's manifest.
    pub function: Function,
    /// For each column of the function's input, the column of the operator's input.
    pub columns: Vec<usize>,
    /// For keyed functions: the key's columns in the operator's input. Empty otherwise.
    pub key: Vec<usize>,
    /// The types of the key's columns.
    pub key_types: Vec<Type>,
    /// The same for the right input, for functions with two inputs.
    pub right: Option<RightInput>,
    /// Checked against the manifest; defaults are filled in.
    pub config: Vec<(String, ConfigValue)>,
    pub on_error: OnError,
}

/// How a function reads its right input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightInput {
    /// For each column of the function's right input, the column of the operator's.
    pub columns: Vec<usize>,
    /// The key's columns in the operator's right input.
    pub key: Vec<usize>,
}

impl FunctionCall {
    pub fn is_keyed(&self) -> bool {
        self.function.key().is_some()
    }

    /// What the function reads of one of its inputs, and the columns of the operator's input that
    /// hold it.
    pub fn reads(&self, side: Side) -> (&Schema, &[usize]) {
        match (side, &self.right, &self.function.right) {
            (Side::Right, Some(right), Some(schema)) => (schema, &right.columns),
            _ => (&self.function.input, &self.columns),
        }
    }

    /// The key's columns in one of the operator's inputs; empty for functions without keys.
    pub fn key_of(&self, side: Side) -> &[usize] {
        match (side, &self.right) {
            (Side::Right, Some(right)) => &right.key,
            _ => &self.key,
        }
    }
}

/// What happens to a row that a function rejects or that makes it trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The job stops.
    Fail,
    /// The row is counted and dropped.
    Skip,
    /// The row goes to the dead letters with its reason.
    #[default]
    DeadLetter,
}

/// An end of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    pub connector: SinkConnector,
    pub format: Format,
    /// The columns as they are written: in a changelog, the first is the operation.
    pub schema: Schema,
    /// Whether the first column that is written is the operation, which is no column of the input.
    pub writes_op: bool,
    /// For views: the key's columns in the input, and their types.
    pub key: Vec<usize>,
    pub key_types: Vec<Type>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkConnector {
    /// Exactly once: a directory with `part-SUBTASK-NUMBER.EXTENSION` files.
    File { path: PathBuf, roll_bytes: u64, roll_age: Duration },
    /// A directory with one file, `view.EXTENSION`: the newest row of each key, as of one epoch. It
    /// is replaced as a whole, at most once in `every`.
    View { path: PathBuf, every: Duration },
    /// At least once.
    Stdout,
    /// Drops every row. With a format, rows are encoded first: for measurements.
    Blackhole { encodes: Option<Format> },
}

/// Operators between two exchanges: a tree whose edges are [`Route::Local`], run as one by each
/// subtask. `operators[0]` is the head: a source, or an operator that reads from channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    pub operators: Vec<OperatorIndex>,
    pub parallelism: u16,
}
