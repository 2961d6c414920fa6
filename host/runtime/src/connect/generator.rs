//! A source that makes its rows: the nexmark generator. Only the columns that the source names are
//! made, so a benchmark measures its job and not its input.

use super::nexmark::{Column, Event, Number, Text};
use super::{Next, Rows, SourceError, SourceOptions, SourceReader};
use crate::batch::{Batch, Position};
use crate::schema::to_arrow;
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wasmill_core::nexmark::Nexmark;
use wasmill_core::plan::EventTime;
use wasmill_core::watermark::{BoundedDelay, Due, Progress, lowest};

/// The name of a generator's partition.
pub fn partition_name(partition: u16, partitions: u16) -> String {
    format!("{partition}-of-{partitions}")
}

/// The partitions of one subtask, advanced together in event time.
pub struct GeneratorSource {
    what: Nexmark,
    schema: SchemaRef,
    columns: Vec<Maker>,
    event_time: Option<EventTime>,
    batch_rows: usize,
    partitions: Vec<Partition>,
    watermark: Option<i64>,
}

/// Makes one column.
enum Maker {
    Number(Number, bool),
    Text(Text, Vec<String>),
}

struct Partition {
    name: String,
    id: u16,
    state: State,
    delay: BoundedDelay,
}

/// Where a partition stands, as it is stored with each epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// The number of the next event to look at.
    event: u64,
    /// Rows made.
    rows: u64,
    highest: Option<i64>,
    watermark: Option<i64>,
}

impl GeneratorSource {
    pub fn open(options: SourceOptions<'_>, what: &Nexmark) -> Result<Self, SourceError> {
        let fields = &options.source.schema.fields;
        let maker = |name: &str| match Column::of(what.stream, name) {
            Some(Column::Number(number)) => {
                let is_time = matches!(number, Number::DateTime | Number::AuctionExpires);
                Maker::Number(number, is_time)
            }
            Some(Column::Text(text)) => Maker::Text(text, text.table()),
            None => unreachable!("the plan was checked: column {name} exists"),
        };
        let mut this = Self {
            what: what.clone(),
            schema: to_arrow(&options.source.schema),
            columns: fields.iter().map(|f| maker(&f.name)).collect(),
            event_time: options.source.event_time.clone(),
            batch_rows: options.batch_rows.max(1),
            partitions: Vec::new(),
            watermark: None,
        };
        for p in 0..what.partitions {
            let name = partition_name(p, what.partitions);
            let id = options.partitions.get(&name).copied().unwrap_or(p);
            if id % options.parallelism.max(1) == options.subtask {
                let restored = options.restored.get(&name).map(|bytes| read_state(&name, bytes)).transpose()?;
                let state = restored.unwrap_or_else(|| State { event: p.into(), ..State::default() });
                this.partitions.push(this.partition(name, id, state));
            }
        }
        Ok(this)
    }

    fn partition(&self, name: String, id: u16, state: State) -> Partition {
        let progress = Progress { rows: state.rows, highest: state.highest, watermark: state.watermark };
        let (max_delay, every) =
            self.event_time.as_ref().map_or((Default::default(), u32::MAX), |t| (t.max_delay, t.every_rows));
        Partition { name, id, state, delay: BoundedDelay::new(max_delay, every, progress) }
    }

    /// The unfinished partition that is furthest behind.
    fn choose(&self) -> Option<usize> {
        let open = self.partitions.iter().enumerate().filter(|(_, p)| p.state.event < self.what.events);
        open.min_by_key(|(_, p)| (p.delay.progress().watermark, p.state.event)).map(|(i, _)| i)
    }

    fn risen(&mut self) -> Option<i64> {
        self.event_time.as_ref()?;
        let open = self.partitions.iter().filter(|p| p.state.event < self.what.events);
        let now = lowest(open.map(|p| p.delay.progress().watermark))?;
        if self.watermark.is_some_and(|w| w >= now) {
            return None;
        }
        self.watermark = Some(now);
        Some(now)
    }

