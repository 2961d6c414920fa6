//! Records with quotes, and records that are no rows.

use super::*;
use crate::format::encoder;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use wasmill_core::plan::Format;

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("name", Type::Utf8, false),
        Field::new("n", Type::I64, true),
        Field::new("note", Type::Utf8, true),
    ])
}

fn decoder(header: &str) -> CsvDecoder {
    CsvDecoder::new(&schema(), header.as_bytes()).expect("a good header")
}

/// The row, as CSV in the order of the schema.
fn check_row(header: &str, record: &str, expect: &str) {
    let mut d = decoder(header);
    d.push(record.as_bytes()).unwrap_or_else(|e| panic!("{record}: {e}"));
    let mut out = Vec::new();
    encoder(Format::Csv, &schema()).encode(&d.finish(), &mut out).expect("a batch of this schema");
    assert_eq!(String::from_utf8(out).expect("text"), format!("{expect}\n"), "{record}");
}

fn check_dead(record: impl AsRef<[u8]>, reason: &str) {
    let got = decoder("name,n,note").push(record.as_ref()).expect_err("dead");
    assert!(got.contains(reason), "{got:?} should contain {reason:?}");
}

#[test]
fn columns_are_found_by_name() {
    check_row("name,n,note", "a,1,x", "a,1,x");
    check_row("extra,note,n,name", "?,x,1,a", "a,1,x");
    check_row("\"note\",n,\"name\"", "x,1,a", "a,1,x");
}

#[test]
fn quotes_may_hold_anything() {
    check_row("name,n,note", "\"a,\"\"b\"\"\",\"1\",\"x\ny\"", "\"a,\"\"b\"\"\",1,\"x\ny\"");
    check_row("name,n,note", "a \"b\", 1 ,\"x\r\ny\"", "\"a \"\"b\"\"\",1,\"x\r\ny\"");
}

#[test]
fn an_empty_field_is_null_where_null_may_be() {
    let mut d = decoder("name,n,note");
    d.push(b",,").expect("name is empty text");
    d.push(b"\"\",\"\",\"\"").expect("quotes change nothing");
    let batch = d.finish();
    assert_eq!(batch.column(0).as_ref(), &StringArray::from(vec!["", ""]));
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [None, None]);
    assert_eq!(batch.column(2).as_ref(), &StringArray::from(vec![None::<&str>, None]));
}

#[test]
fn records_that_are_no_rows() {
    check_dead("a,1", "2 fields, but the header has 3");
    check_dead("a,1,x,y", "4 fields, but the header has 3");
    check_dead("a,1,x,y,z", "more than 3 fields");
    check_dead("a,one,x", "column \"n\" (int64): \"one\" is not a whole number");
    check_dead("a,1.0,x", "column \"n\" (int64)");
    check_dead("a,1,\"x", "no closing quote");
    check_dead(b"a,1,\xff", "not UTF-8 at byte 5");
    let strict = Schema::new(vec![Field::new("n", Type::I64, false)]);
    let mut d = CsvDecoder::new(&strict, b"n").expect("a good header");
    assert!(d.push(b"\"\"").expect_err("null").contains("has no value"));
}

#[test]
fn dead_records_leave_the_next_ones_alone() {
    let mut d = decoder("name,n,note");
    for (record, good) in [("a,1,x", true), ("\"b", false), ("c,1,x,y,z,w", false), ("d,?,x", false), ("e,2,", true)] {
        assert_eq!(d.push(record.as_bytes()).is_ok(), good, "{record}");
    }
    assert_eq!(d.finish().column(0).as_ref(), &StringArray::from(vec!["a", "e"]));
}

#[test]
fn headers_that_do_not_fit_are_refused_by_name() {
    let refused = |header: &[u8]| CsvDecoder::new(&schema(), header).err().expect("refused").to_string();
    assert!(refused(b"name,n").contains("column \"note\" is not in the CSV header (name,n)"));
    assert!(refused(b"name,n,note,n").contains("column \"n\" stands twice"));
    assert!(refused(b"").contains("it is empty"));
    assert!(refused(b"name,\xff").contains("cannot be read"));
    assert!(refused(b"name,\"n").contains("no closing quote"));
}
