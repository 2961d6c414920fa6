//! Careful mode: what is done about a row that takes the whole process with it.
//!
//! Starts are counted in the state directory. When the process has died twice without committing
//! anything in between, something between its committed positions and two epochs on may be deadly.
//! Then rows are run one at a time in the whole job, and each is noted before it is run. A row at
//! which the process dies twice is not run a third time.
//!
//! ```text
//! STATE_DIR/STARTS   {"epoch":7,"starts":3,"careful_until":263,"deaths":{"ledger 0:77 1c0d..":2}}
//! STATE_DIR/ROW      the row that runs now, in careful mode; empty between rows
//! ```
//!
//! Who kills a healthy process does no harm: careful mode gives the same rows, and for a row to be
//! set aside, two deaths have to hit that very row. The note outlives the process and need not
//! outlive the machine, so it is not synced.

use crate::fragment::caution::{Caution, Entered};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const STARTS: &str = "STARTS";
const ROW: &str = "ROW";
/// This start since the last committed epoch is careful.
const CAREFUL_START: u64 = 3;
/// A row at which the process has died so often is not run again.
const DEATHS_MAX: u32 = 2;
/// Careful mode lasts so many epochs: enough for the two that were under way at the death, though
/// each has far fewer rows now.
const CAREFUL_EPOCHS: u64 = 256;
/// A note is cut at this length.
const NOTE_BYTES_MAX: usize = 4096;

/// Why a job cannot count its starts.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}; the state directory must be writable")]
pub struct CarefulError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What is known of earlier starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The committed epoch that the starts found.
    epoch: u64,
    starts: u64,
    /// Careful until this epoch is committed.
    careful_until: u64,
    /// How often the process died at a row.
    deaths: BTreeMap<String, u32>,
}

impl Record {
    /// One more start, at this epoch; `died_at` is the row that the last process left noted.
    fn start(mut self, epoch: u64, died_at: Option<String>) -> Self {
        self.starts = if self.epoch == epoch { self.starts + 1 } else { 1 };
        self.epoch = epoch;
        if self.careful_until <= epoch {
            self.careful_until = 0;
            self.deaths.clear();
        }
        if self.starts >= CAREFUL_START {
            self.careful_until = epoch + CAREFUL_EPOCHS;
        }
        if let Some(row) = died_at {
            *self.deaths.entry(row).or_default() += 1;
        }
        self
    }

    fn is_careful(&self) -> bool {
        self.careful_until > self.epoch
    }
}

/// The count of starts of a running job. Dropping it says that the process did not die.
#[derive(Debug)]
pub struct Starts {
    path: PathBuf,
    record: Record,
    careful: Option<Arc<Careful>>,
}

/// Careful mode, while it lasts.
#[derive(Debug)]
pub struct Careful {
    quarantined: BTreeSet<String>,
    until: u64,
    is_on: AtomicBool,
    note: Mutex<File>,
}

impl Starts {
    /// Counts a start. The state directory must be locked.
    pub fn count(state_dir: &Path, committed: u64) -> Result<Self, CarefulError> {
        let (path, row) = (state_dir.join(STARTS), state_dir.join(ROW));
        let fail = |action, path: &Path| {
            let path = path.to_owned();
            move |source| CarefulError { action, path, source }
        };
        let died_at = read(&row).map_err(fail("read", &row))?;
        let died_at = died_at.map(|b| String::from_utf8_lossy(&b).into_owned()).filter(|text| !text.is_empty());
        let record = read(&path).map_err(fail("read", &path))?;
        // One that cannot be read counts for nothing: it must not keep the job from running.
        let record: Record = record.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        let record = record.start(committed, died_at);
        let mut options = OpenOptions::new();
        let note = options.write(true).create(true).truncate(true).open(&row).map_err(fail("write", &row))?;
        write_synced(&path, &record).map_err(fail("write", &path))?;
        let careful = record.is_careful().then(|| Arc::new(Careful::new(&record, note)));
        Ok(Self { path, record, careful })
    }

    pub fn careful(&self) -> Option<Arc<Careful>> {
        self.careful.clone()
    }
}

impl Drop for Starts {
    fn drop(&mut self) {
        self.record.starts = 0;
        if let Err(e) = write_synced(&self.path, &self.record) {
            tracing::warn!(path = %self.path.display(), "the orderly end of the job is not noted: {e}");
        }
    }
}

