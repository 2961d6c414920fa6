//! Puts the pages of `docs/errors` into the binary, for `wasmill error`.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let dir = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../docs/errors");
    println!("cargo:rerun-if-changed={}", dir.display());
    let entries = fs::read_dir(&dir).expect("the pages stand in docs/errors");
    let mut codes: Vec<String> = entries
        .map(|e| e.expect("the directory can be read").path())
        .filter(|p| p.extension().is_some_and(|e| e == "md") && !p.ends_with("README.md"))
        .filter_map(|p| p.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    codes.sort();
    let mut table = "&[\n".to_owned();
    for code in codes {
        let path = dir.join(format!("{code}.md"));
        writeln!(table, "    ({code:?}, include_str!({:?})),", path.display().to_string()).expect("a string takes all");
    }
    table.push(']');
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("error_pages.rs");
    fs::write(out, table).expect("cargo made the directory");
}
