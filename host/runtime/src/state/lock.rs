//! The lock of a job's directory: at most one process advances a job.
//!
//! The lock is the operating system's, on an open file, so it ends with the process however that
//! ends; the file's content only says who holds it.

use super::error::StateError;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const FILE: &str = "LOCK";
/// Whoever may write into the directory must not make us overwrite a file elsewhere by a symbolic
/// link, nor wait for the other end of a pipe.
const NO_FOLLOW_NOR_WAIT: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits() as i32;

/// Holds the directory until it is dropped.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Creates the directory when it is missing, and locks it.
    pub fn acquire(dir: &Path) -> Result<Self, StateError> {
        create(dir)?;
        let failed = |action| move |source| StateError::Directory { dir: dir.to_owned(), action, source };
        let path = dir.join(FILE);
        // The content stays until the lock is ours: it names the holder.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).custom_flags(NO_FOLLOW_NOR_WAIT);
        let mut file = match options.open(&path) {
            Ok(file) => file,
            Err(_) if is_irregular(&path) => return Err(StateError::BadLock { path }),
            Err(source) => return Err(failed("create the lock file in")(source)),
        };
        if is_irregular(&path) {
            return Err(StateError::BadLock { path });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(dir, &mut file)),
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        write_holder(&mut file).map_err(failed("write the lock file of"))?;
        Ok(Self { _file: file })
    }
}

fn create(dir: &Path) -> Result<(), StateError> {
    match fs::create_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(e) if matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) => {
            Err(StateError::NotADirectory { dir: dir.to_owned() })
        }
        Err(source) => Err(StateError::Directory { dir: dir.to_owned(), action: "create", source }),
    }
}

/// Whether something else than a file stands there.
fn is_irregular(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|m| !m.is_file())
}

fn write_holder(file: &mut File) -> io::Result<()> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "unknown" } else { host.trim() };
    let holder = serde_json::json!({ "pid": std::process::id(), "host": host, "since": seconds_now() });
    file.set_len(0)?;
    file.write_all(holder.to_string().as_bytes())
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The content is for people; a holder that has not written it yet is "another process".
fn held(dir: &Path, file: &mut File) -> StateError {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let holder: serde_json::Value = match read {
        Ok(_) => serde_json::from_str(&text).unwrap_or_default(),
        Err(_) => serde_json::Value::Null,
    };
    let pid = holder["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    let dir: PathBuf = dir.to_owned();
    let Some(pid) = pid else {
        return StateError::Held { dir, holder: "another process".to_owned(), pid: None };
    };
    let host = holder["host"].as_str().unwrap_or("unknown");
    let age = seconds_now().saturating_sub(holder["since"].as_u64().unwrap_or_default());
    StateError::Held { dir, holder: format!("process {pid} on host {host:?}, for {age} s"), pid: Some(pid) }
}
