//! Reads the OpenMetrics text that a job exposes. What it reads is a stranger's: it is bounded, and
//! its text is shown through `core/printable.rs`.

use std::collections::BTreeMap;

/// The samples of one answer, by the metric's full name.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Scrape {
    samples: BTreeMap<String, Vec<Sample>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Sample {
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == *value)
    }
}

impl Scrape {
    /// # Errors
    /// The line that is no sample.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut scrape = Self::default();
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (name, sample) = sample(line).ok_or_else(|| line.chars().take(80).collect::<String>())?;
            scrape.samples.entry(name.to_owned()).or_default().push(sample);
        }
        Ok(scrape)
    }

    /// All samples of a metric, in their order.
    pub fn all(&self, name: &str) -> &[Sample] {
        self.samples.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first sample with these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.all(name).iter().find(|s| s.has(labels)).map(|s| s.value)
    }

    /// The sum of all samples with these labels; nothing is 0.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name).iter().filter(|s| s.has(labels)).fold(0.0, |sum, s| sum + s.value)
    }
}

/// `name{label="value",..} number`, with whatever stands behind.
fn sample(line: &str) -> Option<(&str, Sample)> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"")?;
            let (value, behind) = quoted(behind)?;
            labels.insert(label.to_owned(), value);
            rest = behind.strip_prefix(',').unwrap_or(behind);
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?;
    Some((name, Sample { labels, value: number(value)? })).filter(|(name, _)| !name.is_empty())
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// Text up to the closing quote, unescaped, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (end, '"') => return Some((value, &text[end + 1..])),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            (_, other) => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scrape;

    const TEXT: &str = "# HELP rows Rows.\n# TYPE rows counter\n\
        rows_total{job=\"j\",operator=\"a\"} 12\nrows_total{job=\"j\",operator=\"b \\\"x\\\\\\n\"} 3.5e2\n\
        plain 7\nodd{} -Inf 1234\n# EOF\n";

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let scrape = Scrape::parse(TEXT).expect("it is right");
        assert_eq!(scrape.value("rows_total", &[("operator", "a")]), Some(12.0));
        assert_eq!(scrape.value("rows_total", &[("operator", "b \"x\\\n")]), Some(350.0));
        assert_eq!(scrape.sum("rows_total", &[("job", "j")]), 362.0);
        assert_eq!(scrape.value("plain", &[]), Some(7.0));
        assert_eq!(scrape.value("odd", &[]), Some(f64::NEG_INFINITY));
        assert_eq!((scrape.value("none", &[]), scrape.sum("none", &[])), (None, 0.0));
    }

    #[test]
    fn what_is_no_sample_is_told() {
        for line in ["<html>", "a{b=\"c} 1", "a{b=c} 1", "a{b=\"c\" 1", "a x", "a ", "a{", "{} 1", " 1"] {
            assert_eq!(Scrape::parse(line), Err(line.to_owned()), "{line}");
        }
    }
}
