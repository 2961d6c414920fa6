//! Walks a map of the job file: refuses unknown keys, notes missing ones, and remembers whether
//! anything in it was broken.

use super::keys::Section;
use super::problem::{Problem, Problems};
use super::spec::{Span, Spanned};
use super::suggest::{list, nearest};
use super::yaml::{Node, Value};
use crate::units::shortened;

/// What a reader of one value finds wrong, without the place: the walk knows that.
pub(super) struct Fault {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

impl Fault {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// `expected a duration such as `200ms`, found a list`.
    pub fn kind(expected: &str, node: &Node) -> Self {
        Self::new("wrong-kind", format!("expected {expected}, found {}", node.kind()))
    }

    pub fn with_help_maybe(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    pub fn with_help(self, help: impl Into<String>) -> Self {
        self.with_help_maybe(Some(help.into()))
    }

    /// With the name of the key before the message.
    pub fn at(self, key: &str, span: Span) -> Problem {
        Problem::new(self.code, span, format!("`{}`: {}", shortened(key), self.message)).with_help_maybe(self.help)
    }
}

/// A map whose keys are fixed.
pub(super) struct Walk<'n, 'p> {
    /// The map in words, for example ``source `departures` ``.
    what: String,
    /// Where a missing key is reported.
    span: Span,
    entries: &'n [(Spanned<String>, Node)],
    pub problems: &'p mut Problems,
    /// Some part was wrong and reported.
    pub broken: bool,
    /// What unknown keys probably meant, if anything is near; such keys are not reported as missing.
    meant: Vec<Option<&'static str>>,
}

impl<'n, 'p> Walk<'n, 'p> {
    /// Starts on a map with the keys of `section`; `None` when it is no map. `span` is where missing
    /// keys are reported.
    pub fn start(
        node: &'n Node,
        what: &str,
        span: Span,
        section: &'static Section,
        problems: &'p mut Problems,
    ) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            if !matches!(node.value, Value::Broken) {
                let message = format!("{what} must be a map, found {}", node.kind());
                let help = format!("its keys are {}", list(section.names()));
                problems.push(Problem::new("wrong-kind", node.span, message).with_help(help));
            }
            return None;
        };
        let mut walk = Self { what: what.to_owned(), span, entries, problems, broken: false, meant: Vec::new() };
        let free: Vec<_> = section.names().filter(|k| walk.get(k).is_none()).collect();
        for (key, _) in entries.iter().filter(|(key, _)| section.names().all(|k| k != key.value)) {
            walk.unknown(key, section, &free);
        }
        Some(walk)
    }

    /// `free`: the known keys that do not stand in the map.
    fn unknown(&mut self, key: &Spanned<String>, section: &'static Section, free: &[&'static str]) {
        let meant = nearest(&key.value, free.iter().copied());
        self.meant.push(meant);
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys are {}", list(section.names())),
        };
        let message = format!("{} has no key `{}`", self.what, shortened(&key.value));
        self.problem(Problem::new("unknown-key", key.span, message).with_help(help));
    }

    pub fn problem(&mut self, problem: Problem) {
        self.broken = true;
        self.problems.push(problem);
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(k, _)| k.value == key).map(|(_, node)| node)
    }

    /// Where a key stands.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.iter().find(|(k, _)| k.value == key).map(|(k, _)| k.span)
    }

    /// Reads a key that may be missing.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node) -> Result<T, Fault>,
    ) -> Option<Spanned<T>> {
        let node = self.get(key)?;
        if matches!(node.value, Value::Broken) {
            self.broken = true;
            return None;
        }
        match read(node) {
            Ok(value) => Some(Spanned::new(value, node.span)),
            Err(fault) => {
                self.problem(fault.at(key, node.span));
                None
            }
        }
    }

    /// Reads a key that must be there.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node) -> Result<T, Fault>,
    ) -> Option<Spanned<T>> {
        self.require(key);
        self.optional(key, read)
    }

    /// Reports a key that is not there.
    pub fn require(&mut self, key: &'static str) {
        if self.get(key).is_some() {
            return;
        }
        self.broken = true;
        if !self.meant.contains(&Some(key)) {
            self.problems.push(Problem::new("missing-key", self.span, format!("{} needs the key `{key}`", self.what)));
        }
    }

    /// Whether an unknown key of this map may have meant `key`.
    pub fn may_be_misspelt(&self, key: &str) -> bool {
        self.get(key).is_none() && self.meant.iter().any(|meant| meant.is_none_or(|m| m == key))
    }

    /// Reports a value of the wrong kind, unless it was reported already.
    pub fn wrong_kind(&mut self, name: &str, node: &Node, expected: &str) {
        self.broken = true;
        if !matches!(node.value, Value::Broken) {
            self.problems.push(Fault::kind(expected, node).at(name, node.span));
        }
    }

    /// Reports keys that make no sense here, with the reason.
    pub fn refuse(&mut self, keys: &[&'static str], why: &str) {
        for key in keys {
            if let Some(span) = self.key_span(key) {
                let message = format!("{} cannot have the key `{key}`: {why}", self.what);
                self.problem(Problem::new("unexpected-key", span, message).with_help("remove it"));
            }
        }
    }
}
