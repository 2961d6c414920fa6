//! What both harnesses share: an opened function, its clock, and how one frame goes through it.

use std::collections::HashSet;

use wasmill_abi::block::{Block, BlockWriter};
use wasmill_abi::effects::{Bounds, Effect, read};
use wasmill_abi::frame::{FrameWriter, Header, Kind, NO_WATERMARK, Tag};
use wasmill_abi::manifest::{Function, Manifest};
use wasmill_abi::open::OpenContext as Opened;
use wasmill_abi::{Op, Schema, Type};

use super::Results;
use crate::module::{FunctionDef, Instance, Module};
use crate::row::RowBuilders;
use crate::{ConfigValue, Error, Row, RowOf};

const NAME: &str = "function";

pub(super) struct Bench {
    module: Module,
    opened: Vec<u8>,
    instance: Box<dyn Instance>,
    pub function: Function,
    pub results: Results,
    pub batch_rows: usize,
    pub now: i64,
    pub watermark: i64,
    batches: u64,
}

impl Bench {
    pub fn open<'s>(
        def: FunctionDef,
        settings: impl IntoIterator<Item = (&'s str, ConfigValue)>,
    ) -> Result<Self, Error> {
        let module = Module::new("test", "0.0.0", vec![def]);
        // Through bytes, so that what a host would refuse is refused here.
        let manifest = Manifest::decode(&module.manifest().encode()).map_err(Error::incompatible)?;
        let function = manifest.functions.into_iter().next().ok_or_else(|| Error::incompatible("no function"))?;
        let given = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let opened = Opened {
            function: NAME.to_owned(),
            job: "test".to_owned(),
            operator: "test".to_owned(),
            subtask: 0,
            parallelism: 1,
            config: with_defaults(&function, given)?,
        }
        .encode();
        let (instance, logs) = crate::log::capture(|| module.open(&opened));
        let mut results = Results::new(&function);
        results.logs.extend(logs);
        let (instance, batch_rows, now) = (instance?, 4096, 0);
        Ok(Self { module, opened, instance, function, results, batch_rows, now, watermark: NO_WATERMARK, batches: 0 })
    }

    pub fn name() -> &'static str {
        NAME
    }

    pub fn restart(&mut self) -> Result<(), Error> {
        self.instance = self.module.open(&self.opened)?;
        Ok(())
    }

    pub fn header(&mut self, kind: Kind, rows: usize, timers: usize, keys: usize) -> Header {
        self.batches += 1;
        Header {
            kind,
            rows: rows as u32,
            keys: keys as u32,
            timers: timers as u32,
            epoch: 0,
            watermark: self.watermark,
            now: self.now,
            seed: self.batches,
        }
    }

    /// Runs one frame; on success its effects are in the results, and state and timers go to `apply`.
    pub fn run(&mut self, header: &Header, frame: Vec<u8>, mut apply: impl FnMut(&Effect<'_>)) -> Result<(), Error> {
        let mut chunks = Vec::new();
        let (result, logs) =
            crate::log::capture(|| self.instance.process(frame, &mut |chunk: Vec<u8>| chunks.push(chunk)));
        self.results.logs.extend(logs);
        result?;
        let schemas: Vec<Schema> = self.function.outputs.iter().map(|o| o.schema.clone()).collect();
        let bounds = Bounds {
            outputs: &schemas,
            slots: self.function.slots().len() as u16,
            metrics: self.function.metrics.len() as u16,
            rows: header.rows.max(header.timers),
            keys: header.keys,
            rows_max: usize::MAX,
        };
        for chunk in chunks {
            let effects = read(&chunk, &bounds).expect("the SDK writes effects that the ABI reads");
            effects.iter().for_each(&mut apply);
            self.results.take(&self.function, &effects);
        }
        self.results.handled += u64::from(bounds.rows);
        Ok(())
    }
}

fn with_defaults(
    function: &Function,
    mut given: Vec<(String, ConfigValue)>,
) -> Result<Vec<(String, ConfigValue)>, Error> {
    let known: HashSet<&str> = function.config.iter().map(|f| f.name.as_str()).collect();
    if let Some((name, _)) = given.iter().find(|(name, _)| !known.contains(name.as_str())) {
        return Err(Error::fatal(format_args!("there is no setting {name:?}")));
    }
    for field in &function.config {
        if let Some(default) = &field.default
            && given.iter().all(|(name, _)| *name != field.name)
        {
            given.push((field.name.clone(), default.clone()));
        }
    }
    Ok(given)
}

/// Rows of one batch, and the block they make.
pub(super) struct Rows<R: Row> {
    builders: R::Builders,
    pub count: usize,
    /// The code of each row's operation; empty when the stream is no changelog.
    pub ops: Vec<u8>,
    /// The event time of all rows, when no column has it.
    pub time: Option<i64>,
}

impl<R: Row> Rows<R> {
    pub fn new() -> Self {
        Self { builders: R::Builders::default(), count: 0, ops: Vec::new(), time: None }
    }

    pub fn add(&mut self, row: &RowOf<'_, R>) {
        R::write(&mut self.builders, self.count, row);
        self.count += 1;
    }

    pub fn add_change(&mut self, op: Op, row: &RowOf<'_, R>) {
        self.add(row);
        self.ops.push(op.code());
    }

    /// Writes the operations, if there are any.
    pub fn write_ops(&self, frame: &mut FrameWriter) {
        if !self.ops.is_empty() {
            frame.bytes(Tag::Op, &self.ops);
        }
    }

    pub fn write(&self, block: &mut BlockWriter<'_>) {
        self.builders.write(self.count, block);
    }

    /// The rows as a block, with its schema.
    pub fn block_bytes(&self) -> (Schema, Vec<u8>) {
        let (schema, mut bytes) = (R::schema(), Vec::new());
        self.write(&mut BlockWriter::new(&mut bytes, self.count, BlockWriter::buffers_of(&schema)));
        (schema, bytes)
    }
}

/// A block that was written here.
pub(super) fn read_block<'a>(schema: &Schema, bytes: &'a [u8], rows: usize) -> Block<'a> {
    Block::read(schema, bytes, rows).expect("the SDK writes blocks that the ABI reads")
}

/// The event times of a block, from a timestamp column.
pub(super) fn event_times(schema: &Schema, block: &Block<'_>, column: &str) -> Vec<i64> {
    let at = schema.index_of(column).unwrap_or_else(|| panic!("the rows have no column {column:?}: {schema}"));
    assert_eq!(schema.fields[at].ty, Type::Timestamp, "event time column {column:?} is no timestamp");
    block.columns[at].fixed::<8>().iter().map(|v| i64::from_le_bytes(*v)).collect()
}
