//! What is wrong with a job, and where: one [`Problem`] each, collected in [`Problems`] so that
//! all of them are told at once.

use super::spec::Span;

/// More are counted, not kept: a hostile file must not become a hostile report.
const PROBLEMS_MAX: usize = 200;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A stable name in kebab case, for example `unknown-key`.
    pub code: &'static str,
    /// From 1; 0 when the problem has no place in the file.
    pub line: usize,
    /// From 1, in characters; 0 when the problem has no place in the file.
    pub column: usize,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { code, line: span.line, column: span.column, message: message.into(), help: None }
    }

    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        self.with_help_maybe(Some(help.into()))
    }

    #[must_use]
    pub fn with_help_maybe(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}

/// All that is wrong, sorted by position; the same problem stands once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    list: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a problem, unless it is there already.
    pub fn push(&mut self, problem: Problem) {
        if self.list.contains(&problem) {
            return;
        }
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        let at = self.list.partition_point(|p| (p.line, p.column) <= (problem.line, problem.column));
        self.list.insert(at, problem);
    }

    /// Adds a problem that is dear to make, such as one with a suggestion, unless it would only be
    /// counted.
    pub(super) fn push_with(&mut self, problem: impl FnOnce() -> Problem) {
        if self.is_full() {
            self.left_out += 1;
        } else {
            self.push(problem());
        }
    }

    fn is_full(&self) -> bool {
        self.list.len() == PROBLEMS_MAX
    }

    /// Adds all problems of `other`, which may have begun as a copy of this list.
    pub fn extend(&mut self, other: Problems) {
        self.left_out = self.left_out.max(other.left_out);
        other.list.into_iter().for_each(|p| self.push(p));
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// One line per problem, and one for its help, as compilers write them:
    ///
    /// ```text
    /// job.yaml:12:5: error[unknown-key]: ...
    ///   help: did you mean `format`?
    /// ```
    pub fn render(&self, file: &str) -> String {
        let mut out = String::new();
        for p in &self.list {
            let place = if p.line == 0 { String::new() } else { format!("{}:{}:", p.line, p.column) };
            out += &format!("{file}:{place} error[{}]: {}\n", p.code, p.message);
            if let Some(help) = &p.help {
                out += &format!("  help: {help}\n");
            }
        }
        if self.left_out > 0 {
            out += &format!("{file}: and {} more\n", self.left_out);
        }
        out
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render("job"))
    }
}

impl std::error::Error for Problems {}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
