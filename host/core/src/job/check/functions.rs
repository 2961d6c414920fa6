//! Finds the function of the manifest that each function operator calls.

use super::graph::{Graph, Part};
use crate::job::problem::{Problem, Problems};
use crate::job::spec::{FunctionSpec, JobSpec, Spanned};
use crate::job::suggest::{did_you_mean, list};
use crate::plan::Output;
use crate::units::shortened;
use std::collections::BTreeMap;
use wasmill_abi::manifest::{Function, Manifest};

pub(super) fn resolve<'a>(graph: &mut Graph<'a>, manifests: &'a BTreeMap<String, Manifest>, problems: &mut Problems) {
    for op in &mut graph.ops {
        let Part::Function(spec) = op.part else { continue };
        let Some(module) = &spec.module else { continue };
        if !module_exists(graph.spec, module, problems) {
            continue;
        }
        let Some(manifest) = manifests.get(&module.value) else { continue };
        op.function = match &spec.function {
            Some(name) => named(manifest, module, name, problems),
            None => unnamed(manifest, module, spec, problems),
        };
        let output = |o: &wasmill_abi::manifest::Output| Output {
            name: o.name.clone(),
            schema: o.schema.clone(),
            changelog: o.changelog,
        };
        op.outputs = op.function.map(|f| f.outputs.iter().map(output).collect());
    }
}

fn module_exists(spec: &JobSpec, module: &Spanned<String>, problems: &mut Problems) -> bool {
    let known = || spec.modules.iter().map(|m| m.name.value.as_str());
    let exists = known().any(|name| name == module.value);
    if !exists && !spec.incomplete {
        let name = shortened(&module.value);
        let help =
            did_you_mean(&module.value, known()).unwrap_or_else(|| format!("add it to `modules`: `{name}: PATH`"));
        let message = format!("there is no module `{name}`, the modules are {}", list(known()));
        problems.push(Problem::new("unknown-module", module.span, message).with_help(help));
    }
    exists
}

fn names(manifest: &Manifest) -> impl Iterator<Item = &str> {
    manifest.functions.iter().map(|f| f.name.as_str())
}

fn named<'a>(
    manifest: &'a Manifest,
    module: &Spanned<String>,
    name: &Spanned<String>,
    problems: &mut Problems,
) -> Option<&'a Function> {
    let found = manifest.functions.iter().find(|f| f.name == name.value);
    if found.is_none() {
        let (wanted, functions) = (shortened(&name.value), list(names(manifest)));
        let message = format!("module `{}` has no function `{wanted}`, its functions are {functions}", module.value);
        let help = did_you_mean(&name.value, names(manifest));
        problems.push(Problem::new("unknown-function", name.span, message).with_help_maybe(help));
    }
    found
}

/// The function with the operator's own name, or the module's only one.
fn unnamed<'a>(
    manifest: &'a Manifest,
    module: &Spanned<String>,
    spec: &FunctionSpec,
    problems: &mut Problems,
) -> Option<&'a Function> {
    let own = manifest.functions.iter().find(|f| f.name == spec.name.value);
    let only = || if let [only] = manifest.functions.as_slice() { Some(only) } else { None };
    let found = own.or_else(only);
    // In a broken operator, `function` may be the part that is missing.
    if found.is_none() && !spec.broken {
        let message =
            format!("module `{}` has several functions and none is called `{}`", module.value, spec.name.value);
        let help = match did_you_mean(&spec.name.value, names(manifest)) {
            Some(guess) => format!("say which with `function`: {guess}"),
            None => format!("say which with `function`: {}", list(names(manifest))),
        };
        problems.push(Problem::new("ambiguous-function", spec.name.span, message).with_help(help));
    }
    found
}
