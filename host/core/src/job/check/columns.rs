//! Binds each operator to the columns it reads: a function's input fields, key columns, the column
//! of event time. The result is the operator's entry in the plan.

use super::changes;
use super::config;
use super::graph::{Edge, Graph, Part};
use super::inputs::shortened_schema;
use super::sides;
use crate::job::problem::{Problem, Problems};
use crate::job::spec::{FunctionSpec, InputSpec, SourceSpec, Span, Spanned};
use crate::job::suggest::{did_you_mean, list};
use crate::plan::{EventTime, Format, FunctionCall, OperatorKind, RightInput, Side, Source};
use crate::units::shortened;
use wasmill_abi::manifest::Function;
use wasmill_abi::{Field, Schema, Type};

/// What an operator does; `None` when something about it is unknown or wrong.
pub(super) fn bind(graph: &Graph<'_>, op: usize, problems: &mut Problems) -> Option<OperatorKind> {
    match graph.ops[op].part {
        Part::Source(spec) => source(spec, problems).map(OperatorKind::Source),
        Part::Function(spec) => {
            let function = graph.ops[op].function?;
            let inputs = [Side::Left, Side::Right].map(|side| graph.input(op, side));
            let call = call(spec, function, inputs, problems)?;
            Some(OperatorKind::Function(Box::new(call)))
        }
        Part::Sink(spec) => changes::sink(graph, op, spec, problems).map(OperatorKind::Sink),
    }
}

fn source(spec: &SourceSpec, problems: &mut Problems) -> Option<Source> {
    let schema = spec.schema.clone();
    let event_time = match (&spec.event_time, &schema) {
        (Some(time), Some(schema)) => Some(EventTime {
            column: event_time_column(spec, &time.column, schema, problems)?,
            max_delay: time.max_delay,
            every_rows: time.every_rows,
            idle_timeout: time.idle_timeout,
        }),
        _ => None,
    };
    if let (Some(format), Some(schema)) = (spec.format, &schema) {
        has_forms(&format!("source `{}`", spec.name.value), format, schema, spec.name.span, problems)?;
    }
    let op = match (&spec.op, &schema) {
        (Some(op), Some(schema)) => Some(changes::op_column(spec, op, schema, problems)?),
        _ => None,
    };
    Some(Source {
        connector: spec.connector.clone()?,
        format: spec.format?,
        schema: schema?,
        op,
        event_time,
        rate: spec.rate,
    })
}

/// Whether a format has a form for each column.
pub(super) fn has_forms(
    what: &str,
    format: Format,
    schema: &Schema,
    span: Span,
    problems: &mut Problems,
) -> Option<()> {
    let problem = match format {
        Format::Ndjson | Format::Parquet => None,
        Format::Csv => schema.fields.iter().find(|f| f.ty.is_nested()).map(|nested| {
            let message = format!("{what} has the column `{}`, which CSV cannot hold", shortened(&nested.to_string()));
            let help = "take a format that has nested values, such as `ndjson`, or leave the column out";
            Problem::new("nested-column", span, message).with_help(help)
        }),
        Format::Avro => {
            schema.fields.iter().find_map(|field| Some((field, not_in_avro(field)?))).map(|(field, why)| {
                let message =
                    format!("{what} has the column `{}`, which Avro cannot hold: {why}", shortened(&field.to_string()));
                let help = "take a format that has such columns, such as `parquet`, or another name or type";
                Problem::new("avro-column", span, message).with_help(help)
            })
        }
    };
    problem.map_or(Some(()), |problem| {
        problems.push(problem);
        None
    })
}

/// Why a column has no place in Avro.
fn not_in_avro(field: &Field) -> Option<String> {
    if field.ty == Type::U64 {
        return Some("it has no type for `uint64`".to_owned());
    }
    let is_name = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    // The item of a list has no name.
    if !is_name(&field.name) {
        let what = format!("`{}` is no name there", shortened(&field.name));
        return Some(format!("{what}, names are of `A-Z`, `a-z`, `0-9` and `_`, and do not start with a digit"));
    }
    field.children.iter().find_map(not_in_avro)
}

fn event_time_column(
    spec: &SourceSpec,
    column: &Spanned<String>,
    schema: &Schema,
    problems: &mut Problems,
) -> Option<usize> {
    let Some(i) = schema.index_of(&column.value) else {
        let what = format!("the schema of `{}`", spec.name.value);
        problems.push(unknown_column(&what, column, schema));
        return None;
    };
    let field = &schema.fields[i];
    if field.ty == Type::Timestamp && !field.nullable {
        return Some(i);
    }
    let code = if field.ty == Type::Timestamp { "nullable-column" } else { "type-mismatch" };
    let message = format!("event time must be a `timestamp` column without `?`, but the schema says `{field}`");
    let help = format!("declare it as `{}: timestamp`, or take another column", shortened(&field.name));
    problems.push(Problem::new(code, column.span, message).with_help(help));
    None
}

pub(super) fn unknown_column(what: &str, column: &Spanned<String>, schema: &Schema) -> Problem {
    let known = || schema.fields.iter().map(|f| f.name.as_str());
    let message = format!("{what} has no column `{}`, its columns are {}", shortened(&column.value), list(known()));
    Problem::new("unknown-column", column.span, message).with_help_maybe(did_you_mean(&column.value, known()))
}

