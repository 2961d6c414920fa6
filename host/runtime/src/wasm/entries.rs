//! Changes of maps, lists and merge slots: what a guest asked for, checked against its manifest.

use wasmill_abi::DecodeError;
use wasmill_abi::calls::ENTRY_KEY_BYTES_MAX;
use wasmill_abi::effects::EntryChange;
use wasmill_abi::manifest::{Slot, SlotKind};

/// Bytes of a stamp, and of a number.
const STAMP_BYTES: usize = 8;

fn error(slot: &Slot, problem: &str) -> DecodeError {
    DecodeError::new("effects", format!("slot {:?} is a {:?}: {problem}", slot.name, slot.kind))
}

/// Whether a change fits its slot, which is no value.
pub(super) fn check(slot: &Slot, change: &EntryChange<'_>) -> Result<(), DecodeError> {
    let stamp = if slot.ttl.is_some() { STAMP_BYTES } else { 0 };
    match (change.entry, change.value, slot.kind) {
        (_, _, SlotKind::Value) => Err(error(slot, "it has no entries")),
        (Some(_), _, kind) if kind != SlotKind::Map => Err(error(slot, "its entries have no keys")),
        (Some(entry), ..) if entry.len() > ENTRY_KEY_BYTES_MAX => Err(error(
            slot,
            &format!("the key of an entry has {} bytes, the limit is {ENTRY_KEY_BYTES_MAX}", entry.len()),
        )),
        (None, Some(_), SlotKind::Map) => Err(error(slot, "an entry needs a key")),
        (_, Some(value), _) if value.len() < stamp => Err(error(slot, "a value has no stamp of its expiry")),
        (None, Some(operand), kind) if kind.is_merge() && operand.len() != stamp + 8 => {
            Err(error(slot, &format!("an operand has {} bytes, not {}", operand.len(), stamp + 8)))
        }
        _ => Ok(()),
    }
}

/// Whether a value fits its slot, which is one.
pub(super) fn check_value(slot: &Slot, value: &[u8]) -> Result<(), DecodeError> {
    match slot.ttl.is_some() && value.len() < STAMP_BYTES {
        true => Err(error(slot, "a value has no stamp of its expiry")),
        false => Ok(()),
    }
}
