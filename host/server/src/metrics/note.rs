//! Where a running job's metrics are, noted in its state directory, so that `wasmill top job.yaml`
//! finds them whatever the port. The note goes with the run; after a crash it may stay, and then
//! nobody answers there.

use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const FILE: &str = "metrics-url";
/// A note is one short line.
const BYTES_MAX: u64 = 256;

/// Removes the note when it is dropped.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
}

impl Note {
    /// Writes the note. The directory must exist, and be this process's.
    pub fn write(state_dir: &Path, address: SocketAddr) -> io::Result<Self> {
        let path = state_dir.join(FILE);
        let draft = state_dir.join(format!("{FILE}.new"));
        // Of a link that somebody has put there, the link goes, and not what it points to.
        match fs::remove_file(&draft) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&draft)?;
        file.write_all(format!("{}\n", url(address)).as_bytes())?;
        fs::rename(&draft, &path)?;
        Ok(Self { path })
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // Whoever reads a note that stayed finds that nobody answers.
        let _ = fs::remove_file(&self.path);
    }
}

/// An address of all interfaces is reached at this machine's own.
fn url(address: SocketAddr) -> String {
    let mut reached = address;
    if address.ip().is_unspecified() {
        reached.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{reached}/metrics")
}

/// What the job that uses this directory noted; `None` when there is no note.
pub fn url_of_running(state_dir: &Path) -> io::Result<Option<String>> {
    let file = match fs::File::open(state_dir.join(FILE)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_there_while_it_is_held() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let read = || url_of_running(dir.path()).expect("the directory can be read");
        assert_eq!(read(), None);
        let note = Note::write(dir.path(), "0.0.0.0:9464".parse().expect("an address")).expect("it can be written");
        assert_eq!(read().as_deref(), Some("http://127.0.0.1:9464/metrics"));
        drop(note);
        assert_eq!(read(), None);
    }
}
