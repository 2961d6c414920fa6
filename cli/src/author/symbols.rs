//! The names and lines of a module's source, beside the module. `wasmill build` compiles with debug
//! information, takes it out of the module, and keeps the whole core module in a file named by the
//! module's hash. A replay runs that twin: its code is the module's, byte for byte, which is proved
//! by making the module of it again.
//!
//! Backtraces of a running job have the names of functions, which stay in the module.

use super::component::componentize;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use wasmparser::{Parser, Payload};

/// What files of symbols end with.
const SUFFIX: &str = ".symbols.wasm";
/// Characters of the module's hash in the name of its symbols.
const HASH_CHARS: usize = 12;
/// Of one module, the symbols of so many builds are kept.
const BUILDS_KEPT: usize = 8;

/// The core module without its debug information; names stay.
pub fn strip(core: &[u8]) -> Result<Vec<u8>> {
    let mut stripped = Vec::with_capacity(core.len());
    let mut kept_to = 0;
    for section in debug_sections(core)? {
        stripped.extend_from_slice(&core[kept_to..section.start]);
        kept_to = section.end;
    }
    stripped.extend_from_slice(&core[kept_to..]);
    Ok(stripped)
}

/// Where the sections with debug information stand, each with its head.
fn debug_sections(core: &[u8]) -> Result<Vec<Range<usize>>> {
    let (mut sections, mut end_of_last) = (Vec::new(), 0usize);
    for payload in Parser::new(0).parse_all(core) {
        let payload = payload.context("the core module is damaged")?;
        let Some((_, range)) = payload.as_section().or_else(|| match &payload {
            Payload::Version { range, .. } => Some((0, range.clone())),
            _ => None,
        }) else {
            continue;
        };
        let end = usize::try_from(range.end).context("the core module is damaged")?;
        if let Payload::CustomSection(custom) = &payload
            && custom.name().starts_with(".debug_")
        {
            sections.push(end_of_last..end);
        }
        end_of_last = end;
    }
    Ok(sections)
}

/// Writes the symbols of a module beside it, and drops those of old builds.
pub fn write(module: &Path, sha256: &str, core: &[u8]) -> Result<()> {
    let stem = module.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let dir = module.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = dir.join(format!("{stem}.{}{SUFFIX}", hash_part(sha256)));
    fs::write(&path, core).with_context(|| format!("cannot write {}", path.display()))?;
    let mut builds: Vec<_> = files(dir, |name| name.starts_with(&format!("{stem}.")))
        .into_iter()
        .filter_map(|path| Some((fs::metadata(&path).and_then(|m| m.modified()).ok()?, path)))
        .collect();
    builds.sort();
    for (_, old) in builds.iter().take(builds.len().saturating_sub(BUILDS_KEPT)) {
        fs::remove_file(old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(())
}

/// The module of this hash with its debug information, when its symbols lie in one of the
/// directories and are truly of that module.
pub fn twin(sha256: &str, dirs: &[PathBuf]) -> Option<Vec<u8>> {
    let end = format!(".{}{SUFFIX}", hash_part(sha256));
    dirs.iter().flat_map(|dir| files(dir, |name| name.ends_with(&end))).find_map(|path| {
        let core = fs::read(&path).ok()?;
        let module = componentize(&strip(&core).ok()?).ok()?;
        if hex(&Sha256::digest(&module)) != sha256 {
            tracing::warn!(path = %path.display(), "these are not the symbols of the module of that hash");
            return None;
        }
        componentize(&core).ok()
    })
}

fn hash_part(sha256: &str) -> &str {
    sha256.get(..HASH_CHARS).unwrap_or(sha256)
}

fn files(dir: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let name_fits = |path: &PathBuf| {
        path.file_name().and_then(|n| n.to_str()).is_some_and(|name| name.ends_with(SUFFIX) && is_wanted(name))
    };
    entries.filter(name_fits).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{strip, twin};

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";
    const DEBUG: &[u8] = b"\0\x0d\x0b.debug_infoX";
    const OTHER: &[u8] = b"\0\x07\x04nameYY";

    #[test]
    fn only_debug_information_is_taken_out() {
        for parts in [&[DEBUG, OTHER][..], &[OTHER, DEBUG], &[DEBUG, OTHER, DEBUG]] {
            let core = [&[EMPTY], parts].concat().concat();
            assert_eq!(strip(&core).expect("it is a module"), [EMPTY, OTHER].concat());
        }
        assert_eq!(strip(EMPTY).expect("it is a module"), EMPTY);
        strip(b"nonsense").expect_err("it is none");
    }

    #[test]
    fn symbols_of_another_module_are_no_twin() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        std::fs::write(dir.path().join("f.0123456789ab.symbols.wasm"), EMPTY).expect("it is writable");
        assert_eq!(twin("0123456789abcdef", &[dir.path().to_owned()]), None);
    }
}
