//! Finds the name that was probably meant, and lists the names that exist.

use crate::units::shortened;

/// The nearest of `known` to `name`, when it is near enough to be a slip.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const NAME_BYTES_MAX: usize = 64;
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let slips_max = ((name.chars().count() + 1) / 3).max(1);
    known
        .into_iter()
        .filter(|k| k.len() <= NAME_BYTES_MAX)
        .map(|k| (strsim::damerau_levenshtein(&name.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, k)| k)
}

/// ``did you mean `format`?``
pub(super) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    nearest(name, known).map(|k| format!("did you mean `{k}`?"))
}

/// `` `a`, `b`, `c` ``, cut off when long; `none` when there are none.
pub(super) fn list<'k>(names: impl IntoIterator<Item = &'k str>) -> String {
    const NAMES_MAX: usize = 24;
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text = names.iter().take(NAMES_MAX).map(|n| format!("`{}`", shortened(n))).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_MAX {
        text += &format!(" and {} more", names.len() - NAMES_MAX);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["connector", "path", "format", "schema"];
        assert_eq!(nearest("conector", known), Some("connector"));
        assert_eq!(nearest("Format", known), Some("format"));
        assert_eq!(nearest("paht", known), Some("path"));
        assert_eq!(nearest("parallelism", known), None);
        assert_eq!(nearest(&"path".repeat(100), known), None);
    }
}
