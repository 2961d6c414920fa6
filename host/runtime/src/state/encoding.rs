//! The keys under which a job's state lies in RocksDB. They are frozen with the format version.
//!
//! ```text
//! state:  key group u16 | slot u32 | key bytes                          -> the function's bytes
//! timers: key group u16 | slot u32 | family u8 | time u64 | key bytes   -> nothing
//! outbox: epoch u64 | subtask u16 | sink name                           -> the bytes to publish
//! slots:  "slot:" | length of the operator's name u32 | operator | slot -> number u32
//! forms:  "form:" | as in slots -> kind u8 | clock of the stamps plus one, or 0, u8; absent: 1, 0
//! ```
//!
//! In slots of maps and lists, the key is followed by the entry's own key, of lists a number u64.
//! A key ends where it says (`wasmill_abi::key`), so no entry of one key looks like one of another.
//! A value of a slot with a clock starts with its stamp (`state/expiry.rs`); a merge slot holds what
//! `state/merge.rs` says.
//!
//! All numbers are big-endian, so that a range of key groups is a range of keys; a timer's time has
//! its sign bit flipped, so that it sorts as a signed number.

use wasmill_abi::effects::TimerFamily;

/// What every name of a slot starts with in the default column family.
pub(super) const SLOT_PREFIX: &[u8] = b"slot:";

/// What all keys of a key group and slot start with, in both column families.
pub(super) fn prefix(group: u16, slot: u32) -> [u8; 6] {
    let (g, s) = (group.to_be_bytes(), slot.to_be_bytes());
    [g[0], g[1], s[0], s[1], s[2], s[3]]
}

#[inline]
pub(super) fn state_key(out: &mut Vec<u8>, group: u16, slot: u32, key: &[u8]) {
    out.extend_from_slice(&prefix(group, slot));
    out.extend_from_slice(key);
}

/// A stored timer, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoredTimer<'a> {
    pub family: TimerFamily,
    pub time: i64,
    pub key: &'a [u8],
}

pub(super) fn timer_key(out: &mut Vec<u8>, group: u16, slot: u32, timer: &StoredTimer<'_>) {
    out.extend_from_slice(&prefix(group, slot));
    out.push(timer.family as u8);
    out.extend_from_slice(&(timer.time as u64 ^ 1 << 63).to_be_bytes());
    out.extend_from_slice(timer.key);
}

/// Takes a timer's key apart; `None` when it is none.
pub(super) fn read_timer_key(bytes: &[u8]) -> Option<StoredTimer<'_>> {
    let (&family, rest) = bytes.get(6..)?.split_first()?;
    let (time, key) = rest.split_first_chunk::<8>()?;
    let time = (u64::from_be_bytes(*time) ^ 1 << 63) as i64;
    Some(StoredTimer { family: TimerFamily::from_code(family)?, time, key })
}

pub(super) fn outbox_key(epoch: u64, subtask: u16, sink: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + sink.len());
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(&subtask.to_be_bytes());
    out.extend_from_slice(sink.as_bytes());
    out
}

/// Epoch, subtask and sink of an outbox key; `None` when it is none.
pub(super) fn read_outbox_key(bytes: &[u8]) -> Option<(u64, u16, &str)> {
    let (epoch, rest) = bytes.split_first_chunk::<8>()?;
    let (subtask, sink) = rest.split_first_chunk::<2>()?;
    Some((u64::from_be_bytes(*epoch), u16::from_be_bytes(*subtask), std::str::from_utf8(sink).ok()?))
}

pub(super) fn slot_name(operator: &str, slot: &str) -> Vec<u8> {
    let mut out = SLOT_PREFIX.to_vec();
    out.extend_from_slice(&(operator.len() as u32).to_be_bytes());
    out.extend_from_slice(operator.as_bytes());
    out.extend_from_slice(slot.as_bytes());
    out
}

/// Operator and slot of a slot's name, behind its prefix; `None` when it is none.
pub(super) fn read_slot_name(bytes: &[u8]) -> Option<(&str, &str)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (operator, slot) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((std::str::from_utf8(operator).ok()?, std::str::from_utf8(slot).ok()?))
}

/// The name under which the form of a slot stands that is not a plain value.
pub(super) fn form_name(operator: &str, slot: &str) -> Vec<u8> {
    [&b"form:"[..], &slot_name(operator, slot)[SLOT_PREFIX.len()..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn timer(family: TimerFamily, time: i64, key: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        timer_key(&mut out, 0x0102, 7, &StoredTimer { family, time, key });
        out
    }

    #[test]
    fn golden_keys() {
        let mut out = Vec::new();
        state_key(&mut out, 127, 3, b"\x01ATL\0\0");
        assert_eq!(hex(&out), "007f000000030141544c0000");
        assert_eq!(hex(&timer(TimerFamily::Event, 1, b"k")), "0102000000070080000000000000016b");
        assert_eq!(hex(&timer(TimerFamily::Processing, -1, b"")), "010200000007017fffffffffffffff");
        assert_eq!(hex(&outbox_key(258, 4, "out")), "000000000000010200046f7574");
        assert_eq!(hex(&slot_name("op", "s")), "736c6f743a000000026f7073");
    }

    #[test]
    fn keys_read_back_in_order() {
        let times = [i64::MIN, -5, 0, 5, i64::MAX];
        let keys: Vec<_> = times.iter().map(|&t| timer(TimerFamily::Event, t, b"key")).collect();
        assert!(keys.is_sorted());
        for (key, time) in keys.iter().zip(times) {
            assert_eq!(read_timer_key(key), Some(StoredTimer { family: TimerFamily::Event, time, key: b"key" }));
        }
        assert_eq!(read_outbox_key(&outbox_key(9, 65535, "a sink")), Some((9, 65535, "a sink")));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(read_timer_key(&timer(TimerFamily::Event, 1, b"")[..14]), None);
        let mut unknown_family = timer(TimerFamily::Event, 1, b"k");
        unknown_family[6] = 2;
        assert_eq!(read_timer_key(&unknown_family), None);
        assert_eq!(read_outbox_key(b"short"), None);
        assert_eq!(read_outbox_key(&[0xff; 12]), None, "a sink's name is UTF-8");
    }

    #[test]
    fn names_of_slots_are_not_confused() {
        assert_ne!(slot_name("ab", "c"), slot_name("a", "bc"));
        let name = slot_name("op", "a slot");
        assert_eq!(read_slot_name(&name[SLOT_PREFIX.len()..]), Some(("op", "a slot")));
        assert_eq!(read_slot_name(&name[SLOT_PREFIX.len()..][..5]), None);
    }
}
