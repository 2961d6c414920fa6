//! A plan as people look at it: what each operator does, how rows get from one to the next, what is
//! kept, and what is promised. It draws nothing; the command line does.

use crate::plan::{FunctionCall, Input, OnError, Operator, OperatorKind, Plan, Route, Side};
use crate::plan::{Sink, SinkConnector, Source, SourceConnector};
use crate::stored::kind_name;
use crate::units::format_duration;

/// A job's graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub job: String,
    pub epoch: String,
    pub key_groups: u16,
    /// In the plan's order: an operator stands behind all of its inputs.
    pub operators: Vec<OperatorView>,
    /// The operators of each fragment, by position, head first.
    pub fragments: Vec<Vec<usize>>,
    pub edges: Vec<EdgeView>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorView {
    pub name: String,
    pub role: Role,
    /// What it is in a few words: `file in/*.ndjson`, `probe/ledger`.
    pub what: String,
    pub parallelism: u16,
    pub fragment: usize,
    /// Label and text.
    pub details: Vec<(&'static str, String)>,
    pub state: Vec<SlotView>,
    pub guarantee: Option<Guarantee>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Source,
    Function,
    Sink,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Source => "source",
            Role::Function => "function",
            Role::Sink => "sink",
        }
    }
}

/// A state slot of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotView {
    pub name: String,
    pub kind: &'static str,
    pub version: u32,
    /// Versions that it migrates from.
    pub older: Vec<u32>,
    /// Its values, as Rust would write their type.
    pub values: String,
}

/// What a crash may do to the rows of a source or sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// A source that is read again from the committed position.
    Replayed,
    /// A source whose rows are gone once they were read.
    NotReplayable,
    /// A sink that has each row once.
    ExactlyOnce,
    /// A sink that may have the rows of the last epochs twice.
    AtLeastOnce,
    /// A sink that keeps nothing.
    Dropped,
}

impl Guarantee {
    pub fn name(self) -> &'static str {
        match self {
            Guarantee::Replayed => "replayable",
            Guarantee::NotReplayable => "not replayable",
            Guarantee::ExactlyOnce => "exactly once",
            Guarantee::AtLeastOnce => "at least once",
            Guarantee::Dropped => "keeps nothing",
        }
    }

    /// What that means.
    pub fn meaning(self) -> &'static str {
        match self {
            Guarantee::Replayed => "after a crash it goes on at the committed position, so each row counts once",
            Guarantee::NotReplayable => "rows that were read and not committed are lost in a crash",
            Guarantee::ExactlyOnce => "each row stands there once, whatever crashes",
            Guarantee::AtLeastOnce => "after a crash, rows of the last epochs may be written again",
            Guarantee::Dropped => "rows are counted and dropped",
        }
    }
}

/// Rows from one operator to another, by positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeView {
    pub from: usize,
    pub to: usize,
    /// The sender's output, when it has several.
    pub output: Option<String>,
    pub route: RouteView,
    /// Name and type of each column.
    pub columns: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteView {
    /// A function call in the same thread.
    Call,
    /// Through channels, each subtask to a fixed one.
    Forward,
    /// Through channels, to the subtask that owns the key.
    ByKey(Vec<String>),
}

impl std::fmt::Display for RouteView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RouteView::Call => f.write_str("in one call"),
            RouteView::Forward => f.write_str("forward"),
            RouteView::ByKey(columns) => write!(f, "by key ({})", columns.join(", ")),
        }
    }
}

/// Looks at a plan.
pub fn explain(plan: &Plan) -> Explained {
    let operators = plan.operators.iter().map(|o| operator(plan, o)).collect();
    let inputs = plan.operators.iter().enumerate().flat_map(|(to, o)| o.inputs.iter().map(move |i| (to, i)));
    Explained {
        job: plan.job.clone(),
        epoch: format_duration(plan.epoch),
        key_groups: plan.key_groups,
        operators,
        fragments: plan.fragments.iter().map(|f| f.operators.iter().map(|o| o.0).collect()).collect(),
        edges: inputs.map(|(to, input)| edge(plan, to, input)).collect(),
    }
}

fn operator(plan: &Plan, operator: &Operator) -> OperatorView {
    let mut view = OperatorView {
        name: operator.name.clone(),
        role: Role::Function,
        what: String::new(),
        parallelism: operator.parallelism,
        fragment: operator.fragment.0,
        details: Vec::new(),
        state: Vec::new(),
        guarantee: None,
    };
    match &operator.kind {
        OperatorKind::Source(s) => source(s, &mut view),
        OperatorKind::Function(call) => function(plan, operator, call, &mut view),
        OperatorKind::Sink(s) => sink(s, &mut view),
    }
    view
}