    fn make(&mut self, chosen: usize) -> Option<Rows> {
        let partition = &mut self.partitions[chosen];
        let until_due = partition.delay.rows_until_due();
        let most = usize::try_from(until_due).unwrap_or(usize::MAX).min(self.batch_rows);
        let (stream, step) = (self.what.stream, u64::from(self.what.partitions));
        let mut numbers = Vec::with_capacity(most);
        let mut n = partition.state.event;
        while numbers.len() < most && n < self.what.events {
            if Event::stream(n) == stream {
                numbers.push(n);
            }
            n = n.saturating_add(step);
        }
        partition.state.event = n;
        partition.state.rows += numbers.len() as u64;
        let id = partition.id;
        let event_time = self.event_time.is_some().then(|| {
            let times = numbers.iter().map(|&n| Event::new(n).number(Number::DateTime, 0)).collect();
            self.observe(chosen, times)
        });
        (!numbers.is_empty()).then(|| self.rows(&numbers, id, event_time))
    }

    fn observe(&mut self, chosen: usize, times: Vec<i64>) -> ScalarBuffer<i64> {
        let partition = &mut self.partitions[chosen];
        // Whether a watermark is due is asked of all partitions together, before the next batch.
        let (Due::Now | Due::Later) = partition.delay.observe(&times);
        let progress = partition.delay.progress();
        partition.state.highest = progress.highest;
        partition.state.watermark = progress.watermark;
        times.into()
    }

    fn rows(&self, numbers: &[u64], id: u16, event_time: Option<ScalarBuffer<i64>>) -> Rows {
        let arrays = self.columns.iter().map(|c| c.array(numbers, self.what.keys)).collect();
        let columns = RecordBatch::try_new(self.schema.clone(), arrays).expect("columns have the schema's types");
        let position = |&n: &u64| Position { partition: id, row: n }.pack();
        let positions = numbers.iter().map(position).collect();
        Rows { batch: Batch { columns, event_time, positions }, dead: Vec::new() }
    }
}

impl Maker {
    fn array(&self, numbers: &[u64], keys: u64) -> ArrayRef {
        match self {
            Maker::Number(column, is_time) => {
                let values = numbers.iter().map(|&n| Event::new(n).number(*column, keys)).collect::<Vec<_>>();
                match is_time {
                    true => Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")),
                    false => Arc::new(Int64Array::from(values)),
                }
            }
            Maker::Text(column, table) => {
                let mut texts = StringBuilder::with_capacity(numbers.len(), numbers.len() * 32);
                numbers.iter().for_each(|&n| texts.append_value(&table[Event::new(n).text(*column)]));
                Arc::new(texts.finish())
            }
        }
    }
}

fn read_state(name: &str, bytes: &[u8]) -> Result<State, SourceError> {
    let failed = |e: serde_json::Error| SourceError::Position { partition: name.to_owned(), reason: e.to_string() };
    serde_json::from_slice(bytes).map_err(failed)
}

impl SourceReader for GeneratorSource {
    fn next(&mut self) -> Result<Next, SourceError> {
        loop {
            if let Some(watermark) = self.risen() {
                return Ok(Next::Watermark(watermark));
            }
            let Some(chosen) = self.choose() else { return Ok(Next::End) };
            if let Some(rows) = self.make(chosen) {
                return Ok(Next::Rows(rows));
            }
        }
    }

    fn positions(&self) -> Vec<(String, Vec<u8>)> {
        let encode = |state| serde_json::to_vec(state).expect("numbers become JSON");
        self.partitions.iter().map(|p| (p.name.clone(), encode(&p.state))).collect()
    }

    fn has_ended(&self) -> bool {
        self.choose().is_none()
    }

    fn event_time_now(&self) -> Option<i64> {
        self.partitions.iter().filter_map(|p| p.state.highest).max()
    }

    fn replayable(&self) -> bool {
        true
    }
}
