//! Rows that a function called late: they leave it as they came, through an output of their own.

use super::Emitted;
use crate::batch::Batch;
use crate::exchange::pick;
use wasmill_abi::manifest::Function;
use wasmill_core::plan::Side;

/// The late rows of one call, whose rows begin at `start` in the batch. Outputs for late rows stand
/// behind those of the manifest, in the order of the inputs.
pub fn late_rows(function: &Function, side: Side, batch: &Batch, start: usize, late: &[u32]) -> Emitted {
    let output = function.outputs.len()
        + match side {
            Side::Left => 0,
            Side::Right => 1,
        };
    let start = u32::try_from(start).expect("a batch has at most 2^20 rows");
    let rows: Vec<u32> = late.iter().map(|row| start + row).collect();
    Emitted { output, batch: pick(batch, &rows) }
}
