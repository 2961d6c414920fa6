//! Changelogs inside of a fragment: between the operation of each row and the column that files have
//! it in.

use super::dead_letters::{DeadLetters, Reason, RowOf};
use crate::batch::Batch;
use crate::exchange::pick;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use std::sync::Arc;
use wasmill_abi::{Op, Schema};
use wasmill_core::plan::Source;

/// The rows with their operations as the first column. `schema` has that column, and then those of
/// the batch.
pub fn with_op_column(batch: &Batch, schema: &SchemaRef) -> RecordBatch {
    let mut signs = StringBuilder::with_capacity(batch.rows(), 2 * batch.rows());
    (0..batch.rows()).for_each(|row| signs.append_value(batch.op(row).sign()));
    let op: ArrayRef = Arc::new(signs.finish());
    let columns = [op].into_iter().chain(batch.columns.columns().iter().cloned()).collect();
    RecordBatch::try_new(schema.clone(), columns).expect("the plan was checked: the columns are those of the input")
}

impl Batch {
    /// What a row does; every row of a stream that is no changelog is an insert.
    pub fn op(&self, row: usize) -> Op {
        let op = self.ops.as_ref().map(|ops| Op::from_code(ops[row]).expect("effects and files are checked"));
        op.unwrap_or_default()
    }
}

/// The column of a source that says what each row does.
pub struct OpColumn {
    operator: String,
    schema: Schema,
    column: usize,
    others: Vec<usize>,
}

impl OpColumn {
    /// `None` for sources that are no changelogs.
    pub fn of(operator: &str, source: &Source) -> Option<Self> {
        let column = source.op?;
        let others = (0..source.schema.fields.len()).filter(|&other| other != column).collect();
        Some(Self { operator: operator.to_owned(), schema: source.schema.clone(), column, others })
    }

    /// Moves the operations from their column to where a batch has them. A row whose operation is
    /// none becomes a dead letter.
    pub fn take(&self, batch: Batch, dead: &mut DeadLetters) -> Batch {
        let signs = batch.columns.column(self.column).as_string::<i32>();
        let ops: Vec<Option<Op>> = (0..batch.rows()).map(|row| Op::from_sign(signs.value(row))).collect();
        for row in (0..batch.rows()).filter(|&row| ops[row].is_none()) {
            self.refuse(&batch, row, signs.value(row), dead);
        }
        let good: Vec<u32> = (0..batch.rows() as u32).filter(|&row| ops[row as usize].is_some()).collect();
        let mut rows = if good.len() == batch.rows() { batch } else { pick(&batch, &good) };
        rows.columns = rows.columns.project(&self.others).expect("the plan was checked: these columns exist");
        rows.ops = Some(ops.into_iter().flatten().map(Op::code).collect());
        rows
    }

    fn refuse(&self, batch: &Batch, row: usize, sign: &str, dead: &mut DeadLetters) {
        let name = &self.schema.fields[self.column].name;
        let message = format!("column {name:?} holds {sign:?}, which is no operation; there are +I, -U, +U and -D");
        let reason = Reason { kind: "format", code: None, message, backtrace: Vec::new() };
        let row = RowOf {
            schema: &self.schema,
            columns: batch.columns.slice(row, 1),
            position: batch.positions[row],
            event_time: batch.event_time.as_ref().map(|times| times[row]),
            op: None,
        };
        dead.row(&self.operator, &reason, &row);
    }
}
