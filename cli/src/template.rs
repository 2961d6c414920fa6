//! The crates that `wasmill new` makes: real files under `templates/`, with a few words replaced.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use std::path::Path;

/// What a new function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// One row to any number of rows
    Map,
    /// Rows by key, with state and timers
    Keyed,
}

/// A file of a template: where it goes, and its text.
pub struct File {
    pub path: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($dir:literal) => {
        &[
            File { path: "Cargo.toml", text: include_str!(concat!("../templates/", $dir, "/Cargo.toml.in")) },
            File { path: "src/lib.rs", text: include_str!(concat!("../templates/", $dir, "/src/lib.rs")) },
            File { path: "job.yaml", text: include_str!(concat!("../templates/", $dir, "/job.yaml")) },
            File { path: "data/readings.ndjson", text: include_str!("../templates/readings.ndjson") },
            File {
                path: "tests/golden/readings.ndjson",
                text: include_str!(concat!("../templates/", $dir, "/tests/golden/readings.ndjson")),
            },
            File { path: "README.md", text: include_str!(concat!("../templates/", $dir, "/README.md")) },
            File { path: ".gitignore", text: include_str!("../templates/gitignore") },
            File { path: "rust-toolchain.toml", text: include_str!("../../rust-toolchain.toml") },
        ]
    };
}

impl Template {
    pub fn files(self) -> &'static [File] {
        match self {
            Template::Map => files!("map"),
            Template::Keyed => files!("keyed"),
        }
    }
}

impl File {
    /// The text for the crate `name` whose SDK stands at `sdk`.
    pub fn render(&self, name: &str, sdk: &Path) -> Result<String> {
        let sdk = sdk.to_str().context("the SDK's path is not UTF-8")?;
        ensure!(!sdk.contains(['"', '\\', '\n']), "the SDK's path has a quote, a backslash or a line break: {sdk}");
        Ok(self.text.replace("@NAME@", name).replace("@SDK@", sdk))
    }
}

/// A name that is good for a crate, for its module and for a job.
pub fn check_name(name: &str) -> Result<()> {
    const NAME_MAX: usize = 64;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    ensure!(
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed) && name.len() <= NAME_MAX,
        "{name:?} is no name for a function crate: start with a lower-case letter, go on with lower-case letters, \
         digits, `-` and `_`, at most {NAME_MAX} in all"
    );
    let mut reserved = RESERVED.split_ascii_whitespace();
    ensure!(reserved.all(|r| r != name), "{name:?} already means something in Rust; choose another name");
    Ok(())
}

/// Keywords, and crates that every crate sees.
const RESERVED: &str = "\
    abstract alloc as async await become box break const continue core crate do dyn else enum extern false final fn \
    for gen if impl in let loop macro match mod move mut override priv proc-macro proc_macro pub ref return self serde \
    static std struct super test trait true try type typeof unsafe unsized use virtual wasmill-sdk wasmill_sdk where \
    while yield";

#[cfg(test)]
mod tests {
    use super::{Template, check_name};
    use clap::ValueEnum;
    use std::path::Path;

    #[test]
    fn names_fit_crates_and_jobs() {
        for name in ["clean", "hourly-totals", "f2_x"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "Clean", "2fast", "-x", "a b", "naïve", "a.b", "fn", "test", "std", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn no_placeholder_is_left_and_the_name_is_in() {
        for template in Template::value_variants() {
            for file in template.files() {
                let text = file.render("my-fn", Path::new("/opt/wasmill/sdk")).expect("the path is plain");
                assert!(!text.contains("@NAME@") && !text.contains("@SDK@"), "{}", file.path);
            }
            let cargo = template.files()[0].render("my-fn", Path::new("/opt/wasmill/sdk")).expect("the path is plain");
            assert!(cargo.contains("name = \"my-fn\"") && cargo.contains("path = \"/opt/wasmill/sdk\""), "{cargo}");
        }
    }

    #[test]
    fn a_path_that_would_break_the_manifest_is_refused() {
        assert!(Template::Map.files()[0].render("x", Path::new("/a\"b")).is_err());
    }
}
