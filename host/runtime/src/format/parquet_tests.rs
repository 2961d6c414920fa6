//! Files that other engines wrote, files of our own, and files that do not fit.

use super::*;
use crate::format::column_rows::with_nulls;
use crate::format::encoder;
use std::io::Cursor;
use std::path::PathBuf;
use wasmill_abi::{Field, Type};
use wasmill_core::plan::Format;

/// Made by `tests/data/parquet/make.py`.
fn made_elsewhere(name: &str) -> File {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/parquet").join(name);
    File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn decimal(name: &str, precision: u8) -> Field {
    Field::new(name, Type::Decimal { precision, scale: 2 }, true)
}

fn schema() -> Schema {
    let text = |name: &str| Field::new(name, Type::Utf8, true);
    let stop = vec![Field::new("day", Type::Date, true), decimal("cost", 6)];
    Schema::new(vec![
        text("name"),
        Field::new("id", Type::I64, false),
        Field::new("at", Type::Timestamp, false),
        Field::new("day", Type::Date, true),
        decimal("price", 20),
        Field::list("tags", text(""), true),
        Field::structure("address", vec![text("zip"), text("street")], true),
        Field::list("stops", Field::structure("", stop, true), true),
    ])
}

/// Row `i` of the files of other engines, as NDJSON.
fn expected(i: u64) -> String {
    let missing = i % 4 == 3;
    let or_null = |text: String| if missing { "null".to_owned() } else { text };
    let units = 12_345_678_901_234_567 * i;
    let price = or_null(format!("{}.{:02}", units / 100, units % 100));
    let tags = or_null(format!("[{}]", ["\"t0\"", "\"t1\""][..(i % 3) as usize].join(",")));
    let zip = if i.is_multiple_of(2) { format!("\"{i}\"") } else { "null".to_owned() };
    let address = or_null(format!(r#"{{"zip":{zip},"street":"street {i}"}}"#));
    let stops = if i % 2 == 1 { r#"[{"day":"1969-12-31","cost":-0.05}]"# } else { "[]" };
    let at = if i == 0 { "2001-01-01T00:00:00Z".to_owned() } else { format!("2001-01-01T00:00:{i:02}.00000{i}Z") };
    let day = ["02-26", "02-27", "02-28", "03-01", "03-02", "03-03", "03-04", "03-05", "03-06", "03-07"][i as usize];
    format!(
        r#"{{"name":"größe {}","id":{i},"at":"{at}","day":"2001-{day}","price":{price},"tags":{tags},"address":{address},"stops":{stops}}}"#,
        i % 3
    )
}

fn lines(mut rows: ParquetRows) -> Vec<String> {
    let mut encoder = encoder(Format::Ndjson, &with_nulls(&schema()));
    let mut out = Vec::new();
    while let Some(batch) = rows.next().expect("an intact file") {
        encoder.encode(&batch, &mut out).expect("the columns of the schema");
    }
    String::from_utf8(out).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn files_of_other_engines_from_any_row_on() {
    for name in ["pyarrow.parquet", "duckdb.parquet"] {
        for skip in 0..=10 {
            let rows = ParquetRows::open(made_elsewhere(name), &schema(), skip, 4).expect("it fits");
            assert_eq!(lines(rows), (skip..10).map(expected).collect::<Vec<_>>(), "{name} from row {skip}");
        }
    }
}

#[test]
fn kept_rows_become_the_same_file_again_and_again() {
    let mut encoder = KeptRows::new(&with_nulls(&schema()));
    let mut kept = encoder.header();
    let mut rows = ParquetRows::open(made_elsewhere("pyarrow.parquet"), &schema(), 0, 4).expect("it fits");
    while let Some(batch) = rows.next().expect("an intact file") {
        encoder.encode(&batch, &mut kept).expect("the columns of the schema");
    }
    let closed = || {
        let mut out = Vec::new();
        close(Cursor::new(&kept), &mut out).expect("intact rows");
        out
    };
    assert_eq!(closed(), closed());
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.parquet");
    std::fs::write(&path, closed()).expect("written");
    let rows = ParquetRows::open(File::open(&path).expect("there"), &with_nulls(&schema()), 0, 4096).expect("it fits");
    assert_eq!(lines(rows), (0..10).map(expected).collect::<Vec<_>>());
    for (cut, reason) in [(kept.len() - 1, "inside of a block"), (5, "does not start like")] {
        let error = close(Cursor::new(&kept[..cut]), Vec::new()).expect_err("damaged rows");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn files_that_do_not_fit_say_why() {
    let refused = |field: Field| {
        let opened = ParquetRows::open(made_elsewhere("pyarrow.parquet"), &Schema::new(vec![field]), 0, 10);
        opened.err().expect("the column must be refused").to_string()
    };
    for (field, reason) in [
        (Field::new("nme", Type::Utf8, true), "column \"nme\" is not in the file, whose columns are id, day"),
        (Field::new("id", Type::I16, true), "column \"id\" has the type Int32 in the file"),
        (Field::new("price", Type::F64, true), "cannot be read as float64"),
        (decimal("price", 19), "cannot be read as decimal(19,2)"),
        (Field::new("tags", Type::Utf8, true), "cannot be read as string"),
        (Field::list("tags", Field::new("", Type::Utf8, false), true), "column \"tags.item\" may be missing"),
        (Field::structure("address", vec![Field::new("zip", Type::Utf8, false)], true), "declare it as string?"),
        (Field::structure("address", vec![Field::new("city", Type::Utf8, true)], true), "struct<city: string?>"),
    ] {
        let text = refused(field);
        assert!(text.contains(reason), "{text:?} should contain {reason:?}");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.parquet");
    std::fs::write(&path, "not a Parquet file at all").expect("written");
    let error = ParquetRows::open(File::open(&path).expect("there"), &schema(), 0, 10).err().expect("no Parquet");
    assert!(error.to_string().contains("cannot be read as Parquet"), "{error}");
}
