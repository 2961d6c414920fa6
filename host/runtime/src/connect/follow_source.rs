//! Files that are followed while they grow. New files that match the pattern are found while the
//! source runs, and one that is renamed, as log rotation does, is read to its end under its new name.
//!
//! A file is known by its inode and the hash of its start, whatever its name in its directory. Files
//! of one directory belong to one subtask, so that a rename never moves a file to another. Files of
//! one name are read one after the other, in the order in which they had it; the others advance
//! together in event time, as far as they have rows.

use super::partition::{BatchLimits, Identity, Outcome, Partition};
use super::partition_names::PartitionNames;
use super::partitions::{expand, path_of};
use super::position::PartitionPosition;
use super::records::Records;
use super::tail::Tail;
use super::{Next, Rows, SourceError, SourceOptions, SourceReader, input};
use crate::format;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmill_abi::hash::hash32;
use wasmill_core::event_clock::{EventClock, Tell};
use wasmill_core::plan::Source;

/// How long [`SourceReader::next`] waits when no file has grown.
const WAIT: Duration = Duration::from_millis(20);
/// How often names are looked up: new files, renamed ones, ones that were cut.
const SCAN: Duration = Duration::from_millis(250);
/// A file that lost its name and has no successor is done when it has not grown for so long.
const GRACE: Duration = Duration::from_secs(5);
/// Files that one subtask has open.
const OPEN_MAX: usize = 1024;

/// A source that follows files.
pub struct FollowSource {
    source: Source,
    pattern: PathBuf,
    base: PathBuf,
    limits: BatchLimits,
    subtask: u32,
    parallelism: u32,
    names: Arc<PartitionNames>,
    /// In the order in which they were found.
    files: Vec<Followed>,
    /// What was read to its end, by partition.
    done: BTreeMap<String, (u64, PartitionPosition)>,
    clock: EventClock,
    opened: Instant,
    next_scan: Instant,
    found: u32,
}

/// A file that is being read.
struct Followed {
    /// The partition: the name that it was found under, and its inode.
    name: String,
    /// The name that it was found under, as the pattern gives it.
    path: String,
    inode: u64,
    /// Its number in the clock; later ones are larger.
    number: u32,
    partition: Partition,
    tail: Tail,
    last_growth: Instant,
}

impl Followed {
    fn position(&self) -> PartitionPosition {
        PartitionPosition { file: Some(self.tail.identity().clone()), ..self.partition.position() }
    }
}

/// The partition of a file: names come back after a rotation, and inodes after a removal.
fn partition_name(path: &str, inode: u64) -> String {
    format!("{path}#inode-{inode}")
}

/// The name under which a followed file was found, and its inode.
pub fn parts_of(partition: &str) -> Option<(&str, u64)> {
    let (path, rest) = partition.rsplit_once("#inode-")?;
    let inode = rest.split_once('.').map_or(rest, |(inode, _)| inode);
    Some((path, inode.parse().ok()?))
}

impl FollowSource {
    /// Finds the files that were read before, under whatever name, and those that are there now.
    pub fn open(options: SourceOptions<'_>, pattern: &Path) -> Result<Self, SourceError> {
        let now = Instant::now();
        let mut this = Self {
            source: options.source.clone(),
            pattern: pattern.to_owned(),
            base: options.base.to_owned(),
            limits: BatchLimits { rows: options.batch_rows.max(1), bytes: options.batch_bytes.max(1) },
            subtask: options.subtask.into(),
            parallelism: options.parallelism.max(1).into(),
            names: options.names.clone(),
            files: Vec::new(),
            done: BTreeMap::new(),
            clock: EventClock::new(options.source.event_time.as_ref().and_then(|e| e.idle_timeout)),
            opened: now,
            next_scan: now,
            found: 0,
        };
        let mut open = Vec::new();
        for (name, bytes) in options.restored {
            let position = PartitionPosition::decode(name, bytes)?;
            // A file that was read without `follow` has no inode in its name.
            let by_path = || Some((name.as_str(), inode_of(&path_of(name, options.base))?));
            let Some((path, inode)) = parts_of(name).or_else(by_path) else { continue };
            if !this.is_mine(path) {
                continue;
            }
            if position.done {
                this.done.insert(name.clone(), (inode, position));
                continue;
            }
            let under = path_of(path, &this.base);
            match find(&under, inode, &position)? {
                Some(at) => open.push((inode_of(&under) == Some(inode), at, name, path, inode, position)),
                None if position.offset == 0 => {}
                None => return Err(SourceError::Vanished { path: under, offset: position.offset }),
            }
        }
        // Files that lost their name were there before the one that has it, and were written before.
        open.sort_by_key(|(has_name, at, ..)| (*has_name, std::fs::metadata(at).and_then(|meta| meta.modified()).ok()));
        for (_, at, name, path, inode, position) in open {
            this.follow(name.clone(), path.to_owned(), inode, &at, &position)?;
        }
        this.scan()?;
        Ok(this)
    }

