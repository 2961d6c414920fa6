//! Watches the files that a job is made from. Editors write a file in several steps, so changes are
//! gathered until a short silence.

use super::Event;
use super::modules::DevModule;
use anyhow::{Context, Result};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// So long nothing may change before the changes are told.
const SILENCE: Duration = Duration::from_millis(60);

pub struct Watcher {
    _notify: RecommendedWatcher,
}

impl Watcher {
    pub fn start(job_file: &Path, modules: &[DevModule], events: Sender<Event>) -> Result<Self> {
        let (raw, changes) = channel();
        let mut notify = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Ok(event) = event
                && !matches!(event.kind, EventKind::Access(_))
            {
                drop(raw.send(event.paths));
            }
        })
        .context("cannot watch files")?;
        let mut watch =
            |path: &Path, mode| notify.watch(path, mode).with_context(|| format!("cannot watch {}", path.display()));
        // A file is replaced by editors, so its directory is watched.
        let mut directories = vec![parent(job_file)];
        for module in modules {
            let (tree, files) = module.watched();
            if let Some(tree) = tree {
                watch(&tree, RecursiveMode::Recursive)?;
            }
            directories.extend(files.iter().map(|f| parent(f)));
        }
        directories.sort();
        directories.dedup();
        directories.iter().filter(|d| d.is_dir()).try_for_each(|d| watch(d, RecursiveMode::NonRecursive))?;
        std::thread::spawn(move || gather(&changes, &events));
        Ok(Self { _notify: notify })
    }
}

fn parent(file: &Path) -> PathBuf {
    let dir = file.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf())
}

/// Ends when the watcher is dropped, or when nobody listens.
fn gather(changes: &Receiver<Vec<PathBuf>>, events: &Sender<Event>) {
    while let Ok(mut paths) = changes.recv() {
        let ended = loop {
            match changes.recv_timeout(SILENCE) {
                Ok(more) => paths.extend(more),
                Err(RecvTimeoutError::Timeout) => break false,
                Err(RecvTimeoutError::Disconnected) => break true,
            }
        };
        paths.sort();
        paths.dedup();
        if events.send(Event::Changed(paths)).is_err() || ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, gather};
    use std::path::PathBuf;
    use std::sync::mpsc::channel;

    #[test]
    fn changes_in_quick_succession_are_one() {
        let (raw, changes) = channel();
        let (sender, events) = channel();
        for path in ["a", "b", "a"] {
            raw.send(vec![PathBuf::from(path)]).expect("it listens");
        }
        drop(raw);
        gather(&changes, &sender);
        drop(sender);
        let told: Vec<_> = events.iter().collect();
        let [Event::Changed(paths)] = told.as_slice() else { panic!("{} events", told.len()) };
        assert_eq!(paths, &["a", "b"].map(PathBuf::from));
    }
}
