//! Golden files: rows for a function, and what must come of them. A file is a tiny job: it is run
//! through the real component by the local carrier, so what holds here holds in a job.
//!
//! One JSON object a line: a head, the rows that go in, then what must come out, in order:
//!
//! ```text
//! {"function":"clean","config":{"warm_from":25.0},"budget":3000}
//! {"in":{"sensor":"roof","at":"2024-05-01T12:00:00Z","celsius":21.5}}
//! {"out":{"sensor":"roof","at":"2024-05-01T12:00:00Z","celsius":21.5,"warm":false}}
//! {"dead":{"row":2,"reason":"rejected","message":"999.9 degrees are more than 125"}}
//! ```
//!
//! `{"out":ROW,"of":OUTPUT}` names an output other than `out`.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use wasmill_abi::manifest::{Function, Manifest};
use wasmill_abi::{Field, Type};

/// The operator that runs the function.
const OPERATOR: &str = "subject";
const HEAD_KEYS: [&str; 5] = ["function", "config", "key", "event_time", "budget"];

/// A golden file as it was read.
#[derive(Debug)]
pub struct Golden {
    pub path: PathBuf,
    pub head: Map<String, Value>,
    /// The lines with the head and the rows, as written.
    given: String,
    rows: Vec<Value>,
    /// What must come out: lines of `out` and `dead`.
    pub expected: Vec<Value>,
}

impl Golden {
    /// All golden files of a crate, by name.
    pub fn of_crate(dir: &Path) -> Result<Vec<Self>> {
        let dir = dir.join("tests").join("golden");
        let Ok(entries) = fs::read_dir(&dir) else { return Ok(Vec::new()) };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.with_context(|| format!("cannot read {}", dir.display()))?.path());
        }
        paths.retain(|p| p.extension().is_some_and(|e| e == "ndjson"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text).with_context(|| format!("golden file {} cannot be used", path.display()))
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (_, first) =
            lines.next().context("it is empty; its first line names the function: {\"function\":\"NAME\"}")?;
        let head = object(1, first)?;
        if let Some(key) = head.keys().find(|k| !HEAD_KEYS.contains(&k.as_str())) {
            bail!("line 1: the head has no key `{key}`, its keys are {}", HEAD_KEYS.join(", "));
        }
        let mut golden =
            Self { path: path.to_owned(), head, given: format!("{first}\n"), rows: Vec::new(), expected: Vec::new() };
        for (at, line) in lines {
            let mut entry = object(at + 1, line)?;
            if let Some(row) = entry.remove("in") {
                ensure!(golden.expected.is_empty(), "line {}: rows that go in stand before what comes out", at + 1);
                golden.given += &format!("{line}\n");
                golden.rows.push(row);
            } else {
                let known = entry.contains_key("out") || entry.contains_key("dead");
                ensure!(known, "line {}: it has neither `in` nor `out` nor `dead`", at + 1);
                golden.expected.push(Value::Object(entry));
            }
        }
        ensure!(!golden.rows.is_empty(), "it has no row that goes in: {{\"in\":{{...}}}}");
        Ok(golden)
    }

    /// The file's name without its ending.
    pub fn name(&self) -> String {
        self.path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The function that is tested.
    pub fn function<'m>(&self, manifest: &'m Manifest) -> Result<&'m Function> {
        let names = || manifest.functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
        match (self.head.get("function").and_then(Value::as_str), manifest.functions.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => bail!("{}: the head names no function; the module has {}", self.path.display(), names()),
            (Some(name), functions) => functions.iter().find(|f| f.name == name).with_context(|| {
                format!("{}: the module has no function {name:?}, it has {}", self.path.display(), names())
            }),
        }
    }

    /// Fuel that a row may cost, if the file says so.
    pub fn budget(&self) -> Option<u64> {
        self.head.get("budget").and_then(Value::as_u64)
    }

    /// Writes the job and its input into a directory. Returns the job file.
    pub fn lay_out(&self, dir: &Path, module: &Path, function: &Function) -> Result<PathBuf> {
        let input: String = self.rows.iter().map(|row| format!("{row}\n")).collect();
        fs::write(dir.join("in.ndjson"), input).context("cannot write the rows")?;
        let job_file = dir.join("job.yaml");
        // JSON is YAML.
        fs::write(&job_file, self.job(module, function).to_string()).context("cannot write the job")?;
        Ok(job_file)
    }

    fn job(&self, module: &Path, function: &Function) -> Value {
        let mut source = json!({ "connector": "file", "path": "in.ndjson", "schema": self.columns(function) });
        if let Some(event_time) = self.head.get("event_time") {
            source["event_time"] = event_time.clone();
        }
        let mut operator = json!({
            "module": OPERATOR,
            "function": function.name,
            "input": "rows",
            "config": self.head.get("config").cloned().unwrap_or(json!({})),
        });
        if let Some(key) = function.key() {
            let names: Vec<_> = key.fields.iter().map(|f| f.name.as_str()).collect();
            operator["key"] = self.head.get("key").cloned().unwrap_or(json!(names));
        }
        let mut sinks = json!({ "none": { "connector": "blackhole", "input": "rows" } });
        for (i, output) in function.outputs.iter().enumerate() {
            let input = format!("{OPERATOR}.{}", output.name);
            sinks[format!("out-{i}")] =
                json!({ "connector": "file", "path": format!("out/{i}"), "format": "ndjson", "input": input });
        }
        json!({
            "job": "golden",
            // Counting fuel takes time; what a deadline does is tested elsewhere.
            "limits": { "deadline": "30s" },
            "modules": { OPERATOR: module },
            "sources": { "rows": source },
            "functions": { OPERATOR: operator },
            "sinks": sinks,
        })
    }

    /// The columns that the function reads, with those of its key and of event time.
    fn columns(&self, function: &Function) -> Map<String, Value> {
        let mut columns: Map<String, Value> = Map::new();
        let mut add = |field: &Field| {
            let nullable = if field.nullable { "?" } else { "" };
            columns.entry(field.name.clone()).or_insert(json!(format!("{}{nullable}", field.ty)));
        };
        let named = self.head.get("key").map(|key| match key {
            Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            other => other.as_str().map(str::to_owned).into_iter().collect::<Vec<_>>(),
        });
        for (i, field) in function.key().into_iter().flat_map(|k| &k.fields).enumerate() {
            let name = named.as_ref().and_then(|n| n.get(i)).unwrap_or(&field.name);
            add(&Field { name: name.clone(), ..field.clone() });
        }
        function.input.fields.iter().for_each(&mut add);
        if let Some(column) = self.head.get("event_time").and_then(|e| e["column"].as_str()) {
            add(&Field::new(column, Type::Timestamp, false));
        }
        columns
    }

    /// What came out of the job in `dir`: rows by output, in the module's order, then dead letters.
    pub fn outcome(dir: &Path, function: &Function) -> Result<Vec<Value>> {
        let mut lines = Vec::new();
        for (i, output) in function.outputs.iter().enumerate() {
            for row in json_lines(&dir.join("out").join(i.to_string()))? {
                let of = (output.name != "out").then(|| output.name.clone());
                lines.push(of.map_or_else(|| json!({ "out": row }), |of| json!({ "of": of, "out": row })));
            }
        }
        for dead in json_lines(&dir.join("state").join("dead-letters"))? {
            let mut told = json!({ "reason": dead["reason"], "message": dead["message"] });
            for (name, value) in [("row", &dead["at"]["line"]), ("code", &dead["code"]), ("timer", &dead["timer"])] {
                if !value.is_null() && *value != json!(0) {
                    told[name] = value.clone();
                }
            }
            lines.push(json!({ "dead": told }));
        }
        Ok(lines)
    }

    /// Writes what came out into the file, in place of what was expected.
    pub fn bless(&self, outcome: &[Value]) -> Result<()> {
        let lines: String = outcome.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&self.path, format!("{}{lines}", self.given))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// How what came out differs from what is expected, or `None`.
    pub fn difference(&self, outcome: &[Value]) -> Option<String> {
        if self.expected == outcome {
            return None;
        }
        let at = self.expected.iter().zip(outcome).position(|(a, b)| a != b);
        let at = at.unwrap_or(self.expected.len().min(outcome.len()));
        let told = |lines: &[Value]| lines.get(at).map_or("nothing more".to_owned(), Value::to_string);
        Some(format!(
            "result {} of {} is not what {} says\n  expected {}\n  got      {}",
            at + 1,
            outcome.len(),
            self.path.display(),
            told(&self.expected),
            told(outcome)
        ))
    }
}

