//! One open partition whose file holds columns, not lines. Like a partition of lines, it gives rows,
//! dead rows and watermarks in an order that follows from the file alone; its position is a row.

use super::partition::{BatchLimits, Identity, OpenPart, Outcome};
use super::position::PartitionPosition;
use super::{DeadLine, Rows, SourceError, input};
use crate::batch::{Batch, Position};
use crate::format::avro_rows::{AvroHeader, AvroRows};
use crate::format::column_rows::{ColumnRows, Damage, Place, with_nulls};
use crate::format::parquet::ParquetRows;
use crate::format::{FormatError, encoder};
use crate::schema::to_arrow;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;
use std::path::{Path, PathBuf};
use wasmill_core::plan::{Format, Source};
use wasmill_core::watermark::BoundedDelay;

/// Rows of a Parquet file that are read ahead at most.
const READ_AHEAD_ROWS: usize = 8192;

/// A partition that is being read.
pub struct ColumnPartition {
    name: String,
    path: PathBuf,
    id: u16,
    rows: Box<dyn ColumnRows>,
    /// What was read ahead, and how much of it was returned.
    ahead: Option<(RecordBatch, usize)>,
    /// The number of the next row in the file, from 0.
    next_row: u64,
    /// Rows returned, dead ones not counted.
    returned: u64,
    event_time: Option<(usize, BoundedDelay)>,
    source: Source,
    arrow: SchemaRef,
    at_end: bool,
}

impl ColumnPartition {
    /// Opens a file at a position.
    pub fn open(
        of: Identity<'_>,
        source: &Source,
        position: &PartitionPosition,
        limits: BatchLimits,
    ) -> Result<Self, SourceError> {
        let next_row = position.line.saturating_sub(1);
        let rows = open_rows(of.path, source, position, limits)?;
        let event_time = source.event_time.as_ref();
        Ok(Self {
            name: of.name.to_owned(),
            path: of.path.to_owned(),
            id: of.id,
            rows,
            ahead: None,
            next_row,
            returned: position.rows,
            event_time: event_time
                .map(|e| (e.column, BoundedDelay::new(e.max_delay, e.every_rows, position.progress()))),
            source: source.clone(),
            arrow: to_arrow(&source.schema),
            at_end: false,
        })
    }

    /// At most `max` rows that follow.
    fn take(&mut self, max: usize) -> Result<Option<RecordBatch>, SourceError> {
        loop {
            if let Some((batch, done)) = &mut self.ahead {
                let len = max.min(batch.num_rows() - *done);
                let taken = batch.slice(*done, len);
                *done += len;
                if *done == batch.num_rows() {
                    self.ahead = None;
                }
                return Ok(Some(taken));
            }
            match self.rows.next().map_err(|damage| self.damaged(damage))? {
                None => return Ok(None),
                Some(batch) if batch.num_rows() > 0 => self.ahead = Some((batch, 0)),
                Some(_) => {}
            }
        }
    }

    fn damaged(&self, damage: Damage) -> SourceError {
        let path = self.path.clone();
        let Damage { reason, offset } = damage;
        match offset {
            Some(offset) => SourceError::Corrupt { path, offset, reason },
            None => {
                let reason = format!("behind row {}: {reason}", self.next_row);
                SourceError::Format { path, source: FormatError::Unreadable { format: "Parquet", reason } }
            }
        }
    }

    /// Takes the rows apart in which a value is missing that must not be.
    fn judge(&mut self, batch: RecordBatch) -> Rows {
        let first = self.next_row;
        self.next_row += batch.num_rows() as u64;
        let position = |row: usize| Position { partition: self.id, row: first + row as u64 }.pack();
        let must_be = |i: &usize| !self.source.schema.fields[*i].nullable && batch.column(*i).null_count() > 0;
        let holes: Vec<usize> = (0..batch.num_columns()).filter(must_be).collect();
        let missing = |row: usize| holes.iter().copied().find(|&i| batch.column(i).is_null(row));
        let mut dead = Vec::new();
        let mut positions = Vec::with_capacity(batch.num_rows());
        let mut kept = Vec::new();
        for row in 0..batch.num_rows() {
            match missing(row) {
                None => {
                    positions.push(position(row));
                    kept.push(row as u32);
                }
                Some(column) => dead.push(self.dead(&batch, row, column, first, position(row))),
            }
        }
        let good = if dead.is_empty() {
            batch
        } else {
            take_record_batch(&batch, &UInt32Array::from(kept)).expect("the rows lie in the batch")
        };
        Rows { batch: self.batch(good.columns().to_vec(), positions), dead }
    }