    fn is_mine(&self, path: &str) -> bool {
        hash32(directory(path).as_bytes()) % self.parallelism == self.subtask
    }

    fn follow(
        &mut self,
        name: String,
        path: String,
        inode: u64,
        at: &Path,
        position: &PartitionPosition,
    ) -> Result<(), SourceError> {
        let (tail, bytes) = Tail::open(at, position.offset)?;
        let id = self.names.add(&path).ok_or_else(|| SourceError::TooManyFiles { path: at.to_owned() })?;
        let decoder = format::decoder(self.source.format, &self.source.schema, None)
            .map_err(|source| SourceError::Format { path: at.to_owned(), source })?;
        let records = Records::new(Box::new(bytes), self.source.format, position.offset, position.line);
        let of = Identity { name: &path, id, path: at };
        let partition = Partition::new(of, &self.source, position, records, Some(decoder));
        self.found += 1;
        self.clock.at(self.found, partition.watermark());
        let (number, last_growth) = (self.found, Instant::now());
        self.files.push(Followed { name, path, inode, number, partition, tail, last_growth });
        Ok(())
    }

    /// Looks at names again.
    fn scan(&mut self) -> Result<(), SourceError> {
        let now = Instant::now();
        self.next_scan = now + SCAN;
        // Name, inode and length of what matches now.
        let mut listed: Vec<(String, u64, u64)> = Vec::new();
        for path in expand(&self.pattern, &self.base)? {
            if is_compressed(&path) {
                tracing::debug!(path, "a compressed file is not followed");
                continue;
            }
            // One that is gone again is none.
            if let Ok(meta) = std::fs::metadata(path_of(&path, &self.base)) {
                listed.push((path, meta.ino(), meta.len()));
            }
        }
        for file in &mut self.files {
            file.tail.check()?;
            let has_name = listed.iter().any(|(path, inode, _)| *path == file.path && *inode == file.inode);
            let successor =
                listed.iter().any(|(path, inode, len)| *path == file.path && *inode != file.inode && *len > 0);
            let at_rest = now.saturating_duration_since(file.last_growth) >= GRACE;
            if !has_name && (successor || at_rest) {
                file.tail.ends();
            }
        }
        for (path, inode, length) in listed {
            let is_open = |f: &Followed| f.inode == inode && directory(&f.path) == directory(&path);
            if self.is_mine(&path) && !self.files.iter().any(is_open) {
                self.found_file(path, inode, length)?;
            }
        }
        Ok(())
    }

    /// A file that matches and is not open: a new one, or one that was read to its end.
    fn found_file(&mut self, path: String, inode: u64, length: u64) -> Result<(), SourceError> {
        if self.files.len() >= OPEN_MAX {
            return Ok(());
        }
        let at = path_of(&path, &self.base);
        let is_known = |name: &str| directory(parts_of(name).map_or(name, |(path, _)| path)) == directory(&path);
        let known = self.done.iter().filter(|(name, (i, _))| *i == inode && is_known(name));
        let mut same = None;
        for (name, (_, position)) in known {
            let Some(was) = &position.file else { continue };
            if is_same(&at, position.offset, was.head_bytes, &was.head_sha256)? {
                same = Some((name.clone(), position.clone(), was.length));
            }
        }
        match same {
            Some((_, _, was)) if length <= was => Ok(()),
            Some((name, position, _)) => {
                self.done.remove(&name);
                // Under the name that it has now: under its old one it would wait for its successor.
                self.follow(name, path, inode, &at, &PartitionPosition { done: false, ..position })
            }
            None => {
                let first = partition_name(&path, inode);
                let mut names = std::iter::once(first.clone()).chain((2..).map(|n| format!("{first}.{n}")));
                let name = names.find(|name| !self.done.contains_key(name));
                let name = name.expect("one of endlessly many names is free");
                self.follow(name, path, inode, &at, &PartitionPosition::start())
            }
        }
    }

