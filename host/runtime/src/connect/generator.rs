//! A source that makes its rows. Only the columns that the source names are made, so a benchmark
//! measures its job and not its input.

use super::nexmark::{self, Number, Text};
use super::orders;
use super::{Next, Rows, SourceError, SourceOptions, SourceReader};
use crate::batch::{Batch, Position};
use crate::schema::to_arrow;
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wasmill_core::generator::Generator;
use wasmill_core::plan::EventTime;
use wasmill_core::watermark::{BoundedDelay, Due, Progress, lowest};

/// The name of a generator's partition.
pub fn partition_name(partition: u16, partitions: u16) -> String {
    format!("{partition}-of-{partitions}")
}

/// The partitions of one subtask, advanced together in event time.
pub struct GeneratorSource {
    what: Generator,
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
    Order(orders::Column),
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
    pub fn open(options: SourceOptions<'_>, what: &Generator) -> Result<Self, SourceError> {
        let fields = &options.source.schema.fields;
        let maker = |name: &str| Maker::of(what, name).expect("the plan was checked: the column exists");
        let mut this = Self {
            what: what.clone(),
            schema: to_arrow(&options.source.schema),
            columns: fields.iter().map(|f| maker(&f.name)).collect(),
            event_time: options.source.event_time.clone(),
            batch_rows: options.batch_rows.max(1),
            partitions: Vec::new(),
            watermark: None,
        };
        for p in 0..what.partitions() {
            let name = partition_name(p, what.partitions());
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
        let open = self.partitions.iter().enumerate().filter(|(_, p)| p.state.event < self.what.events());
        open.min_by_key(|(_, p)| (p.delay.progress().watermark, p.state.event)).map(|(i, _)| i)
    }

    fn risen(&mut self) -> Option<i64> {
        self.event_time.as_ref()?;
        let open = self.partitions.iter().filter(|p| p.state.event < self.what.events());
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
        let mut numbers = Vec::with_capacity(most);
        partition.state.event = match &self.what {
            Generator::Nexmark(what) => {
                pick(&self.what, partition.state.event, &mut numbers, |n| nexmark::Event::stream(n) == what.stream)
            }
            Generator::Orders(_) => pick(&self.what, partition.state.event, &mut numbers, |_| true),
        };
        partition.state.rows += numbers.len() as u64;
        let id = partition.id;
        let event_time = self.event_time.is_some().then(|| {
            let times = match self.what {
                Generator::Nexmark(_) => {
                    numbers.iter().map(|&n| nexmark::Event::new(n).number(Number::DateTime, 0)).collect()
                }
                Generator::Orders(_) => numbers.iter().map(|&n| orders::Event::micros(n)).collect(),
            };
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
        let events: Vec<nexmark::Event> = match &self.what {
            Generator::Nexmark(_) => numbers.iter().map(|&n| nexmark::Event::new(n)).collect(),
            Generator::Orders(_) => Vec::new(),
        };
        let arrays = self.columns.iter().map(|c| c.array(numbers, &events, &self.what)).collect();
        let columns = RecordBatch::try_new(self.schema.clone(), arrays).expect("columns have the schema's types");
        let position = |&n: &u64| Position { partition: id, row: n }.pack();
        let positions = numbers.iter().map(position).collect();
        Rows { batch: Batch { columns, event_time, positions, ops: None }, dead: Vec::new() }
    }
}

/// Fills up `numbers` with events from `n` on that are wanted; returns the one to look at next.
#[inline(always)]
fn pick(what: &Generator, mut n: u64, numbers: &mut Vec<u64>, wanted: impl Fn(u64) -> bool) -> u64 {
    let (events, step, most) = (what.events(), u64::from(what.partitions()), numbers.capacity());
    while numbers.len() < most && n < events {
        if wanted(n) {
            numbers.push(n);
        }
        n = n.saturating_add(step);
    }
    n
}

impl Maker {
    fn of(what: &Generator, name: &str) -> Option<Self> {
        Some(match what {
            Generator::Nexmark(what) => match nexmark::Column::of(what.stream, name)? {
                nexmark::Column::Number(number) => {
                    Maker::Number(number, matches!(number, Number::DateTime | Number::AuctionExpires))
                }
                nexmark::Column::Text(text) => Maker::Text(text, text.table()),
            },
            Generator::Orders(_) => Maker::Order(orders::Column::of(name)?),
        })
    }

    /// `events` are those of the numbers, for the dataset that has them.
    fn array(&self, numbers: &[u64], events: &[nexmark::Event], what: &Generator) -> ArrayRef {
        match (self, what) {
            (Maker::Number(column, is_time), Generator::Nexmark(what)) => {
                let values = events.iter().map(|event| event.number(*column, what.keys));
                if *is_time { times(values) } else { integers(values) }
            }
            (Maker::Text(column, table), _) => texts(events.iter().map(|event| table[event.text(*column)].as_str())),
            (Maker::Order(orders::Column::Created), _) => times(numbers.iter().map(|&n| orders::Event::micros(n))),
            (Maker::Order(orders::Column::Number(column)), Generator::Orders(what)) => {
                integers(numbers.iter().map(|&n| orders::Event::new(n, what).number(*column, what.users)))
            }
            (Maker::Order(orders::Column::Text(column)), Generator::Orders(what)) => {
                texts(numbers.iter().map(|&n| orders::Event::new(n, what).text(*column)))
            }
            _ => unreachable!("a maker is of its source's dataset"),
        }
    }
}

fn integers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values.collect::<Vec<_>>()))
}

fn times(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.collect::<Vec<_>>()).with_timezone("UTC"))
}

fn texts<'a>(values: impl ExactSizeIterator<Item = &'a str>) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(values.len(), values.len() * 32);
    values.for_each(|text| texts.append_value(text));
    Arc::new(texts.finish())
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
