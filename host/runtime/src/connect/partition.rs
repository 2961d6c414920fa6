//! One open partition: records become rows, dead lines and watermarks, in order. What comes out
//! depends on the bytes alone, not on the size of batches or the place where reading was resumed.

use super::position::PartitionPosition;
use super::records::{DEAD_BYTES_MAX, Length, Record, Records};
use super::{DeadLine, Rows, SourceError};
use crate::batch::{Batch, Position};
use crate::format::{self, Decoder};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_buffer::ScalarBuffer;
use std::io;
use std::path::{Path, PathBuf};
use wasmill_core::plan::Source;
use wasmill_core::watermark::BoundedDelay;

/// How much to read at once.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Rows and dead lines.
    pub rows: usize,
    /// Input bytes, roughly.
    pub bytes: usize,
}

/// Why a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The batch is full, or a watermark is due behind it.
    More,
    /// Nothing more for now.
    Pending,
    /// The partition is done.
    End,
}

/// Which partition it is.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    pub name: &'a str,
    /// The number in its rows' positions.
    pub id: u16,
    /// The file's path, for errors.
    pub path: &'a Path,
}

/// A partition that is open.
pub trait OpenPart: Send {
    /// The place behind everything that was returned. The identity of the file is left open.
    fn position(&self) -> PartitionPosition;

    /// The last watermark that was due.
    fn watermark(&self) -> Option<i64>;

    /// The highest event time read.
    fn highest(&self) -> Option<i64>;

    /// Reads up to the limits, or to the next position of a watermark. `Rows` may be empty.
    fn read(&mut self, limits: BatchLimits) -> Result<(Rows, Outcome), SourceError>;
}

impl OpenPart for Partition {
    fn position(&self) -> PartitionPosition {
        Partition::position(self)
    }

    fn watermark(&self) -> Option<i64> {
        Partition::watermark(self)
    }

    fn highest(&self) -> Option<i64> {
        Partition::highest(self)
    }

    fn read(&mut self, limits: BatchLimits) -> Result<(Rows, Outcome), SourceError> {
        Partition::read(self, limits)
    }
}

/// A partition of records that is being read.
pub struct Partition {
    name: String,
    /// The file's path, for errors.
    path: PathBuf,
    id: u16,
    records: Records,
    /// `None` until the header was read, in formats that have one.
    decoder: Option<Box<dyn Decoder>>,
    event_time: Option<(usize, BoundedDelay)>,
    /// For sources without event time.
    rows: u64,
    /// Shown once the rows before it were returned.
    failed: Option<SourceError>,
    at_end: bool,
    source: Source,
}

impl Partition {
    /// `records` stand at `position`; `decoder` is `None` when the next record is the header.
    pub fn new(
        of: Identity<'_>,
        source: &Source,
        position: &PartitionPosition,
        records: Records,
        decoder: Option<Box<dyn Decoder>>,
    ) -> Self {
        let event_time = source
            .event_time
            .as_ref()
            .map(|e| (e.column, BoundedDelay::new(e.max_delay, e.every_rows, position.progress())));
        Self {
            name: of.name.to_owned(),
            path: of.path.to_owned(),
            id: of.id,
            records,
            decoder,
            event_time,
            rows: position.rows,
            failed: None,
            at_end: false,
            source: source.clone(),
        }
    }

    /// The place behind everything that was returned. The identity of the file is left open.
    pub fn position(&self) -> PartitionPosition {
        let progress = self.event_time.as_ref().map(|(_, g)| g.progress());
        PartitionPosition {
            offset: self.records.offset(),
            skip: 0,
            line: self.records.line(),
            rows: self.rows,
            highest: progress.and_then(|p| p.highest),
            watermark: self.watermark(),
            done: self.at_end,
            file: None,
        }
    }

    /// The last watermark that was due.
    pub fn watermark(&self) -> Option<i64> {
        self.event_time.as_ref().and_then(|(_, g)| g.progress().watermark)
    }

    /// The highest event time read.
    pub fn highest(&self) -> Option<i64> {
        self.event_time.as_ref().and_then(|(_, g)| g.progress().highest)
    }

