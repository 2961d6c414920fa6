//! The tables of `docs/guide/job-file.md`.

use crate::job::keys::{Fallback, Key, Kind, Need, SECTIONS, Section};
use crate::units::{format_duration, format_size};

/// The table of a section. Keys of maps inside of it follow as `map.key`, but for those that have
/// a table of their own.
pub fn table(section: &Section) -> String {
    let mut out = "| key | | default | bounds | | for example |\n|---|---|---|---|---|---|\n".to_owned();
    rows(section, "", &[], &mut out);
    out
}

fn rows(section: &Section, prefix: &str, only: &[&str], out: &mut String) {
    for key in section.keys {
        let only = if key.only.is_empty() { only } else { key.only };
        let example = if key.example.is_empty() { String::new() } else { code(key.example) };
        let columns = [
            format!("`{prefix}{}`", key.name),
            need(key, only),
            fallback(key),
            bounds(key),
            key.doc.to_owned(),
            example,
        ];
        *out += &format!("| {} |\n", columns.join(" | ")).replace("|  |", "| |").replace("|  |", "| |");
        if let Kind::Map(inner) | Kind::AddressOr(inner) = key.kind
            && !has_own_table(inner)
        {
            rows(inner, &format!("{prefix}{}.", key.name), only, out);
        }
    }
}

/// Whether the guide shows this map apart from the map that it stands in.
fn has_own_table(section: &Section) -> bool {
    section.name == "limits"
}

fn need(key: &Key, only: &[&str]) -> String {
    let with = only.iter().map(|c| code(c)).collect::<Vec<_>>().join(", ");
    match key.need {
        Need::Always => "needed".to_owned(),
        Need::With(connectors) if connectors == only => format!("{with} only, needed"),
        Need::With(connectors) => {
            let needed = connectors.iter().map(|c| code(c)).collect::<Vec<_>>().join(", ");
            if with.is_empty() { format!("needed for {needed}") } else { format!("{with} only, needed for {needed}") }
        }
        Need::Optional if with.is_empty() => String::new(),
        Need::Optional => format!("{with} only"),
    }
}

fn fallback(key: &Key) -> String {
    match key.fallback {
        Fallback::None => String::new(),
        Fallback::Is(value) => code(&value().to_string()),
        Fallback::Told(told) => told.to_owned(),
    }
}

fn bounds(key: &Key) -> String {
    let range = |min: String, max: String| format!("{min} to {max}");
    match key.kind {
        Kind::Number { min, max } => range(min.to_string(), max.to_string()),
        Kind::Duration { min, max } => range(code(&format_duration(min)), code(&format_duration(max))),
        Kind::Size { min, max } => range(code(&format_size(min)), code(&format_size(max))),
        Kind::Word(words) => words().iter().map(|w| code(w)).collect::<Vec<_>>().join(", "),
        Kind::Flag => "`true`, `false`".to_owned(),
        Kind::JobName => "a name".to_owned(),
        Kind::Columns => format!("1 to {} columns", wasmill_abi::Schema::COLUMNS_MAX),
        _ => String::new(),
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A page with its tables renewed: what stands between `<!-- keys:SECTION -->` and
/// `<!-- /keys:SECTION -->` is replaced. A marker that names no section stays as it is.
pub fn fill(page: &str) -> String {
    SECTIONS.iter().fold(page.to_owned(), |page, section| {
        let [start, end] = ["keys:", "/keys:"].map(|mark| format!("<!-- {mark}{} -->", section.name));
        let (Some(from), Some(to)) = (page.find(&start), page.find(&end)) else { return page };
        format!("{}{start}\n{}{}", &page[..from], table(section), &page[to..])
    })
}
