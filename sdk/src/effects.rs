//! The effects of a batch while it runs: outputs and rejections, pushed in chunks between rows.

use wasmill_abi::effects::EffectsWriter;

use crate::{Error, Fault, LateRows, Outputs};

/// Waiting outputs beyond this many bytes are pushed before the next row.
const CHUNK_BYTES: usize = 1 << 20;

/// Takes a finished chunk to the host.
pub(crate) type Push<'p> = &'p mut dyn FnMut(Vec<u8>);

pub(crate) struct Effects<O> {
    pub outputs: O,
    writer: EffectsWriter,
    policy: LateRows,
    /// Input rows that are late.
    late: Vec<u32>,
}

impl<O: Outputs> Effects<O> {
    pub fn new(policy: LateRows) -> Self {
        Self { outputs: O::create(), writer: EffectsWriter::new(), policy, late: Vec::new() }
    }

    /// Starts a batch; what an earlier, failed one left is dropped.
    pub fn begin(&mut self) {
        self.outputs.clear();
        self.writer = EffectsWriter::new();
        self.late.clear();
    }

    /// Sends the row out as a late one.
    pub fn late(&mut self, row: u32) {
        self.late.push(row);
    }

    /// Keeps what the row put out.
    #[inline]
    pub fn keep(&mut self, row: u32, push: Push<'_>) {
        if self.outputs.commit(row) >= CHUNK_BYTES {
            self.push(push);
        }
    }

    /// Drops what the row put out, and refuses it or calls it late; other faults end the batch.
    #[cold]
    pub fn refuse(&mut self, row: u32, error: Error) -> Result<(), Error> {
        match (error.fault(), self.policy) {
            (Fault::Late, LateRows::BehindWatermark | LateRows::Chosen) => self.late.push(row),
            (Fault::Reject | Fault::Late, _) => self.writer.reject(row, error.code(), error.message()),
            _ => return Err(error.at(row)),
        }
        self.outputs.undo();
        Ok(())
    }

    /// Ends the batch with what `fill` adds.
    pub fn finish(
        &mut self,
        push: Push<'_>,
        fill: impl FnOnce(&mut EffectsWriter) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.late.is_empty() {
            self.writer.late(&self.late);
        }
        fill(&mut self.writer)?;
        self.push(push);
        Ok(())
    }

    #[inline(never)]
    fn push(&mut self, push: Push<'_>) {
        self.outputs.write(&mut self.writer);
        if !self.writer.is_empty() {
            push(std::mem::take(&mut self.writer).finish());
        }
    }
}
