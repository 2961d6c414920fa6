//! What is written about the job file is what the code gives: the tables of the guide, and the JSON
//! Schema. `scripts/fix` renews both, by running this test with `WASMILL_BLESS=1`.

use crate::support::FLIGHTS;
use crate::yaml_to_json::value;
use boon::{Compiler, SchemaIndex, Schemas};
use std::path::Path;
use wasmill_core::job::{parse, reference};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Compares a committed file with what the code gives, or writes it.
fn committed(path: &str, made: impl FnOnce(&str) -> String) {
    let full = Path::new(ROOT).join(path);
    let found = std::fs::read_to_string(&full).unwrap_or_default();
    let made = made(&found);
    if std::env::var_os("WASMILL_BLESS").is_some() {
        std::fs::write(&full, made).expect("the checkout can be written");
        return;
    }
    let differ = found.lines().zip(made.lines()).position(|(a, b)| a != b).map_or(0, |at| at + 1);
    assert!(found == made, "{path} is not what the code gives (line {differ}); run scripts/fix");
}

#[test]
fn the_guide_has_the_tables_of_the_code() {
    committed("docs/guide/job-file.md", reference::fill);
}

#[test]
fn the_committed_schema_is_that_of_the_code() {
    committed("docs/reference/job.schema.json", |_| reference::schema());
}

#[test]
fn the_guide_shows_every_section() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/guide/job-file.md")).expect("the guide is there");
    for name in ["job", "source", "function", "sink", "limits"] {
        assert!(page.contains(&format!("<!-- keys:{name} -->\n| key |")), "the guide lacks the table of {name}");
    }
}

/// A validator with the schema of the job file.
fn validator() -> (Schemas, SchemaIndex) {
    let schema = serde_json::from_str(&reference::schema()).expect("the schema is JSON");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("job.schema.json", schema).expect("the name is a place");
    let index = compiler.compile("job.schema.json", &mut schemas).expect("the schema keeps to its own rules");
    (schemas, index)
}

/// What the validator says against a job.
fn refused(text: &str) -> Option<String> {
    let (schemas, index) = validator();
    schemas.validate(&value(text), index).err().map(|e| format!("{e:#}"))
}

#[test]
fn jobs_that_are_right_keep_to_the_schema() {
    let mut jobs = vec![("flights.yaml".to_owned(), FLIGHTS.to_owned())];
    for place in ["examples/*/job.yaml", "cli/templates/*/job.yaml", "udf-examples/*/*.yaml"] {
        let (dir, rest) = place.split_once("/*/").expect("every place has a wildcard");
        for entry in std::fs::read_dir(Path::new(ROOT).join(dir)).expect("the checkout has it") {
            let entry = entry.expect("it can be read").path();
            let Ok(files) = std::fs::read_dir(&entry) else { continue };
            let files = files.map(|f| f.expect("it can be read").path());
            for file in files.filter(|f| f.extension().is_some_and(|e| e == "yaml")) {
                let text = std::fs::read_to_string(&file).expect("it is text").replace("@NAME@", "made");
                jobs.push((format!("{rest} {}", file.display()), text));
            }
        }
    }
    assert!(jobs.len() >= 4, "only {} jobs were found", jobs.len());
    for (name, text) in jobs {
        parse(&text).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert_eq!(refused(&text), None, "{name}");
    }
}

#[test]
fn what_the_check_takes_the_schema_takes() {
    for (right, other) in [
        ("job: hourly-delays", "job: 2024"),
        ("parallelism: 2", "limits:"),
        ("parallelism: 2", "limits: { memory: 1048576, batch_bytes: 2KiB, deadline_per_row: 0s }"),
        ("config: { max_delay: 1440 }", "config:"),
        ("input: clean.out", "input: [clean.out, clean.late]"),
        ("path: out/hourly", "roll: { bytes: 1GiB, age: 1h }\n    path: out/hourly"),
        ("connector: file\n    path: data/flights-*.ndjson.gz", "connector: stdin\n    format: csv"),
    ] {
        assert!(FLIGHTS.contains(right), "the job has no {right:?}");
        let text = FLIGHTS.replacen(right, other, 1);
        parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(refused(&text), None, "{other}");
    }
}

#[test]
fn jobs_that_are_broken_break_the_schema() {
    for (right, wrong) in [
        ("connector: file", "conector: file"),
        ("connector: file", "connector: files"),
        ("connector: file", "connector: generator"),
        ("connector: file", "connector: stdin"),
        ("format: csv", "format: [csv]"),
        ("format: csv", "roll: { byte: 1GiB }"),
        ("    format: csv\n", ""),
        ("parallelism: 2", "parallelism: 0"),
        ("parallelism: 2", "parallelism: \"2\""),
        ("parallelism: 2", "epoch: 200"),
        ("parallelism: 2", "epoch: 200 ms"),
        ("parallelism: 2", "limits: { memory: 1 }"),
        ("parallelism: 2", "limits: { memory: 64MB }"),
        ("parallelism: 2", "key_groups: 40000"),
        ("int32", "int33"),
        ("module: ", "modul: "),
        ("sinks:", "sink:"),
        ("key: origin", "key: []"),
        ("key: origin", "on_error: ignore"),
        ("clean:", "Clean:"),
        ("column: date, ", ""),
    ] {
        assert!(FLIGHTS.contains(right), "the job has no {right:?}");
        let text = FLIGHTS.replacen(right, wrong, 1);
        assert!(parse(&text).is_err(), "{wrong:?} in place of {right:?} is read");
        assert!(refused(&text).is_some(), "{wrong:?} in place of {right:?} keeps to the schema");
    }
}
