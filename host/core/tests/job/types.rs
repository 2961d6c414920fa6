//! Types of columns: what can be written, and what is said of the rest.

use crate::support::run;
use wasmill_core::job::Overrides;
use wasmill_core::plan::OperatorKind;

/// A job with one column of this type.
fn job(ty: &str, format: &str) -> String {
    format!(
        "job: types
sources:
  in: {{ connector: file, path: in.{format}, schema: {{ c: {ty} }} }}
sinks:
  out: {{ connector: file, path: out, format: {format}, input: in }}
"
    )
}

fn check(ty: &str, expected: &str) {
    // In a map of one line, a type with commas needs quotes.
    let quoted = if ty.contains(',') && !ty.starts_with(['{', '\'']) { format!("'{ty}'") } else { ty.to_owned() };
    let plan = run(&job(&quoted, "ndjson"), &Overrides::default()).unwrap_or_else(|e| panic!("{ty}: {e}"));
    let OperatorKind::Source(source) = &plan.operators[0].kind else { panic!("the source comes first") };
    assert_eq!(source.schema.to_string(), expected, "{ty}");
}

fn fails(ty: &str) -> String {
    let quoted = if ty.starts_with(['{', '\'']) { ty.to_owned() } else { format!("'{ty}'") };
    run(&job(&quoted, "ndjson"), &Overrides::default()).expect_err("the type must be refused")
}

#[test]
fn types_in_every_form() {
    check("date?", "c: date?");
    check("decimal(12,2)", "c: decimal(12,2)");
    check("decimal( 5 )", "c: decimal(5,0)");
    check("list<string?>?", "c: list<string?>?");
    check("list<list<decimal(38, 38)>>", "c: list<list<decimal(38,38)>>");
    check("{ street: string, zip: string? }", "c: struct<street: string, zip: string?>");
    check("{ a: { b: list<int8> } }", "c: struct<a: struct<b: list<int8>>>");
    check("'struct<street: string, zip: string?>?'", "c: struct<street: string, zip: string?>?");
    check("'{ a: list<{ b: decimal(4,1)? }> }?'", "c: struct<a: list<struct<b: decimal(4,1)?>>>?");
    check("list<list<list<list<list<list<list<bool>>>>>>>", "c: list<list<list<list<list<list<list<bool>>>>>>>");
}

#[test]
fn what_is_no_type_is_told() {
    for (ty, message) in [
        ("dcimal(1,1)", "did you mean `decimal`?"),
        ("list<strin>", "did you mean `string`?"),
        ("array", "the types are"),
        ("list", "`<` is missing"),
        ("list<string", "`>` is missing"),
        ("list<>", "is not a type"),
        ("list<string>>", "`>` does not belong there"),
        ("'struct<>'", "a field `NAME: TYPE` is missing"),
        ("'struct<a: int8, a: int8>'", "the field `a` stands twice"),
        ("'struct<a: int8 b: int8>'", "behind the field `a`"),
        ("decimal", "write `decimal(12,2)`"),
        ("decimal(39,0)", "from 1 to 38 digits"),
        ("decimal(3,4)", "at most all stand behind the point"),
        ("{}", "at least one field"),
        ("{ a: { b: integer } }", "field `a`: field `b`: `integer` is not a type"),
        ("list<list<list<list<list<list<list<list<bool>>>>>>>>", "nested deeper than 8 levels"),
    ] {
        let text = fails(ty);
        assert!(text.contains(message), "{ty}: {text}");
    }
}

#[test]
fn a_comma_that_yaml_took_is_explained() {
    let text = fails("{ price: decimal(12,2) }");
    assert!(text.contains("put a type with a comma into quotes"), "{text}");
}

#[test]
fn csv_holds_no_nested_values() {
    let text = run(&job("list<string>", "csv"), &Overrides::default()).expect_err("CSV is flat");
    assert!(text.contains("source `in` has the column `c: list<string>`, which CSV cannot hold"), "{text}");
    run(&job("'decimal(12,2)'", "csv"), &Overrides::default()).expect("decimals are text in CSV");
    run(&job("date?", "csv"), &Overrides::default()).expect("dates are text in CSV");
}

#[test]
fn avro_has_no_uint64_and_names_of_its_own() {
    run(&job("'list<{ a: list<uint32> }>'", "avro"), &Overrides::default()).expect("Avro has nested values");
    for (ty, why) in [
        ("uint64", "source `in` has the column `c: uint64`, which Avro cannot hold: it has no type for `uint64`"),
        ("list<uint64?>", "which Avro cannot hold: it has no type for `uint64`"),
        ("'{ zip-code: string }'", "which Avro cannot hold: `zip-code` is no name there"),
        ("'{ 1st: string }'", "which Avro cannot hold: `1st` is no name there"),
    ] {
        let text = run(&job(ty, "avro"), &Overrides::default()).expect_err("Avro cannot hold it");
        assert!(text.contains("error[avro-column]") && text.contains(why), "{ty}: {text}");
    }
    run(&job("uint64", "parquet"), &Overrides::default()).expect("Parquet has it");
}
