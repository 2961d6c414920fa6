//! Jobs of every shape through the binary, as a user runs them: inputs of all kinds, graphs of all
//! kinds, and the same answer whatever the settings.

mod avro;
mod dedup;
mod follow;
mod graphs;
mod idle;
mod inputs;
mod late;
mod nested;
mod parquet;
mod sessions;
mod settings;
mod two_inputs;
mod views;
mod watching;

use flate2::read::GzDecoder;
use std::io::Read;
use std::path::PathBuf;
use wasmill_tests::root;

const FLIGHT: &str = "{ date: timestamp, delay: int32, distance: int32, origin: string, destination: string }";

fn unpacked(path: PathBuf) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    GzDecoder::new(file).read_to_string(&mut text).expect("it is gzip of text");
    text
}

/// 200,000 flights, ordered by departure.
fn flights_path() -> PathBuf {
    root().join("udf-examples/flights/data/flights-200k.ndjson.gz")
}

/// The rows of an answer that DuckDB computed, without its header, sorted.
fn answer(path: &str) -> Vec<String> {
    sorted(unpacked(root().join(path)).lines().skip(1).map(str::to_owned).collect())
}

fn hourly_answer() -> Vec<String> {
    answer("udf-examples/flights/data/flights_hourly_by_origin.csv.gz")
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}
