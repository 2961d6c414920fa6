//! A view inside of a fragment: of the rows of each key the newest is kept, as the bytes of its line,
//! in the sink's own keyed state. Writing the view out is for whoever commits the state.

use super::FragmentError;
use super::frames::Grouping;
use super::keys::RowKeys;
use crate::batch::Batch;
use crate::format::{self, Encoder};
use crate::state::{Grouper, KeyedState};
use wasmill_abi::Type;
use wasmill_abi::manifest::{Slot, SlotKind};
use wasmill_core::plan::Sink;

/// The name of the slot that holds the lines.
pub const SLOT: &str = "row";

/// The slot, as the state wants to know it.
pub fn slot() -> Slot {
    Slot::new(SLOT, SlotKind::Value, 1, "line")
}

/// Keeps the newest row of each key, for one subtask of a view.
pub struct ViewOperator {
    name: String,
    index: usize,
    encoder: Box<dyn Encoder>,
    key: Vec<usize>,
    key_types: Vec<Type>,
    changed: bool,
    /// Memory that is used again.
    row_keys: RowKeys,
    grouper: Grouper,
    row_key: Vec<u32>,
    newest: Vec<u32>,
    line: Vec<u8>,
}

impl ViewOperator {
    /// `index` is the operator's position in the plan.
    pub fn new(name: String, index: usize, sink: &Sink) -> Self {
        Self {
            name,
            index,
            encoder: format::encoder(sink.format, &sink.schema),
            key: sink.key.clone(),
            key_types: sink.key_types.clone(),
            changed: false,
            row_keys: RowKeys::default(),
            grouper: Grouper::new(),
            row_key: Vec::new(),
            newest: Vec::new(),
            line: Vec::new(),
        }
    }

    /// Only the last row of a key counts: what came before it in the batch was never seen.
    pub fn rows(&mut self, batch: &Batch, state: &mut KeyedState) -> Result<(), FragmentError> {
        self.grouper.clear();
        self.row_key.clear();
        let mut grouping = Grouping { grouper: &mut self.grouper, row_key: &mut self.row_key };
        self.row_keys.each(&batch.columns, &self.key, &self.key_types, 0..batch.rows(), &mut grouping);
        state.load(self.grouper.keys())?;
        self.newest.clear();
        self.newest.resize(self.grouper.keys().len(), 0);
        self.row_key.iter().enumerate().for_each(|(row, &key)| self.newest[key as usize] = row as u32);
        for (key, &row) in self.newest.iter().enumerate() {
            if !batch.op(row as usize).adds() {
                state.apply(0, key, None);
                continue;
            }
            self.line.clear();
            let row = batch.columns.slice(row as usize, 1);
            let encoded = self.encoder.encode(&row, &mut self.line);
            encoded.map_err(|source| FragmentError::Format { operator: self.name.clone(), source })?;
            state.apply(0, key, Some(&self.line));
        }
        self.changed |= batch.rows() > 0;
        Ok(())
    }

    /// The operator's position in the plan, when the epoch that ends has changed the view.
    pub fn take_changed(&mut self) -> Option<usize> {
        std::mem::take(&mut self.changed).then_some(self.index)
    }
}
