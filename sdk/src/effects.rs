//! The effects of a batch while it runs: outputs and rejections, pushed in chunks between rows.

use wasmill_abi::effects::EffectsWriter;

use crate::{Error, Fault, Outputs};

/// Waiting outputs beyond this many bytes are pushed before the next row.
const CHUNK_BYTES: usize = 1 << 20;

/// Takes a finished chunk to the host.
pub(crate) type Push<'p> = &'p mut dyn FnMut(Vec<u8>);

pub(crate) struct Effects<O> {
    pub outputs: O,
    writer: EffectsWriter,
}

impl<O: Outputs> Effects<O> {
    pub fn new() -> Self {
        Self { outputs: O::create(), writer: EffectsWriter::new() }
    }

    /// Starts a batch; what an earlier, failed one left is dropped.
    pub fn begin(&mut self) {
        self.outputs.clear();
        self.writer = EffectsWriter::new();
    }

    /// Keeps what the row put out.
    #[inline]
    pub fn keep(&mut self, row: u32, push: Push<'_>) {
        if self.outputs.commit(row) >= CHUNK_BYTES {
            self.push(push);
        }
    }

    /// Drops what the row put out, and refuses it; other faults than rejections end the batch.
    #[cold]
    pub fn refuse(&mut self, row: u32, error: Error) -> Result<(), Error> {
        if error.fault() != Fault::Reject {
            return Err(error.at(row));
        }
        self.outputs.undo();
        self.writer.reject(row, error.code(), error.message());
        Ok(())
    }

    /// Ends the batch with what `fill` adds.
    pub fn finish(
        &mut self,
        push: Push<'_>,
        fill: impl FnOnce(&mut EffectsWriter) -> Result<(), Error>,
    ) -> Result<(), Error> {
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