    /// Reads up to the limits, or to the next position of a watermark. `Rows` may be empty.
    pub fn read(&mut self, limits: BatchLimits) -> Result<(Rows, Outcome), SourceError> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        let due = self.event_time.as_ref().map_or(u64::MAX, |(_, g)| g.rows_until_due());
        let rows_max = usize::try_from(due).unwrap_or(usize::MAX);
        let mut gathered = Gathered::default();
        let outcome = loop {
            if gathered.positions.len() >= rows_max || gathered.is_full(limits) {
                break Outcome::More;
            }
            match self.records.next() {
                Ok(Some(record)) => {
                    if let Err(e) = self.add(&record, &mut gathered) {
                        self.failed = Some(e);
                        break Outcome::More;
                    }
                }
                Ok(None) => break Outcome::End,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break Outcome::Pending,
                Err(e) => {
                    self.failed = Some(super::input::damaged(&self.path, self.records.offset(), e));
                    break Outcome::More;
                }
            }
        };
        if gathered.is_empty()
            && let Some(e) = self.failed.take()
        {
            return Err(e);
        }
        let rows = self.rows_of(gathered);
        if outcome == Outcome::End {
            self.at_end = true;
            if let Some((_, generator)) = &mut self.event_time {
                generator.end();
            }
        }
        Ok((rows, outcome))
    }

    fn add(&mut self, record: &Record, gathered: &mut Gathered) -> Result<(), SourceError> {
        let bytes = self.records.bytes(record);
        let Some(decoder) = &mut self.decoder else {
            let made = format::decoder(self.source.format, &self.source.schema, Some(bytes));
            self.decoder = Some(made.map_err(|source| SourceError::Format { path: self.path.clone(), source })?);
            return Ok(());
        };
        gathered.bytes += (self.records.offset() - record.offset) as usize;
        let position = Position { partition: self.id, row: record.line - 1 }.pack();
        let pushed = match record.length {
            Length::Fits => decoder.push(bytes),
            Length::TooLong => Err(too_long(self.source.format)),
        };
        match pushed {
            Ok(()) => gathered.positions.push(position),
            Err(reason) => gathered.dead.push(DeadLine {
                partition: self.name.clone(),
                line: record.line,
                offset: record.offset,
                position,
                reason,
                bytes: bytes[..bytes.len().min(DEAD_BYTES_MAX)].to_vec(),
            }),
        }
        Ok(())
    }

    fn rows_of(&mut self, gathered: Gathered) -> Rows {
        let columns = match &mut self.decoder {
            Some(decoder) => decoder.finish(),
            None => arrow_array::RecordBatch::new_empty(crate::schema::to_arrow(&self.source.schema)),
        };
        self.rows += columns.num_rows() as u64;
        let event_time = self.event_time.as_mut().map(|(column, generator)| {
            let times = columns.column(*column).as_primitive::<TimestampMicrosecondType>().values().clone();
            generator.observe(&times);
            times
        });
        let positions = ScalarBuffer::from(gathered.positions);
        Rows { batch: Batch { columns, event_time, positions, ops: None }, dead: gathered.dead }
    }
}

fn too_long(format: wasmill_core::plan::Format) -> String {
    let limit = super::records::RECORD_BYTES_MAX;
    match format {
        wasmill_core::plan::Format::Ndjson | wasmill_core::plan::Format::Parquet | wasmill_core::plan::Format::Avro => {
            format!("longer than the limit of {limit} bytes")
        }
        wasmill_core::plan::Format::Csv => {
            format!("longer than the limit of {limit} bytes; a quote that opens here may never be closed")
        }
    }
}

#[derive(Default)]
struct Gathered {
    /// One per row.
    positions: Vec<u64>,
    dead: Vec<DeadLine>,
    bytes: usize,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.positions.is_empty() && self.dead.is_empty()
    }

    fn is_full(&self, limits: BatchLimits) -> bool {
        !self.is_empty() && (self.positions.len() + self.dead.len() >= limits.rows || self.bytes >= limits.bytes)
    }
}
