//! Lists, structs, decimals and dates from a file through a guest and back, and as keys.

use serde_json::{Value, json};
use wasmill_tests::{TestJob, module};

const ORDERS: &str = "
    schema:
      id: int64
      day: date
      price: decimal(20,2)?
      tags: list<string?>?
      address: { street: string, zip: string?, city: string? }
      stops: 'list<struct<day: date?, cost: decimal(6,2)?>>'";

fn nested(functions: &str, sink: &str) -> TestJob {
    TestJob::new(&format!(
        "job: nested
epoch: 20ms
modules: {{ probe: {module} }}
sources:
  orders:
    connector: file
    path: orders.ndjson{ORDERS}
functions:
{functions}
sinks:
  out: {{ connector: file, path: out, format: {sink} }}
",
        module = module("probe").display()
    ))
}

/// The lines as text: as JSON values, decimals would become floats.
fn lines(job: &TestJob) -> Vec<String> {
    job.parts("out").concat().lines().map(str::to_owned).collect()
}

#[test]
fn nested_rows_through_a_guest_and_dead_letters_that_show_them() {
    let job = nested("  double: { module: probe, function: nested, input: orders }", "ndjson, input: double");
    let orders = [
        r#"{"id":1,"day":"2001-02-28","price":123456789012345678.05,"tags":["a",null],"address":{"street":"s","city":"x"},"stops":[{"cost":-0.05}]}"#,
        r#"{"id":2,"day":"1969-12-31","price":null,"tags":[],"address":{"street":"Straße","zip":"1"},"stops":[{"day":"2001-01-01","cost":0.5}]}"#,
        r#"{"id":3,"day":"2001-01-01","price":"1.005","address":{"street":"s"},"stops":[]}"#,
        r#"{"id":4,"day":"2001-01-01","price":999999999999999999.99,"address":{"street":"s"},"stops":[]}"#,
        r#"{"id":5,"day":"2001-01-01","price":1,"address":{"zip":"5"},"stops":[]}"#,
        r#"{"id":6,"day":"2001-12-31","price":0,"address":{"street":"s"},"stops":[]}"#,
    ];
    job.write("orders.ndjson", orders.join("\n"));
    job.run(&[]).ok();
    assert_eq!(
        lines(&job),
        [
            r#"{"id":1,"day":"2001-03-01","price":246913578024691356.10,"tags":[null,"a"],"address":{"street":"s","zip":null},"stops":[{"day":null,"cost":-0.05},{"day":"2001-02-28","cost":null}]}"#,
            r#"{"id":6,"day":"2002-01-01","price":0.00,"tags":null,"address":{"street":"s","zip":null},"stops":[{"day":"2001-12-31","cost":null}]}"#,
        ]
    );
    let mut letters = job.dead_letters("nested");
    letters.sort_by_key(|letter| letter["at"]["line"].as_u64());
    let told: Vec<_> = letters.iter().map(|l| (l["at"]["line"].clone(), l["message"].clone())).collect();
    assert_eq!(told[0], (json!(2), json!("the price is missing")));
    assert!(told[1].1.as_str().is_some_and(|m| m.contains("too many digits behind the point")), "{told:?}");
    assert_eq!(told[2], (json!(4), json!("the price is too large")));
    assert!(told[3].1.as_str().is_some_and(|m| m.contains("\"address.street\" (string) has no value")), "{told:?}");
    assert_eq!(told.len(), 4);
    let text = job.parts(".wasmill/nested/dead-letters").concat();
    let exact = r#""row":{"id":4,"day":"2001-01-01","price":999999999999999999.99,"tags":null,"address":{"street":"s","zip":null,"city":null},"stops":[]}}"#;
    assert!(text.contains(exact), "{text}");
}

#[test]
fn dates_and_decimals_as_keys_at_any_parallelism() {
    for parallelism in ["1", "3"] {
        let function = format!(
            "  takings: {{ module: probe, function: takings, input: sales, key: [day, unit], parallelism: {parallelism} }}"
        );
        let job = TestJob::new(&format!(
            "job: keys
epoch: 20ms
modules: {{ probe: {module} }}
sources:
  sales:
    connector: file
    path: sales.csv
    schema: {{ day: date, unit: \"decimal(6,2)?\", price: \"decimal(20,2)?\" }}
functions:
{function}
sinks:
  out: {{ connector: file, path: out, format: ndjson, input: takings }}
",
            module = module("probe").display()
        ));
        let mut csv = "day,unit,price\n".to_owned();
        for n in 0..3_000 {
            let unit = if n % 5 == 4 { String::new() } else { format!("-{}.5", n % 5) };
            csv += &format!("19{:02}-01-0{},{unit},{}.{:02}\n", n % 10 + 60, n % 7 + 1, n, n % 100);
        }
        job.write("sales.csv", csv);
        job.run(&[]).ok();
        let letters = job.dead_letters("keys");
        assert!(letters.is_empty(), "{:?}", letters.first());
        let rows: Vec<Value> = job.json_rows("out");
        assert_eq!(rows.len(), 3_000);
        let mut seen = std::collections::BTreeMap::new();
        for row in &rows {
            // The row of the key with the most prices is its last.
            let key = (row["day"].to_string(), row["unit"].to_string());
            let prices = row["prices"].as_array().map_or(0, Vec::len);
            let before = seen.insert(key, prices).unwrap_or(0);
            assert_eq!(prices, before + 1, "state of another key in {row}");
        }
        assert_eq!(seen.len(), 70, "n % 10, n % 7 and n % 5 meet in seventy ways");
        assert_eq!(seen.values().sum::<usize>(), 3_000);
    }
}
