//! How far event time has come in each fragment, committed with every epoch. Without it event time
//! would fall at a restart until all inputs have spoken again, and rows that were late before would
//! not be late any more.

use super::error::RunError;
use super::task::HandIn;
use crate::state::Database;
use std::collections::BTreeMap;
use wasmill_abi::frame::NO_WATERMARK;

/// Stored values: the watermark of a fragment in microseconds, by the operator at its head.
const WATERMARK: &str = "watermark/";

/// The committed watermark of every fragment: the lowest of its subtasks.
#[derive(Debug, Default)]
pub struct Watermarks(BTreeMap<String, i64>);

impl Watermarks {
    pub fn open(db: &Database) -> Result<Self, RunError> {
        let mut watermarks = Self::default();
        for (key, value) in db.meta_prefix(WATERMARK)? {
            let watermark = std::str::from_utf8(&value).ok().and_then(|v| v.parse().ok());
            let watermark =
                watermark.ok_or_else(|| RunError::Bug(format!("the state holds an unreadable watermark at {key}")))?;
            watermarks.0.insert(key[WATERMARK.len()..].to_owned(), watermark);
        }
        Ok(watermarks)
    }

    /// Where the fragment with this head goes on from.
    pub fn of(&self, head: &str) -> i64 {
        self.0.get(head).copied().unwrap_or(NO_WATERMARK)
    }

    /// Takes the watermarks of an epoch; returns what of them has to be stored.
    pub fn advance(&mut self, parts: &[HandIn]) -> Vec<(String, Option<Vec<u8>>)> {
        let mut lowest: BTreeMap<&str, i64> = BTreeMap::new();
        for part in parts {
            let watermark = lowest.entry(&part.head).or_insert(part.watermark);
            *watermark = part.watermark.min(*watermark);
        }
        lowest.retain(|head, watermark| *watermark > self.of(head));
        for (head, watermark) in &lowest {
            self.0.insert((*head).to_owned(), *watermark);
        }
        lowest.into_iter().map(|(head, w)| (format!("{WATERMARK}{head}"), Some(w.to_string().into_bytes()))).collect()
    }
}
