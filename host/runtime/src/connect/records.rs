//! Cuts bytes into records: lines, or CSV records whose quoted fields may hold line ends. Memory is
//! bounded whatever the input; where a record is cut never depends on how the bytes arrive.

use super::input::Input;
use std::io::{self, Read};
use std::ops::Range;
use wasmill_core::plan::Format;

/// A longer record is dead.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// What is kept of a dead record.
pub const DEAD_BYTES_MAX: usize = 64 << 10;
const CHUNK_BYTES: usize = 256 << 10;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A record and its place. The bytes are [`Records::bytes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    range: Range<usize>,
    /// Where it starts in the input.
    pub offset: u64,
    /// The line on which it starts, from 1.
    pub line: u64,
    pub length: Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Fits,
    /// Longer than [`RECORD_BYTES_MAX`]; only the first [`DEAD_BYTES_MAX`] bytes are there.
    TooLong,
}

/// A reader of records.
pub struct Records {
    input: Input,
    scanner: Scanner,
    buf: Vec<u8>,
    /// `buf[start..filled]` was read, `buf[start..scanned]` holds no end of a record.
    start: usize,
    scanned: usize,
    filled: usize,
    offset: u64,
    line: u64,
    at_end: bool,
    /// The start of a record that is already too long; the rest is thrown away.
    too_long: Option<TooLong>,
    chunk_bytes: usize,
    record_bytes_max: usize,
}

struct TooLong {
    head: Vec<u8>,
    offset: u64,
    /// Whether it was returned.
    done: bool,
}

impl Records {
    /// Reads `input`, which stands at `offset` on line `line`.
    pub fn new(input: Input, format: Format, offset: u64, line: u64) -> Self {
        Self {
            input,
            scanner: Scanner::new(format),
            buf: Vec::new(),
            start: 0,
            scanned: 0,
            filled: 0,
            offset,
            line,
            at_end: false,
            too_long: None,
            chunk_bytes: CHUNK_BYTES,
            record_bytes_max: RECORD_BYTES_MAX,
        }
    }

    /// Other limits, for tests that want to see them met.
    #[cfg(test)]
    pub fn with_limits(self, chunk_bytes: usize, record_bytes_max: usize) -> Self {
        Self { chunk_bytes, record_bytes_max, ..self }
    }

    /// Where the next record starts.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The line on which the next record starts, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The bytes of a record, without the line's end; valid until the next call of [`Self::next`].
    pub fn bytes(&self, record: &Record) -> &[u8] {
        match &self.too_long {
            Some(long) => &long.head,
            None => &self.buf[record.range.clone()],
        }
    }

    /// The next record that is not empty; `None` at the end of the input.
    ///
    /// # Errors
    /// Those of the input; `WouldBlock` may be followed by another call, others may not.
    pub fn next(&mut self) -> io::Result<Option<Record>> {
        self.too_long.take_if(|l| l.done);
        loop {
            if let Some(end) = self.scanner.find_end(&self.buf[self.scanned..self.filled]) {
                let end = self.scanned + end;
                if let Some(record) = self.take(end, end + 1) {
                    return Ok(Some(record));
                }
            } else if self.at_end {
                if self.start == self.filled && self.too_long.is_none() {
                    return Ok(None);
                }
                self.scanner.end_of_input();
                if let Some(record) = self.take(self.filled, self.filled) {
                    return Ok(Some(record));
                }
            } else {
                self.scanned = self.filled;
                self.drop_what_is_too_long();
                self.fill()?;
            }
        }
    }

    /// Consumes the record that ends at `end`, and its line's end up to `next`. `None` if it is empty.
    fn take(&mut self, end: usize, next: usize) -> Option<Record> {
        let (offset, line) = (self.offset, self.line);
        let mut range = self.start..end;
        self.offset += (next - self.start) as u64;
        self.line += self.scanner.take_lines();
        self.start = next;
        self.scanned = next;
        if let Some(long) = &mut self.too_long {
            long.done = true;
            return Some(Record { range: 0..0, offset: long.offset, line, length: Length::TooLong });
        }
        if range.len() > self.record_bytes_max {
            let head = self.buf[range.start..range.start + self.head_bytes()].to_vec();
            self.too_long = Some(TooLong { head, offset, done: true });
            return Some(Record { range: 0..0, offset, line, length: Length::TooLong });
        }
        if offset == 0 && self.buf[range.clone()].starts_with(BOM) {
            range.start += BOM.len();
        }
        if self.buf[range.clone()].ends_with(b"\r") {
            range.end -= 1;
        }
        (!self.scanner.is_empty(&self.buf[range.clone()])).then_some(Record {
            range,
            offset,
            line,
            length: Length::Fits,
        })
    }

    fn head_bytes(&self) -> usize {
        DEAD_BYTES_MAX.min(self.record_bytes_max)
    }

    fn drop_what_is_too_long(&mut self) {
        let pending = self.filled - self.start;
        if self.too_long.is_none() {
            if pending <= self.record_bytes_max {
                return;
            }
            let head = self.buf[self.start..self.start + self.head_bytes()].to_vec();
            self.too_long = Some(TooLong { head, offset: self.offset, done: false });
        }
        self.offset += pending as u64;
        (self.start, self.scanned, self.filled) = (0, 0, 0);
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.filled, 0);
            (self.scanned, self.filled) = (self.scanned - self.start, self.filled - self.start);
            self.start = 0;
        }
        let want = self.filled + self.chunk_bytes;
        if self.buf.len() < want {
            self.buf.resize(want, 0);
        }
        let n = loop {
            match self.input.read(&mut self.buf[self.filled..want]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                n => break n?,
            }
        };
        self.filled += n;
        self.at_end = n == 0;
        Ok(())
    }
}

/// Finds the line ends that end records, byte after byte.
struct Scanner {
    state: State,
    /// Line ends since the record's start.
    lines: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Every line is a record.
    Lines,
    /// In CSV, in front of a field: only here a quote opens one.
    FieldStart,
    Unquoted,
    Quoted,
    /// Behind a quote in a quoted field: another one is a quote, all else closes the field.
    QuoteInQuoted,
}

impl Scanner {
    fn new(format: Format) -> Self {
        let state = match format {
            Format::Ndjson | Format::Parquet | Format::Avro => State::Lines,
            Format::Csv => State::FieldStart,
        };
        Self { state, lines: 0 }
    }

    /// The place of the line end that ends the record; `bytes` follow those of the last call.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.state == State::Lines {
            let end = memchr::memchr(b'\n', bytes)?;
            self.lines = 1;
            return Some(end);
        }
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Quoted {
                let quote = memchr::memchr(b'"', &bytes[at..]);
                let inside = &bytes[at..quote.map_or(bytes.len(), |q| at + q)];
                self.lines += memchr::memchr_iter(b'\n', inside).count() as u64;
                at += inside.len() + 1;
                if quote.is_some() {
                    self.state = State::QuoteInQuoted;
                }
                continue;
            }
            self.state = match (self.state, bytes[at]) {
                (_, b'\n') => {
                    self.lines += 1;
                    self.state = State::FieldStart;
                    return Some(at);
                }
                (_, b',') => State::FieldStart,
                (State::FieldStart | State::QuoteInQuoted, b'"') => State::Quoted,
                _ => State::Unquoted,
            };
            at += 1;
        }
        None
    }

    /// The input has ended; the next record, if there ever is one, starts afresh.
    fn end_of_input(&mut self) {
        if self.state != State::Lines {
            self.state = State::FieldStart;
        }
    }

    /// Whether a record is nothing at all. In CSV, a line of blanks is a field.
    fn is_empty(&self, record: &[u8]) -> bool {
        match self.state {
            State::Lines => record.iter().all(u8::is_ascii_whitespace),
            _ => record.is_empty(),
        }
    }

    fn take_lines(&mut self) -> u64 {
        std::mem::take(&mut self.lines)
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
