//! Turns the core module that cargo made into a component. It must not know cargo or the host's
//! world: whether the component is one of ours is decided by the host's own check.

use anyhow::{Context, Result};
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

#[cfg(test)]
mod tests {
    use super::componentize;

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