fn source(source: &Source, view: &mut OperatorView) {
    view.role = Role::Source;
    let (what, guarantee) = match &source.connector {
        SourceConnector::File { path, .. } => (format!("file {}", path.display()), Guarantee::Replayed),
        SourceConnector::Follow { path } => (format!("growing file {}", path.display()), Guarantee::Replayed),
        SourceConnector::Stdin => ("stdin".to_owned(), Guarantee::NotReplayable),
        SourceConnector::Generator(_) => ("generator".to_owned(), Guarantee::Replayed),
    };
    (view.what, view.guarantee) = (what, Some(guarantee));
    if !matches!(source.connector, SourceConnector::Generator(_)) {
        view.details.push(("format", format!("{:?}", source.format).to_lowercase()));
    }
    view.details.push(("columns", source.schema.to_string()));
    if let Some(time) = &source.event_time {
        let column = &source.schema.fields[time.column].name;
        let delay = format_duration(time.max_delay);
        view.details.push(("event time", format!("{column}, up to {delay} late")));
    }
    if let Some(rate) = source.rate {
        view.details.push(("rate", format!("{rate} rows a second and subtask")));
    }
}

fn function(plan: &Plan, operator: &Operator, call: &FunctionCall, view: &mut OperatorView) {
    view.what = format!("{}/{}", call.module, call.function.name);
    let side = |side| operator.inputs.iter().find(|i| i.side == side && call.is_keyed());
    for (name, side, input) in [("key", Side::Left, side(Side::Left)), ("right key", Side::Right, side(Side::Right))] {
        if let Some(input) = input {
            view.details.push((name, key_names(plan, input, call.key_of(side)).join(", ")));
        }
    }
    if !call.config.is_empty() {
        let settings = call.config.iter().map(|(name, value)| format!("{name} = {value}"));
        view.details.push(("config", settings.collect::<Vec<_>>().join(", ")));
    }
    let on_error = match call.on_error {
        OnError::Fail => "stops the job",
        OnError::Skip => "is dropped",
        OnError::DeadLetter => "becomes a dead letter",
    };
    view.details.push(("poison row", on_error.to_owned()));
    if operator.event_time {
        view.details.push(("event time", "yes".to_owned()));
    }
    view.state = call
        .function
        .slots()
        .iter()
        .map(|slot| SlotView {
            name: slot.name.clone(),
            kind: kind_name(slot.kind as u8),
            version: slot.version,
            older: slot.values.older.iter().map(|o| o.version).collect(),
            values: match &slot.values.entry_key {
                Some(key) => format!("{key} -> {}", slot.values.shape),
                None => slot.values.shape.to_string(),
            },
        })
        .collect();
}

fn sink(sink: &Sink, view: &mut OperatorView) {
    view.role = Role::Sink;
    let (what, guarantee) = match &sink.connector {
        SinkConnector::File { path, .. } => (format!("file {}", path.display()), Guarantee::ExactlyOnce),
        SinkConnector::View { path, .. } => {
            (format!("view {}, the newest row of each key", path.display()), Guarantee::ExactlyOnce)
        }
        SinkConnector::Stdout => ("stdout".to_owned(), Guarantee::AtLeastOnce),
        SinkConnector::Blackhole { .. } => ("blackhole".to_owned(), Guarantee::Dropped),
    };
    (view.what, view.guarantee) = (what, Some(guarantee));
    if !matches!(sink.connector, SinkConnector::Blackhole { .. }) {
        view.details.push(("format", format!("{:?}", sink.format).to_lowercase()));
    }
    let names = sink.key.iter().map(|&column| sink.schema.fields[column].name.as_str());
    if let SinkConnector::View { every, .. } = sink.connector {
        view.details.push(("key", names.collect::<Vec<_>>().join(", ")));
        view.details.push(("written", format!("at most every {}", format_duration(every))));
    }
}

fn key_names(plan: &Plan, input: &Input, columns: &[usize]) -> Vec<String> {
    let schema = &plan.operators[input.from.0].outputs[input.output].schema;
    columns.iter().map(|&c| schema.fields[c].name.clone()).collect()
}

fn edge(plan: &Plan, to: usize, input: &Input) -> EdgeView {
    let sender = &plan.operators[input.from.0];
    let output = &sender.outputs[input.output];
    EdgeView {
        from: input.from.0,
        to,
        output: Some(output.name.clone()).filter(|_| sender.outputs.len() > 1),
        route: match &input.route {
            Route::Local => RouteView::Call,
            Route::Forward => RouteView::Forward,
            Route::ByKey { columns } => RouteView::ByKey(key_names(plan, input, columns)),
        },
        columns: output.schema.to_string(),
    }
}