fn call(
    spec: &FunctionSpec,
    function: &Function,
    [left, right]: [Option<(&Edge<'_>, &Schema)>; 2],
    problems: &mut Problems,
) -> Option<FunctionCall> {
    let config = config::check(spec, function, problems);
    sides::check(spec, function, problems)?;
    let mut read = |fields, (edge, schema)| columns(spec, fields, edge, schema, problems);
    let columns = left.and_then(|input| read(&function.input, input));
    let right_columns = function.right.as_ref().map(|fields| right.and_then(|input| read(fields, input)));
    let key_of_left = key(spec, spec.key.as_ref(), function, left, problems);
    // One list of names is the key of both inputs.
    let written = spec.key_right.as_ref().or(spec.key.as_ref());
    let key_of_right =
        function.right.as_ref().map(|_| written.and_then(|_| key(spec, written, function, right, problems)));
    let (_, schema) = left?;
    let key = key_of_left?;
    let right = match (right_columns, key_of_right) {
        (Some(columns), Some(key)) => Some(RightInput { columns: columns?, key: key? }),
        _ => None,
    };
    Some(FunctionCall {
        module: spec.module.as_ref()?.value.clone(),
        function: function.clone(),
        columns: columns?,
        key_types: key.iter().map(|&column| schema.fields[column].ty).collect(),
        key,
        right,
        config: config?,
        on_error: spec.on_error,
    })
}

/// For each field that the function reads of an input, the column that holds it.
fn columns(
    spec: &FunctionSpec,
    fields: &Schema,
    edge: &Edge<'_>,
    schema: &Schema,
    problems: &mut Problems,
) -> Option<Vec<usize>> {
    let (reader, from) = (&spec.name.value, edge.written);
    let mut found = Vec::with_capacity(fields.fields.len());
    for field in &fields.fields {
        let Some(i) = schema.index_of(&field.name) else {
            let columns = shortened_schema(schema);
            let message = format!("function `{reader}` needs the column `{field}`, but `{from}` has only ({columns})");
            let known = schema.fields.iter().map(|f| f.name.as_str());
            let help = did_you_mean(&field.name, known);
            problems.push(Problem::new("missing-column", edge.written.span, message).with_help_maybe(help));
            continue;
        };
        let what = format!("function `{reader}` reads");
        match fits(&what, field, &schema.fields[i], from, edge.written.span) {
            Ok(()) => found.push(i),
            Err(problem) => problems.push(problem),
        }
    }
    (found.len() == fields.fields.len()).then_some(found)
}

/// Whether values of `column` can be read as `field`.
fn fits(what: &str, field: &Field, column: &Field, from: &InputSpec, span: Span) -> Result<(), Problem> {
    let message = format!("{what} `{field}`, but `{from}` has `{column}`");
    if !column.reads_as(&Field { nullable: true, ..field.clone() }) {
        return Err(Problem::new("type-mismatch", span, message));
    }
    if column.nullable && !field.nullable {
        let help = "values may be missing: make the field an `Option` in the function, or leave the rows without a \
                    value out before";
        return Err(Problem::new("nullable-column", span, message).with_help(help));
    }
    Ok(())
}

/// The key's columns in an input; empty for functions without keys.
fn key(
    spec: &FunctionSpec,
    written: Option<&Spanned<Vec<Spanned<String>>>>,
    function: &Function,
    input: Option<(&Edge<'_>, &Schema)>,
    problems: &mut Problems,
) -> Option<Vec<usize>> {
    let (name, callee) = (&spec.name, &function.name);
    let (schema, written) = match (function.key(), written) {
        (Some(schema), Some(written)) => (schema, written),
        (None, None) => return Some(Vec::new()),
        (None, Some(written)) => {
            let message = format!("function `{callee}` works on rows one by one and takes no `key`");
            problems.push(Problem::new("key-refused", written.span, message).with_help("remove `key`"));
            return None;
        }
        (Some(schema), None) => {
            if !spec.broken {
                let message = format!("function `{}` calls the keyed `{callee}` and needs a `key`", name.value);
                let help = format!("name the columns for its key ({})", shortened_schema(schema));
                problems.push(Problem::new("key-required", name.span, message).with_help(help));
            }
            return None;
        }
    };
    if let Some(nested) = schema.fields.iter().find(|f| f.ty.is_nested()) {
        let message = format!("function `{callee}` has the key `{}`, but lists and structs are no keys", nested);
        let help = "make a key of plain values in the function";
        problems.push(Problem::new("nested-key", written.span, message).with_help(help));
        return None;
    }
    if written.value.len() != schema.fields.len() {
        let (given, wanted) = (written.value.len(), shortened_schema(schema));
        let message = format!("`key` has {given} columns, function `{callee}` has a key of {}", schema.fields.len());
        let help = format!("name one column for each of ({wanted})");
        problems.push(Problem::new("key-mismatch", written.span, message).with_help(help));
        return None;
    }
    let (edge, columns) = input?;
    key_columns(&written.value, schema, edge, columns, problems)
}

fn key_columns(
    written: &[Spanned<String>],
    key: &Schema,
    edge: &Edge<'_>,
    columns: &Schema,
    problems: &mut Problems,
) -> Option<Vec<usize>> {
    let from = edge.written;
    let mut found = Vec::with_capacity(written.len());
    for (column, field) in written.iter().zip(&key.fields) {
        let problem = match columns.index_of(&column.value) {
            None => unknown_column(&format!("`{from}`"), column, columns),
            Some(i) if found.contains(&i) => {
                let message = format!("`{}` stands twice in the key", column.value);
                Problem::new("duplicate-column", column.span, message)
            }
            Some(i) => match fits("the key needs", field, &columns.fields[i], from, column.span) {
                Err(problem) => problem,
                Ok(()) => {
                    found.push(i);
                    continue;
                }
            },
        };
        problems.push(problem);
    }
    (found.len() == written.len()).then_some(found)
}
