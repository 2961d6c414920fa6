//! Standard input: rows as they come. It cannot be read twice, so a crash loses the rows that were
//! read but not committed; [`SourceReader::replayable`] says so.

use super::partition::{BatchLimits, Identity, Outcome, Partition};
use super::position::PartitionPosition;
use super::records::Records;
use super::{Next, STDIN, SourceError, SourceOptions, SourceReader};
use crate::format;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};
use wasmill_core::event_clock::{EventClock, Tell};

/// Chunks in the channel, and bytes in a chunk: what is read ahead is bounded by their product.
const CHUNKS: usize = 4;
const CHUNK_BYTES: usize = 64 << 10;
/// How long [`SourceReader::next`] waits for input before it says that there is none.
const WAIT: Duration = Duration::from_millis(20);

/// The number of the only partition.
const ONLY: u32 = 0;

/// A source that reads standard input. Only subtask 0 has it.
pub struct StdinSource {
    partition: Option<Partition>,
    position: PartitionPosition,
    mine: bool,
    limits: BatchLimits,
    clock: EventClock,
    opened: Instant,
}

impl StdinSource {
    /// Starts a thread that reads `stdin` into a bounded channel. It ends with the input, with a
    /// read error, or with its next chunk after the source was dropped; until then it may stay
    /// blocked in a read, which nothing but the end of the process can interrupt.
    pub fn open(options: SourceOptions<'_>, stdin: impl Read + Send + 'static) -> Result<Self, SourceError> {
        let source = options.source;
        let id = options.partitions.get(STDIN).copied().unwrap_or(0);
        let mine = id % options.parallelism.max(1) == options.subtask;
        let position = match options.restored.get(STDIN) {
            Some(bytes) => PartitionPosition::decode(STDIN, bytes)?,
            None => PartitionPosition::start(),
        };
        let (sender, receiver) = bounded(CHUNKS);
        let mut partition = None;
        if mine && position.done {
            tracing::warn!(
                "standard input was read to its end by an earlier run of this job: what it holds now is not read; give the job a new state directory to read it"
            );
        }
        if mine && !position.done {
            std::thread::Builder::new()
                .name("stdin".to_owned())
                .spawn(move || pump(stdin, &sender))
                .map_err(|source| SourceError::Io { path: STDIN.into(), offset: position.offset, source })?;
            let of = Identity { name: STDIN, id, path: Path::new(STDIN) };
            let input = Box::new(ChunkReader { receiver, current: Vec::new(), at: 0, wait: Duration::ZERO });
            let records = Records::new(input, source.format, position.offset, position.line);
            let decoder = (!format::has_header(source.format))
                .then(|| format::decoder(source.format, &source.schema, None))
                .transpose()
                .map_err(|source| SourceError::Format { path: STDIN.into(), source })?;
            partition = Some(Partition::new(of, source, &position, records, decoder));
        }
        let limits = BatchLimits { rows: options.batch_rows.max(1), bytes: options.batch_bytes.max(1) };
        let clock = EventClock::new(source.event_time.as_ref().and_then(|e| e.idle_timeout));
        Ok(Self { partition, position, mine, limits, clock, opened: Instant::now() })
    }

    /// What event time has to say, while the partition is open.
    fn tell(&mut self) -> Option<Next> {
        self.clock.at(ONLY, self.partition.as_ref()?.watermark());
        self.clock.tell().map(|tell| match tell {
            Tell::Watermark(watermark) => Next::Watermark(watermark),
            Tell::Idle => Next::Idle,
        })
    }
}

impl SourceReader for StdinSource {
    fn next(&mut self) -> Result<Next, SourceError> {
        loop {
            if let Some(next) = self.tell() {
                return Ok(next);
            }
            let Some(partition) = &mut self.partition else {
                return Ok(Next::End);
            };
            let (rows, outcome) = partition.read(self.limits)?;
            self.position = partition.position();
            if outcome == Outcome::End {
                self.partition = None;
            }
            if rows.batch.rows() > 0 || !rows.dead.is_empty() {
                self.clock.rows(ONLY);
                return Ok(Next::Rows(rows));
            }
            if outcome == Outcome::Pending {
                self.clock.nothing(ONLY, self.opened.elapsed());
                return Ok(self.tell().unwrap_or(Next::Pending));
            }
        }
    }

    fn positions(&self) -> Vec<(String, Vec<u8>)> {
        if self.mine { vec![(STDIN.to_owned(), self.position.encode())] } else { Vec::new() }
    }

    fn has_ended(&self) -> bool {
        self.partition.is_none()
    }

    fn event_time_now(&self) -> Option<i64> {
        self.position.highest
    }

    fn replayable(&self) -> bool {
        false
    }
}

fn pump(mut stdin: impl Read, sender: &Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let result = match stdin.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => {
                chunk.truncate(n);
                Ok(chunk)
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => Err(e),
        };
        let last = result.is_err();
        if sender.send(result).is_err() || last {
            return;
        }
    }
}

/// The thread's chunks as a stream. When there is none it says so at once, so that rows at hand
/// get on their way; only when asked again does it wait a little.
struct ChunkReader {
    receiver: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    at: usize,
    wait: Duration,
}

impl Read for ChunkReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.current.len() {
            match self.receiver.recv_timeout(std::mem::replace(&mut self.wait, WAIT)) {
                Ok(chunk) => (self.current, self.at) = (chunk?, 0),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
            self.wait = Duration::ZERO;
        }
        let n = buf.len().min(self.current.len() - self.at);
        buf[..n].copy_from_slice(&self.current[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
