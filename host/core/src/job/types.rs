//! Reads the type of a column: text such as `list<string?>`, or a map of the fields of a struct.

use super::suggest::{did_you_mean, list};
use super::values::text;
use super::walk::Fault;
use super::yaml::{Node, Value};
use crate::units::shortened;
use wasmill_abi::{Field, Type};

/// The column of this name and type: text, or a map from the names of a struct's fields to their
/// types.
pub(super) fn column(name: &str, node: &Node) -> Result<Field, Fault> {
    nested(name, node, Field::DEPTH_MAX)
}

fn nested(name: &str, node: &Node, depth: usize) -> Result<Field, Fault> {
    let Value::Map(entries) = &node.value else {
        let text = text(node)?;
        let mut parser = Parser { text: &text, rest: &text };
        let field = parser.field(name, depth)?;
        return parser.end().map(|()| field);
    };
    let depth = one_deeper(depth)?;
    if entries.is_empty() {
        return Err(Fault::new("bad-value", "a struct needs at least one field"));
    }
    let field = |(name, node): &(super::spec::Spanned<String>, Node)| {
        if name.value.is_empty() {
            return Err(Fault::new("bad-name", "the name of a field is empty"));
        }
        nested(&name.value, node, depth).map_err(|fault| Fault {
            message: format!("field `{}`: {}", shortened(&name.value), fault.message),
            ..fault
        })
    };
    Ok(Field::structure(name, entries.iter().map(field).collect::<Result<_, _>>()?, false))
}

fn one_deeper(depth: usize) -> Result<usize, Fault> {
    let fault = || Fault::new("out-of-range", format!("types are nested deeper than {} levels", Field::DEPTH_MAX));
    depth.checked_sub(1).ok_or_else(fault)
}

/// Goes through `TYPE?`, where a type is a name, `decimal(P,S)`, `list<TYPE>`, or
/// `struct<NAME: TYPE, ..>`, which may be written `{NAME: TYPE, ..}` too.
struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn field(&mut self, name: &str, depth: usize) -> Result<Field, Fault> {
        let depth = one_deeper(depth)?;
        let field = if self.take('{') {
            Field::structure(name, self.fields(depth, '}')?, false)
        } else {
            match self.word() {
                "list" => {
                    self.expect('<', "`list<string>`")?;
                    let item = self.field(Field::ITEM, depth)?;
                    self.expect('>', "`list<string>`")?;
                    Field::list(name, item, false)
                }
                "struct" => {
                    self.expect('<', "`struct<street: string, zip: string?>`")?;
                    Field::structure(name, self.fields(depth, '>')?, false)
                }
                "decimal" => Field::new(name, self.decimal()?, false),
                word => Field::new(name, self.plain(word)?, false),
            }
        };
        Ok(Field { nullable: self.take('?'), ..field })
    }

    fn plain(&self, word: &str) -> Result<Type, Fault> {
        let known = || Type::ALL.iter().map(|t| t.name()).chain(["decimal", "list", "struct"]);
        Type::from_name(word).ok_or_else(|| {
            let meant = if word.is_empty() { self.text } else { word };
            let help = did_you_mean(meant, known()).unwrap_or_else(|| format!("the types are {}", list(known())));
            Fault::new("unknown-type", format!("`{}` is not a type", shortened(meant))).with_help(help)
        })
    }

    /// `NAME: TYPE, ..` up to and with `end`.
    fn fields(&mut self, depth: usize, end: char) -> Result<Vec<Field>, Fault> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let Some((name, rest)) = self.rest.split_once(':') else {
                return Err(self.wrong("a field `NAME: TYPE` is missing"));
            };
            let name = name.trim();
            if name.is_empty() || name.contains(['<', '>', '{', '}', ',', '(', ')', '?']) {
                return Err(self.wrong("a field `NAME: TYPE` is missing"));
            }
            if fields.iter().any(|f| f.name == name) {
                return Err(self.wrong(&format!("the field `{}` stands twice", shortened(name))));
            }
            self.rest = rest;
            fields.push(self.field(name, depth)?);
            if self.take(end) {
                return Ok(fields);
            }
            if !self.take(',') {
                return Err(self.wrong(&format!("`,` or `{end}` is missing behind the field `{}`", shortened(name))));
            }
        }
    }

    fn decimal(&mut self) -> Result<Type, Fault> {
        const FORM: &str = "`decimal(12,2)`, its digits and how many of them stand behind the point";
        self.expect('(', FORM)?;
        let precision = self.word();
        let scale = if self.take(',') { self.word() } else { "0" };
        self.expect(')', FORM)?;
        let digits = |word: &str| word.parse::<u8>().ok();
        digits(precision).zip(digits(scale)).and_then(|(p, s)| Type::decimal(p, s)).ok_or_else(|| {
            let max = Type::PRECISION_MAX;
            let message = format!("`{}` has no such decimal", shortened(self.text));
            let help = format!("a decimal has from 1 to {max} digits, of which at most all stand behind the point");
            Fault::new("out-of-range", message).with_help(help)
        })
    }

    fn word(&mut self) -> &'t str {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        self.rest = &rest[end..];
        &rest[..end]
    }

    fn take(&mut self, mark: char) -> bool {
        let found = self.rest.trim_start().strip_prefix(mark);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn expect(&mut self, mark: char, form: &str) -> Result<(), Fault> {
        if self.take(mark) {
            return Ok(());
        }
        let help = format!("write {form}; inside of `{{ }}` or `[ ]` put a type with a comma into quotes");
        Err(self.wrong(&format!("`{mark}` is missing")).with_help(help))
    }

    fn end(&self) -> Result<(), Fault> {
        match self.rest.trim() {
            "" => Ok(()),
            rest => Err(self.wrong(&format!("`{}` does not belong there", shortened(rest)))),
        }
    }

    fn wrong(&self, problem: &str) -> Fault {
        Fault::new("unknown-type", format!("`{}` is not a type: {problem}", shortened(self.text)))
    }
}
