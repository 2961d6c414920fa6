//! A sink inside of a fragment: rows become bytes, which wait for the end of their epoch.

use super::FragmentError;
use super::changes::with_op_column;
use crate::batch::Batch;
use crate::format::Encoder;
use crate::measure::{Activity, Cell};
use crate::schema::to_arrow;
use arrow_schema::SchemaRef;
use std::sync::Arc;
use wasmill_core::plan::Sink;

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
    /// For changelogs: the columns that are written, of which the first is the operation.
    changes: Option<SchemaRef>,
    bytes: Vec<u8>,
    cell: Arc<Cell>,
}

impl SinkOperator {
    /// `index` is the operator's position in the plan.
    pub fn new(name: String, index: usize, buffering: Buffering, sink: &Sink, cell: Arc<Cell>) -> Self {
        let changes = sink.writes_op.then(|| to_arrow(&sink.schema));
        Self { name, index, buffering, changes, bytes: Vec::new(), cell }
    }

    pub fn index(&self) -> usize {
        self.index
    }

    pub fn rows(&mut self, batch: &Batch) -> Result<(), FragmentError> {
        if let Buffering::Nothing = self.buffering {
            return Ok(());
        }
        let mut laps = self.cell.laps();
        let columns = match &self.changes {
            Some(schema) => &with_op_column(batch, schema),
            None => &batch.columns,
        };
        let encoded = match &mut self.buffering {
            Buffering::Nothing => Ok(()),
            Buffering::Keep(encoder) => {
                let before = self.bytes.len();
                let encoded = encoder.encode(columns, &mut self.bytes);
                self.cell.bytes_out.add((self.bytes.len() - before) as u64);
                encoded
            }
            Buffering::EncodeAndDrop(encoder) => {
                self.bytes.clear();
                let encoded = encoder.encode(columns, &mut self.bytes);
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