    /// The files in the order in which they are to be tried: a file waits for those that had its name
    /// before; of the others, the one that is furthest behind in event time is first.
    fn order(&self) -> Vec<usize> {
        let is_first = |i: &usize| !self.files[..*i].iter().any(|f| f.path == self.files[*i].path);
        let mut order: Vec<usize> = (0..self.files.len()).filter(is_first).collect();
        order.sort_by_key(|i| self.files[*i].partition.watermark());
        order
    }

    /// The next rows of one file, if it has any.
    fn read(&mut self, index: usize) -> Result<Option<Rows>, SourceError> {
        let file = &mut self.files[index];
        let (rows, outcome) = file.partition.read(self.limits)?;
        let is_empty = rows.batch.rows() == 0 && rows.dead.is_empty();
        if is_empty {
            self.clock.nothing(file.number, self.opened.elapsed());
        } else {
            file.last_growth = Instant::now();
            file.tail.cover(file.partition.position().offset)?;
            self.clock.rows(file.number);
            self.clock.at(file.number, file.partition.watermark());
        }
        if outcome == Outcome::End {
            self.end(index)?;
        }
        Ok((!is_empty).then_some(rows))
    }

    fn end(&mut self, index: usize) -> Result<(), SourceError> {
        let mut file = self.files.remove(index);
        file.tail.check()?;
        self.clock.done(file.number);
        let position = file.position();
        self.done.insert(file.name, (file.inode, position));
        Ok(())
    }

    fn tell(&mut self) -> Option<Next> {
        self.clock.tell().map(|tell| match tell {
            Tell::Watermark(watermark) => Next::Watermark(watermark),
            Tell::Idle => Next::Idle,
        })
    }
}

impl SourceReader for FollowSource {
    fn next(&mut self) -> Result<Next, SourceError> {
        if Instant::now() >= self.next_scan {
            self.scan()?;
        }
        if let Some(next) = self.tell() {
            return Ok(next);
        }
        let files = self.order();
        let open = self.files.len();
        for index in files {
            if let Some(rows) = self.read(index)? {
                return Ok(Next::Rows(rows));
            }
            // One has ended, so the others have other places.
            if self.files.len() != open {
                return Ok(Next::Pending);
            }
        }
        if let Some(next) = self.tell() {
            return Ok(next);
        }
        std::thread::park_timeout(WAIT);
        Ok(Next::Pending)
    }

    fn positions(&self) -> Vec<(String, Vec<u8>)> {
        let open = self.files.iter().map(|f| (f.name.clone(), f.position().encode()));
        let done = self.done.iter().map(|(name, (_, position))| (name.clone(), position.encode()));
        open.chain(done).collect()
    }

    fn has_ended(&self) -> bool {
        false
    }

    fn event_time_now(&self) -> Option<i64> {
        let done = self.done.values().filter_map(|(_, position)| position.highest);
        self.files.iter().filter_map(|f| f.partition.highest()).chain(done).max()
    }

    fn replayable(&self) -> bool {
        true
    }
}

/// The part of a path in front of its last slash.
fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn is_compressed(path: &str) -> bool {
    path.ends_with(".gz") || path.ends_with(".zst")
}

fn inode_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta| meta.ino())
}

/// Whether the file at `path` starts with the bytes of this hash.
fn is_same(path: &Path, offset: u64, head_bytes: u64, head_sha256: &str) -> Result<bool, SourceError> {
    match input::identify_head(path, offset, head_bytes) {
        Ok(now) => Ok(now.head_bytes == head_bytes && now.head_sha256 == head_sha256),
        Err(SourceError::Vanished { .. }) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Where a file that was begun lies now: under its name or another one in its directory. Its inode
/// tells, and its start must be the same.
fn find(path: &Path, inode: u64, position: &PartitionPosition) -> Result<Option<PathBuf>, SourceError> {
    let Some(was) = &position.file else { return Ok(None) };
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut candidates = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file() && meta.ino() == inode) {
            candidates.push(entry.path());
        }
    }
    for candidate in candidates {
        let is_long = std::fs::metadata(&candidate).is_ok_and(|meta| meta.len() >= position.offset);
        if is_long && is_same(&candidate, position.offset, was.head_bytes, &was.head_sha256)? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}
