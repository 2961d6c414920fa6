//! The one data shape of the host: an Arrow record batch with what every row carries beside it.

use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;

/// Rows on their way through a job. All parts have the same number of rows.
#[derive(Debug, Clone)]
pub struct Batch {
    pub columns: RecordBatch,
    /// Microseconds since 1970, one per row; `None` when the stream has no event time.
    pub event_time: Option<ScalarBuffer<i64>>,
    /// Where each row came from.
    pub positions: ScalarBuffer<u64>,
    /// What each row does, as codes of [`wasmill_abi::Op`]; `None` when the stream only appends.
    pub ops: Option<ScalarBuffer<u8>>,
}

impl Batch {
    pub fn rows(&self) -> usize {
        self.columns.num_rows()
    }

    /// These rows, without copying them.
    pub fn slice(&self, start: usize, len: usize) -> Self {
        Self {
            columns: self.columns.slice(start, len),
            event_time: self.event_time.as_ref().map(|times| times.slice(start, len)),
            positions: self.positions.slice(start, len),
            ops: self.ops.as_ref().map(|ops| ops.slice(start, len)),
        }
    }
}

/// Where a row came from, as one number: the partition's id (16 bits) and the number of the row
/// (a line, for text) in it, from 0 (48 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub partition: u16,
    pub row: u64,
}

impl Position {
    const ROW_BITS: u32 = 48;

    pub fn pack(self) -> u64 {
        u64::from(self.partition) << Self::ROW_BITS | self.row
    }

    pub fn unpack(packed: u64) -> Self {
        Self { partition: (packed >> Self::ROW_BITS) as u16, row: packed & ((1 << Self::ROW_BITS) - 1) }
    }
}
