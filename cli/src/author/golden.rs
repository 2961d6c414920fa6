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
//! `{"out":ROW,"of":OUTPUT}` names an output other than `out`. Rows of a second input are
//! `{"right":ROW}`. Which of two inputs is ahead is not determined, so with rows of both the results
//! stand in the order of their text.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use wasmill_abi::manifest::{Function, Manifest};
use wasmill_abi::{Field, Schema, Type};

/// The operator that runs the function.
const OPERATOR: &str = "subject";
const HEAD_KEYS: [&str; 5] = ["function", "config", "key", "event_time", "budget"];

/// An input of the function: its name in job files, and where its rows are.
#[derive(Debug, Clone, Copy)]
struct Side {
    name: &'static str,
    source: &'static str,
    file: &'static str,
}
const LEFT: Side = Side { name: "left", source: "rows", file: "in.ndjson" };
const RIGHT: Side = Side { name: "right", source: "right-rows", file: "right.ndjson" };

/// A golden file as it was read.
#[derive(Debug)]
pub struct Golden {
    pub path: PathBuf,
    pub head: Map<String, Value>,
    /// The lines with the head and the rows, as written.
    given: String,
    rows: Vec<Value>,
    /// Rows of the second input.
    right: Vec<Value>,
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
        let (path, given) = (path.to_owned(), format!("{first}\n"));
        let mut golden = Self { path, head, given, rows: Vec::new(), right: Vec::new(), expected: Vec::new() };
        for (at, line) in lines {
            let mut entry = object(at + 1, line)?;
            let (row, right) = (entry.remove("in"), entry.remove("right"));
            if row.is_some() || right.is_some() {
                ensure!(golden.expected.is_empty(), "line {}: rows that go in stand before what comes out", at + 1);
                golden.given += &format!("{line}\n");
                golden.rows.extend(row);
                golden.right.extend(right);
            } else {
                let known = entry.contains_key("out") || entry.contains_key("dead");
                ensure!(known, "line {}: it has neither `in` nor `right` nor `out` nor `dead`", at + 1);
                golden.expected.push(Value::Object(entry));
            }
        }
        ensure!(!golden.rows.is_empty() || !golden.right.is_empty(), "it has no row that goes in: {{\"in\":{{...}}}}");
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
        ensure!(
            self.right.is_empty() || function.right.is_some(),
            "{} has rows for a right input, function {:?} has one input",
            self.path.display(),
            function.name
        );
        for (side, rows) in [(LEFT, &self.rows), (RIGHT, &self.right)] {
            let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
            fs::write(dir.join(side.file), lines).context("cannot write the rows")?;
        }
        let job_file = dir.join("job.yaml");
        // JSON is YAML.
        fs::write(&job_file, self.job(module, function).to_string()).context("cannot write the job")?;
        Ok(job_file)
    }

    fn job(&self, module: &Path, function: &Function) -> Value {
        let sides = std::iter::once((LEFT, &function.input)).chain(function.right.as_ref().map(|right| (RIGHT, right)));
        let (mut sources, mut sinks) = (Map::new(), Map::new());
        for (side, input) in sides {
            let mut source =
                json!({ "connector": "file", "path": side.file, "schema": self.columns(function, side, input) });
            if let Some(event_time) = self.of_side("event_time", side) {
                source["event_time"] = event_time.clone();
            }
            sources.insert(side.source.to_owned(), source);
            // What the function does not read must have a reader.
            sinks.insert(format!("none-{}", side.name), json!({ "connector": "blackhole", "input": side.source }));
        }
        let mut operator = json!({
            "module": OPERATOR,
            "function": function.name,
            "input": LEFT.source,
            "config": self.head.get("config").cloned().unwrap_or(json!({})),
        });
        if function.right.is_some() {
            operator["input"] = json!({ LEFT.name: LEFT.source, RIGHT.name: RIGHT.source });
        }
        if let Some(key) = function.key() {
            let names: Vec<_> = key.fields.iter().map(|f| f.name.as_str()).collect();
            operator["key"] = self.head.get("key").cloned().unwrap_or(json!(names));
        }
        for (i, output) in outputs(function).enumerate() {
            let input = format!("{OPERATOR}.{output}");
            let sink = json!({ "connector": "file", "path": format!("out/{i}"), "format": "ndjson", "input": input });
            sinks.insert(format!("out-{i}"), sink);
        }
        json!({
            "job": "golden",
            // Counting fuel takes time; what a deadline does is tested elsewhere.
            "limits": { "deadline": "30s" },
            "modules": { OPERATOR: module },
            "sources": sources,
            "functions": { OPERATOR: operator },
            "sinks": sinks,
        })
    }

    /// What the head says of an input: for both, or for each.
    fn of_side(&self, key: &str, side: Side) -> Option<&Value> {
        let value = self.head.get(key)?;
        let of_each = [LEFT, RIGHT].iter().any(|side| value.get(side.name).is_some());
        if of_each { value.get(side.name) } else { Some(value) }
    }

    /// The columns that the function reads of an input, with those of its key and of event time.
    fn columns(&self, function: &Function, side: Side, input: &Schema) -> Map<String, Value> {
        let mut columns: Map<String, Value> = Map::new();
        let mut add = |field: &Field| {
            let nullable = if field.nullable { "?" } else { "" };
            columns.entry(field.name.clone()).or_insert(json!(format!("{}{nullable}", field.type_text())));
        };
        let named = self.of_side("key", side).map(|key| match key {
            Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            other => other.as_str().map(str::to_owned).into_iter().collect::<Vec<_>>(),
        });
        for (i, field) in function.key().into_iter().flat_map(|k| &k.fields).enumerate() {
            let name = named.as_ref().and_then(|n| n.get(i)).unwrap_or(&field.name);
            add(&Field { name: name.clone(), ..field.clone() });
        }
        input.fields.iter().for_each(&mut add);
        if let Some(column) = self.of_side("event_time", side).and_then(|e| e["column"].as_str()) {
            add(&Field::new(column, Type::Timestamp, false));
        }
        columns
    }

    /// What came out of the job in `dir`: rows by output, in the module's order, those that came too late,
    /// then dead letters.
    pub fn outcome(&self, dir: &Path, function: &Function) -> Result<Vec<Value>> {
        let mut lines = Vec::new();
        for (i, output) in outputs(function).enumerate() {
            for row in json_lines(&dir.join("out").join(i.to_string()))? {
                lines.push(if output == "out" { json!({ "out": row }) } else { json!({ "of": output, "out": row }) });
            }
        }
        for dead in json_lines(&dir.join("state").join("dead-letters"))? {
            let mut told = json!({ "reason": dead["reason"], "message": dead["message"] });
            let is_right = dead["at"]["partition"].as_str().is_some_and(|p| p.ends_with(RIGHT.file));
            let row = if is_right { "right" } else { "row" };
            for (name, value) in [(row, &dead["at"]["line"]), ("code", &dead["code"]), ("timer", &dead["timer"])] {
                if !value.is_null() && *value != json!(0) {
                    told[name] = value.clone();
                }
            }
            lines.push(json!({ "dead": told }));
        }
        Ok(self.ordered(lines))
    }

    /// In the order of their text, when there is no other.
    fn ordered(&self, mut lines: Vec<Value>) -> Vec<Value> {
        if !self.rows.is_empty() && !self.right.is_empty() {
            lines.sort_by_key(Value::to_string);
        }
        lines
    }

    /// Writes what came out into the file, in place of what was expected.
    pub fn bless(&self, outcome: &[Value]) -> Result<()> {
        let lines: String = outcome.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&self.path, format!("{}{lines}", self.given))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// How what came out differs from what is expected, or `None`.
    pub fn difference(&self, outcome: &[Value]) -> Option<String> {
        let expected = self.ordered(self.expected.clone());
        if expected == outcome {
            return None;
        }
        let at = expected.iter().zip(outcome).position(|(a, b)| a != b);
        let at = at.unwrap_or(expected.len().min(outcome.len()));
        let told = |lines: &[Value]| lines.get(at).map_or("nothing more".to_owned(), Value::to_string);
        Some(format!(
            "result {} of {} is not what {} says\n  expected {}\n  got      {}",
            at + 1,
            outcome.len(),
            self.path.display(),
            told(&expected),
            told(outcome)
        ))
    }
}

/// The names of all outputs, those for late rows at the end.
fn outputs(function: &Function) -> impl Iterator<Item = &str> {
    let own = function.outputs.iter().map(|output| output.name.as_str());
    own.chain(function.late_outputs().iter().copied())
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
    fn results_of_two_inputs_are_compared_in_the_order_of_their_text() {
        let text = "{}\n{\"in\":{}}\n{\"right\":{}}\n{\"out\":{\"b\":2}}\n{\"out\":{\"a\":1}}\n";
        let golden = parse(text).expect("it is right");
        let outcome = golden.ordered(vec![json!({ "out": { "b": 2 } }), json!({ "out": { "a": 1 } })]);
        assert_eq!(golden.difference(&outcome), None);
        assert!(golden.difference(&outcome[..1]).is_some());
        let one = parse(&text.replace("{\"right\":{}}\n", "")).expect("it is right");
        assert!(one.difference(&outcome).is_some(), "of one input the order counts");
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
