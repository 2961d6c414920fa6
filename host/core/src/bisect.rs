//! Finding the poison: which rows of a failed batch are to blame.
//!
//! A call either applies as a whole or not at all, so a failed range can be run again in halves,
//! each in a fresh instance, left before right, until single rows fail. What succeeds on the way is
//! applied at once; the order of the rows is kept.

use std::ops::Range;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Run these rows, then report [`Bisection::succeeded`] or [`Bisection::failed`].
    Run(Range<u32>),
    /// This row is to blame: apply the operator's policy to it, then ask again.
    Poison(u32),
    Done,
}

/// The search through one batch. Ranges that are still to be run lie on a stack, the next on top;
/// together with what was run they are always the whole batch, in order.
#[derive(Debug, Clone)]
pub struct Bisection {
    pending: Vec<Range<u32>>,
    poison: Option<u32>,
}

impl Bisection {
    /// A batch of `rows` rows, to be run whole at first.
    pub fn new(rows: u32) -> Self {
        let whole = 0..rows;
        Self { pending: if rows == 0 { vec![] } else { vec![whole] }, poison: None }
    }

    /// The next step; the same one until it is reported on.
    pub fn step(&mut self) -> Step {
        if let Some(row) = self.poison.take() {
            return Step::Poison(row);
        }
        self.pending.last().cloned().map_or(Step::Done, Step::Run)
    }

    /// The range of the last [`Step::Run`] was applied.
    pub fn succeeded(&mut self) {
        self.pending.pop();
    }

    /// The range of the last [`Step::Run`] failed and nothing of it was applied. `row` is the one
    /// that the guest blames, if it does and the row lies in the range.
    pub fn failed(&mut self, row: Option<u32>) {
        let Some(range) = self.pending.pop() else { return };
        if range.len() == 1 {
            self.poison = Some(range.start);
            return;
        }
        let parts = match row.filter(|r| range.contains(r)) {
            Some(row) => [range.start..row, row..row + 1, row + 1..range.end],
            None => {
                let middle = range.start + (range.end - range.start) / 2;
                [range.start..middle, middle..range.end, range.end..range.end]
            }
        };
        self.pending.extend(parts.into_iter().rev().filter(|p| !p.is_empty()));
    }
}
