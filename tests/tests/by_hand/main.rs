//! A function without an SDK, in WebAssembly text, written from `docs/reference/abi.md` alone: what the
//! page says is enough.

use wasmill_tests::TestJob;

#[test]
fn a_function_that_was_written_from_the_page_runs() {
    let job = TestJob::new(
        "job: by-hand
modules: { tiny: tiny.wasm }
sources:
  numbers: { connector: file, path: numbers.csv, schema: { n: int64 } }
functions:
  positive: { module: tiny, input: numbers }
sinks:
  out: { connector: file, path: out, format: csv, input: positive }
",
    );
    job.write("tiny.wasm", wat::parse_str(include_str!("positive.wat")).expect("the text is a component"));
    let numbers: Vec<i64> = (0..10_000).map(|i| if i % 3 == 0 { -i - 1 } else { i }).collect();
    job.write("numbers.csv", numbers.iter().fold("n\n".to_owned(), |text, n| format!("{text}{n}\n")));
    job.run(&[]).ok();
    let mut kept: Vec<String> = numbers.iter().filter(|n| **n >= 0).map(i64::to_string).collect();
    kept.sort();
    assert_eq!(job.csv_rows("out"), kept);
    let letters = job.dead_letters("by-hand");
    assert_eq!(letters.len(), numbers.len() - kept.len());
    assert!(letters.iter().all(|l| l["reason"] == "rejected" && l["message"] == "negative"), "{}", letters[0]);
}
