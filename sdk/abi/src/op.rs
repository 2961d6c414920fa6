//! What a row of a changelog does. Codes and signs are those of Flink's `RowKind`.

/// What a row of a changelog does to the table that the stream describes.
///
/// ```
/// use wasmill_abi::Op;
///
/// assert_eq!(Op::from_code(1), Some(Op::UpdateBefore));
/// assert_eq!(Op::UpdateBefore.sign(), "-U");
/// assert_eq!(Op::from_sign("+I"), Some(Op::Insert));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Op {
    /// `+I`: a new row. Every row of a stream that only appends is one.
    #[default]
    Insert = 0,
    /// `-U`: what a row was before an update; the [`Op::UpdateAfter`] of the same key follows.
    UpdateBefore = 1,
    /// `+U`: what the row is after the update.
    UpdateAfter = 2,
    /// `-D`: the row, as it was last, is gone.
    Delete = 3,
}

impl Op {
    /// All of them, in the order of their codes.
    pub const ALL: [Op; 4] = [Op::Insert, Op::UpdateBefore, Op::UpdateAfter, Op::Delete];

    /// The byte that stands for it in frames and effects.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The operation with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// `+I`, `-U`, `+U` or `-D`: how files show it.
    pub const fn sign(self) -> &'static str {
        match self {
            Op::Insert => "+I",
            Op::UpdateBefore => "-U",
            Op::UpdateAfter => "+U",
            Op::Delete => "-D",
        }
    }

    /// The operation with this sign.
    pub fn from_sign(sign: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.sign() == sign)
    }

    /// Whether the row is there afterwards; otherwise it is taken back.
    pub const fn adds(self) -> bool {
        matches!(self, Op::Insert | Op::UpdateAfter)
    }

    /// 1 for a row that is added, -1 for one that is taken back: what a sum multiplies by.
    pub const fn factor(self) -> i64 {
        if self.adds() { 1 } else { -1 }
    }
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sign())
    }
}
