//! What end-to-end tests share: the binary, modules built by it, jobs in their own directories,
//! processes that are killed, and outputs that are compared. It knows the product only as a user
//! does: by its command line and its files.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// No step of a test takes this long on any machine; one that does hangs.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the project").to_path_buf()
}

/// The binary that was built with these tests.
pub fn wasmill() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let binary = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").join("wasmill");
    assert!(binary.exists(), "{} is missing: run scripts/test, or `cargo build -p wasmill` first", binary.display());
    binary
}

/// The module of an example crate, built once per test process by `wasmill build`.
pub fn module(example: &str) -> PathBuf {
    static BUILT: OnceLock<std::sync::Mutex<BTreeMap<String, PathBuf>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Default::default).lock().expect("no test panics while it builds");
    if let Some(path) = built.get(example) {
        return path.clone();
    }
    let path = build_module(example).unwrap_or_else(|e| panic!("building the example {example} failed: {e:#}"));
    built.insert(example.to_owned(), path.clone());
    path
}

fn build_module(example: &str) -> Result<PathBuf> {
    // Each test process writes its own file, so that none reads one that another is writing.
    let out = std::env::temp_dir().join(format!("wasmill-test-{}-{example}.wasm", std::process::id()));
    let output = Command::new(wasmill())
        .arg("build")
        .arg(root().join("udf-examples").join(example))
        .arg("--out")
        .arg(&out)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(out)
}

/// A job in a directory of its own, which goes when the value does.
pub struct TestJob {
    pub dir: tempfile::TempDir,
}

/// How a run ended, with what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Panics with what was said unless the run ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.status.success(), "exit {:?}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }
}

impl TestJob {
    /// A directory with this job file.
    pub fn new(yaml: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let job = Self { dir };
        job.write("job.yaml", yaml);
        job
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("files lie in the directory")).expect("it can be written");
        std::fs::write(path, content).expect("the temporary directory can be written");
    }

    /// `wasmill run job.yaml` with these further arguments, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(wasmill());
        command.arg("run").arg(self.path("job.yaml")).args(args);
        command.env("XDG_CACHE_HOME", code_cache());
        command.stdin(Stdio::null());
        command
    }

    /// Has the modules in the cache of compiled code: a process that is killed before it compiled
    /// them leaves the next one nothing to go on with.
    #[track_caller]
    pub fn compile(&self) {
        let mut command = Command::new(wasmill());
        command.arg("check").arg(self.path("job.yaml")).env("XDG_CACHE_HOME", code_cache());
        Running::start(command).wait().expect("the check ends in time").ok();
    }

    /// Runs the job to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        Running::start(self.command(args)).wait().expect("the job ends in time")
    }

    /// All rows of a CSV sink's directory, without headers, sorted.
    pub fn csv_rows(&self, sink: &str) -> Vec<String> {
        let mut rows = Vec::new();
        for text in self.parts(sink) {
            rows.extend(text.lines().skip(1).map(str::to_owned));
        }
        rows.sort();
        rows
    }

    /// All lines of an NDJSON sink's directory, file by file, in order.
    pub fn json_rows(&self, sink: &str) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line:?} is not JSON: {e}"));
        self.parts(sink).iter().flat_map(|text| text.lines().map(parse)).collect()
    }

    /// The files of a sink's directory, by name.
    pub fn parts(&self, sink: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(sink)) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|e| e.expect("the directory can be read").path()).collect();
        // A job that starts tries whether it can write, with a hidden file.
        paths.retain(|p| p.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
        paths.sort();
        paths.iter().map(|p| std::fs::read_to_string(p).expect("output is UTF-8")).collect()
    }

    /// The dead letters, in the default state directory of this job.
    pub fn dead_letters(&self, job: &str) -> Vec<serde_json::Value> {
        self.json_rows(&format!(".wasmill/{job}/dead-letters"))
    }
}

/// One cache of compiled code for all tests of a process, so that a kill finds jobs that start fast.
fn code_cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| std::env::temp_dir().join(format!("wasmill-test-cache-{}", std::process::id())))
}

/// A process under test. It is killed when the value goes.
pub struct Running {
    child: Child,
    stdout: Option<std::thread::JoinHandle<String>>,
    stderr: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        Self::spawn(command)
    }

    /// Its stderr goes to a file, which can be read meanwhile.
    pub fn start_with_stderr_in(mut command: Command, path: &Path) -> Self {
        command.stderr(std::fs::File::create(path).expect("the file can be made"));
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Self { child, stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the process can be waited for").is_some()
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(mut self) -> Result<Ended> {
        // A process that has ended by itself cannot be killed; its status tells.
        let _ = self.child.kill();
        self.wait_inner()
    }

    /// Waits for the end, for [`PATIENCE`].
    pub fn wait(mut self) -> Result<Ended> {
        self.wait_inner()
    }

    fn wait_inner(&mut self) -> Result<Ended> {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if started.elapsed() > PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                bail!("the process did not end within {PATIENCE:?}: {}", joined(&mut self.stderr).unwrap_or_default());
            }
            std::thread::park_timeout(Duration::from_millis(2));
        };
        let stderr = if self.stderr.is_some() { joined(&mut self.stderr)? } else { String::new() };
        Ok(Ended { status, stdout: joined(&mut self.stdout)?, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks has said all that there is.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(handle: &mut Option<std::thread::JoinHandle<String>>) -> Result<String> {
    let handle = handle.take().context("output was taken already")?;
    handle.join().map_err(|_| anyhow::anyhow!("the thread that reads output panicked"))
}

/// Waits until a condition holds, for [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A small random generator, so that a seed that is printed repeats a run.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Seeded by `WASMILL_TEST_SEED`, else by the clock.
    pub fn from_environment() -> (Self, u64) {
        let given = std::env::var("WASMILL_TEST_SEED").ok().and_then(|s| s.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |d| d.as_nanos() as u64)
        });
        (Self(seed), seed)
    }

    /// SplitMix64. Source: Sebastiano Vigna, public domain.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.number() % n
    }
}
