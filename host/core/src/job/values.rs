//! Readers of single values: what a name, a number, a duration, a size, a type looks like.

use super::settings::{NAME_MAX, OPERATORS_MAX, PARALLELISM};
use super::spec::{InputSpec, Scalar, Span, Spanned};
use super::suggest::{did_you_mean, list};
use super::walk::Fault;
use super::yaml::{Node, Value};
use crate::plan::Side;
use crate::units::{UnitError, format_duration, format_size, parse_duration, parse_size, shortened};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Text that is not empty; numbers and the like need quotes.
pub(super) fn text(node: &Node) -> Result<String, Fault> {
    match node.scalar() {
        Some(Scalar::Text(text)) if !text.is_empty() => Ok(text),
        Some(Scalar::Text(_)) => Err(Fault::new("bad-value", "the text is empty")),
        Some(Scalar::Null) | None => Err(Fault::kind("text", node)),
        Some(_) => Err(Fault::kind("text", node).with_help("put it into quotes to make it text")),
    }
}

pub(super) fn path(node: &Node) -> Result<PathBuf, Fault> {
    match text(node)? {
        text if text.contains('\0') => Err(Fault::new("bad-value", "a path cannot contain a zero byte")),
        text => Ok(PathBuf::from(text)),
    }
}

/// What is wrong with the name of an operator or module.
pub(super) fn name_fault(name: &str) -> Option<Fault> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    bad_name(name, starts_well, "a lower-case letter")
}

/// The job's name.
pub(super) fn job_name(node: &Node) -> Result<String, Fault> {
    // A name such as `2024` is read as a number by YAML, and is fine.
    let name = match &node.value {
        Value::Scalar { text, .. } if !node.is_null() => text.clone(),
        _ => return Err(Fault::kind("a name", node)),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    bad_name(&name, starts_well, "a lower-case letter or a digit").map_or(Ok(name), Err)
}

fn bad_name(name: &str, starts_well: bool, start: &str) -> Option<Fault> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if starts_well && name.chars().all(allowed) && name.len() <= NAME_MAX {
        return None;
    }
    let fault = Fault::new("bad-name", format!("`{}` is not a valid name", shortened(name)));
    Some(fault.with_help(format!(
        "a name starts with {start}, goes on with lower-case letters, digits, `_` and `-`, and has at most {NAME_MAX} characters"
    )))
}

/// `true` or `false`.
pub(super) fn flag(node: &Node) -> Result<bool, Fault> {
    match node.scalar() {
        Some(Scalar::Bool(flag)) => Ok(flag),
        _ => Err(Fault::kind("`true` or `false`", node)),
    }
}

/// A whole number within a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl FnOnce(&Node) -> Result<T, Fault>
where
    T: TryFrom<i128> + PartialOrd + std::fmt::Display,
{
    move |node| {
        let Some(Scalar::Int(number)) = node.scalar() else {
            return Err(Fault::kind("a whole number", node));
        };
        let in_range = T::try_from(number).ok().filter(|n| range.contains(n));
        in_range.ok_or_else(|| out_of_range(number.to_string(), range.start().to_string(), range.end().to_string()))
    }
}

pub(super) fn parallelism(node: &Node) -> Result<u16, Fault> {
    number(PARALLELISM)(node)
}

/// A duration within a range.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl FnOnce(&Node) -> Result<Duration, Fault> {
    move |node| {
        let Value::Scalar { text, .. } = &node.value else {
            return Err(Fault::kind("a duration such as `200ms`", node));
        };
        let duration = parse_duration(text).map_err(unit_fault)?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        Err(out_of_range(text.clone(), format_duration(*range.start()), format_duration(*range.end())))
    }
}

/// A size within a range.
pub(super) fn size(range: RangeInclusive<u64>) -> impl FnOnce(&Node) -> Result<u64, Fault> {
    move |node| {
        let Value::Scalar { text, .. } = &node.value else {
            return Err(Fault::kind("a size such as `64MiB`", node));
        };
        let bytes = parse_size(text).map_err(unit_fault)?;
        if range.contains(&bytes) {
            return Ok(bytes);
        }
        Err(out_of_range(text.clone(), format_size(*range.start()), format_size(*range.end())))
    }
}

fn unit_fault(error: UnitError) -> Fault {
    Fault::new("bad-value", error.to_string())
}

fn out_of_range(value: String, min: String, max: String) -> Fault {
    Fault::new("out-of-range", format!("{value} is out of range, it must be from {min} to {max}"))
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl FnOnce(&Node) -> Result<T, Fault> {
    move |node| {
        let word = text(node)?;
        let known = || words.iter().map(|w| w.0);
        let fault = || {
            let message = format!("`{}` is not one of {}", shortened(&word), list(known()));
            Fault::new("unknown-value", message).with_help_maybe(did_you_mean(&word, known()))
        };
        words.iter().find(|w| w.0 == word).map(|w| w.1).ok_or_else(fault)
    }
}

/// A name, or a list of at least one.
pub(super) fn names(node: &Node) -> Result<Vec<Spanned<String>>, Fault> {
    let items = match &node.value {
        Value::List(items) => items,
        Value::Map(_) => return Err(Fault::kind("a name or a list of names", node)),
        _ => return Ok(vec![Spanned::new(text(node)?, node.span)]),
    };
    if items.is_empty() || items.len() > OPERATORS_MAX {
        let message = format!("the list has {} names, it must have from 1 to {OPERATORS_MAX}", items.len());
        return Err(Fault::new("out-of-range", message));
    }
    items.iter().map(|item| Ok(Spanned::new(text(item)?, item.span))).collect()
}

/// `NAME` or `NAME.OUTPUT`.
pub(super) fn input(text: &str, span: Span) -> InputSpec {
    let (operator, output) = match text.split_once('.') {
        Some((operator, output)) => (operator, Some(output.to_owned())),
        None => (text, None),
    };
    InputSpec { operator: operator.to_owned(), output, side: Side::Left, span }
}
