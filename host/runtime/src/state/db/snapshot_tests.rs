//! Snapshots see one whole epoch, whatever the job does while they are opened.

use super::tests::{empty, key_set, keyed, open, temp_dir};
use super::*;
use std::sync::atomic::AtomicBool;

fn snapshot(dir: &Path) -> Snapshot {
    Snapshot::open(dir).expect("it can be read").expect("there is something")
}

/// The values of slot `a` of all keys.
fn values(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let slot = snapshot.slots().into_iter().find(|s| s.name == "a").expect("the slot is known");
    let mut all = Vec::new();
    for group in 0..snapshot.key_groups().expect("a number") {
        let mut add = |_: &[u8], value: &[u8]| {
            all.push(value.to_vec());
            Go::On
        };
        snapshot.values(slot.id, group, &[], &mut add).expect("it scans");
    }
    all
}

fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(dir.join("state")).expect("a directory");
    entries.map(|e| e.expect("an entry").path()).collect()
}

#[test]
fn nothing_is_no_state_and_a_snapshot_writes_nothing() {
    let dir = temp_dir();
    assert!(Snapshot::open(dir.path()).expect("it can be looked at").is_none());
    assert_eq!(std::fs::read_dir(dir.path()).expect("it is there").count(), 0, "nothing was made");
    let db = open(dir.path());
    let mut state = keyed(&db, 1 << 20);
    state.load(&key_set(&[b"one"])).expect("loads");
    state.apply(0, 0, Some(b"value"));
    db.commit(Commit { deltas: vec![state.take_delta(1)], ..empty(1) }).expect("commits");
    drop((state, db));
    let before = files(dir.path());
    let first = snapshot(dir.path());
    assert_eq!((first.committed_epoch(), values(&first)), (1, vec![b"value".to_vec()]));
    assert_eq!(first.job().expect("a name"), "flights");
    assert_eq!(files(dir.path()), before);
    // It stands still while the job goes on.
    let db = open(dir.path());
    let mut state = keyed(&db, 1 << 20);
    state.load(&key_set(&[b"one"])).expect("loads");
    state.apply(0, 0, None);
    db.commit(Commit { deltas: vec![state.take_delta(2)], ..empty(2) }).expect("commits");
    assert_eq!((first.committed_epoch(), values(&first).len()), (1, 1));
    assert_eq!((snapshot(dir.path()).committed_epoch(), values(&snapshot(dir.path())).len()), (2, 0));
}

/// Every epoch writes its number into 40 keys, with so many bytes behind it that RocksDB moves its
/// log into files several times.
#[test]
fn a_snapshot_of_a_busy_database_is_one_whole_epoch() {
    const KEYS: usize = 40;
    let dir = temp_dir();
    let db = open(dir.path());
    let done = AtomicBool::new(false);
    let names: Vec<String> = (0..KEYS).map(|i| format!("key {i}")).collect();
    let keys = key_set(&names.iter().map(String::as_bytes).collect::<Vec<_>>());
    let mut state = keyed(&db, 1 << 20);
    let mut write = |epoch: u64| {
        state.load(&keys).expect("loads");
        // Bytes that do not compress.
        let mut value = epoch.to_be_bytes().to_vec();
        let mut seed = epoch;
        while value.len() < 100_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            value.extend_from_slice(&seed.to_be_bytes());
        }
        (0..KEYS).for_each(|key| state.apply(0, key, Some(&value)));
        db.commit(Commit { deltas: vec![state.take_delta(epoch)], ..empty(epoch) }).expect("commits");
        state.committed(epoch);
    };
    write(1);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Acquire) {
                let snapshot = snapshot(dir.path());
                let epoch = snapshot.committed_epoch();
                let values = values(&snapshot);
                assert_eq!(values.len(), KEYS, "in epoch {epoch}");
                assert!(values.iter().all(|v| v.starts_with(&epoch.to_be_bytes())), "epoch {epoch} is whole");
                seen.insert(epoch);
            }
            seen
        });
        (2..=80).for_each(&mut write);
        done.store(true, Ordering::Release);
        reader.join().expect("every snapshot was whole")
    });
    assert!(seen.len() > 1, "{seen:?}");
}

#[test]
fn what_is_forgotten_is_gone_and_the_rest_stays() {
    let dir = temp_dir();
    let db = open(dir.path());
    let mut state = keyed(&db, 1 << 20);
    state.load(&key_set(&[b"one", b"two"])).expect("loads");
    for key in 0..2 {
        state.apply(0, key, Some(b"a"));
        state.apply(1, key, Some(b"b"));
    }
    let meta = vec![("slot/op/a".to_owned(), Some(vec![1])), ("slot/op/b".to_owned(), Some(vec![2]))];
    db.commit(Commit { deltas: vec![state.take_delta(1)], meta, ..empty(1) }).expect("commits");
    let id = |name| db.slot_id("op", name, Form::VALUE).expect("a number");
    db.forget(&[id("a")], &["slot/op/a".to_owned()]).expect("it forgets");
    assert!(!db.holds_any(id("a"), 0..16).expect("it scans"));
    assert!(db.holds_any(id("b"), 0..16).expect("it scans"));
    assert_eq!(db.meta_prefix("slot/").expect("it scans"), [("slot/op/b".to_owned(), vec![2])]);
    assert_eq!(db.committed_epoch(), 1);
}
