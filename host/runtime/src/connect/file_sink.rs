//! Puts committed bytes into part files, exactly once: each blob has its place (file and offset)
//! noted with its epoch, and publishing it again leaves the same bytes there. A reader that follows
//! the files sees each row once.
//!
//! This room does not decide when to publish, and keeps no state of its own.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the next blob of a sink's subtask goes. Stored with each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileTarget {
    /// The number of the part file.
    pub file: u32,
    /// Bytes in it before the blob; a file starts with the header, which belongs to its first blob.
    pub offset: u64,
    /// When its first blob was planned, in milliseconds since 1970.
    pub opened_at_ms: i64,
}

/// When a new part file is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// A blob that would take a file beyond this size begins a new one. A single larger blob stays whole.
    pub bytes: u64,
    /// A blob for a file that is this old begins a new one.
    pub age: Duration,
}

/// Why bytes could not be published.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error(
        "{directory} already holds {found}, which this job has not written; choose another directory for the sink, or move the part files away"
    )]
    Occupied { directory: PathBuf, found: String },
    #[error("{path} is no directory; choose another path for the sink, or move the file away")]
    NotADirectory { path: PathBuf },
    #[error(
        "output file {path} has {length} bytes, but {committed} were published to it: it was changed from outside; put the former content back and start the job again"
    )]
    Shortened { path: PathBuf, length: u64, committed: u64 },
    #[error("no space is left to write {path}; free space and start the job again, it goes on where it stopped")]
    NoSpace { path: PathBuf },
    #[error("cannot {action} {path}: {source}; mend the cause and start the job again, it goes on where it stopped")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the reader of standard output has gone; start the job again with one that reads to the end")]
    BrokenPipe,
}

/// What to do about a [`SinkError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkErrorKind {
    /// The environment's fault: the same job goes on once that is mended.
    Retryable,
    /// The job as it is must not write there.
    Refused,
}

impl SinkError {
    pub fn kind(&self) -> SinkErrorKind {
        match self {
            SinkError::Occupied { .. } | SinkError::NotADirectory { .. } | SinkError::Shortened { .. } => {
                SinkErrorKind::Refused
            }
            SinkError::NoSpace { .. } | SinkError::Io { .. } | SinkError::BrokenPipe => SinkErrorKind::Retryable,
        }
    }

    pub(super) fn of_io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SinkError::NoSpace { path },
            io::ErrorKind::NotADirectory => SinkError::NotADirectory { path },
            _ => SinkError::Io { action, path, source },
        }
    }
}

/// Where a blob lands, and where the next one would go. Pure: the clock's time is given. An empty
/// blob lands nowhere, and changes nothing.
pub fn plan(previous: FileTarget, blob_len: u64, header_len: u64, roll: Roll, now_ms: i64) -> (FileTarget, FileTarget) {
    if blob_len == 0 {
        return (previous, previous);
    }
    let age_ms = u128::try_from(now_ms.saturating_sub(previous.opened_at_ms)).unwrap_or(0);
    let is_full = previous.offset.saturating_add(blob_len) > roll.bytes || age_ms >= roll.age.as_millis();
    let lands = match previous.offset {
        0 => FileTarget { opened_at_ms: now_ms, ..previous },
        _ if is_full => FileTarget { file: previous.file + 1, offset: 0, opened_at_ms: now_ms },
        _ => previous,
    };
    let header_len = if lands.offset == 0 { header_len } else { 0 };
    (lands, FileTarget { offset: lands.offset + header_len + blob_len, ..lands })
}

/// The name of a part file.
pub fn part_name(subtask: u16, file: u32, extension: &str) -> String {
    format!("part-{subtask:05}-{file:05}.{extension}")
}

