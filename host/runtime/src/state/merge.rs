//! The stored form of merge slots, and how operands are merged into it. The same bytes are operand
//! and value: `u8` the slot's kind | `i64` little-endian. So a merge needs to know nothing else.

use wasmill_abi::manifest::SlotKind;

/// The name under which RocksDB knows this merge; it is part of the format.
pub(super) const NAME: &str = "wasmill.merge.1";

pub(super) fn encode(kind: SlotKind, number: i64) -> [u8; 9] {
    let mut bytes = [kind as u8; 9];
    bytes[1..].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// The number; `None` when these are no bytes of a merge slot.
pub(super) fn decode(bytes: &[u8]) -> Option<(SlotKind, i64)> {
    let (&kind, number) = bytes.split_first()?;
    let kind = SlotKind::from_code(kind).filter(|kind| kind.is_merge())?;
    Some((kind, i64::from_le_bytes(number.try_into().ok()?)))
}

/// Merges operands, oldest first, into what is stored; `None` when their bytes do not fit together.
pub(super) fn fold<'o>(stored: Option<&[u8]>, operands: impl Iterator<Item = &'o [u8]>) -> Option<[u8; 9]> {
    let mut result = match stored {
        Some(bytes) => Some(decode(bytes)?),
        None => None,
    };
    for operand in operands {
        let (kind, given) = decode(operand)?;
        result = match result {
            None => Some((kind, given)),
            Some((known, stored)) if known == kind => Some((kind, kind.merge(stored, given))),
            Some(_) => return None,
        };
    }
    result.map(|(kind, number)| encode(kind, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_merged_in_order() {
        let of = |kind, numbers: &[i64]| {
            let operands: Vec<_> = numbers.iter().map(|&n| encode(kind, n)).collect();
            let (first, rest) = operands.split_first().expect("there is one");
            let folded = fold(Some(first), rest.iter().map(|o| &o[..])).expect("they fit");
            assert_eq!(fold(None, operands.iter().map(|o| &o[..])), Some(folded));
            decode(&folded).expect("a merge slot").1
        };
        assert_eq!(of(SlotKind::Sum, &[5, -7, i64::MAX]), i64::MAX - 2);
        assert_eq!(of(SlotKind::Min, &[5, -7, 9]), -7);
        assert_eq!(of(SlotKind::Max, &[5, -7, 9]), 9);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let sum = encode(SlotKind::Sum, 1);
        assert_eq!(fold(Some(&sum), [&encode(SlotKind::Max, 1)[..]].into_iter()), None);
        assert_eq!(fold(Some(b"text"), [&sum[..]].into_iter()), None);
        assert_eq!(fold(None, [&encode(SlotKind::Value, 1)[..]].into_iter()), None);
    }
}
