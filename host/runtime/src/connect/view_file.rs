//! The file of a view: replaced as a whole, so that whoever opens it reads one state from its start
//! to its end, however long that takes.
//!
//! This room does not decide when, and does not know what a line holds.

use super::file_sink::{SinkError, claim, sync_dir};
use crate::failpoint;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// The name of a view's file.
pub fn file_name(extension: &str) -> String {
    format!("view.{extension}")
}

/// Takes a directory for a view that has never been written there.
pub fn claim_view(dir: &Path, name: &str) -> Result<(), SinkError> {
    claim(dir)?;
    match dir.join(name).exists() {
        true => Err(SinkError::Occupied { directory: dir.to_owned(), found: name.to_owned() }),
        false => Ok(()),
    }
}

/// Writes some bytes of a view.
pub type Write<'w> = &'w mut dyn FnMut(&[u8]) -> Result<(), SinkError>;

/// Replaces the view by what `fill` writes, and makes that durable. A process that dies in between
/// leaves the former view, and beside it a file whose name starts with a dot, which the next call
/// writes anew.
///
/// # Errors
/// Those of `fill`, and those of the file system as `fail` puts them; then the former view stands.
pub fn replace<E>(
    dir: &Path,
    name: &str,
    fail: impl Fn(SinkError) -> E,
    fill: impl FnOnce(Write<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (next, path) = (dir.join(format!(".{name}.next")), dir.join(name));
    let failed = |e| SinkError::of_io("write", &next, e);
    let file = File::create(&next).map_err(|e| fail(failed(e)))?;
    let mut file = BufWriter::with_capacity(1 << 16, file);
    fill(&mut |bytes| file.write_all(bytes).map_err(failed))?;
    let done = || {
        let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_data().map_err(failed)?;
        failpoint::hit("view.rename");
        fs::rename(&next, &path).map_err(|e| SinkError::of_io("put in place", &path, e))?;
        sync_dir(dir)
    };
    done().map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_reader_keeps_what_it_opened_and_a_failure_changes_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |text: &str| replace(dir.path(), "view.csv", |e| e, |write| write(text.as_bytes()));
        let read = || fs::read_to_string(dir.path().join("view.csv")).expect("a view");
        put("a\n1\n").expect("it is written");
        let mut reader = File::open(dir.path().join("view.csv")).expect("a view");
        put("a\n2\n3\n").expect("it is replaced");
        let mut seen = String::new();
        reader.read_to_string(&mut seen).expect("it is readable");
        assert_eq!((seen.as_str(), read().as_str()), ("a\n1\n", "a\n2\n3\n"));
        let failed = replace(
            dir.path(),
            "view.csv",
            |e| e,
            |write| {
                write(b"a\nhalf")?;
                Err(SinkError::BrokenPipe)
            },
        );
        assert!(matches!(failed, Err(SinkError::BrokenPipe)));
        assert_eq!(read(), "a\n2\n3\n");
    }

    #[test]
    fn the_view_of_another_job_is_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        claim_view(dir.path(), "view.csv").expect("the directory is empty");
        fs::write(dir.path().join("view.csv"), "theirs").expect("it is written");
        assert!(matches!(claim_view(dir.path(), "view.csv"), Err(SinkError::Occupied { .. })));
    }
}
