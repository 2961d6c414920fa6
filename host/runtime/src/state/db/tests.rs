//! Tests of the database itself: identity, the lock, commits, and what is found after opening again.

use super::*;
use crate::state::keyed::KeyedState;
use crate::state::keys::{Grouper, KeySet};
use crate::state::timers::DueTimers;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::hash::hash32;
use wasmill_abi::manifest::{Slot, SlotKind, Ttl};

const IDENTITY: Identity<'static> = Identity { job: "flights", key_groups: 16 };

pub(super) fn open(dir: &Path) -> Arc<Database> {
    Database::open(dir, &IDENTITY).expect("the database opens")
}

fn refused(dir: &Path, identity: &Identity<'_>) -> StateError {
    Database::open(dir, identity).err().expect("the database is refused")
}

pub(super) fn temp_dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub(super) fn slot(name: &str, kind: SlotKind, ttl: Option<Ttl>) -> Slot {
    Slot { ttl, ..Slot::new(name, kind, 1, "") }
}

pub(super) fn keyed(db: &Arc<Database>, cache_bytes: u64) -> KeyedState {
    let slots = ["a", "b"].map(|name| slot(name, SlotKind::Value, None));
    KeyedState::open(Arc::clone(db) as _, "op", &slots, 0..16, 16, cache_bytes).expect("the state opens")
}

pub(super) fn key_set(keys: &[&[u8]]) -> KeySet {
    let mut grouper = Grouper::new();
    keys.iter().for_each(|key| {
        grouper.add(key, hash32(key));
    });
    grouper.keys().clone()
}

fn outbox(epoch: u64, sink: &str, bytes: &[u8]) -> OutboxEntry {
    OutboxEntry { epoch, sink: sink.to_owned(), subtask: 3, bytes: bytes.to_vec() }
}

pub(super) fn empty(epoch: u64) -> Commit {
    Commit { epoch, ..Commit::default() }
}

impl Database {
    /// Writes out what is in memory, and compacts all state.
    pub fn compact_state(&self) -> Result<(), StateError> {
        self.db.flush_cf(self.family(STATE)).map_err(self.failed("flush"))?;
        let mut options = rocksdb::CompactOptions::default();
        options.set_bottommost_level_compaction(rocksdb::BottommostLevelCompaction::Force);
        self.db.compact_range_cf_opt(self.family(STATE), None::<&[u8]>, None::<&[u8]>, &options);
        Ok(())
    }

    /// How many entries of state are stored.
    pub fn stored_entries(&self) -> Result<usize, StateError> {
        let mut entries = 0;
        self.scan(self.family(STATE), &[], |_, _| {
            entries += 1;
            Ok(true)
        })?;
        Ok(entries)
    }
}

/// Everything that is stored, by family.
fn dump(db: &Database) -> BTreeMap<(&'static str, Vec<u8>), Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, STATE, TIMERS, META, OUTBOX] {
        db.scan(db.family(name), &[], |key, value| {
            all.insert((name, key.to_vec()), value.to_vec());
            Ok(true)
        })
        .expect("the database scans");
    }
    all
}

#[test]
fn an_epoch_reopens_whole() {
    let dir = temp_dir();
    let keys = key_set(&[b"one", b"two"]);
    {
        let db = open(dir.path());
        assert_eq!(db.committed_epoch(), 0);
        let mut state = keyed(&db, 1 << 20);
        state.load(&keys).expect("loads");
        state.apply(0, 0, Some(b"first"));
        state.apply(1, 1, Some(b"second"));
        state.set_timer(TimerFamily::Event, 7, 1);
        let commit = Commit {
            epoch: 1,
            deltas: vec![state.take_delta(1)],
            meta: vec![("source/in".to_owned(), Some(b"42".to_vec())), ("sink/out".to_owned(), Some(vec![]))],
            outbox: vec![outbox(1, "out", b"rows")],
            drop_outbox_up_to: None,
        };
        let stats = db.commit(commit).expect("commits");
        assert_eq!(stats.entries, 2 + 1 + 2 + 1 + 1);
        assert_eq!(db.committed_epoch(), 1);
    }
    let db = open(dir.path());
    assert_eq!(db.committed_epoch(), 1);
    assert_eq!(db.meta("source/in").expect("reads"), Some(b"42".to_vec()));
    assert_eq!(db.meta_prefix("s").expect("reads").len(), 2);
    assert_eq!(db.meta_prefix("sink/").expect("reads"), [("sink/out".to_owned(), vec![])]);
    assert_eq!(db.outbox().expect("reads"), [outbox(1, "out", b"rows")]);
    let mut state = keyed(&db, 1 << 20);
    state.load(&keys).expect("loads");
    assert_eq!([state.value(0, 0), state.value(0, 1)], [&b"first"[..], b""]);
    assert_eq!([state.value(1, 0), state.value(1, 1)], [&b""[..], b"second"]);
    assert_eq!(state.next_timer(TimerFamily::Event), Some(7));
    let mut due = DueTimers::new();
    state.take_due(TimerFamily::Event, 7, 10, &mut due);
    assert_eq!((due.times(), due.keys().key(0)), (&[7][..], &b"two"[..]));
}

