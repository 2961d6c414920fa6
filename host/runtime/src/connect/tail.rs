//! One file that grows: its bytes as they come, and whether it is still the file that it was.

use super::SourceError;
use super::input::{HEAD_BYTES, head_sha256};
use super::position::FileIdentity;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An open file, which may have been renamed or removed meanwhile.
pub struct Tail {
    file: File,
    /// The name under which it was found, for errors.
    path: PathBuf,
    identity: FileIdentity,
    ends: Arc<AtomicBool>,
}

/// The bytes of a [`Tail`]: at its end it says that there are none for now, until it was told that
/// none will follow.
pub struct TailBytes {
    file: File,
    ends: Arc<AtomicBool>,
}

impl Read for TailBytes {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // What was told before the end was found holds for that end.
        let ends = self.ends.load(Ordering::Acquire);
        match self.file.read(buf)? {
            0 if !ends && !buf.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Tail {
    /// Opens a file to be read from an offset on.
    pub fn open(path: &Path, offset: u64) -> Result<(Self, TailBytes), SourceError> {
        let io = |source| SourceError::Io { path: path.to_owned(), offset, source };
        let mut file = super::input::open(path, offset)?;
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        let ends = Arc::new(AtomicBool::new(false));
        let bytes = TailBytes { file: file.try_clone().map_err(io)?, ends: ends.clone() };
        let identity = FileIdentity { length: 0, head_bytes: 0, head_sha256: head_sha256(&[]) };
        let mut tail = Self { file, path: path.to_owned(), identity, ends };
        tail.identity = tail.identify(HEAD_BYTES)?;
        Ok((tail, bytes))
    }

    /// What tells it from another file. It covers everything that was read, up to the limit.
    pub fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    /// No bytes will follow behind its end.
    pub fn ends(&self) {
        self.ends.store(true, Ordering::Release);
    }

    /// Makes the identity cover the bytes that were read, once what it covered is found unchanged.
    pub fn cover(&mut self, offset: u64) -> Result<(), SourceError> {
        if self.identity.head_bytes < HEAD_BYTES.min(offset) {
            self.check_start(offset)?;
            self.identity = self.identify(HEAD_BYTES)?;
        }
        Ok(())
    }

    /// Checks that the file has only grown: whoever cuts it takes rows away that were not read yet,
    /// and reading on would mix two contents.
    ///
    /// # Errors
    /// It is shorter than what was read, or starts with other bytes. A file that was cut and has
    /// grown beyond that again, with the same start, is not noticed.
    pub fn check(&mut self) -> Result<(), SourceError> {
        let read = (&self.file).stream_position().map_err(|e| self.io(e))?;
        let length = self.file.metadata().map_err(|e| self.io(e))?.len();
        if length < read {
            let why = format!("it has only {length} bytes now");
            return Err(SourceError::Cut { path: self.path.clone(), read, why });
        }
        if length != self.identity.length {
            self.check_start(read)?;
            self.identity.length = length;
        }
        Ok(())
    }

    fn check_start(&self, read: u64) -> Result<(), SourceError> {
        let FileIdentity { head_bytes, head_sha256, .. } = &self.identity;
        if self.identify(*head_bytes)?.head_sha256 == *head_sha256 {
            return Ok(());
        }
        let why = format!("its first {head_bytes} bytes are different");
        Err(SourceError::Cut { path: self.path.clone(), read, why })
    }

    fn identify(&self, head_bytes: u64) -> Result<FileIdentity, SourceError> {
        let mut head = vec![0; head_bytes as usize];
        let mut filled = 0;
        while filled < head.len() {
            match self.file.read_at(&mut head[filled..], filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.io(e)),
            }
        }
        let length = self.file.metadata().map_err(|e| self.io(e))?.len();
        Ok(FileIdentity { length, head_bytes: filled as u64, head_sha256: head_sha256(&head[..filled]) })
    }

    fn io(&self, source: io::Error) -> SourceError {
        SourceError::Io { path: self.path.clone(), offset: 0, source }
    }
}
