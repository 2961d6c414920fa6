//! What a guest logs: cut and passed on. And the one line that is evidence: what its panic hook
//! said. How many lines are let through is for the sink to say, which outlives instances.

use super::interface::Level;
use std::sync::Arc;

/// Where a guest's lines go. Called on the thread that runs the guest: it must not block.
pub type LogSink = Arc<dyn Fn(Level, &str) + Send + Sync>;

const PANIC: &str = "panic: ";
/// A panic's message is kept up to this length even when log lines are shorter.
const PANIC_BYTES_MAX: usize = 4096;

/// The log of one instance.
pub(super) struct GuestLog {
    sink: LogSink,
    line_bytes: usize,
    panic: Option<String>,
}

impl GuestLog {
    pub fn new(sink: LogSink, line_bytes: u32) -> Self {
        Self { sink, line_bytes: line_bytes as usize, panic: None }
    }

    /// As much of a message as a line or a panic could keep.
    pub fn longest_kept<'t>(&self, message: &'t str) -> &'t str {
        cut(message, self.line_bytes.max(PANIC.len() + PANIC_BYTES_MAX))
    }

    pub fn write(&mut self, level: Level, message: &str) {
        if let Some(panic) = message.strip_prefix(PANIC).filter(|_| level == Level::Error) {
            self.panic = Some(cut(panic, PANIC_BYTES_MAX).to_owned());
        }
        (self.sink)(level, cut(message, self.line_bytes));
    }

    /// What the panic hook said since the last call of this: message and place.
    pub fn take_panic(&mut self) -> Option<String> {
        self.panic.take()
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    type Lines = Arc<Mutex<Vec<(Level, String)>>>;

    fn log(line_bytes: u32) -> (GuestLog, Lines) {
        let lines = Lines::default();
        let seen = lines.clone();
        let sink: LogSink =
            Arc::new(move |level, text| seen.lock().expect("no test panics in here").push((level, text.to_owned())));
        (GuestLog::new(sink, line_bytes), lines)
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let (mut log, lines) = log(4);
        log.write(Level::Info, "abcé!");
        assert_eq!(*lines.lock().expect("unpoisoned"), [(Level::Info, "abc".to_owned())]);
    }

    #[test]
    fn a_panic_is_remembered_beyond_the_length_of_a_line() {
        let (mut log, _lines) = log(8);
        log.write(Level::Info, "panic: not at error level");
        assert_eq!(log.take_panic(), None);
        log.write(Level::Error, "panic: index out of bounds at src/lib.rs:7:9");
        assert_eq!(log.take_panic().as_deref(), Some("index out of bounds at src/lib.rs:7:9"));
        assert_eq!(log.take_panic(), None);
    }
}
