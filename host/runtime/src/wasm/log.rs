//! What a guest logs: cut, counted, passed on. And the one line that is evidence: what its panic
//! hook said.

use super::interface::Level;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a guest's lines go. Called on the thread that runs the guest: it must not block.
pub type LogSink = Arc<dyn Fn(Level, &str) + Send + Sync>;

const PANIC: &str = "panic: ";
const SECOND: Duration = Duration::from_secs(1);
/// A panic's message is kept up to this length even when log lines are shorter.
const PANIC_BYTES_MAX: usize = 4096;

/// The log of one instance.
pub(super) struct GuestLog {
    sink: LogSink,
    line_bytes: usize,
    lines_per_second: u32,
    second: Instant,
    lines: u32,
    dropped: u64,
    panic: Option<String>,
}

impl GuestLog {
    pub fn new(sink: LogSink, line_bytes: u32, lines_per_second: u32) -> Self {
        let line_bytes = line_bytes as usize;
        Self { sink, line_bytes, lines_per_second, second: Instant::now(), lines: 0, dropped: 0, panic: None }
    }

    /// As much of a message as a line or a panic could keep.
    pub fn longest_kept<'t>(&self, message: &'t str) -> &'t str {
        cut(message, self.line_bytes.max(PANIC.len() + PANIC_BYTES_MAX))
    }

    pub fn write(&mut self, level: Level, message: &str) {
        self.write_at(level, message, Instant::now());
    }

    fn write_at(&mut self, level: Level, message: &str, now: Instant) {
        if let Some(panic) = message.strip_prefix(PANIC).filter(|_| level == Level::Error) {
            self.panic = Some(cut(panic, PANIC_BYTES_MAX).to_owned());
        }
        if now.duration_since(self.second) >= SECOND {
            self.report_dropped();
            (self.second, self.lines) = (now, 0);
        }
        if self.lines == self.lines_per_second {
            self.dropped += 1;
            return;
        }
        self.lines += 1;
        (self.sink)(level, cut(message, self.line_bytes));
    }

    fn report_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let limit = self.lines_per_second;
            let text =
                format!("{dropped} log lines were dropped: more than {limit} in a second (limit log_lines_per_second)");
            (self.sink)(Level::Warn, &text);
        }
    }

    /// What the panic hook said since the last call of this: message and place.
    pub fn take_panic(&mut self) -> Option<String> {
        self.panic.take()
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        self.report_dropped();
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

    fn log(line_bytes: u32, per_second: u32) -> (GuestLog, Lines) {
        let lines = Lines::default();
        let seen = lines.clone();
        let sink: LogSink =
            Arc::new(move |level, text| seen.lock().expect("no test panics in here").push((level, text.to_owned())));
        (GuestLog::new(sink, line_bytes, per_second), lines)
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let (mut log, lines) = log(4, 10);
        log.write(Level::Info, "abcé!");
        assert_eq!(*lines.lock().expect("unpoisoned"), [(Level::Info, "abc".to_owned())]);
    }

    #[test]
    fn dropped_lines_are_counted_and_told() {
        let (mut log, lines) = log(100, 2);
        let start = Instant::now();
        for i in 0..5 {
            log.write_at(Level::Info, &i.to_string(), start);
        }
        assert_eq!(lines.lock().expect("unpoisoned").len(), 2);
        log.write_at(Level::Info, "later", start + SECOND * 2);
        let seen = lines.lock().expect("unpoisoned").clone();
        assert_eq!(seen.len(), 4);
        assert!(seen[2].1.starts_with("3 log lines were dropped"), "{seen:?}");
        assert_eq!(seen[3].1, "later");
    }

    #[test]
    fn the_end_tells_of_dropped_lines_too() {
        let (mut log, lines) = log(100, 0);
        log.write(Level::Info, "lost");
        drop(log);
        assert!(lines.lock().expect("unpoisoned")[0].1.starts_with("1 log lines were dropped"));
    }

    #[test]
    fn a_panic_is_remembered_even_when_lines_are_dropped() {
        let (mut log, _lines) = log(8, 0);
        log.write(Level::Info, "panic: not at error level");
        assert_eq!(log.take_panic(), None);
        log.write(Level::Error, "panic: index out of bounds at src/lib.rs:7:9");
        assert_eq!(log.take_panic().as_deref(), Some("index out of bounds at src/lib.rs:7:9"));
        assert_eq!(log.take_panic(), None);
    }
}
