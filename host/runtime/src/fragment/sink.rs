//! A sink inside of a fragment: rows become bytes, which wait for the end of their epoch.

use super::FragmentError;
use crate::batch::Batch;
use crate::format::Encoder;
use crate::measure::{Activity, Cell};
use std::sync::Arc;

/// What becomes of rows.
pub enum Buffering {
    /// They are dropped as they are.
    Nothing,
    /// They are encoded, and the bytes are dropped.
    EncodeAndDrop(Box<dyn Encoder>),
    /// They are encoded, and the bytes wait for the end of their epoch.
    Keep(Box<dyn Encoder>),
}

/// Takes rows for one sink in one subtask.
pub struct SinkOperator {
    name: String,
    index: usize,
    buffering: Buffering,
    bytes: Vec<u8>,
    cell: Arc<Cell>,
}

impl SinkOperator {
    /// `index` is the operator's position in the plan.
    pub fn new(name: String, index: usize, buffering: Buffering, cell: Arc<Cell>) -> Self {
        Self { name, index, buffering, bytes: Vec::new(), cell }
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn rows(&mut self, batch: &Batch) -> Result<(), FragmentError> {
        let mut laps = self.cell.laps();
        let encoded = match &mut self.buffering {
            Buffering::Nothing => Ok(()),
            Buffering::Keep(encoder) => {
                let before = self.bytes.len();
                let encoded = encoder.encode(&batch.columns, &mut self.bytes);
                self.cell.bytes_out.add((self.bytes.len() - before) as u64);
                encoded
            }
            Buffering::EncodeAndDrop(encoder) => {
                self.bytes.clear();
                let encoded = encoder.encode(&batch.columns, &mut self.bytes);
                std::hint::black_box(&self.bytes);
                self.cell.bytes_out.add(self.bytes.len() as u64);
                self.bytes.clear();
                encoded
            }
        };
        laps.lap(Activity::Encode);
        encoded.map_err(|source| FragmentError::Format { operator: self.name.clone(), source })
    }

    /// The bytes of the epoch that ends.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub fn buffered_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}
