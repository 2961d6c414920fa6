//! What the user sees: results on stdout, everything else on stderr, colours where they help.
//! It must not decide what is said.

use crate::exit::Failure;
use clap::ColorChoice;
use clap::builder::styling::{AnsiColor, Style};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wasmill_core::printable;

const CLEAR_LINE: &str = "\r\x1b[2K";

/// The two streams of the process. Clones share the redrawn line.
#[derive(Debug, Clone)]
pub struct Terminal {
    pub json: bool,
    pub out: Palette,
    pub err: Palette,
    /// Whether stderr is a terminal, so that a line can be redrawn.
    pub live: bool,
    drawn: Arc<AtomicBool>,
    /// What is written while a picture covers the screen.
    held: Arc<Mutex<Option<Vec<u8>>>>,
}

/// The styles of one stream: plain when it shows no colours.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    heading: Style,
    dim: Style,
    error: Style,
}

impl Palette {
    pub fn new(colored: bool) -> Self {
        let style = |style: Style| if colored { style } else { Style::new() };
        Self {
            heading: style(Style::new().bold()),
            dim: style(Style::new().dimmed()),
            error: style(AnsiColor::Red.on_default().bold()),
        }
    }

    fn choose(choice: ColorChoice, is_terminal: bool) -> Self {
        let wanted = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        };
        Self::new(wanted)
    }

    pub fn heading(&self, text: &str) -> String {
        paint(self.heading, text)
    }

    pub fn dim(&self, text: &str) -> String {
        paint(self.dim, text)
    }

    pub fn error(&self, text: &str) -> String {
        paint(self.error, text)
    }
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

impl Terminal {
    pub fn new(choice: ColorChoice, json: bool) -> Self {
        let live = io::stderr().is_terminal();
        Self {
            json,
            out: Palette::choose(choice, io::stdout().is_terminal()),
            err: Palette::choose(choice, live),
            live,
            drawn: Arc::default(),
            held: Arc::default(),
        }
    }

    /// The result of a verb, on stdout. A reader that went away is not an error.
    pub fn print(&self, text: &str) -> anyhow::Result<()> {
        match writeln!(io::stdout(), "{text}") {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// A line for the user on stderr, above a redrawn line. Nobody may be left to read it, so
    /// failures are ignored.
    pub fn note(&self, text: &str) {
        let _ = writeln!(self.clone(), "{text}");
    }

    /// Redraws the one line at the bottom of stderr, which must be a terminal.
    pub fn draw(&self, text: &str) {
        self.drawn.store(true, Ordering::Relaxed);
        let _ = write!(io::stderr(), "{CLEAR_LINE}{text}");
    }

    /// Keeps what would go to stderr, until [`Terminal::release`].
    pub fn hold(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// The whole lines that were kept since the last call.
    pub fn take_held(&self) -> Vec<String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = held.as_mut() else { return Vec::new() };
        let Some(end) = bytes.iter().rposition(|b| *b == b'\n') else { return Vec::new() };
        let lines: Vec<u8> = bytes.drain(..=end).collect();
        String::from_utf8_lossy(&lines).lines().map(|line| printable::one_line(line).into_owned()).collect()
    }

    /// From here on text goes to stderr again.
    pub fn release(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What went wrong, on stderr: as text, or as one line of JSON.
    pub fn failure(&self, failure: &Failure) {
        if self.json {
            self.note(&failure_json(failure).to_string());
        } else {
            // Messages quote files, rows and functions: strangers' text.
            let head = self.err.error(&format!("error[{}]:", failure.code));
            self.note(&format!("{head} {}", printable::lines(&failure.to_string())));
        }
    }
}

fn failure_json(failure: &Failure) -> Value {
    json!({
        "event": "error",
        "status": failure.status.code(),
        "code": failure.code,
        "message": failure.to_string(),
    })
}

/// Writes to stderr, after removing the redrawn line. Log lines come this way.
impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = self.held.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            held.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let mut err = io::stderr().lock();
        if self.drawn.swap(false, Ordering::Relaxed) {
            err.write_all(CLEAR_LINE.as_bytes())?;
        }
        err.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A number with commas between its thousands: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Palette, failure_json, grouped};
    use crate::exit::Failure;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_plain_palette_adds_nothing() {
        assert_eq!(Palette::new(false).error("x"), "x");
        assert!(Palette::new(true).error("x").starts_with("\x1b["));
    }

    #[test]
    fn failures_are_one_json_line() {
        let line = failure_json(&Failure::refused("two\nlines")).to_string();
        assert_eq!(line, r#"{"code":"job-refused","event":"error","message":"two\nlines","status":3}"#);
    }
}
