//! What a function put out, refused, logged and counted in a harness.

use std::collections::BTreeMap;

use wasmill_abi::block::{Block, BlockWriter, Column};
use wasmill_abi::effects::Effect;
use wasmill_abi::manifest::{Function, MetricKind};
use wasmill_abi::{Op, Schema, Type};

use crate::log::Level;
use crate::{Date, Row, RowOf, Timestamp};

/// A refused row; see [`Results`] for an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Which one of all rows that were fed and all timers that fired, in order, from 0.
    pub row: u64,
    /// The number given by `Error::with_code`, or 0.
    pub code: u32,
    /// The text of the error.
    pub message: String,
}

/// What a function did so far. Batches that failed as a whole leave only their log lines.
///
/// ```
/// # use wasmill_sdk::prelude::*;
/// # use wasmill_sdk::testing::MapTest;
/// # #[derive(Row, Debug, PartialEq)]
/// # struct Number {
/// #     n: i64,
/// # }
/// # struct Half;
/// # impl Map for Half {
/// #     type Config = ();
/// #     type In = Number;
/// #     type Out = Emit<Number>;
/// #     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
/// #         Ok(Half)
/// #     }
/// #     fn map(&mut self, row: Number, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
/// #         if row.n % 2 != 0 {
/// #             return Err(Error::reject("odd").with_code(9));
/// #         }
/// #         out.emit(Number { n: row.n / 2 });
/// #         Ok(())
/// #     }
/// # }
/// let mut test = MapTest::<Half>::open([])?;
/// test.feed([4, 5, 6].map(|n| Number { n }))?;
/// assert_eq!(test.output::<Number>("out"), [Number { n: 2 }, Number { n: 3 }]);
/// assert_eq!(test.origins("out"), [0, 2]);
/// let reject = &test.rejects()[0];
/// assert_eq!((reject.row, reject.code, reject.message.as_str()), (1, 9, "odd"));
/// # Ok::<(), Error>(())
/// ```
pub struct Results {
    outputs: Vec<OutputRows>,
    rejects: Vec<Reject>,
    late: Vec<u64>,
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
    pub(super) logs: Vec<(Level, String)>,
    pub(super) handled: u64,
}

struct OutputRows {
    name: String,
    schema: Schema,
    /// Blocks, as they came, with the number of their rows.
    blocks: Vec<(usize, Vec<u8>)>,
    origins: Vec<u64>,
    /// One per row when the output is a changelog, else none.
    ops: Vec<Op>,
}

impl Results {
    pub(super) fn new(function: &Function) -> Self {
        let outputs = function.outputs.iter().map(|o| OutputRows {
            name: o.name.clone(),
            schema: o.schema.clone(),
            blocks: Vec::new(),
            origins: Vec::new(),
            ops: Vec::new(),
        });
        Self {
            outputs: outputs.collect(),
            rejects: Vec::new(),
            late: Vec::new(),
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            logs: Vec::new(),
            handled: 0,
        }
    }

    pub(super) fn take(&mut self, function: &Function, effects: &[Effect<'_>]) {
        for effect in effects {
            match effect {
                Effect::Rows { output, origins, ops, block } => {
                    let out = &mut self.outputs[usize::from(*output)];
                    let origin = |i: usize| origins.map_or(i as u32, |o| u32::from_le_bytes(o[i]));
                    out.origins.extend((0..block.rows).map(|i| self.handled + u64::from(origin(i))));
                    out.ops.extend(ops.iter().copied().flatten().filter_map(|&code| Op::from_code(code)));
                    out.blocks.push((block.rows, copy(&out.schema, block)));
                }
                Effect::Reject { row, code, message } => {
                    let row = self.handled + u64::from(*row);
                    self.rejects.push(Reject { row, code: *code, message: (*message).to_owned() });
                }
                Effect::Late(rows) => self.late.extend(rows.iter().map(|row| self.handled + u64::from(*row))),
                Effect::Metric { metric, payload } => self.report(function, *metric, *payload),
                Effect::State { .. } | Effect::Entries { .. } | Effect::Timers(_) => {}
            }
        }
    }

    fn report(&mut self, function: &Function, metric: u16, payload: [u8; 8]) {
        let metric = &function.metrics[usize::from(metric)];
        match metric.kind {
            MetricKind::Counter => {
                *self.counters.entry(metric.name.clone()).or_default() += u64::from_le_bytes(payload);
            }
            MetricKind::Gauge => {
                self.gauges.insert(metric.name.clone(), f64::from_le_bytes(payload));
            }
        }
    }

    fn named(&self, name: &str) -> &OutputRows {
        self.outputs.iter().find(|o| o.name == name).unwrap_or_else(|| {
            let names: Vec<&str> = self.outputs.iter().map(|o| o.name.as_str()).collect();
            panic!("there is no output {name:?}; there are {names:?}")
        })
    }

    /// The rows of an output. Panics if there is no such output, or if its rows are not `R`.
    pub fn output<R: Row>(&self, name: &str) -> Vec<RowOf<'_, R>> {
        let out = self.named(name);
        assert_eq!(R::schema(), out.schema, "output {name:?} has other columns");
        let mut rows = Vec::new();
        for (count, bytes) in &out.blocks {
            let block = Block::read(&out.schema, bytes, *count).expect("it was read before");
            let columns = R::columns(&block).expect("the SDK writes UTF-8");
            rows.extend((0..*count).map(|i| R::read(&columns, i)));
        }
        rows
    }

