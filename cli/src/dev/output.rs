//! What a job puts out, as it grows: new lines of the part files of a directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// At most this much is read of one file at a time; what lies before it is left out.
const READ_BYTES_MAX: u64 = 64 << 10;

/// Follows the text files of one directory.
pub struct Tail {
    directory: PathBuf,
    /// How far each file was read.
    offsets: BTreeMap<PathBuf, u64>,
}

impl Tail {
    /// Starts behind what is there already.
    pub fn new(directory: PathBuf) -> Self {
        let mut tail = Self { directory, offsets: BTreeMap::new() };
        let files = tail.files();
        tail.offsets = files.into_iter().collect();
        tail
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The part files of text formats, with their lengths.
    fn files(&self) -> Vec<(PathBuf, u64)> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
        let is_text = |p: &PathBuf| p.extension().is_some_and(|e| e == "csv" || e == "ndjson");
        paths.filter(is_text).filter_map(|p| fs::metadata(&p).ok().map(|m| (p, m.len()))).collect()
    }

    /// The whole lines that came since the last call.
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, length) in self.files() {
            let from = self.offsets.get(&path).copied().unwrap_or(0);
            if length < from {
                // Someone has begun it anew.
                self.offsets.insert(path, 0);
                continue;
            }
            let start = from.max(length.saturating_sub(READ_BYTES_MAX));
            let Some(bytes) = read(&path, start, length) else { continue };
            let Some(end) = bytes.iter().rposition(|b| *b == b'\n') else { continue };
            let mut new: Vec<_> = String::from_utf8_lossy(&bytes[..end]).lines().map(str::to_owned).collect();
            if start > from {
                // It starts within a line.
                new.remove(0);
            }
            if from == 0 && path.extension().is_some_and(|e| e == "csv") && !new.is_empty() {
                new.remove(0);
            }
            lines.append(&mut new);
            self.offsets.insert(path, start + end as u64 + 1);
        }
        lines
    }
}

fn read(path: &PathBuf, start: u64, length: u64) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(length - start).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::Tail;
    use std::fs;

    #[test]
    fn only_new_whole_lines_are_told_and_headers_are_not() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let file = dir.path().join("part-00000-00000.csv");
        let mut tail = Tail::new(dir.path().to_path_buf());
        fs::write(&file, "a,b\n1,2\n3,").expect("it is writable");
        assert_eq!(tail.lines(), ["1,2"]);
        fs::write(&file, "a,b\n1,2\n3,4\n").expect("it is writable");
        assert_eq!(tail.lines(), ["3,4"]);
        assert!(tail.lines().is_empty());
        fs::write(dir.path().join("part-00001-00000.ndjson"), "{}\n").expect("it is writable");
        assert_eq!(tail.lines(), ["{}"]);
        assert!(Tail::new(dir.path().to_path_buf()).lines().is_empty(), "what was there before is not new");
    }
}
