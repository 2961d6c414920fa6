//! A sink inside of a fragment: rows become bytes, which wait for the end of their epoch.

use super::FragmentError;
use crate::batch::Batch;
use crate::format::Encoder;

/// Encodes rows for one sink in one subtask.
pub struct SinkOperator {
    name: String,
    index: usize,
    /// `None` drops every row.
    encoder: Option<Box<dyn Encoder>>,
    bytes: Vec<u8>,
}

impl SinkOperator {
    /// `index` is the operator's position in the plan.
    pub fn new(name: String, index: usize, encoder: Option<Box<dyn Encoder>>) -> Self {
        Self { name, index, encoder, bytes: Vec::new() }
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn rows(&mut self, batch: &Batch) -> Result<(), FragmentError> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        encoder
            .encode(&batch.columns, &mut self.bytes)
            .map_err(|source| FragmentError::Format { operator: self.name.clone(), source })
    }

    /// The bytes of the epoch that ends.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub fn buffered_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}
