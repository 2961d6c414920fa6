//! The bytes of a file from an offset on, uncompressed, and the proof that it is the same file.

use super::SourceError;
use super::position::FileIdentity;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The identity of a file covers at most so many bytes.
pub const HEAD_BYTES: u64 = 4096;
const READ_BYTES: usize = 128 << 10;

/// Uncompressed bytes.
pub type Input = Box<dyn Read + Send>;

/// Opens a file (gzip for `.gz`, Zstandard for `.zst`; several members or frames are one input) at
/// an offset of its uncompressed content.
pub fn open_at(path: &Path, offset: u64) -> Result<Input, SourceError> {
    let mut file = open(path, offset)?;
    let io = |source| SourceError::Io { path: path.to_owned(), offset, source };
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let mut input: Input = match extension.as_str() {
        "gz" => Box::new(Gzip { inner: MultiGzDecoder::new(BufReader::with_capacity(READ_BYTES, file)), seen: false }),
        "zst" => Box::new(zstd::stream::read::Decoder::new(file).map_err(io)?),
        _ => {
            file.seek(SeekFrom::Start(offset)).map_err(io)?;
            return Ok(Box::new(file));
        }
    };
    let skipped = io::copy(&mut input.by_ref().take(offset), &mut io::sink()).map_err(|e| damaged(path, 0, e))?;
    if skipped < offset {
        let reason = format!("its uncompressed content has only {skipped} bytes");
        return Err(SourceError::Changed { path: path.to_owned(), offset, reason });
    }
    Ok(input)
}

/// What a failed read of an input means: decoders report damage as invalid data or as an early end.
pub fn damaged(path: &Path, offset: u64, e: io::Error) -> SourceError {
    let path = path.to_owned();
    match e.kind() {
        io::ErrorKind::UnexpectedEof => {
            SourceError::Corrupt { path, offset, reason: format!("it ends too early ({e})") }
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            SourceError::Corrupt { path, offset, reason: e.to_string() }
        }
        _ => SourceError::Io { path, offset, source: e },
    }
}

/// Opens a file that was there when it was looked for.
pub fn open(path: &Path, offset: u64) -> Result<File, SourceError> {
    File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SourceError::Vanished { path: path.to_owned(), offset },
        _ => SourceError::Io { path: path.to_owned(), offset, source },
    })
}

/// Identifies the file at `path` as it is now.
pub fn identify(path: &Path, offset: u64) -> Result<FileIdentity, SourceError> {
    identify_head(path, offset, HEAD_BYTES)
}

/// Identifies the file at `path` by so many bytes of its start.
pub fn identify_head(path: &Path, offset: u64, head_bytes: u64) -> Result<FileIdentity, SourceError> {
    let io = |source| SourceError::Io { path: path.to_owned(), offset, source };
    let mut file = open(path, offset)?;
    let mut head = Vec::new();
    file.by_ref().take(head_bytes).read_to_end(&mut head).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    Ok(FileIdentity { length, head_bytes: head.len() as u64, head_sha256: head_sha256(&head) })
}

/// The hash of a file's start, in hex.
pub fn head_sha256(head: &[u8]) -> String {
    crate::hex::encode(&Sha256::digest(head))
}

/// Checks that the file at `path` is the one of which everything before `offset` was read.
pub fn check(path: &Path, offset: u64, was: &FileIdentity) -> Result<(), SourceError> {
    let now = identify_head(path, offset, was.head_bytes)?;
    let changed = |reason| Err(SourceError::Changed { path: path.to_owned(), offset, reason });
    if now.length < was.length {
        return changed(format!("it had {} bytes and has {}", was.length, now.length));
    }
    if now.head_sha256 != was.head_sha256 {
        return changed(format!("its first {} bytes are different", was.head_bytes));
    }
    Ok(())
}

/// gzip, with an empty file refused: that is one cut off at its very start.
struct Gzip<R> {
    inner: MultiGzDecoder<R>,
    seen: bool,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.seen {
            if self.inner.get_mut().fill_buf()?.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no gzip header"));
            }
            self.seen = true;
        }
        self.inner.read(buf)
    }
}
