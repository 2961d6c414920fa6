//! Blobs at their places: once, twice, after a cut, after a roll.

use super::*;
use proptest::prelude::*;

const ROLL: Roll = Roll { bytes: 100, age: Duration::from_secs(60) };

fn read(dir: &Path, file: u32) -> String {
    fs::read_to_string(dir.join(part_name(3, file, "csv"))).expect("a part file")
}

fn at(file: u32, offset: u64) -> FileTarget {
    FileTarget { file, offset, opened_at_ms: 0 }
}

fn put(dir: &Path, target: FileTarget, blob: &str) -> Result<(), SinkError> {
    publish(dir, 3, "csv", &target, b"h\n", blob.as_bytes())
}

#[test]
fn names_sort_as_numbers() {
    assert_eq!(part_name(3, 12, "csv"), "part-00003-00012.csv");
}

#[test]
fn publishing_twice_is_publishing_once() {
    let dir = tempfile::tempdir().expect("a directory");
    for _ in 0..2 {
        put(dir.path(), at(0, 0), "a\n").expect("published");
        assert_eq!(read(dir.path(), 0), "h\na\n");
        put(dir.path(), at(0, 4), "b\n").expect("published");
        assert_eq!(read(dir.path(), 0), "h\na\nb\n");
    }
}

#[test]
fn what_lies_behind_the_committed_length_is_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(part_name(3, 0, "csv"));
    for torn in ["h\na\n", "h\na\nb", "h\na\nbb\ncc\n", "h\na\nXXXXXXXXXXXXXXXX", "h\na\nbX\n"] {
        fs::write(&path, torn).expect("written");
        put(dir.path(), at(0, 4), "bb\n").expect("published");
        assert_eq!(read(dir.path(), 0), "h\na\nbb\n", "over {torn:?}");
    }
    for torn in ["", "h", "h\na", "x\na\n"] {
        fs::write(&path, torn).expect("written");
        put(dir.path(), at(0, 0), "a\n").expect("published");
        assert_eq!(read(dir.path(), 0), "h\na\n", "over {torn:?}");
    }
}

#[test]
fn bytes_that_are_there_are_not_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    put(dir.path(), at(0, 0), "aaaa\n").expect("published");
    let path = dir.path().join(part_name(3, 0, "csv"));
    let modified = || fs::metadata(&path).expect("a file").modified().expect("a time");
    let past = modified() - Duration::from_secs(5);
    File::options().write(true).open(&path).and_then(|f| f.set_modified(past)).expect("set");
    put(dir.path(), at(0, 0), "aaaa\n").expect("published");
    assert_eq!(modified(), past, "neither written nor cut: a reader that follows the file sees nothing twice");
}

#[test]
fn a_shorter_or_missing_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().expect("a directory");
    put(dir.path(), at(0, 0), "a\n").expect("published");
    let error = put(dir.path(), at(0, 9), "b\n").expect_err("shorter");
    assert!(matches!(&error, SinkError::Shortened { length: 4, committed: 9, .. }), "{error}");
    assert!(error.to_string().contains("part-00003-00000.csv has 4 bytes, but 9"), "{error}");
    assert_eq!(error.kind(), SinkErrorKind::Refused);
    let error = put(dir.path(), at(1, 9), "b\n").expect_err("missing");
    assert!(matches!(error, SinkError::Shortened { length: 0, committed: 9, .. }));
    assert!(!dir.path().join(part_name(3, 1, "csv")).exists());
}

#[test]
fn a_full_disk_says_so() {
    let error = SinkError::of_io("write", "out/part".as_ref(), io::ErrorKind::StorageFull.into());
    assert!(matches!(error, SinkError::NoSpace { .. }));
    assert!(error.to_string().contains("out/part") && error.to_string().contains("free space"), "{error}");
    assert_eq!(error.kind(), SinkErrorKind::Retryable);
    // The real thing: every write to this device fails for lack of space.
    let full = Path::new("/dev/full");
    if full.exists() {
        let mut file = OpenOptions::new().write(true).open(full).expect("opens");
        let source = file.write_all(b"x").expect_err("is full");
        assert!(matches!(SinkError::of_io("write", full, source), SinkError::NoSpace { .. }));
    }
}

