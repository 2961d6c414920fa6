//! Compiled code on disk. Loading it is as dangerous as loading a shared library, so every file is
//! authenticated with a key that only this user can read. A file that is missing, damaged, foreign
//! or forged is simply not there: the module is compiled again and the file replaced.
//!
//! ```text
//! DIR/key                  32 random bytes, mode 0600
//! DIR/HEX64.cwasm          magic "WMC1" | HMAC-SHA256 over (HEX64 | code), 32 bytes | code
//! ```
//!
//! HEX64 is the SHA-256 of the component's digest and of all that compiled code depends on: the
//! version of wasmtime, its configuration and the features of the CPU.

use super::error::WasmError;
use super::sys::{Authentic, TrustedCode, load_compiled};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A symbolic link in place of the key file is not followed.
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
const MAGIC: &[u8; 4] = b"WMC1";
const TAG_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const HEAD_BYTES: usize = MAGIC.len() + TAG_BYTES;

/// A directory of compiled code.
#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
    /// Of wasmtime, its configuration and the CPU.
    environment: [u8; 32],
}

impl Cache {
    /// Makes the directory and its key, unless they are there.
    pub fn open(dir: &Path, engine: &Engine) -> Result<Self, WasmError> {
        let failed = |problem: String| WasmError::Cache { path: dir.to_owned(), problem };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| failed(e.to_string()))?;
        let meta = fs::metadata(dir).map_err(|e| failed(e.to_string()))?;
        if meta.uid() != rustix::process::geteuid().as_raw() {
            // Root may use it all the same, and would run what its owner put there.
            return Err(failed("it belongs to another user".to_owned()));
        }
        if meta.mode() & 0o077 != 0 {
            fs::set_permissions(dir, Permissions::from_mode(0o700))
                .map_err(|e| failed(format!("others may enter it, and its mode cannot be set to 0700: {e}")))?;
        }
        let key = read_or_make_key(dir).map_err(|e| failed(format!("its key: {e}")))?;
        Ok(Self { dir: dir.to_owned(), key, environment: environment(engine) })
    }

    /// The compiled code of the component with this SHA-256, if it is there and genuine.
    pub fn load(&self, engine: &Engine, component: &[u8; 32]) -> Option<Component> {
        let name = self.name(component);
        let bytes = fs::read(self.path(&name)).ok()?;
        let code = bytes.strip_prefix(MAGIC)?;
        let (tag, code) = code.split_at_checked(TAG_BYTES)?;
        if self.mac(&name, code).verify_slice(tag).is_err() {
            tracing::warn!(file = %self.path(&name).display(), "cached code is not authentic: compiling again");
            return None;
        }
        load_compiled(engine, &TrustedCode::new(code, Authentic))
            .inspect_err(|e| tracing::warn!("cached code does not load, compiling again: {e:#}"))
            .ok()
    }

    /// Keeps compiled code. A failure costs only the next start's time, so it is told and forgotten.
    pub fn store(&self, component: &[u8; 32], compiled: &Component) {
        let name = self.name(component);
        let written = compiled.serialize().map_err(io::Error::other).and_then(|code| self.write(&name, &code));
        if let Err(e) = written {
            tracing::warn!(dir = %self.dir.display(), "compiled code was not cached: {e}");
        }
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + code.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.mac(name, code).finalize().into_bytes());
        bytes.extend_from_slice(code);
        let temporary = write_temporary(&self.dir, &bytes)?;
        fs::rename(&temporary, self.path(name)).inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.key)
            .expect("HMAC takes keys of any length")
            .chain_update(name.as_bytes())
            .chain_update(code)
    }

    fn name(&self, component: &[u8; 32]) -> String {
        hex(&Sha256::new().chain_update(component).chain_update(self.environment).finalize())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.cwasm"))
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A hash of everything beside the component that compiled code depends on.
fn environment(engine: &Engine) -> [u8; 32] {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            unreachable!("the digest is taken whole")
        }
    }
    let mut hasher = Sha(Sha256::new());
    // Includes the version of wasmtime: the engine is configured to compare it exactly.
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// Two processes may do this at once: the first link wins, and both read the same key.
fn read_or_make_key(dir: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let path = dir.join("key");
    if let Some(key) = read_key(&path)? {
        return Ok(key);
    }
    let mut key = [0; KEY_BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let temporary = write_temporary(dir, &key)?;
    let linked = fs::hard_link(&temporary, &path);
    fs::remove_file(&temporary)?;
    match linked {
        Ok(()) => Ok(key),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            read_key(&path)?.ok_or_else(|| io::Error::other("another process changes it; start again"))
        }
        Err(e) => Err(e),
    }
}

/// `None` when there is none. One that others could read or that has another size is removed.
fn read_key(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let file = match OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let is_private = file.metadata()?.mode() & 0o077 == 0;
    let mut bytes = Vec::new();
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    match <[u8; KEY_BYTES]>::try_from(bytes) {
        Ok(key) if is_private => Ok(Some(key)),
        _ => fs::remove_file(path).map(|()| None),
    }
}

/// Writes a new file of mode 0600 under a name that nobody else uses.
fn write_temporary(dir: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!(".{}-{number}.tmp", std::process::id()));
    // Left over by a process that was killed and had the same id.
    drop(fs::remove_file(&path));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(bytes).inspect_err(|_| drop(fs::remove_file(&path)))?;
    Ok(path)
}