impl Careful {
    fn new(record: &Record, note: File) -> Self {
        let quarantined: BTreeSet<_> =
            record.deaths.iter().filter(|(_, n)| **n >= DEATHS_MAX).map(|(row, _)| row.clone()).collect();
        tracing::warn!(
            epoch = record.epoch,
            starts = record.starts,
            quarantined = quarantined.len(),
            "the process died again and again after this epoch: rows are run one at a time for a while"
        );
        Self { quarantined, until: record.careful_until, is_on: AtomicBool::new(true), note: Mutex::new(note) }
    }

    /// An epoch is committed: the dangerous stretch may be over.
    pub fn committed(&self, epoch: u64) {
        if epoch >= self.until && self.is_on.swap(false, Ordering::Relaxed) {
            tracing::warn!(epoch, "careful mode is over: nothing died");
        }
    }
}

impl Caution for Careful {
    fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    fn enter(&self, row: &str) -> Entered<'_> {
        let row = &row[..row.floor_char_boundary(NOTE_BYTES_MAX)];
        if self.quarantined.contains(row) {
            return Entered::Deadly;
        }
        let note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        // A note that cannot be written blames nobody, which is the harmless side.
        if let Err(e) = note.set_len(0).and_then(|()| note.write_all_at(row.as_bytes(), 0)) {
            tracing::warn!("the row that runs is not noted: {e}");
        }
        Entered::Run(Box::new(Noted { note }))
    }
}

/// While it lives, no other row of the job runs.
struct Noted<'c> {
    note: std::sync::MutexGuard<'c, File>,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if let Err(e) = self.note.set_len(0) {
            tracing::warn!("the row that ran is still noted: {e}");
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn write_synced(path: &Path, record: &Record) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(&serde_json::to_vec(record).expect("names and numbers are always written to memory"))?;
    file.sync_all()?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts at these epochs, without an orderly end, and with the row that each death left noted.
    fn starts(deaths: &[(u64, Option<&str>)]) -> Record {
        let start = |record: Record, (epoch, row): &(u64, Option<&str>)| record.start(*epoch, row.map(str::to_owned));
        deaths.iter().fold(Record::default(), start)
    }

    #[test]
    fn the_third_start_without_progress_is_careful() {
        for (epochs, is_careful) in [
            (&[0][..], false),
            (&[0, 0], false),
            (&[0, 0, 0], true),
            (&[0, 0, 5, 5], false),
            (&[4, 5, 5, 5], true),
            // It goes on until the stretch is passed, whatever is committed meanwhile.
            (&[5, 5, 5, 9, 260], true),
            (&[5, 5, 5, 9, 261], false),
        ] {
            let deaths: Vec<_> = epochs.iter().map(|e| (*e, None)).collect();
            assert_eq!(starts(&deaths).is_careful(), is_careful, "{epochs:?}");
        }
    }

    #[test]
    fn deaths_are_counted_by_row_and_forgotten_behind_the_stretch() {
        let record = starts(&[(5, None), (5, None), (5, None), (5, Some("a")), (6, Some("b")), (6, Some("a"))]);
        assert_eq!(record.deaths, BTreeMap::from([("a".to_owned(), 2), ("b".to_owned(), 1)]));
        assert_eq!(record.start(1000, None).deaths, BTreeMap::new());
    }

    #[test]
    fn a_process_that_dies_at_a_row_twice_is_not_given_it_again() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let die = |row: Option<&str>| {
            let starts = Starts::count(dir.path(), 7).expect("it is writable");
            if let (Some(row), Some(careful)) = (row, starts.careful()) {
                match careful.enter(row) {
                    Entered::Run(noted) => std::mem::forget(noted),
                    Entered::Deadly => return true,
                }
            }
            std::mem::forget(starts);
            false
        };
        assert_eq!([None, None, Some("x"), Some("x"), Some("x")].map(die), [false, false, false, false, true]);
        assert!(!die(Some("y")), "only that row");
    }

    #[test]
    fn an_orderly_end_is_no_death() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        for _ in 0..5 {
            let starts = Starts::count(dir.path(), 0).expect("it is writable");
            assert!(starts.careful().is_none());
        }
    }
}
