//! Reading the files that a user names: jobs and modules. Whatever a path leads to, a read ends,
//! and its memory is bounded.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use wasmill_core::job::FILE_BYTES_MAX;

/// The text of a job file.
///
/// # Errors
/// What to tell the user, naming the file.
pub fn job_text(path: &Path) -> Result<String, String> {
    let told = |why: String| format!("the job file {} cannot be read: {why}; check its path", path.display());
    let bytes = read(path, FILE_BYTES_MAX as u64).map_err(|e| told(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        told(format!("it is not UTF-8 text, see its byte {at}"))
    })
}

/// The bytes of a module, at most as many as `limit` (the limit `module`).
///
/// # Errors
/// What to tell the user, naming the file.
pub fn module_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let shown = path.display();
    read(path, limit).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => format!("there is no file {shown}; build the module with `wasmill build CRATE`"),
        io::ErrorKind::FileTooLarge => format!("{shown}: {e} (limit `module`); strip it, or raise the limit"),
        _ => format!("{shown} cannot be read: {e}; name the file that `wasmill build` has written"),
    })
}

/// Pipes and devices are refused before they are opened, because opening them can wait for good,
/// and reading them need not end.
fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let meta = fs::metadata(path)?;
    if meta.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    if !meta.is_file() {
        return Err(io::Error::other("it is no regular file but a pipe or a device"));
    }
    let too_large = |length| {
        let message = format!("it has {length} bytes, at most {limit} are allowed");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
    };
    if meta.len() > limit {
        return too_large(meta.len());
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length > limit { too_large(length) } else { Ok(bytes) }
}
