//! Random damage to a right file: no panic, no plan from a file that has problems, no refusal
//! without a reason, and every problem lies inside of the file.

use crate::support::{FLIGHTS, manifests};
use proptest::prelude::*;
use wasmill_core::job::{self, Overrides};

/// One change to a text.
#[derive(Debug, Clone)]
enum Damage {
    Remove { at: usize, chars: usize },
    Insert { at: usize, text: String },
    CopyLine { from: usize, to: usize },
    RemoveLine { line: usize },
}

fn damage() -> impl Strategy<Value = Damage> {
    let token = prop::sample::select(vec![
        ":",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "\n",
        "  ",
        "\t",
        "'",
        "\"",
        "#",
        "&a ",
        "*a",
        "!!int ",
        "---\n",
        "? ",
        "|",
        ">",
        "%",
        "@",
        "~",
        "0",
        "-1",
        "1e400",
        "99999999999999999999999999999999999999999",
        ".",
        "clean",
        "hourly",
        "?",
        "int64",
        "\u{feff}",
        "\u{0}",
        "é",
        "🦀",
        "\r\n",
        "\u{85}",
    ]);
    prop_oneof![
        (any::<usize>(), 1..20usize).prop_map(|(at, chars)| Damage::Remove { at, chars }),
        (any::<usize>(), token).prop_map(|(at, text)| Damage::Insert { at, text: text.to_owned() }),
        (any::<usize>(), any::<char>()).prop_map(|(at, c)| Damage::Insert { at, text: c.to_string() }),
        (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Damage::CopyLine { from, to }),
        any::<usize>().prop_map(|line| Damage::RemoveLine { line }),
    ]
}

fn apply(text: &str, damage: &Damage) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    match damage {
        Damage::Remove { at, chars: count } => {
            let at = at % (chars.len() + 1);
            chars.drain(at..(at + count).min(chars.len()));
            chars.into_iter().collect()
        }
        Damage::Insert { at, text } => {
            let at = at % (chars.len() + 1);
            chars.splice(at..at, text.chars());
            chars.into_iter().collect()
        }
        Damage::CopyLine { .. } | Damage::RemoveLine { .. } if lines.is_empty() => String::new(),
        Damage::CopyLine { from, to } => {
            let line = lines[from % lines.len()];
            lines.insert(to % lines.len(), line);
            lines.concat()
        }
        Damage::RemoveLine { line } => {
            lines.remove(line % lines.len());
            lines.concat()
        }
    }
}

fn holds(text: &str) {
    let (spec, problems) = job::parse_lenient(text);
    assert_eq!(job::parse(text).err().unwrap_or_default(), problems);
    // A carriage return alone ends a line in YAML.
    let (lines, mut all) = (text.matches(['\n', '\r']).count() + 1, problems.clone());
    match spec.map(|spec| job::check(&spec, &manifests(), &Overrides::default())) {
        None => assert!(!problems.is_empty(), "no spec and no reason"),
        Some(Ok(_)) => assert!(problems.is_empty(), "a plan in spite of {problems}"),
        // All manifests are there, so there is a reason.
        Some(Err(more)) => {
            assert!(!more.is_empty(), "no plan and no reason");
            all.extend(more);
        }
    }
    for p in &all {
        assert!(p.line <= lines + 1, "line {} of {lines}: {}", p.line, p.message);
        assert!(p.message.len() < 3000, "{}", p.message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_judged(damages in prop::collection::vec(damage(), 1..6)) {
        holds(&damages.iter().fold(FLIGHTS.to_owned(), |text, d| apply(&text, d)));
    }

    #[test]
    fn any_text_is_judged(text in ".{0,200}") {
        holds(&text);
    }
}

#[test]
fn the_undamaged_file_is_right() {
    let spec = job::parse(FLIGHTS).unwrap_or_else(|p| panic!("{p}"));
    assert!(job::check(&spec, &manifests(), &Overrides::default()).is_ok());
}
