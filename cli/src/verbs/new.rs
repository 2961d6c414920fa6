//! `wasmill new`: a function crate that builds, whose tests pass, with a job that runs.

use crate::exit::Failure;
use crate::template::{Template, check_name};
use crate::terminal::Terminal;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// The SDK of the checkout that this binary was built from.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");

const EXAMPLES: &str = "\
Examples:
  wasmill new clean-orders                      a map: one row in, any number of rows out
  wasmill new orders-per-hour --template keyed  rows by key, with state and timers";

/// Make a function crate with tests and a job beside it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The crate's name, or the path of its directory
    name: PathBuf,
    /// What the function does
    #[arg(long, default_value = "map")]
    template: Template,
    /// The directory of the crate wasmill-sdk [default: in the checkout that built this wasmill]
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let name = crate_name(&args.name).map_err(Failure::usage)?;
    let sdk = find_sdk(args.sdk.as_deref().unwrap_or(Path::new(SDK))).map_err(Failure::usage)?;
    require_empty(&args.name).map_err(Failure::usage)?;
    write(&args, &name, &sdk)?;
    let dir = args.name.display();
    if terminal.json {
        terminal.print(&json!({ "crate": name, "directory": dir.to_string(), "sdk": sdk }).to_string())?;
    } else {
        terminal.print(&next_steps(&terminal.out.heading(&format!("made {dir}")), &dir.to_string()))?;
    }
    Ok(())
}

fn crate_name(path: &Path) -> Result<String> {
    let name = path.file_name().with_context(|| format!("{} names no crate", path.display()))?.to_string_lossy();
    check_name(&name)?;
    Ok(name.into_owned())
}

fn find_sdk(path: &Path) -> Result<PathBuf> {
    let manifest = path.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap_or_default();
    ensure!(
        text.lines().any(|line| line.trim() == "name = \"wasmill-sdk\""),
        "there is no wasmill-sdk at {}; name its directory in a checkout of Wasmill: --sdk PATH/sdk",
        path.display()
    );
    path.canonicalize().with_context(|| format!("cannot read {}", path.display()))
}

fn require_empty(dir: &Path) -> Result<()> {
    ensure!(!dir.exists() || dir.is_dir(), "{} exists and is not a directory; choose another name", dir.display());
    let is_empty =
        !dir.exists() || fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?.next().is_none();
    ensure!(is_empty, "directory {} is not empty; choose another name", dir.display());
    Ok(())
}

fn write(args: &Args, name: &str, sdk: &Path) -> Result<()> {
    for file in args.template.files() {
        let path = args.name.join(file.path);
        let text = file.render(name, sdk)?;
        let dir = path.parent().expect("a file of a template stands in the crate's directory");
        fs::create_dir_all(dir).with_context(|| format!("cannot make directory {}", dir.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // With the SDK's own lock file the crate starts from the versions that the SDK was tested with.
    let (lock, own) = (sdk.join("../Cargo.lock"), args.name.join("Cargo.lock"));
    if lock.is_file() {
        fs::copy(&lock, &own).with_context(|| format!("cannot copy {} to {}", lock.display(), own.display()))?;
    }
    Ok(())
}

fn next_steps(heading: &str, dir: &str) -> String {
    format!(
        "{heading}\n\n\
         next:\n  \
         cd {dir}\n  \
         cargo test                the function's tests, on this machine\n  \
         wasmill test              the same, and tests/golden through the real component\n  \
         wasmill build             compile it to a module and look at it\n  \
         wasmill run job.yaml      run it on data/readings.ndjson; the rows go to out/"
    )
}

#[cfg(test)]
mod tests {
    use super::{crate_name, find_sdk, require_empty};
    use std::path::Path;

    #[test]
    fn the_last_part_of_the_path_is_the_name() {
        assert_eq!(crate_name(Path::new("a/b/clean-orders")).expect("it is a name"), "clean-orders");
        assert!(crate_name(Path::new("a/..")).is_err());
        assert!(crate_name(Path::new("Bad")).is_err());
    }

    #[test]
    fn the_sdk_of_this_checkout_is_found_and_others_are_not() {
        assert!(find_sdk(Path::new(super::SDK)).expect("it is here").is_absolute());
        let error = find_sdk(Path::new("/nowhere")).expect_err("there is none").to_string();
        assert!(error.contains("--sdk"), "{error}");
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().expect("a directory for the test");
        assert!(require_empty(dir.path()).is_ok());
        assert!(require_empty(&dir.path().join("new")).is_ok());
        std::fs::write(dir.path().join("mine"), "").expect("it is writable");
        assert!(require_empty(dir.path()).is_err());
        assert!(require_empty(&dir.path().join("mine")).is_err());
    }
}
