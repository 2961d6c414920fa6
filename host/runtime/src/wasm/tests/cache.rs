//! Compiled code on disk: found again, and never trusted when anything about it is odd.

use super::guests::Source;
use crate::wasm::{Factory, Runtime, WasmError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmill_core::limits::Limits;

fn load(dir: &Path, source: &Source) -> Arc<Factory> {
    let runtime = Runtime::new(Some(dir)).expect("the directory can be used");
    Factory::load(&runtime, &source.component(), &Limits::default()).expect("the module is in order")
}

fn compiled_files(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).expect("the directory is there").map(|e| e.expect("it can be listed").path());
    files.filter(|p| p.extension().is_some_and(|e| e == "cwasm")).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn the_second_load_is_a_hit() {
    let dir = tempfile::tempdir().expect("there is room");
    let dir = dir.path().join("a/b");
    let source = Source::default();
    assert!(!load(&dir, &source).cached());
    assert!(load(&dir, &source).cached());
    assert!(!load(&dir, &Source { memory_pages: 5, ..Source::default() }).cached(), "another module");
    assert_eq!(compiled_files(&dir).len(), 2);
    assert_eq!((mode(&dir), mode(&dir.join("key"))), (0o700, 0o600));
    assert!(compiled_files(&dir).iter().all(|f| mode(f) == 0o600));
    assert_eq!(fs::read_dir(&dir).expect("it is there").count(), 3, "nothing temporary is left");
}

#[test]
fn damaged_and_forged_files_are_ignored_and_replaced() {
    let dir = tempfile::tempdir().expect("there is room");
    let source = Source::default();
    load(dir.path(), &source);
    let file = compiled_files(dir.path()).pop().expect("one module was compiled");
    let genuine = fs::read(&file).expect("it can be read");
    let mut flipped = genuine.clone();
    *flipped.last_mut().expect("it is not empty") ^= 1;
    let mut other_tag = genuine.clone();
    other_tag[4] ^= 1;
    for forged in [flipped, other_tag, genuine[..20].to_vec(), Vec::new(), genuine[36..].to_vec()] {
        fs::write(&file, forged).expect("it can be written");
        assert!(!load(dir.path(), &source).cached());
        assert!(load(dir.path(), &source).cached(), "it was replaced");
    }
}

#[test]
fn code_of_another_module_under_this_name_is_forged() {
    let dir = tempfile::tempdir().expect("there is room");
    let (one, two) = (Source::default(), Source { memory_pages: 5, ..Source::default() });
    load(dir.path(), &one);
    let first = compiled_files(dir.path()).pop().expect("one module was compiled");
    load(dir.path(), &two);
    let second = compiled_files(dir.path()).into_iter().find(|f| *f != first).expect("two modules were compiled");
    fs::copy(&first, &second).expect("it can be copied");
    assert!(!load(dir.path(), &two).cached());
}

#[test]
fn a_key_that_others_can_read_is_replaced() {
    let dir = tempfile::tempdir().expect("there is room");
    let source = Source::default();
    load(dir.path(), &source);
    let key = dir.path().join("key");
    let old = fs::read(&key).expect("it can be read");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("it is ours");
    assert!(!load(dir.path(), &source).cached(), "what the old key signed is not believed");
    assert_ne!(fs::read(&key).expect("it can be read"), old);
    assert_eq!(mode(&key), 0o600);
}

#[test]
fn a_directory_that_others_can_enter_is_closed() {
    let dir = tempfile::tempdir().expect("there is room");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    load(dir.path(), &Source::default());
    assert_eq!(mode(dir.path()), 0o700);
}

#[test]
fn a_directory_that_cannot_be() {
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let error = Runtime::new(Some(&file.path().join("cache"))).map(drop).expect_err("a file has no entries");
    assert!(matches!(error, WasmError::Cache { .. }), "{error}");
    assert!(error.to_string().contains("run without a cache"), "{error}");
}
