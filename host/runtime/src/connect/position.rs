//! The place in a partition from which reading can go on, as it is stored with each epoch.

use super::SourceError;
use serde::{Deserialize, Serialize};
use wasmill_core::watermark::Progress;

/// A place between two records of one partition, and what is known of the rows before it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionPosition {
    /// Where the next record starts, in bytes of the uncompressed input.
    pub offset: u64,
    /// Rows behind `offset` that were read: of a block that is only read as a whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip: u64,
    /// The number of the line at `offset`, from 1; of a row that is no line, its number.
    pub line: u64,
    /// Rows read, dead lines not counted.
    pub rows: u64,
    /// The highest event time among them, in microseconds.
    pub highest: Option<i64>,
    /// The last watermark that was due, in microseconds.
    pub watermark: Option<i64>,
    /// Whether everything was read.
    pub done: bool,
    /// The file that was read; `None` when none was opened yet.
    pub file: Option<FileIdentity>,
}

/// Tells a file from one that took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileIdentity {
    /// Bytes on disk when it was opened; at its end, when it was read to the end.
    pub length: u64,
    /// How many bytes from the file's start the hash covers: at most 4096.
    pub head_bytes: u64,
    /// The sha256 of those bytes, in hex.
    pub head_sha256: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl PartitionPosition {
    /// The start of a partition.
    pub fn start() -> Self {
        Self { line: 1, ..Self::default() }
    }

    pub fn progress(&self) -> Progress {
        Progress { rows: self.rows, highest: self.highest, watermark: self.watermark }
    }

    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers, text and flags become JSON")
    }

    pub fn decode(partition: &str, bytes: &[u8]) -> Result<Self, SourceError> {
        serde_json::from_slice(bytes)
            .map_err(|e| SourceError::Position { partition: partition.to_owned(), reason: e.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_and_a_strange_one_is_refused_by_name() {
        let file = FileIdentity { length: 7, head_bytes: 7, head_sha256: "ab".into() };
        let position = PartitionPosition {
            offset: 9,
            rows: 3,
            watermark: Some(-1),
            file: Some(file),
            ..PartitionPosition::start()
        };
        assert_eq!(PartitionPosition::decode("a", &position.encode()).expect("just encoded"), position);
        let error = PartitionPosition::decode("a.ndjson", b"{\"line\":1}").expect_err("fields are missing");
        assert!(error.to_string().contains("\"a.ndjson\""), "{error}");
    }
}
