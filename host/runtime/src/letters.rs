//! The dead letters of a job as they lie in its state directory: found, read, and dropped when there
//! are too many. Any process may look while the job runs: only whole published lines are seen.
//!
//! ```text
//! STATE_DIR/dead-letters/part-00000-NNNNN.ndjson   the letters
//! STATE_DIR/replays/part-00000-NNNNN.ndjson        the calls behind them, see [`crate::fragment::kept`]
//! STATE_DIR/modules/SHA256.wasm                    the modules that the calls were made to
//! ```

use crate::fragment::kept::{self, KeptCall, KeptError};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where letters lie in a state directory.
pub const DIR: &str = "dead-letters";
/// Where the calls behind them lie.
pub const CALLS_DIR: &str = "replays";
const MODULES_DIR: &str = "modules";
/// Modules that no job uses any more are kept while there are no more than these.
const MODULES_KEPT: usize = 8;

/// Why letters cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("the call behind letter {id} cannot be used: {source}")]
    Kept { id: String, source: KeptError },
}

/// Calls `found` with each letter, the oldest first, until it says `false`.
pub fn each(state_dir: &Path, mut found: impl FnMut(Value) -> bool) -> Result<(), LettersError> {
    lines(&state_dir.join(DIR), |line| match serde_json::from_str(line) {
        Ok(letter) => found(letter),
        // Its end is still being written.
        Err(_) => true,
    })
}

/// The call behind a letter, with the letter's row in it; `None` when it was not kept, or dropped.
pub fn call(state_dir: &Path, id: &str) -> Result<Option<(KeptCall, u32)>, LettersError> {
    let (quoted, mut kept) = (format!("[\"{id}\","), None);
    lines(&state_dir.join(CALLS_DIR), |line| {
        // Most lines are long and not ours: they are not parsed.
        if line.contains(&quoted) {
            kept = Some(kept::read(line));
        }
        kept.is_none()
    })?;
    let Some(call) = kept else { return Ok(None) };
    let call = call.map_err(|source| LettersError::Kept { id: id.to_owned(), source })?;
    let row = call.letters.iter().find(|(letter, _)| letter == id).map(|(_, row)| *row);
    Ok(row.map(|row| (call, row)))
}

fn lines(dir: &Path, mut found: impl FnMut(&str) -> bool) -> Result<(), LettersError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| LettersError::Read { path, source }
    };
    let mut paths = match fs::read_dir(dir) {
        Ok(entries) => entries.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>().map_err(fail(dir))?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(fail(dir)(e)),
    };
    paths.retain(|p| p.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"part-")));
    paths.sort();
    for path in paths {
        let file = match File::open(&path) {
            Ok(file) => file,
            // A job that runs has dropped it meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(fail(&path)(e)),
        };
        for line in BufReader::new(file).split(b'\n') {
            if !found(&String::from_utf8_lossy(&line.map_err(fail(&path))?)) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Removes the files of calls with lower numbers than `first`. What is gone cannot be replayed, but
/// its letters stay; a file that cannot be removed costs only its room.
pub(crate) fn drop_calls_before(dir: &Path, first: u32) {
    for number in (0..first).rev() {
        let path = dir.join(crate::connect::file_sink::part_name(0, number, "ndjson"));
        let Ok(file) = File::open(&path) else { return };
        let calls = BufReader::new(file).lines().count();
        match fs::remove_file(&path) {
            Ok(()) => tracing::warn!(calls, "the oldest calls behind dead letters were dropped (limit `replays`)"),
            Err(e) => tracing::warn!(path = %path.display(), "cannot drop old calls behind dead letters: {e}"),
        }
    }
}

/// Where a module of this hash is kept.
pub fn module_path(state_dir: &Path, sha256: &str) -> PathBuf {
    state_dir.join(MODULES_DIR).join(format!("{sha256}.wasm"))
}

/// Keeps a module beside the calls that will be made to it, and drops the oldest of those that have
/// not been used for longest.
pub fn keep_module(state_dir: &Path, sha256: &str, component: &[u8]) -> io::Result<()> {
    let path = module_path(state_dir, sha256);
    if let Ok(file) = File::options().write(true).open(&path) {
        return file.set_modified(SystemTime::now());
    }
    let dir = state_dir.join(MODULES_DIR);
    fs::create_dir_all(&dir)?;
    let part = dir.join(format!(".{sha256}.{}", std::process::id()));
    let mut file = File::create(&part)?;
    file.write_all(component)?;
    file.sync_all()?;
    fs::rename(&part, &path)?;
    drop_modules(&dir, &path)
}

fn drop_modules(dir: &Path, newest: &Path) -> io::Result<()> {
    let mut modules = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.path() != newest && entry.path().extension().is_some_and(|e| e == "wasm") {
            modules.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    modules.sort();
    let surplus = modules.len().saturating_sub(MODULES_KEPT);
    modules.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_kept_once_and_the_oldest_go() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        for n in 0..12u8 {
            keep_module(dir.path(), &format!("hash-{n:02}"), &[n]).expect("it is writable");
            let path = module_path(dir.path(), &format!("hash-{n:02}"));
            let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(n));
            File::options().write(true).open(path).and_then(|f| f.set_modified(then)).expect("it is ours");
        }
        let kept = |n: u8| fs::read(module_path(dir.path(), &format!("hash-{n:02}"))).ok();
        assert_eq!(kept(2), None);
        assert_eq!(kept(3), Some(vec![3]));
        assert_eq!(kept(11), Some(vec![11]));
    }

    #[test]
    fn old_files_of_calls_are_dropped_and_only_they() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let part = |n: u32| dir.path().join(crate::connect::file_sink::part_name(0, n, "ndjson"));
        (0..5).for_each(|n| fs::write(part(n), "a\nb\n").expect("it is writable"));
        drop_calls_before(dir.path(), 3);
        assert_eq!((0..5).map(|n| part(n).exists()).collect::<Vec<_>>(), [false, false, false, true, true]);
    }

    #[test]
    fn a_job_without_letters_has_none() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        each(dir.path(), |letter| panic!("{letter}")).expect("nothing is read");
        assert_eq!(call(dir.path(), "1-0-0").expect("nothing is read"), None);
    }
}