#[test]
fn what_is_not_committed_never_reaches_the_database() {
    let dir = temp_dir();
    let db = open(dir.path());
    let mut state = keyed(&db, 0);
    let before = dump(&db);
    for epoch in 1..=2 {
        state.load(&key_set(&[b"one", b"two"])).expect("loads");
        state.apply(0, 0, Some(b"value"));
        state.set_timer(TimerFamily::Event, 7, 1);
        drop(state.take_delta(epoch));
        assert_eq!(dump(&db), before, "before commit {epoch}");
    }
    drop((state, db));
    assert_eq!(dump(&open(dir.path())), before);
}

#[test]
fn slots_are_known_by_their_names() {
    let dir = temp_dir();
    let ids = |db: &Database| {
        [("op", "a"), ("op", "b"), ("other", "a"), ("op", "#timers")]
            .map(|(op, slot)| db.slot_id(op, slot, Form::VALUE).expect("a number"))
    };
    let first = ids(&open(dir.path()));
    assert_eq!(first, [0, 1, 2, 3]);
    let db = open(dir.path());
    assert_eq!(db.slot_id("new", "slot", Form::VALUE).expect("a number"), 4);
    assert_eq!(ids(&db), first);
}

#[test]
fn published_outboxes_are_dropped() {
    let dir = temp_dir();
    let db = open(dir.path());
    for epoch in 1..=3 {
        let outbox = vec![outbox(epoch, "b", b"1"), outbox(epoch, "a", b"2")];
        db.commit(Commit { outbox, ..empty(epoch) }).expect("commits");
    }
    db.commit(Commit { drop_outbox_up_to: Some(2), ..empty(4) }).expect("commits");
    let left = |db: &Database| db.outbox().expect("reads").iter().map(|o| o.epoch).collect::<Vec<_>>();
    assert_eq!(left(&db), [3, 3]);
    drop(db);
    let db = open(dir.path());
    assert_eq!(left(&db), [3, 3]);
    db.commit(Commit { drop_outbox_up_to: Some(3), ..empty(5) }).expect("commits");
    assert!(left(&db).is_empty());
}

#[test]
fn commits_out_of_order_or_in_conflict_are_refused() {
    let dir = temp_dir();
    let db = open(dir.path());
    db.commit(empty(5)).expect("commits");
    let before = dump(&db);
    for epoch in [4, 5] {
        let error = db.commit(empty(epoch)).expect_err("refused");
        assert!(matches!(error, StateError::EpochOrder { committed: 5, .. }), "{error}");
    }
    for bad in [
        Commit { outbox: vec![outbox(5, "s", b"")], ..empty(6) },
        Commit { outbox: vec![outbox(6, "s", b""), outbox(6, "s", b"")], ..empty(6) },
        Commit { drop_outbox_up_to: Some(6), ..empty(6) },
    ] {
        let error = db.commit(bad).expect_err("refused");
        assert!(matches!(error, StateError::BadCommit { epoch: 6, .. }), "{error}");
    }
    assert_eq!(dump(&db), before);
    db.commit(empty(6)).expect("a refusal breaks nothing");
}

#[test]
fn another_job_or_number_of_key_groups_is_refused() {
    let dir = temp_dir();
    drop(open(dir.path()));
    let error = refused(dir.path(), &Identity { job: "trains", ..IDENTITY }).to_string();
    assert!(error.contains("\"flights\"") && error.contains("\"trains\""), "{error}");
    let error = refused(dir.path(), &Identity { key_groups: 128, ..IDENTITY }).to_string();
    assert!(error.contains("with 16 key groups") && error.contains("asks for 128"), "{error}");
    open(dir.path());
}

