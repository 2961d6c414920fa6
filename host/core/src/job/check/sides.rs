//! Holds the inputs that a job gives a function against those that it has: one, or two with names.

use crate::job::problem::{Problem, Problems};
use crate::job::spec::FunctionSpec;
use crate::plan::Side;
use wasmill_abi::manifest::Function;

/// `None` when the inputs do not fit: then nothing is known of what the function reads.
pub(super) fn check(spec: &FunctionSpec, function: &Function, problems: &mut Problems) -> Option<()> {
    let (name, callee) = (&spec.name.value, &function.name);
    let right = spec.inputs.iter().find(|i| i.side == Side::Right);
    match (&function.right, right) {
        (None, Some(input)) => {
            let message = format!("function `{callee}` has one input, but `{name}` gives it `left` and `right`");
            let help = "name what it reads without sides: `input: NAME`, or a list of names for a union";
            problems.push(Problem::new("one-input", input.span, message).with_help(help));
            None
        }
        (Some(_), None) => {
            if !spec.broken {
                let message = format!("function `{callee}` has two inputs, and `{name}` does not say which is which");
                let span = spec.inputs.first().map_or(spec.name.span, |i| i.span);
                let help = "name both: `input: {left: NAME, right: NAME}`";
                problems.push(Problem::new("two-inputs", span, message).with_help(help));
            }
            None
        }
        (None, None) => match &spec.key_right {
            Some(key) => {
                let message = format!("`key` of `{name}` names a `right` input, but function `{callee}` has only one");
                let help = "give the columns alone: `key: COLUMN`, or a list of columns";
                problems.push(Problem::new("one-input", key.span, message).with_help(help));
                None
            }
            None => Some(()),
        },
        (Some(_), Some(_)) => Some(()),
    }
}
