//! From YAML text to a tree in which every key and value has its place. Stricter than YAML:
//! no anchors, aliases, tags or second documents, no duplicate keys, bounded nesting.

use super::problem::{Problem, Problems};
use super::spec::{Scalar, Span, Spanned};
use crate::units::shortened;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use std::collections::BTreeMap;

/// Maps and lists inside of each other.
const DEPTH_MAX: usize = 16;

/// A value with the place where it starts.
#[derive(Debug)]
pub(super) struct Node {
    pub span: Span,
    pub value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Text as written, and whether it had no quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
    /// A problem was reported here already.
    Broken,
}

impl Node {
    /// The kind of this value, for messages.
    pub fn kind(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Broken => "a broken value".to_owned(),
            Value::Scalar { text, .. } => match self.scalar() {
                Some(Scalar::Null) | None => "nothing".to_owned(),
                Some(Scalar::Text(_)) => format!("the text {:?}", shortened(text)),
                Some(_) => format!("`{}`", shortened(text)),
            },
        }
    }

    /// The value of a scalar by YAML's core schema; `None` for everything else.
    pub fn scalar(&self) -> Option<Scalar> {
        match &self.value {
            Value::Scalar { text, plain: true } => Some(resolve(text)),
            Value::Scalar { text, plain: false } => Some(Scalar::Text(text.clone())),
            _ => None,
        }
    }

    /// Whether nothing stands here, as in `functions:` alone.
    pub fn is_null(&self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }
}

/// The core schema of YAML 1.2, section 10.3.2, with integers of 128 bits.
fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let int = match text.get(..2) {
        Some("0x") => u64::from_str_radix(&text[2..], 16).ok().map(i128::from),
        Some("0o") => u64::from_str_radix(&text[2..], 8).ok().map(i128::from),
        _ => text.parse().ok(),
    };
    if let Some(int) = int {
        return Scalar::Int(int);
    }
    // `parse` also takes words such as `infinity`, which are text in YAML.
    let number_like = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match text.parse() {
        Ok(float) if number_like => Scalar::Float(float),
        _ => Scalar::Text(text.to_owned()),
    }
}

/// Reads a file of one document; `None` when the text is not YAML or has nothing in it.
pub(super) fn load(text: &str, problems: &mut Problems) -> Option<Node> {
    let mut tree = Tree { open: Vec::new(), root: None, problems };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => tree.take(event, place(&span.start)),
            Err(error) => Err(syntax(&error)),
        };
        if let Err(problem) = step {
            problems.push(problem);
            return None;
        }
    }
    tree.root
}

fn place(mark: &Marker) -> Span {
    Span { line: mark.line(), column: mark.col() + 1 }
}

fn syntax(error: &ScanError) -> Problem {
    Problem::new("yaml-syntax", place(error.marker()), shortened(error.info()))
}

/// A list or map whose end was not seen yet.
enum Open {
    List(Span, Vec<Node>),
    Map { span: Span, entries: Vec<(Spanned<String>, Node)>, seen: BTreeMap<String, Span>, key: Option<PendingKey> },
}

/// A key that waits for its value; `None` inside when the entry is to be dropped.
struct PendingKey(Option<Spanned<String>>);

struct Tree<'p> {
    open: Vec<Open>,
    root: Option<Node>,
    problems: &'p mut Problems,
}

impl Tree<'_> {
    /// Takes one event; an error ends the reading.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                return Err(Problem::new("yaml-document", span, "a job file holds one document, here starts another")
                    .with_help("put each job into a file of its own"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span);
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.place_value(Node { span, value });
            }
            Event::Alias(_) => {
                self.refuse_extras(1, false, span);
                self.place_value(Node { span, value: Value::Broken });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span);
                self.enter(Open::List(span, Vec::new()), span)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), span);
                let map = Open::Map { span, entries: Vec::new(), seen: BTreeMap::new(), key: None };
                self.enter(map, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
            _ => {}
        }
        Ok(())
    }

    fn refuse_extras(&mut self, anchor: usize, tag: bool, span: Span) {
        if anchor != 0 {
            let problem = Problem::new("yaml-anchor", span, "anchors and aliases are not allowed in a job file");
            self.problems.push(problem.with_help("write the value out where it is needed"));
        }
        if tag {
            let problem = Problem::new("yaml-tag", span, "tags are not allowed in a job file");
            self.problems.push(problem.with_help("leave the tag out; put text that looks like a number into quotes"));
        }
    }

    fn enter(&mut self, open: Open, span: Span) -> Result<(), Problem> {
        if self.open.len() == DEPTH_MAX {
            let message = format!("maps and lists are nested more than {DEPTH_MAX} deep");
            return Err(Problem::new("too-deep", span, message));
        }
        self.open.push(open);
        Ok(())
    }

    fn leave(&mut self) {
        let node = match self.open.pop() {
            Some(Open::List(span, items)) => Node { span, value: Value::List(items) },
            Some(Open::Map { span, entries, .. }) => Node { span, value: Value::Map(entries) },
            None => return,
        };
        self.place_value(node);
    }

    /// Puts a complete value where it belongs: into the open list, as key or value into the open
    /// map, or at the root.
    fn place_value(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map { entries, seen, key, .. }) => match key.take() {
                Some(PendingKey(Some(name))) => entries.push((name, node)),
                Some(PendingKey(None)) => {}
                None => *key = Some(PendingKey(key_of(node, seen, self.problems))),
            },
        }
    }
}

/// The name that a key node holds, unless it cannot be one or stood in the same map before.
fn key_of(node: Node, seen: &mut BTreeMap<String, Span>, problems: &mut Problems) -> Option<Spanned<String>> {
    let span = node.span;
    let Value::Scalar { text, .. } = node.value else {
        if !matches!(node.value, Value::Broken) {
            problems.push(Problem::new("wrong-kind", span, format!("a key must be a name, found {}", node.kind())));
        }
        return None;
    };
    if let Some(first) = seen.get(&text) {
        let message = format!("`{}` stands twice in this map, first in line {}", shortened(&text), first.line);
        problems.push(Problem::new("duplicate-key", span, message).with_help("remove one of the two"));
        return None;
    }
    seen.insert(text.clone(), span);
    Some(Spanned::new(text, span))
}
