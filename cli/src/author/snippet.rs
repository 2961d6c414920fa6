//! The lines of a job file that use a module, for its author to copy. It names what the author
//! must fill in and guesses nothing.

use std::fmt::Write;
use std::path::Path;
use wasmill_abi::manifest::{Function, Manifest};

/// The `modules` and `functions` sections for every function of the module at `path`.
pub fn job(manifest: &Manifest, path: &Path) -> String {
    let module = operator_name(&manifest.name);
    let mut out = format!("modules:\n  {module}: {}\nfunctions:\n", path.display());
    for function in &manifest.functions {
        operator(&mut out, function, &module);
    }
    out.truncate(out.trim_end().len());
    out
}

fn operator(out: &mut String, function: &Function, module: &str) {
    let _ = writeln!(out, "  {}:", operator_name(&function.name));
    let _ = writeln!(out, "    module: {module}\n    function: {}", function.name);
    let _ = writeln!(out, "    input: SOURCE-OR-FUNCTION");
    if let Some(key) = function.key() {
        let columns: Vec<&str> = key.fields.iter().map(|f| f.name.as_str()).collect();
        let _ = writeln!(out, "    key: [{}]", columns.join(", "));
    }
    let mut needed = function.config.iter().filter(|c| c.default.is_none() && !c.optional).peekable();
    if needed.peek().is_some() {
        let _ = writeln!(out, "    config:");
    }
    for setting in needed {
        let _ = writeln!(out, "      {}: {}", setting.name, setting.ty.name().to_uppercase());
    }
}

/// Names in job files are lower case, with digits, `_` and `-`.
fn operator_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '_' }).collect()
}
