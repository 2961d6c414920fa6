//! When stored values are gone: the clocks of a call, the form of a slot, and the stamp that values
//! of a slot with a time to live start with.
//!
//! A value is gone once its clock has come to its stamp, for every reader at once: reads leave it
//! out, and compaction gives its space back.

use wasmill_abi::effects::TimerFamily;
use wasmill_abi::manifest::{Slot, SlotKind, Ttl, TtlFrom};

/// Bytes of a stamp: an `i64` of microseconds, little-endian.
pub(super) const STAMP_BYTES: usize = 8;

/// How far both clocks have come, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub watermark: i64,
    pub now: i64,
}

impl Clock {
    /// Before anything: nothing is gone.
    pub const START: Self = Self { watermark: i64::MIN, now: i64::MIN };

    pub fn of(&self, family: TimerFamily) -> i64 {
        match family {
            TimerFamily::Event => self.watermark,
            TimerFamily::Processing => self.now,
        }
    }
}

/// What decides how the bytes of a slot are read. It never changes while the slot holds state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub kind: SlotKind,
    /// The clock of the stamps, when values have some.
    pub clock: Option<TimerFamily>,
}

impl Form {
    pub const VALUE: Self = Self { kind: SlotKind::Value, clock: None };

    pub fn of(slot: &Slot) -> Self {
        Self { kind: slot.kind, clock: slot.ttl.map(|ttl| ttl.clock) }
    }

    /// Two bytes: the kind, then 0, or the clock plus one.
    pub(super) fn encode(self) -> [u8; 2] {
        [self.kind as u8, self.clock.map_or(0, |clock| clock as u8 + 1)]
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let &[kind, clock] = bytes else { return None };
        let clock = match clock {
            0 => None,
            code => Some(TimerFamily::from_code(code - 1)?),
        };
        Some(Self { kind: SlotKind::from_code(kind)?, clock })
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.kind)?;
        match self.clock {
            None => Ok(()),
            Some(TimerFamily::Event) => f.write_str(" with a time to live in event time"),
            Some(TimerFamily::Processing) => f.write_str(" with a time to live in processing time"),
        }
    }
}

/// The stamp of a value; `None` when it is too short to have one.
pub(super) fn stamp(value: &[u8]) -> Option<i64> {
    value.first_chunk().map(|stamp| i64::from_le_bytes(*stamp))
}

/// A value without its stamp, when it is there and not gone.
pub(super) fn visible(value: &[u8], clock: Option<i64>) -> Option<&[u8]> {
    match clock {
        None => Some(value),
        Some(clock) => value.split_first_chunk().filter(|(stamp, _)| i64::from_le_bytes(**stamp) > clock).map(|v| v.1),
    }
}

/// Whether a value that is written over another that is not gone keeps the other's stamp.
pub(super) fn keeps_stamp(ttl: Option<Ttl>) -> bool {
    ttl.is_some_and(|ttl| ttl.from == TtlFrom::Create)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_read_back() {
        use SlotKind::{List, Map, Max, Min, Sum, Value};
        for kind in [Value, Map, List, Sum, Min, Max] {
            for clock in [None, Some(TimerFamily::Event), Some(TimerFamily::Processing)] {
                let form = Form { kind, clock };
                assert_eq!(Form::decode(&form.encode()), Some(form));
            }
        }
        assert_eq!(Form::decode(&[1, 3]), None);
        assert_eq!(Form::decode(&[9, 0]), None);
        assert_eq!(Form::decode(&[1]), None);
    }

    #[test]
    fn a_value_is_gone_when_the_clock_reaches_its_stamp() {
        let value = [&10i64.to_le_bytes()[..], b"v"].concat();
        assert_eq!(visible(&value, Some(9)), Some(&b"v"[..]));
        assert_eq!(visible(&value, Some(10)), None);
        assert_eq!(visible(b"short", Some(0)), None);
        assert_eq!(visible(b"v", None), Some(&b"v"[..]));
        assert_eq!(stamp(&value), Some(10));
    }
}