/// Puts a blob at its place and makes it durable. Any number of calls, also ones that were cut
/// short, leave the same bytes: what already lies there is compared, not written again; what lies
/// behind is cut off. An empty blob touches nothing.
///
/// # Errors
/// [`SinkError::Shortened`] when the file is shorter than `target.offset`; errors of the file system.
pub fn publish(
    dir: &Path,
    subtask: u16,
    extension: &str,
    target: &FileTarget,
    header: &[u8],
    blob: &[u8],
) -> Result<(), SinkError> {
    if blob.is_empty() {
        return Ok(());
    }
    let path = dir.join(part_name(subtask, target.file, extension));
    let is_new = target.offset == 0;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(is_new).truncate(false);
    let mut file = match options.open(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && !is_new => {
            return Err(SinkError::Shortened { path, length: 0, committed: target.offset });
        }
        opened => opened.map_err(|e| SinkError::of_io("open", &path, e))?,
    };
    let length = file.metadata().map_err(|e| SinkError::of_io("look at", &path, e))?.len();
    if length < target.offset {
        return Err(SinkError::Shortened { path, length, committed: target.offset });
    }
    let parts = if is_new { [header, blob] } else { [&[], blob] };
    write_parts(&mut file, length, target.offset, parts).map_err(|e| SinkError::of_io("write", &path, e))?;
    file.sync_data().map_err(|e| SinkError::of_io("sync", &path, e))?;
    if is_new {
        sync_dir(dir)?;
    }
    Ok(())
}

/// Makes the content of a file with `length` bytes from `offset` on equal to the parts.
fn write_parts(file: &mut File, length: u64, offset: u64, parts: [&[u8]; 2]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    let mut at = offset;
    let mut same = true;
    for part in parts {
        let mut rest = part;
        if same {
            let present = common_prefix(file, part)?;
            at += present as u64;
            rest = &part[present..];
            if !rest.is_empty() {
                same = false;
                file.set_len(at)?;
                file.seek(SeekFrom::Start(at))?;
            }
        }
        file.write_all(rest)?;
        at += rest.len() as u64;
    }
    // When all was there, something else may still lie behind it. Otherwise it was cut off above.
    if same && length > at { file.set_len(at) } else { Ok(()) }
}

/// How many of the bytes the file holds already, from where it stands.
fn common_prefix(file: &mut File, bytes: &[u8]) -> io::Result<usize> {
    let mut buf = [0; 16 << 10];
    let mut done = 0;
    while done < bytes.len() {
        let want = buf.len().min(bytes.len() - done);
        let n = match file.read(&mut buf[..want]) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            n => n?,
        };
        let same = buf[..n].iter().zip(&bytes[done..]).take_while(|(a, b)| a == b).count();
        done += same;
        if n == 0 || same < n {
            break;
        }
    }
    Ok(done)
}

/// Takes a directory for a job that has not committed anything yet: makes it, and checks that it
/// holds no part file and can be written.
pub fn claim(dir: &Path) -> Result<(), SinkError> {
    if dir.exists() && !dir.is_dir() {
        return Err(SinkError::NotADirectory { path: dir.to_owned() });
    }
    let existed = dir.exists();
    fs::create_dir_all(dir).map_err(|e| SinkError::of_io("create directory", dir, e))?;
    if !existed && let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        sync_dir(parent)?;
    }
    let mut found: Vec<String> = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| SinkError::of_io("list directory", dir, e))? {
        let entry = entry.map_err(|e| SinkError::of_io("list directory", dir, e))?;
        found.push(entry.file_name().to_string_lossy().into_owned());
    }
    found.sort_unstable();
    if let Some(found) = found.into_iter().find(|name| name.starts_with("part-")) {
        return Err(SinkError::Occupied { directory: dir.to_owned(), found });
    }
    check_writable(dir)
}

/// Writes a file and removes it, which shows missing rights and a full disk before any work is done.
fn check_writable(dir: &Path) -> Result<(), SinkError> {
    // One name: what a process that was killed left behind goes with the next look.
    let path = dir.join(".wasmill-probe");
    let written = File::create(&path).and_then(|mut f| f.write_all(b"probe").and_then(|()| f.sync_data()));
    let removed = fs::remove_file(&path);
    written.and(removed).map_err(|e| SinkError::of_io("write into directory", dir, e))
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), SinkError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| SinkError::of_io("sync directory", dir, e))
}

#[cfg(test)]
#[path = "file_sink_tests.rs"]
mod tests;
