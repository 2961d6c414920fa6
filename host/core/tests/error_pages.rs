//! Every error that a user can meet has a page in `docs/errors`, every page an error, and the pages
//! have one shape. `scripts/fix` renews their index.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn root(path: &str) -> PathBuf {
    Path::new(ROOT).join(path)
}

/// The pages by their code.
fn pages() -> BTreeMap<String, String> {
    let files = fs::read_dir(root("docs/errors")).expect("the pages are there").map(|f| f.expect("readable").path());
    let pages = files.filter(|f| f.extension().is_some_and(|e| e == "md") && !f.ends_with("README.md"));
    let name = |f: &Path| f.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    pages.map(|f| (name(&f), fs::read_to_string(&f).expect("pages are text"))).collect()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the sources are there") {
        let path = entry.expect("readable").path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// A code at the start of `text`: kebab case in quotes.
fn code(text: &str) -> Option<&str> {
    let code = text.trim_start().strip_prefix('"')?.split('"').next()?;
    let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    is_code.then_some(code)
}

/// The codes in a source: those given to problems and faults of the job file, to failures of the
/// command line, and those that functions called `code`, `kind` and `reason` answer with.
fn codes_of(source: &str) -> Vec<String> {
    let mut codes = Vec::new();
    for call in ["Problem::new(", "Fault::new(", ".coded("] {
        codes.extend(source.split(call).skip(1).filter_map(code).map(str::to_owned));
    }
    for function in
        ["code(&self) -> &'static str {", "code(self) -> &'static str {", "fn kind(&self) -> &'static str {"]
    {
        for body in source.split(function).skip(1) {
            let body = &body[..body.find("\n    }\n").unwrap_or(body.len())];
            codes.extend(body.split("=> ").skip(1).filter_map(code).map(str::to_owned));
        }
    }
    codes
}

/// Every code with one file that gives it.
fn codes() -> BTreeMap<String, PathBuf> {
    let mut files = Vec::new();
    ["host/core/src", "host/runtime/src", "host/server/src", "cli/src"]
        .iter()
        .for_each(|d| sources(&root(d), &mut files));
    let mut codes = BTreeMap::new();
    for file in files.into_iter().filter(|f| !f.to_string_lossy().ends_with("tests.rs")) {
        let text = fs::read_to_string(&file).expect("sources are text");
        let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        codes.extend(codes_of(before_tests).into_iter().map(|code| (code, file.clone())));
    }
    codes
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let (pages, mut codes) = (pages(), codes());
    assert!(codes.len() > 50, "only {} codes were found", codes.len());
    // Reasons of dead letters, which are written where a row is refused.
    let mut fragment = Vec::new();
    sources(&root("host/runtime/src/fragment"), &mut fragment);
    let fragment: String = fragment.iter().map(|f| fs::read_to_string(f).expect("sources are text")).collect();
    for reason in ["format", "rejected"] {
        assert!(fragment.contains(&format!("\"{reason}\"")), "no dead letter has the reason {reason}");
        codes.insert(reason.to_owned(), PathBuf::new());
    }
    codes.extend(["bad-record", "transient", "fatal", "incompatible"].map(|fault| (fault.to_owned(), PathBuf::new())));
    let missing: Vec<_> = codes.iter().filter(|(code, _)| !pages.contains_key(*code)).collect();
    assert!(missing.is_empty(), "write docs/errors/CODE.md for these, by the model of unknown-key.md: {missing:?}");
    let left: Vec<_> = pages.keys().filter(|code| !codes.contains_key(*code)).collect();
    assert!(left.is_empty(), "no error has these codes; remove their pages: {left:?}");
}

#[test]
fn pages_say_what_happened_show_it_and_say_what_to_try() {
    for (code, page) in pages() {
        let lines: Vec<_> = page.lines().collect();
        assert_eq!(lines[0], format!("# {code}"), "the first line of {code}.md");
        assert!(lines[1].is_empty() && lines[2].ends_with('.'), "{code}.md does not begin with what happened");
        assert!(page.contains("\n\n    "), "{code}.md shows no message");
        let (_, tries) = page.split_once("\n## What to try\n\n").unwrap_or_else(|| panic!("{code}.md gives no advice"));
        assert!(tries.starts_with("- ") && page.ends_with('\n'), "{code}.md lists nothing to try");
    }
}

#[test]
fn the_index_lists_every_page() {
    let mut index = "# Errors\n\nEvery error has a code: `error[unknown-key]: ...`, or the `reason` of a dead letter. \
        `wasmill error CODE` prints its page.\n\n"
        .to_owned();
    for (code, page) in pages() {
        let what = page.lines().nth(2).unwrap_or_default();
        let first = what.split_inclusive(". ").next().unwrap_or_default().trim();
        index += &format!("- [{code}]({code}.md): {first}\n");
    }
    let path = root("docs/errors/README.md");
    if std::env::var_os("WASMILL_BLESS").is_some() {
        fs::write(&path, &index).expect("the checkout can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == index, "docs/errors/README.md is not the list of its pages; run scripts/fix");
}
