//! Cargo, as far as building a function needs it: which crate a path names, and its Wasm module.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";

/// A crate that can become a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCrate {
    /// The package's name.
    pub name: String,
    pub manifest: PathBuf,
    /// The root of the crate's workspace, which is the crate's directory when it stands alone.
    pub workspace: PathBuf,
    /// What a row may cost in fuel, by `[package.metadata.wasmill.budget]`.
    pub fuel_per_row: Option<u64>,
}

/// What a development build changes: it is to be quick, not good. Everything of the crate's own
/// profile stays as it is.
const FAST: [&str; 6] = [
    "profile.dev.opt-level=1",
    "profile.dev.debug=false",
    "profile.dev.debug-assertions=false",
    "profile.dev.overflow-checks=false",
    "profile.dev.incremental=true",
    "profile.dev.panic=\"abort\"",
];

impl FunctionCrate {
    /// The crate in this directory, or of this `Cargo.toml`.
    ///
    /// # Errors
    /// When there is no crate, or when it does not build a `cdylib`.
    pub fn find(path: &Path) -> Result<Self> {
        let manifest = if path.is_dir() { path.join("Cargo.toml") } else { path.to_owned() };
        ensure!(
            manifest.is_file() && manifest.file_name().is_some_and(|n| n == "Cargo.toml"),
            "no crate at {}: there is no {}; `wasmill new NAME` makes one",
            path.display(),
            manifest.display()
        );
        let manifest = manifest.canonicalize().with_context(|| format!("cannot read {}", manifest.display()))?;
        let metadata = metadata(&manifest)?;
        Self::from_metadata(&metadata, manifest)
    }

    /// The crate of this name in a workspace or a directory, if there is one that builds a module.
    pub fn named(workspace: &Path, name: &str) -> Option<Self> {
        let manifest = workspace.join("Cargo.toml").canonicalize().ok()?;
        let metadata = metadata(&manifest).ok()?;
        let package = metadata["packages"].as_array()?.iter().find(|p| p["name"] == name)?;
        Self::from_metadata(&metadata, package["manifest_path"].as_str()?.into()).ok()
    }

    fn from_metadata(metadata: &Value, manifest: PathBuf) -> Result<Self> {
        let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(package) = packages.iter().find(|p| p["manifest_path"].as_str().map(Path::new) == Some(&manifest))
        else {
            let names: Vec<_> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
            bail!(
                "{} is a workspace without a crate; name one of its crates: {}",
                manifest.display(),
                names.join(", ")
            );
        };
        let name = package["name"].as_str().context("cargo metadata names no package")?.to_owned();
        let targets = package["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_cdylib = |t: &Value| t["crate_types"].as_array().is_some_and(|c| c.iter().any(|c| c == "cdylib"));
        ensure!(
            targets.iter().any(is_cdylib),
            "crate {name} builds no module; add this to {}:\n\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]",
            manifest.display()
        );
        let workspace = metadata["workspace_root"].as_str().context("cargo metadata names no workspace")?.into();
        let fuel_per_row = package["metadata"]["wasmill"]["budget"]["fuel_per_row"].as_u64();
        Ok(Self { name, manifest, workspace, fuel_per_row })
    }

    /// Where the finished module goes: beside the crate whatever cargo's target directory is, so
    /// that a job file can name it.
    pub fn module_path(&self) -> PathBuf {
        self.workspace.join("target").join("wasmill").join(format!("{}.wasm", self.name))
    }

    /// Builds the crate in release and returns the path of its core module. Cargo's messages go to
    /// stderr as they come.
    ///
    /// # Errors
    /// When the Wasm target is not installed, or the crate does not compile.
    pub fn build(&self) -> Result<PathBuf> {
        self.require_target()?;
        let mut command = cargo(&self.manifest);
        command
            // As a `cdylib` only: for a crate that is also an `rlib`, cargo skips link-time optimisation
            // without a word, and nothing of the SDK is inlined into the function.
            .args(["rustc", "--lib", "--crate-type", "cdylib", "--release", "--target", TARGET])
            .args(["--message-format", "json-render-diagnostics"])
            // Lines for backtraces; they are taken out of the module again.
            .args([
                "--config",
                "profile.release.debug=\"line-tables-only\"",
                "--config",
                "profile.release.strip=\"none\"",
            ])
            .arg("--manifest-path")
            .arg(&self.manifest)
            .stderr(Stdio::inherit());
        let Output { status, stdout, .. } = command.output().context("cannot run cargo")?;
        ensure!(status.success(), "crate {} does not compile for {TARGET}; cargo says why above", self.name);
        artifact(&String::from_utf8_lossy(&stdout), &self.manifest)
            .with_context(|| format!("cargo built crate {} but names no .wasm file of it", self.name))
    }

    /// Builds the crate quickly and returns the path of its core module.
    ///
    /// # Errors
    /// With all that cargo says, when the crate does not compile.
    pub fn build_fast(&self) -> Result<PathBuf> {
        self.require_target()?;
        let mut command = cargo(&self.manifest);
        command.args(["rustc", "--lib", "--crate-type", "cdylib", "--target", TARGET, "--color", "never"]);
        for setting in FAST {
            command.args(["--config", setting]);
        }
        command.args(["--message-format", "json-render-diagnostics", "--manifest-path"]).arg(&self.manifest);
        let Output { status, stdout, stderr } = command.output().context("cannot run cargo")?;
        let told = String::from_utf8_lossy(&stderr);
        ensure!(status.success(), "crate {} does not compile\n{}", self.name, told.trim_end());
        artifact(&String::from_utf8_lossy(&stdout), &self.manifest)
            .with_context(|| format!("cargo built crate {} but names no .wasm file of it", self.name))
    }

    /// Runs the crate's own tests. Cargo's messages go to stderr as they come.
    ///
    /// # Errors
    /// When they fail.
    pub fn test(&self) -> Result<()> {
        let mut command = cargo(&self.manifest);
        command.arg("test").arg("--manifest-path").arg(&self.manifest).stdout(std::io::stderr());
        let status = command.status().context("cannot run cargo; install Rust from https://rustup.rs")?;
        ensure!(status.success(), "the tests of crate {} fail; cargo says which above", self.name);
        Ok(())
    }

    /// Looks before cargo does, whose own message drowns in the errors of the first dependency.
    fn require_target(&self) -> Result<()> {
        let mut command = Command::new("rustc");
        command.args(["--print", "target-libdir", "--target", TARGET]).current_dir(self.dir());
        let output = command.output().context("cannot run rustc; install Rust from https://rustup.rs")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "rustc does not run in {}\n{}", self.dir().display(), told.trim_end());
        let libdir = String::from_utf8_lossy(&output.stdout);
        ensure!(
            Path::new(libdir.trim()).is_dir(),
            "the toolchain of {} cannot compile to Wasm yet; run there: rustup target add {TARGET}",
            self.dir().display()
        );
        Ok(())
    }

