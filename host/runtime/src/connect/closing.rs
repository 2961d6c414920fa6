//! Makes a file that can only be read whole out of one in which its rows were gathered, any number of
//! times with the same result: a crash at any point leaves either the gathered rows or the whole
//! file, and the next call goes on from there.

use super::file_sink::{SinkError, part_name, sync_dir};
use crate::failpoint;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A part file while its rows are gathered, and once it is closed.
#[derive(Debug, Clone)]
pub struct Closing<'a> {
    pub dir: &'a Path,
    pub subtask: u16,
    pub file: u32,
    pub open_extension: &'a str,
    pub closed_extension: &'a str,
    /// Makes the whole file of the gathered one. The same rows must give the same bytes.
    pub make: fn(File, File) -> io::Result<()>,
}

impl Closing<'_> {
    fn closed_name(&self) -> String {
        part_name(self.subtask, self.file, self.closed_extension)
    }

    fn open_path(&self) -> PathBuf {
        self.dir.join(part_name(self.subtask, self.file, self.open_extension))
    }

    /// Whether the whole file is there; then all of its rows are in it.
    pub fn is_closed(&self) -> bool {
        self.dir.join(self.closed_name()).exists()
    }

    /// Closes the file, if rows were gathered for it and it is not closed yet.
    ///
    /// # Errors
    /// Those of the file system; the gathered rows are damaged.
    pub fn close(&self) -> Result<(), SinkError> {
        let (open, closed) = (self.open_path(), self.dir.join(self.closed_name()));
        if !open.exists() {
            return Ok(());
        }
        if !closed.exists() {
            // Hidden, so that no pattern of a reader finds it; a leftover is written over.
            let half = self.dir.join(format!(".{}.half", self.closed_name()));
            let gathered = File::open(&open).map_err(|e| SinkError::of_io("open", &open, e))?;
            let whole = File::create(&half).map_err(|e| SinkError::of_io("create", &half, e))?;
            let synced = whole.try_clone().map_err(|e| SinkError::of_io("open", &half, e))?;
            (self.make)(gathered, whole).map_err(|e| SinkError::of_io("close", &open, e))?;
            synced.sync_data().map_err(|e| SinkError::of_io("sync", &half, e))?;
            failpoint::hit("close.before");
            fs::rename(&half, &closed).map_err(|e| SinkError::of_io("rename", &half, e))?;
            sync_dir(self.dir)?;
            failpoint::hit("close.after");
        }
        fs::remove_file(&open).map_err(|e| SinkError::of_io("remove", &open, e))?;
        sync_dir(self.dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn doubled(mut from: File, mut to: File) -> io::Result<()> {
        let mut text = String::new();
        from.read_to_string(&mut text)?;
        to.write_all(text.repeat(2).as_bytes())
    }

    fn closing(dir: &Path) -> Closing<'_> {
        Closing { dir, subtask: 1, file: 2, open_extension: "x.open", closed_extension: "x", make: doubled }
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a directory").map(|e| e.expect("an entry").file_name());
        let mut names: Vec<_> = entries.map(|n| n.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_closed_once_from_wherever_a_crash_left_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let closing = closing(dir.path());
        closing.close().expect("nothing to close");
        assert!(!closing.is_closed());
        // The crash came while the whole file was written.
        fs::write(path("part-00001-00002.x.open"), "ab").expect("written");
        fs::write(path(".part-00001-00002.x.half"), "something longer than it").expect("written");
        closing.close().expect("closed");
        assert_eq!(names(dir.path()), ["part-00001-00002.x"]);
        assert_eq!(fs::read_to_string(path("part-00001-00002.x")).expect("there"), "abab");
        // The crash came before the gathered rows were removed.
        fs::write(path("part-00001-00002.x.open"), "ab").expect("written");
        assert!(closing.is_closed());
        closing.close().expect("closed");
        assert_eq!(names(dir.path()), ["part-00001-00002.x"]);
    }
}
