//! Text of strangers (a guest's log lines, a module's manifest, a row) made safe for a terminal. It
//! changes nothing that is stored.

use std::borrow::Cow;

/// The text with every character escaped that a terminal would obey instead of show: control
/// characters, line breaks and tabs among them, and those that turn the direction of writing.
///
/// ```
/// use wasmill_core::printable::one_line;
/// assert_eq!(one_line("42 °C"), "42 °C");
/// assert_eq!(one_line("\x1b[2Jgone\nerror: forged"), r"\u{1b}[2Jgone\nerror: forged");
/// ```
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed)
}

/// As [`one_line`], but line breaks and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && c != '\t' && is_obeyed(c))
}

fn is_obeyed(c: char) -> bool {
    // Unicode's bidirectional controls, by which text can show in another order than it stands.
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_bad(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::{lines, one_line};

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (text, shown) in [
            ("\x07\x7f\r", r"\u{7}\u{7f}\r"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("a\u{202e}b", r"a\u{202e}b"),
            ("äöü 日本 🦀", "äöü 日本 🦀"),
        ] {
            assert_eq!(one_line(text), shown);
            assert_eq!(lines(text), shown);
        }
    }

    #[test]
    fn lines_keep_their_breaks() {
        assert_eq!(lines("a\n\tb\x1b]0;x"), "a\n\tb\\u{1b}]0;x");
        assert_eq!(one_line("a\n\tb"), r"a\n\tb");
    }
}