    pub fn dir(&self) -> &Path {
        self.manifest.parent().expect("the path of a file in a directory has a parent")
    }
}

fn metadata(manifest: &Path) -> Result<Value> {
    let mut command = cargo(manifest);
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let output = command.output().context("cannot run cargo; install Rust from https://rustup.rs")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo cannot read {}\n{}", manifest.display(), told.trim_end());
    serde_json::from_slice(&output.stdout).context("cargo metadata did not answer with JSON")
}

/// Cargo runs in the crate's directory, so that the crate's own toolchain and settings count.
fn cargo(manifest: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(manifest.parent().unwrap_or(Path::new(".")));
    command
}

/// The .wasm file that cargo's messages name for this crate.
fn artifact(messages: &str, manifest: &Path) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|m| m["reason"] == "compiler-artifact" && m["manifest_path"].as_str().map(Path::new) == Some(manifest))
        .flat_map(|m| m["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|f| f.as_str().map(PathBuf::from))
        .rfind(|f| f.extension().is_some_and(|e| e == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::{FunctionCrate, artifact};
    use serde_json::json;
    use std::path::{Path, PathBuf};

    fn metadata(crate_type: &str) -> serde_json::Value {
        json!({
            "workspace_root": "/w",
            "packages": [{ "name": "my-fn", "manifest_path": "/w/Cargo.toml", "targets": [{ "crate_types": [crate_type] }] }],
        })
    }

    #[test]
    fn a_crate_with_a_cdylib_is_found() {
        let found = FunctionCrate::from_metadata(&metadata("cdylib"), "/w/Cargo.toml".into()).expect("it is one");
        assert_eq!(found.module_path(), PathBuf::from("/w/target/wasmill/my-fn.wasm"));
    }

    #[test]
    fn a_plain_library_is_told_what_to_add() {
        let error = FunctionCrate::from_metadata(&metadata("lib"), "/w/Cargo.toml".into()).expect_err("it is none");
        assert!(error.to_string().contains("crate-type = [\"cdylib\", \"rlib\"]"), "{error}");
    }

    #[test]
    fn a_workspace_names_its_crates() {
        let error = FunctionCrate::from_metadata(&metadata("cdylib"), "/v/Cargo.toml".into()).expect_err("no crate");
        assert!(error.to_string().contains("one of its crates: my-fn"), "{error}");
    }

    #[test]
    fn a_directory_without_a_crate_is_refused() {
        let error = FunctionCrate::find(Path::new("/nowhere/at/all")).expect_err("there is nothing");
        assert!(error.to_string().contains("wasmill new"), "{error}");
    }

    #[test]
    fn only_the_crates_own_module_counts() {
        let line = |manifest: &str, file: &str| {
            json!({ "reason": "compiler-artifact", "manifest_path": manifest, "filenames": [file] }).to_string()
        };
        let messages = [line("/w/Cargo.toml", "/t/a.wasm"), line("/dep/Cargo.toml", "/t/dep.wasm")].join("\n");
        assert_eq!(artifact(&messages, Path::new("/w/Cargo.toml")), Some("/t/a.wasm".into()));
        assert_eq!(artifact(&messages, Path::new("/x/Cargo.toml")), None);
    }
}
