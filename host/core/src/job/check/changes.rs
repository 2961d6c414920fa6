//! Streams are append-only or changelogs, which is known from the outputs of functions. Holds each
//! reader of a changelog against what it understands, and binds sinks: the column of the operation,
//! the key of a view.

use super::columns::{has_forms, unknown_column};
use super::graph::{Edge, Graph, Part};
use crate::job::problem::{Problem, Problems};
use crate::job::spec::{SinkSpec, SourceSpec, Spanned};
use crate::plan::{Format, Side, Sink, SinkConnector};
use crate::units::shortened;
use wasmill_abi::{Field, Schema, Type};

/// The column that a changelog's operations are written to when the job does not say.
const OP: &str = "op";

/// Refuses changelogs to functions that do not know them.
pub(super) fn check(graph: &Graph<'_>, problems: &mut Problems) {
    for op in &graph.ops {
        let (Part::Function(spec), Some(function)) = (op.part, op.function) else { continue };
        if function.reads_changes {
            continue;
        }
        for edge in op.edges.iter().filter(|edge| graph.is_changelog(edge)) {
            let (reader, from) = (&spec.name.value, edge.written);
            let message = format!(
                "`{from}` is a changelog, whose rows are inserts, updates and deletes; function `{}`, which `{reader}` calls, would take each for a new row",
                function.name
            );
            let help = "set `const READS_CHANGES: bool = true` in the function and ask `ctx.op()` what a row does, \
                        or read another output";
            problems.push(Problem::new("changelog-input", from.span, message).with_help(help));
        }
    }
}

/// The column of a source that says what a row does.
pub(super) fn op_column(
    spec: &SourceSpec,
    op: &Spanned<String>,
    schema: &Schema,
    problems: &mut Problems,
) -> Option<usize> {
    let Some(column) = schema.index_of(&op.value) else {
        problems.push(unknown_column(&format!("the schema of `{}`", spec.name.value), op, schema));
        return None;
    };
    let field = &schema.fields[column];
    let is_time = spec.event_time.as_ref().is_some_and(|time| time.column.value == op.value);
    if field.ty == Type::Utf8 && !field.nullable && !is_time && schema.fields.len() > 1 {
        return Some(column);
    }
    let message = format!("`op` must be a `string` column without `?` beside others, but the schema says `{field}`");
    let help = format!("declare it as `{}: string`; its values are +I, -U, +U and -D", shortened(&field.name));
    problems.push(Problem::new("type-mismatch", op.span, message).with_help(help));
    None
}

/// A sink with what it writes; `None` when something about it is unknown or wrong.
pub(super) fn sink(graph: &Graph<'_>, op: usize, spec: &SinkSpec, problems: &mut Problems) -> Option<Sink> {
    let connector = spec.connector.as_ref()?.value.clone();
    let (edge, schema) = graph.input(op, Side::Left)?;
    let format = spec.format.unwrap_or(Format::Ndjson);
    has_forms(&format!("sink `{}`", spec.name.value), format, schema, edge.written.span, problems)?;
    if let SinkConnector::View { .. } = connector {
        let key = key(edge, schema, spec.key.as_ref()?, problems)?;
        let key_types = key.iter().map(|&column| schema.fields[column].ty).collect();
        return Some(Sink { connector, format, schema: schema.clone(), writes_op: false, key, key_types });
    }
    let changelog = graph.ops[op].edges.iter().find(|edge| graph.is_changelog(edge));
    let writes_op = changelog.is_some();
    let schema = match (changelog, &spec.op) {
        (Some(edge), column) => with_op(edge, schema, column.as_ref(), problems)?,
        (None, None) => schema.clone(),
        (None, Some(column)) => {
            let message = format!("`op`: what `{}` reads is no changelog, its rows have no operation", spec.name.value);
            problems.push(Problem::new("op-refused", column.span, message).with_help("remove `op`"));
            return None;
        }
    };
    Some(Sink { connector, format, schema, writes_op, key: Vec::new(), key_types: Vec::new() })
}

/// The columns of a changelog as they are written.
fn with_op(edge: &Edge<'_>, schema: &Schema, op: Option<&Spanned<String>>, problems: &mut Problems) -> Option<Schema> {
    let name = op.map_or(OP, |op| op.value.as_str());
    if schema.index_of(name).is_some() {
        let span = op.map_or(edge.written.span, |op| op.span);
        let message = format!(
            "`{}` is a changelog, whose operations are written to the column `{name}`, but it has a column of that name",
            edge.written
        );
        let help = "give the sink an `op: NAME` that no column has";
        problems.push(Problem::new("duplicate-column", span, message).with_help(help));
        return None;
    }
    let op = Field::new(name, Type::Utf8, false);
    Some(Schema::new([op].into_iter().chain(schema.fields.iter().cloned()).collect()))
}

/// The positions of a view's key columns.
fn key(
    edge: &Edge<'_>,
    schema: &Schema,
    written: &Spanned<Vec<Spanned<String>>>,
    problems: &mut Problems,
) -> Option<Vec<usize>> {
    let mut found = Vec::with_capacity(written.value.len());
    for column in &written.value {
        let problem = match schema.index_of(&column.value) {
            None => unknown_column(&format!("`{}`", edge.written), column, schema),
            Some(i) if found.contains(&i) => {
                let message = format!("`{}` stands twice in the key", column.value);
                Problem::new("duplicate-column", column.span, message)
            }
            Some(i) if schema.fields[i].ty.is_nested() => {
                let message = format!("`{}` holds lists or structs and cannot be a key", column.value);
                Problem::new("nested-column", column.span, message).with_help("take columns of plain values")
            }
            Some(i) => {
                found.push(i);
                continue;
            }
        };
        problems.push(problem);
    }
    (found.len() == written.value.len()).then_some(found)
}
