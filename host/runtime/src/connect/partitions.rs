//! Which files a source has, and which number each one keeps for good.

use super::position::PartitionPosition;
use super::{STDIN, SourceError};
use glob::{MatchOptions, Pattern, glob_with};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wasmill_core::plan::{Source, SourceConnector};

/// Partitions of one source: a row's position has 16 bits for the partition.
const PARTITIONS_MAX: usize = 1 << 16;

/// The partitions that a source has now, sorted: its files (relative to `base`, the job file's
/// directory, when the pattern is relative), or `stdin`. Hidden files match only patterns that name
/// the dot.
///
/// # Errors
/// No file matches; the pattern is wrong; a directory cannot be read.
pub fn list_partitions(source: &Source, base: &Path) -> Result<Vec<String>, SourceError> {
    match &source.connector {
        SourceConnector::Stdin => Ok(vec![STDIN.to_owned()]),
        SourceConnector::File { path } => {
            let files = expand(path, base)?;
            if files.is_empty() {
                return Err(no_files(path, base));
            }
            Ok(files)
        }
    }
}

/// The number of every partition, those of `restored` positions included. A partition keeps its
/// number for good; new ones get the next free numbers in sorted order. That nothing matches is an
/// error only when nothing was restored.
pub fn number_partitions(
    source: &Source,
    base: &Path,
    restored: &BTreeMap<String, Vec<u8>>,
) -> Result<BTreeMap<String, u16>, SourceError> {
    let found = match list_partitions(source, base) {
        Err(SourceError::NoFiles { .. }) if !restored.is_empty() => Vec::new(),
        found => found?,
    };
    let mut numbers = BTreeMap::new();
    for (name, bytes) in restored {
        numbers.insert(name.clone(), PartitionPosition::decode(name, bytes)?.id);
    }
    let mut next = numbers.values().max().map_or(0, |&n| usize::from(n) + 1);
    for name in found {
        if numbers.contains_key(&name) {
            continue;
        }
        let Ok(number) = u16::try_from(next) else {
            let pattern = pattern_of(source);
            return Err(SourceError::TooManyFiles { pattern, count: next + 1, max: PARTITIONS_MAX });
        };
        numbers.insert(name, number);
        next += 1;
    }
    Ok(numbers)
}

/// Where the file of a partition lies.
pub fn path_of(partition: &str, base: &Path) -> PathBuf {
    base.join(partition)
}

fn pattern_of(source: &Source) -> String {
    match &source.connector {
        SourceConnector::File { path } => path.display().to_string(),
        SourceConnector::Stdin => STDIN.to_owned(),
    }
}

fn no_files(path: &Path, base: &Path) -> SourceError {
    // The part in front of the first wildcard is where a user should look.
    let fixed: PathBuf =
        path.parent().unwrap_or(Path::new("")).components().take_while(|c| !is_wild(c.as_os_str())).collect();
    SourceError::NoFiles { pattern: path.display().to_string(), directory: base.join(fixed) }
}

fn is_wild(part: &std::ffi::OsStr) -> bool {
    part.to_string_lossy().contains(['*', '?', '['])
}

fn expand(path: &Path, base: &Path) -> Result<Vec<String>, SourceError> {
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
        if found.is_dir() {
            continue;
        }
        let name = if path.is_absolute() { &found } else { found.strip_prefix(base).unwrap_or(&found) };
        let name = name.to_str().ok_or_else(|| bad(format!("the matching file {} is not UTF-8", found.display())))?;
        files.push(name.to_owned());
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}