    fn dead(&self, batch: &RecordBatch, row: usize, column: usize, first: u64, position: u64) -> DeadLine {
        let field = &self.source.schema.fields[column];
        let mut bytes = Vec::new();
        let shown = encoder(Format::Ndjson, &with_nulls(&self.source.schema)).encode(&batch.slice(row, 1), &mut bytes);
        if let Err(e) = shown {
            bytes = e.to_string().into_bytes();
        }
        DeadLine {
            partition: self.name.clone(),
            line: first + row as u64 + 1,
            offset: 0,
            position,
            reason: format!("column {:?} ({}) has no value, and is not nullable", field.name, field.type_text()),
            bytes: bytes.trim_ascii_end().to_vec(),
        }
    }

    fn batch(&mut self, columns: Vec<ArrayRef>, positions: Vec<u64>) -> Batch {
        let options = RecordBatchOptions::new().with_row_count(Some(positions.len()));
        let columns = RecordBatch::try_new_with_options(self.arrow.clone(), columns, &options)
            .expect("rows with missing values were taken out");
        self.returned += positions.len() as u64;
        let event_time = self.event_time.as_mut().map(|(column, generator)| {
            let times = columns.column(*column).as_primitive::<TimestampMicrosecondType>().values().clone();
            generator.observe(&times);
            times
        });
        Batch { columns, event_time, positions: ScalarBuffer::from(positions), ops: None }
    }
}

fn open_rows(
    path: &Path,
    source: &Source,
    position: &PartitionPosition,
    limits: BatchLimits,
) -> Result<Box<dyn ColumnRows>, SourceError> {
    let next_row = position.line.saturating_sub(1);
    let format = |source| SourceError::Format { path: path.to_owned(), source };
    if source.format == Format::Avro {
        let header = AvroHeader::read(input::open_at(path, 0)?, &source.schema).map_err(format)?;
        let at = Place { offset: position.offset.max(header.first_block()), skip: position.skip };
        return Ok(Box::new(AvroRows::new(header, input::open_at(path, at.offset)?, at, next_row)));
    }
    let (file, batch_rows) = (input::open(path, position.offset)?, limits.rows.min(READ_AHEAD_ROWS));
    let rows = ParquetRows::open(file, &source.schema, next_row, batch_rows).map_err(format)?;
    Ok(Box::new(rows))
}

impl OpenPart for ColumnPartition {
    fn position(&self) -> PartitionPosition {
        let progress = self.event_time.as_ref().map(|(_, g)| g.progress());
        let place = self.rows.place_of(self.next_row);
        PartitionPosition {
            offset: place.offset,
            skip: place.skip,
            line: self.next_row + 1,
            rows: self.returned,
            highest: progress.and_then(|p| p.highest),
            watermark: self.watermark(),
            done: self.at_end,
            ..PartitionPosition::start()
        }
    }

    fn watermark(&self) -> Option<i64> {
        self.event_time.as_ref().and_then(|(_, g)| g.progress().watermark)
    }

    fn highest(&self) -> Option<i64> {
        self.event_time.as_ref().and_then(|(_, g)| g.progress().highest)
    }

    fn read(&mut self, limits: BatchLimits) -> Result<(Rows, Outcome), SourceError> {
        let due = self.event_time.as_ref().map_or(u64::MAX, |(_, g)| g.rows_until_due());
        let max = usize::try_from(due).unwrap_or(usize::MAX).min(limits.rows).max(1);
        if let Some(batch) = self.take(max)? {
            return Ok((self.judge(batch), Outcome::More));
        }
        self.at_end = true;
        if let Some((_, generator)) = &mut self.event_time {
            generator.end();
        }
        Ok((self.judge(RecordBatch::new_empty(to_arrow(&with_nulls(&self.source.schema)))), Outcome::End))
    }
}
