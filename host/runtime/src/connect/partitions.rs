//! Which files a source has. It numbers none: numbers are kept for good where positions are.

use super::generator::partition_name;
use super::{STDIN, SourceError};
use glob::{MatchOptions, Pattern, glob_with};
use std::path::{Path, PathBuf};
use wasmill_core::plan::{Source, SourceConnector};

/// The partitions that a source has now, sorted: its files (relative to `base`, the job file's
/// directory, when the pattern is relative), or `stdin`. Hidden files match only patterns that name
/// the dot.
///
/// # Errors
/// No file matches; the pattern is wrong; a directory cannot be read.
pub fn list_partitions(source: &Source, base: &Path) -> Result<Vec<String>, SourceError> {
    match &source.connector {
        SourceConnector::Stdin => Ok(vec![STDIN.to_owned()]),
        SourceConnector::Generator(what) => {
            Ok((0..what.partitions()).map(|p| partition_name(p, what.partitions())).collect())
        }
        // They are found while the source runs.
        SourceConnector::Follow { .. } => Ok(Vec::new()),
        SourceConnector::File { path } => {
            let files = expand(path, base)?;
            if files.is_empty() {
                let is_directory = base.join(path).is_dir();
                return Err(if is_directory { directory(path) } else { no_files(path, base) });
            }
            Ok(files)
        }
    }
}

/// Where the file of a partition lies.
pub fn path_of(partition: &str, base: &Path) -> PathBuf {
    base.join(partition)
}

fn no_files(path: &Path, base: &Path) -> SourceError {
    // The part in front of the first wildcard is where a user should look.
    let fixed: PathBuf =
        path.parent().unwrap_or(Path::new("")).components().take_while(|c| !is_wild(c.as_os_str())).collect();
    SourceError::NoFiles { pattern: path.display().to_string(), directory: base.join(fixed) }
}

fn directory(path: &Path) -> SourceError {
    let reason = format!("it is a directory; to read its files write {:?}", path.join("*").display().to_string());
    SourceError::Pattern { pattern: path.display().to_string(), reason }
}

fn is_wild(part: &std::ffi::OsStr) -> bool {
    part.to_string_lossy().contains(['*', '?', '['])
}

/// The files that a pattern names now, sorted.
pub fn expand(path: &Path, base: &Path) -> Result<Vec<String>, SourceError> {
    let bad = |reason: String| SourceError::Pattern { pattern: path.display().to_string(), reason };
    let text = path.to_str().ok_or_else(|| bad("it is not UTF-8".to_owned()))?;
    let pattern = if path.is_absolute() || base.as_os_str().is_empty() {
        text.to_owned()
    } else {
        let base = base.to_str().ok_or_else(|| bad(format!("the directory {} is not UTF-8", base.display())))?;
        format!("{}/{text}", Pattern::escape(base))
    };
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    let mut files = Vec::new();
    for found in glob_with(&pattern, options).map_err(|e| bad(e.to_string()))? {
        let found = found.map_err(|e| {
            let path = e.path().to_owned();
            SourceError::Io { path, offset: 0, source: e.into() }
        })?;
        // A link that leads nowhere is told when it is opened.
        match std::fs::metadata(&found) {
            Ok(meta) if meta.is_dir() => continue,
            Ok(meta) if !meta.is_file() => return Err(SourceError::Irregular { path: found }),
            _ => {}
        }
        let name = if path.is_absolute() { &found } else { found.strip_prefix(base).unwrap_or(&found) };
        let name = name.to_str().ok_or_else(|| bad(format!("the matching file {} is not UTF-8", found.display())))?;
        files.push(name.to_owned());
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}