#[test]
fn claims() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("a/b");
    claim(&out).expect("made");
    claim(&out).expect("still empty");
    assert_eq!(fs::read_dir(&out).expect("a directory").count(), 0, "the probe is gone");
    fs::write(out.join("README"), "x").expect("written");
    claim(&out).expect("other files do not matter");
    put(&out, at(0, 0), "a\n").expect("published");
    let error = claim(&out).expect_err("occupied");
    assert!(error.to_string().contains("already holds part-00003-00000.csv"), "{error}");
    for file in [out.join("README"), out.join("README/sub")] {
        let error = claim(&file).expect_err("a file");
        assert!(matches!(error, SinkError::NotADirectory { .. }), "{error}");
        assert_eq!(error.kind(), SinkErrorKind::Refused);
    }
}

#[test]
fn rolls_by_size_and_age_only_between_blobs() {
    let t = |file, offset, opened_at_ms| FileTarget { file, offset, opened_at_ms };
    assert_eq!(plan(t(0, 0, 0), 500, 2, ROLL, 7), (t(0, 0, 7), t(0, 502, 7)), "a large blob stays whole");
    assert_eq!(plan(t(0, 90, 7), 10, 2, ROLL, 8), (t(0, 90, 7), t(0, 100, 7)), "just fits");
    assert_eq!(plan(t(0, 90, 7), 11, 2, ROLL, 8), (t(1, 0, 8), t(1, 13, 8)));
    assert_eq!(plan(t(0, 90, 7), 1, 2, ROLL, 60_007), (t(1, 0, 60_007), t(1, 3, 60_007)), "too old");
    assert_eq!(plan(t(4, 90, 7), 0, 2, ROLL, 60_007), (t(4, 90, 7), t(4, 90, 7)), "nothing to place");
    assert_eq!(plan(t(0, 90, 7), 1, 2, ROLL, -5), (t(0, 90, 7), t(0, 91, 7)), "the clock went back");
}

proptest! {
    // Every case syncs files.
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every blob is published once or twice, some after a torn attempt; the files hold all blobs
    /// in order, each file with one header.
    #[test]
    fn files_hold_each_blob_once(
        blobs in proptest::collection::vec((0usize..40, 0i64..30_000, any::<bool>(), 0usize..40), 1..30),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut next, mut now) = (FileTarget::default(), 0);
        let mut expect: Vec<Vec<u8>> = Vec::new();
        for (i, (len, step, twice, torn)) in blobs.into_iter().enumerate() {
            let blob = vec![b'a' + (i % 26) as u8; len];
            now += step;
            let (lands, after) = plan(next, blob.len() as u64, 2, ROLL, now);
            prop_assert!(after.file >= next.file && after.file <= next.file + 1);
            next = after;
            if !blob.is_empty() {
                if lands.offset == 0 {
                    expect.push(b"h\n".to_vec());
                }
                let path = dir.path().join(part_name(3, lands.file, "csv"));
                let mut file = OpenOptions::new().append(true).create(true).open(&path).expect("opens");
                file.write_all(&vec![b'?'; torn]).expect("written");
                expect.last_mut().expect("the first blob begins a file").extend_from_slice(&blob);
            }
            for _ in 0..=usize::from(twice) {
                publish(dir.path(), 3, "csv", &lands, b"h\n", &blob).expect("published");
            }
            for (file, content) in expect.iter().enumerate() {
                prop_assert_eq!(fs::read(dir.path().join(part_name(3, file as u32, "csv"))).expect("a file"), content.clone());
            }
        }
    }
}
