//! `wasmill error`: the page of an error code.

use crate::exit::Failure;
use crate::terminal::Terminal;
use serde_json::json;
use wasmill_core::job::nearest;

/// Codes and their pages, sorted; `build.rs` makes the table from `docs/errors`.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

const EXAMPLES: &str = "\
Examples:
  wasmill error unknown-key    what it means, and what to try
  wasmill error                all codes

Codes stand in messages, as in error[unknown-key], and in dead letters as their reason.";

/// Explain an error code: what happened, and what to try
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The code, for example unknown-key; all codes are listed without it
    code: Option<String>,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let text = match args.code {
        None if terminal.json => json!(PAGES.iter().map(|p| p.0).collect::<Vec<_>>()).to_string(),
        None => {
            PAGES.iter().map(|(code, page)| format!("{code:24}{}", first_sentence(page))).collect::<Vec<_>>().join("\n")
        }
        Some(code) => {
            let (code, page) = find(&code)?;
            if terminal.json { json!({ "code": code, "page": page }).to_string() } else { page.trim_end().to_owned() }
        }
    };
    Ok(terminal.print(&text)?)
}

/// Takes `error[CODE]` too, as it stands in messages.
fn find(asked: &str) -> Result<(&'static str, &'static str), Failure> {
    let code = asked.strip_prefix("error[").and_then(|c| c.split(']').next()).unwrap_or(asked);
    if let Some(page) = PAGES.iter().find(|p| p.0 == code) {
        return Ok(*page);
    }
    let help = match nearest(code, PAGES.iter().map(|p| p.0)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`wasmill error` lists them".to_owned(),
    };
    Err(Failure::usage(format!("there is no error code {code:?}; {help}")))
}

fn first_sentence(page: &str) -> &str {
    let what = page.lines().nth(2).unwrap_or_default();
    what.split_inclusive(". ").next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::{PAGES, find, first_sentence};

    #[test]
    fn pages_are_found_by_their_code_however_it_is_written() {
        for asked in ["unknown-key", "error[unknown-key]", "error[unknown-key]:"] {
            let (code, page) = find(asked).expect("it has a page");
            assert_eq!(code, "unknown-key");
            assert!(page.contains("## What to try"), "{page}");
        }
        let error = find("unkown-key").expect_err("there is none").to_string();
        assert!(error.contains("did you mean `unknown-key`?"), "{error}");
    }

    #[test]
    fn the_list_shows_one_sentence_each() {
        for (code, page) in PAGES {
            assert!(first_sentence(page).ends_with(['.', ':']), "{code}: {}", first_sentence(page));
        }
    }
}
