//! Named places where a test may kill the process: `WASMILL_FAILPOINTS=commit.synced@3` sends
//! SIGKILL to this process when it comes to `commit.synced` for the third time. Without the variable
//! a point costs one load. Points stand only where epochs pass, never on a row's road; but for one
//! that looks into what is handed over: `guest.call~TEXT` kills the process when a guest is to be
//! given a frame with this text.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every point, in the order in which an epoch comes to them.
pub const ALL: [&str; 13] = [
    "source.barrier",
    "subtask.barrier",
    "commit.before",
    "commit.synced",
    "publish.before",
    "publish.half",
    "publish.after",
    "view.before",
    "view.rename",
    "close.before",
    "close.after",
    "finish.before",
    "finish.after",
];

/// Points that are armed with a text.
const WITH_TEXT: [&str; 1] = ["guest.call"];

/// The environment variable that arms points: `NAME@COUNT`, separated by commas.
pub const VARIABLE: &str = "WASMILL_FAILPOINTS";

#[derive(Default)]
struct Armed {
    counts: HashMap<String, AtomicU64>,
    texts: HashMap<String, String>,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED.get_or_init(|| Some(parse(&std::env::var(VARIABLE).ok()?))).as_ref()
}

/// A point that does not exist would make a test pass without testing: it is refused loudly.
fn parse(text: &str) -> Armed {
    let mut armed = Armed::default();
    for part in text.split(',') {
        if let Some((name, text)) = part.split_once('~') {
            assert!(WITH_TEXT.contains(&name), "{VARIABLE} names the unknown point {name:?}; there are {WITH_TEXT:?}");
            armed.texts.insert(name.to_owned(), text.to_owned());
            continue;
        }
        let (name, count) = part.split_once('@').unwrap_or((part, "1"));
        assert!(ALL.contains(&name), "{VARIABLE} names the unknown point {name:?}; there are {ALL:?}");
        let count = count.parse().unwrap_or_else(|_| panic!("{VARIABLE}: {count:?} is not a count"));
        armed.counts.insert(name.to_owned(), AtomicU64::new(count));
    }
    armed
}

/// Kills the process here when this point is armed with a text that the bytes contain.
pub fn hit_with(name: &str, bytes: &[u8]) {
    let Some(text) = armed().and_then(|a| a.texts.get(name)) else { return };
    if memchr::memmem::find(bytes, text.as_bytes()).is_some() {
        kill();
    }
}

/// Kills the process here when this point is armed and its count is reached.
pub fn hit(name: &str) {
    if reached(name) {
        kill();
    }
}

/// Whether this visit is the one at which the process is to die; the caller does so with [`kill`].
pub fn reached(name: &str) -> bool {
    let Some(count) = armed().and_then(|a| a.counts.get(name)) else { return false };
    count.fetch_sub(1, Ordering::Relaxed) == 1
}

/// Ends this process as `kill -9` does: no destructor runs, nothing is flushed.
pub fn kill() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}