fn object(line: usize, text: &str) -> Result<Map<String, Value>> {
    let value: Value = serde_json::from_str(text).with_context(|| format!("line {line} is not JSON"))?;
    match value {
        Value::Object(map) => Ok(map),
        _ => bail!("line {line} is not a JSON object"),
    }
}

/// All lines of the NDJSON files of a directory, in the files' order; none when there is none.
fn json_lines(dir: &Path) -> Result<Vec<Value>> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "ndjson"));
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for line in text.lines() {
            lines.push(serde_json::from_str(line).with_context(|| format!("{} is not NDJSON", path.display()))?);
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::Golden;
    use serde_json::json;
    use std::path::Path;

    const TEXT: &str = "{\"function\":\"f\",\"budget\":9}\n{\"in\":{\"a\":1}}\n\n{\"out\":{\"b\":2}}\n";

    fn parse(text: &str) -> anyhow::Result<Golden> {
        Golden::parse(Path::new("tests/golden/case.ndjson"), text)
    }

    #[test]
    fn a_file_is_a_head_rows_and_results() {
        let golden = parse(TEXT).expect("it is right");
        assert_eq!((golden.name().as_str(), golden.budget(), golden.rows.len()), ("case", Some(9), 1));
        assert_eq!(golden.difference(&[json!({ "out": { "b": 2 } })]), None);
        let told = golden.difference(&[json!({ "out": { "b": 3 } })]).expect("it differs");
        assert!(told.contains("result 1 of 1") && told.contains("expected {\"out\":{\"b\":2}}"), "{told}");
        assert!(golden.difference(&[]).is_some_and(|told| told.contains("got      nothing more")));
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        for (text, told) in [
            ("", "it is empty"),
            ("{\"fnction\":\"f\"}\n", "no key `fnction`"),
            ("{}\n{\"out\":{}}\n{\"in\":{}}\n", "line 3"),
            ("{}\n{\"inn\":{}}\n", "line 2"),
            ("{}\n[]\n", "line 2 is not a JSON object"),
            ("{}\n", "no row that goes in"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(told), "{text:?} gives {error}");
        }
    }
}
