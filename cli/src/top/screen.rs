//! The terminal while `wasmill top` lives: a screen of its own, keys one by one, and everything as it
//! was when it ends. Redrawing is a dozen escape codes, which is all that a table needs.

use anyhow::Context;
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{self, Read, Write};

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_REST_OF_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// Nothing must wrap: a table that is too wide is cut off.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Quit,
    Sort,
    Other,
}

/// Holds the terminal; dropping it gives the terminal back.
pub struct Screen {
    before: Termios,
}

impl Screen {
    /// Takes the terminal that stdin and stdout are.
    pub fn enter() -> anyhow::Result<Self> {
        let told = "the terminal cannot be used for a live view";
        let before = tcgetattr(io::stdin()).context(told)?;
        let mut raw = before.clone();
        raw.make_raw();
        // A read returns after a tenth of a second when no key is pressed.
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 1;
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).context(told)?;
        let screen = Self { before };
        write(&format!("{ENTER}{NO_WRAP}")).context(told)?;
        Ok(screen)
    }

    /// Draws the lines from the top, as many as there is room for, and `last` at the bottom.
    pub fn draw(&self, lines: &[String], last: &str) -> anyhow::Result<()> {
        let height = size().1;
        let mut text = String::from(HOME);
        let room = height.saturating_sub(1);
        for line in lines.iter().take(room) {
            text += line;
            text += CLEAR_REST_OF_LINE;
            text += "\r\n";
        }
        text += CLEAR_BELOW;
        text += &format!("\x1b[{height};1H{last}{CLEAR_REST_OF_LINE}");
        write(&text).context("the terminal is gone")
    }

    /// The key that was pressed; waits for about a tenth of a second.
    pub fn key(&self) -> anyhow::Result<Option<Key>> {
        let mut byte = [0];
        match io::stdin().lock().read(&mut byte) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(key(byte[0]))),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(e) => Err(e).context("keys cannot be read"),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        let _ = write(&format!("{WRAP}{LEAVE}"));
    }
}

/// In a raw terminal, Ctrl-C and Ctrl-D are keys as well.
fn key(byte: u8) -> Key {
    match byte {
        b'q' | b'Q' | 3 | 4 => Key::Quit,
        b's' | b'S' => Key::Sort,
        _ => Key::Other,
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Columns and lines of the terminal.
pub fn size() -> (usize, usize) {
    terminal_size::terminal_size().map_or((100, 24), |(w, h)| (w.0.into(), h.0.into()))
}