    /// The rows of an output as text: their values, separated by a comma and a space; missing ones
    /// are `null`, bytes are hexadecimal, lists stand in `[]` and structs in `{}`. Rows of a changelog start with
    /// their sign, as in `+I 7, 1`. Panics if there is no such output.
    pub fn display(&self, name: &str) -> Vec<String> {
        let out = self.named(name);
        let mut lines = Vec::new();
        for (count, bytes) in &out.blocks {
            let block = Block::read(&out.schema, bytes, *count).expect("it was read before");
            let line = |i| joined(block.columns.iter().map(|c| cell(c, i)));
            lines.extend((0..*count).map(line));
        }
        out.ops.iter().zip(&mut lines).for_each(|(op, line)| line.insert_str(0, &format!("{op} ")));
        lines
    }

    /// The operation of each row of an output that is a changelog; none for other outputs.
    pub fn ops(&self, name: &str) -> &[Op] {
        &self.named(name).ops
    }

    /// For each row of an output, the row or timer it comes from, counted like [`Reject::row`].
    pub fn origins(&self, name: &str) -> &[u64] {
        &self.named(name).origins
    }

    /// The rows that were refused.
    pub fn rejects(&self) -> &[Reject] {
        &self.rejects
    }

    /// The rows that came too late, counted like [`Reject::row`]; see [`LateRows`](crate::LateRows).
    pub fn late(&self) -> &[u64] {
        &self.late
    }

    /// The lines that were logged.
    pub fn logs(&self) -> &[(Level, String)] {
        &self.logs
    }

    /// The sum of a counter; 0 if it was never reported.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// The last value of a gauge.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        self.gauges.get(name).copied()
    }

    /// Forgets outputs, refused rows and log lines; state, timers, metrics and clocks stay.
    pub fn clear(&mut self) {
        for out in &mut self.outputs {
            out.blocks.clear();
            out.origins.clear();
            out.ops.clear();
        }
        self.rejects.clear();
        self.late.clear();
        self.logs.clear();
    }
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(", ")
}

fn copy(schema: &Schema, block: &Block<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = BlockWriter::new(&mut bytes, block.rows, BlockWriter::buffers_of(schema));
    block.columns.iter().for_each(|column| copy_column(column, &mut writer));
    bytes
}

fn copy_column(column: &Column<'_>, writer: &mut BlockWriter<'_>) {
    writer.buffer(column.validity);
    if column.ty.is_variable() || column.ty == Type::List {
        writer.buffer(column.offsets.as_flattened());
    }
    if !column.ty.is_nested() {
        writer.buffer(column.values);
    }
    column.children.iter().for_each(|child| copy_column(child, writer));
}

fn cell(column: &Column<'_>, row: usize) -> String {
    macro_rules! number {
        ($rust:ty) => {
            <$rust>::from_le_bytes(column.fixed()[row]).to_string()
        };
    }
    if !column.is_valid(row) {
        return "null".to_owned();
    }
    match column.ty {
        Type::Bool => wasmill_abi::block::bit(column.values, row).to_string(),
        Type::I8 => number!(i8),
        Type::I16 => number!(i16),
        Type::I32 => number!(i32),
        Type::I64 => number!(i64),
        Type::U8 => number!(u8),
        Type::U16 => number!(u16),
        Type::U32 => number!(u32),
        Type::U64 => number!(u64),
        Type::F32 => number!(f32),
        Type::F64 => number!(f64),
        Type::Date => Date::from_days(i32::from_le_bytes(column.fixed()[row])).to_string(),
        Type::Decimal { scale, .. } => {
            let mut text = String::new();
            let written = wasmill_abi::decimal::write(&mut text, i128::from_le_bytes(column.fixed()[row]), scale);
            written.map_or_else(|e| e.to_string(), |()| text)
        }
        Type::List => format!("[{}]", joined(column.range(row).map(|i| cell(&column.children[0], i)))),
        Type::Struct => format!("{{{}}}", joined(column.children.iter().map(|child| cell(child, row)))),
        Type::Timestamp => Timestamp::from_micros(i64::from_le_bytes(column.fixed()[row])).to_string(),
        Type::Utf8 => String::from_utf8_lossy(column.var(row)).into_owned(),
        Type::Binary => column.var(row).iter().map(|b| format!("{b:02x}")).collect(),
    }
}