#[test]
fn an_unknown_format_is_refused_by_name() {
    let dir = temp_dir();
    {
        let mut db = open(dir.path());
        let db = Arc::get_mut(&mut db).expect("one owner");
        db.db.put("format", "wasmill state format 2").expect("writes");
        db.db.create_cf("from the future", &rocksdb::Options::default()).expect("creates");
    }
    let error = refused(dir.path(), &IDENTITY).to_string();
    assert!(error.contains("\"wasmill state format 2\"") && error.contains(FORMAT), "{error}");
}

#[test]
fn what_is_no_state_directory_is_refused() {
    let dir = temp_dir();
    let file = dir.path().join("file");
    std::fs::write(&file, "text").expect("writes");
    for path in [file.clone(), file.join("below")] {
        assert!(matches!(refused(&path, &IDENTITY), StateError::NotADirectory { dir } if dir == path));
    }
    let foreign = dir.path().join("foreign");
    {
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        std::fs::create_dir(&foreign).expect("creates");
        let db = DB::open(&options, foreign.join("state")).expect("opens");
        db.put("something", "else").expect("writes");
    }
    let error = refused(&foreign, &IDENTITY);
    assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
}

#[test]
fn a_damaged_database_is_named() {
    let dir = temp_dir();
    {
        let db = open(dir.path());
        db.commit(Commit { meta: vec![("key".to_owned(), Some(vec![7; 4096]))], ..empty(1) }).expect("commits");
        db.db.flush_cf(db.family(META)).expect("flushes");
    }
    let state = std::fs::read_dir(dir.path().join("state")).expect("a directory");
    let manifest = state
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains("MANIFEST"))
        .expect("a manifest");
    let mut bytes = std::fs::read(&manifest).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&manifest, bytes).expect("writes");
    let error = refused(dir.path(), &IDENTITY);
    assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
}

/// The paths that RocksDB's next log files would have.
fn next_logs(dir: &Path) -> Vec<PathBuf> {
    let state = dir.join("state");
    let numbers = std::fs::read_dir(&state).expect("a directory").filter_map(|entry| {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        name.split(['.', '-']).find_map(|part| part.parse::<u64>().ok())
    });
    let last = numbers.max().expect("numbered files");
    (last + 1..last + 20).map(|n| state.join(format!("{n:06}.log"))).collect()
}

/// The next log file is a device that is always full: the commit fails, and so do all after it,
/// until the disk is mended and the database opened again.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_commits_and_loses_nothing() {
    let dir = temp_dir();
    let db = open(dir.path());
    let commit = |epoch: u64| Commit { meta: vec![("at".to_owned(), Some(vec![epoch as u8]))], ..empty(epoch) };
    db.commit(commit(1)).expect("commits");
    let logs = next_logs(dir.path());
    logs.iter().for_each(|log| std::os::unix::fs::symlink("/dev/full", log).expect("links"));
    db.db.flush_cf(db.family(META)).expect("a flush starts a new log");
    let error = db.commit(commit(2)).expect_err("the disk is full");
    assert!(matches!(error, StateError::DiskFull { .. }), "{error}");
    assert_eq!(db.committed_epoch(), 1);
    logs.iter().for_each(|log| std::fs::remove_file(log).unwrap_or_default());
    let error = db.commit(commit(2)).expect_err("refused");
    assert!(matches!(error, StateError::Broken { .. }), "{error}");
    drop(db);
    let db = open(dir.path());
    assert_eq!((db.committed_epoch(), db.meta("at").expect("reads")), (1, Some(vec![1])));
    db.commit(commit(2)).expect("commits");
}

/// The same test is both processes: the child holds the directory until its input ends.
#[test]
fn a_second_process_is_refused_with_who_holds_it() {
    const HOLD: &str = "WASMILL_TEST_HOLD_STATE";
    if let Some(dir) = std::env::var_os(HOLD) {
        let _db = open(Path::new(&dir));
        println!("\nheld");
        std::io::stdin().lines().for_each(drop);
        return;
    }
    let dir = temp_dir();
    let name = std::thread::current().name().expect("tests are named").to_owned();
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args([&name, "--exact", "--nocapture"])
        .env(HOLD, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let held = lines.map_while(Result::ok).any(|line| line == "held");
    assert!(held, "the child holds the directory");
    let error = refused(dir.path(), &IDENTITY);
    let StateError::Held { pid, .. } = &error else { panic!("{error}") };
    assert_eq!(*pid, Some(child.id()));
    assert!(error.to_string().contains(&format!("process {} on host", child.id())), "{error}");
    child.kill().expect("kills");
    child.wait().expect("waits");
    let db = open(dir.path());
    let error = refused(dir.path(), &IDENTITY);
    assert!(matches!(error, StateError::Held { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    drop(db);
    open(dir.path());
}
