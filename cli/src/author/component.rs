//! Turns the core module that cargo made into a component. It must not know cargo or the host's
//! world: whether the component is one of ours is decided by the host's own check.

use anyhow::{Context, Result};
use std::path::Path;
use wit_component::ComponentEncoder;

/// The section family in which `wit-bindgen` leaves the description of the guest's world.
const WORLD_SECTION: &[u8] = b"component-type";

/// The component of a core module that was built with the SDK.
///
/// # Errors
/// When the module does not carry a world, or does not keep to it.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>> {
    anyhow::ensure!(
        core.windows(WORLD_SECTION.len()).any(|w| w == WORLD_SECTION),
        "the crate exports no Wasmill function: name its functions in `wasmill_sdk::export!` in src/lib.rs"
    );
    ComponentEncoder::default()
        .validate(true)
        .module(core)
        .context("the module's world cannot be read; the SDK and this wasmill may be of different versions")?
        .encode()
        .context("the module cannot be made into a component")
}

/// Writes a module. A reader finds the old file or the new one, never a part.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make directory {}", dir.display()))?;
    let name = path.file_name().with_context(|| format!("{} is no file name", path.display()))?;
    let part = dir.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .inspect_err(|_| drop(std::fs::remove_file(&part)))
        .with_context(|| format!("cannot write module {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{componentize, write_whole};

    #[test]
    fn a_module_is_replaced_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().join("target/wasmill/f.wasm");
        for bytes in [&b"first"[..], b"second"] {
            write_whole(&path, bytes).expect("the directory is writable");
            assert_eq!(std::fs::read(&path).expect("it was written"), bytes);
        }
        let siblings = std::fs::read_dir(path.parent().expect("it has one")).expect("it exists").count();
        assert_eq!(siblings, 1);
    }

    #[test]
    fn a_module_without_a_world_is_told_to_export() {
        let empty = b"\0asm\x01\0\0\0";
        let error = componentize(empty).expect_err("an empty module has no world");
        assert!(error.to_string().contains("wasmill_sdk::export!"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_wasm_are_refused() {
        let error = componentize(b"component-type and nonsense").expect_err("this is no Wasm");
        assert!(error.to_string().contains("cannot be read"), "{error}");
    }
}
