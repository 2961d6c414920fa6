//! What a line must be to be a row, and what it says when it is not.

use super::*;
use crate::format::encoder;
use proptest::prelude::*;
use wasmill_core::plan::Format;

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("i", Type::I32, false),
        Field::new("u", Type::U64, true),
        Field::new("f", Type::F64, true),
        Field::new("g", Type::F32, true),
        Field::new("s", Type::Utf8, true),
        Field::new("b", Type::Bool, true),
        Field::new("d", Type::Binary, true),
        Field::new("t", Type::Timestamp, true),
    ])
}

/// The row that a line becomes, as this project writes it, or the reason why it becomes none.
fn read(line: &[u8]) -> Result<String, String> {
    let mut decoder = NdjsonDecoder::new(&schema());
    decoder.push(line)?;
    let mut out = Vec::new();
    encoder(Format::Ndjson, &schema()).encode(&decoder.finish(), &mut out).expect("a batch of this schema");
    Ok(String::from_utf8(out).expect("JSON is text").trim_end().to_owned())
}

fn check_row(line: &str, expect: &str) {
    assert_eq!(read(line.as_bytes()).as_deref(), Ok(expect), "{line}");
}

fn check_dead(line: impl AsRef<[u8]>, reason: &str) {
    let line = line.as_ref();
    let got = read(line).expect_err(&String::from_utf8_lossy(line));
    assert!(got.contains(reason), "{}: {got:?} should contain {reason:?}", String::from_utf8_lossy(line));
}

#[test]
fn rows_in_any_order_with_extra_keys_and_nulls() {
    check_row(
        r#" {"x":{"y":[1,{"i":9}]},"t":"2001-01-01T01:00:00.5+01:00","d":"AP8=","b":true,"s":"a\u00e9\"","g":1.5,"f":2,"u":18446744073709551615,"i":-1}"#,
        r#"{"i":-1,"u":18446744073709551615,"f":2.0,"g":1.5,"s":"aé\"","b":true,"d":"AP8=","t":"2001-01-01T00:00:00.500Z"}"#,
    );
    let nulls = r#"{"i":1,"u":null,"f":null,"g":null,"s":null,"b":null,"d":null,"t":null}"#;
    check_row(nulls, nulls);
    check_row(r#"{"i":1}"#, nulls);
    check_row(r#"{"i":7,"i":1}"#, nulls);
    check_row("{\"i\":1} \t", nulls);
}

#[test]
fn values_that_say_the_same_in_another_form_are_taken() {
    let with = |v: &str| format!(r#"{{"i":{v},"u":null,"f":null,"g":null,"s":null,"b":null,"d":null,"t":null}}"#);
    check_row(r#"{"i":"12"}"#, &with("12"));
    check_row(r#"{"i":1e3}"#, &with("1000"));
    check_row(r#"{"i":5.0}"#, &with("5"));
}

#[test]
fn values_that_would_change_are_dead() {
    check_dead(r#"{"i":1.5}"#, "column \"i\" (int32): 1.5 is not a whole number");
    check_dead(r#"{"i":2147483648}"#, "2147483648 is out of range");
    check_dead(r#"{"i":"1.5"}"#, "column \"i\" (int32)");
    check_dead(r#"{"i":1,"u":-1}"#, "column \"u\" (uint64): -1 is out of range");
    check_dead(r#"{"i":1,"u":18446744073709551616}"#, "out of range");
    check_dead(r#"{"i":1,"u":9007199254740993.0e1}"#, "too large to be exact");
    check_dead(
        r#"{"i":1,"g":1e39}"#,
        "column \"g\" (float32): 1000000000000000000000000000000000000000 is out of range",
    );
    check_dead(r#"{"i":1,"f":1e999}"#, "number out of range");
    check_dead(r#"{"i":1,"f":"1e999"}"#, "out of range");
    check_dead(r#"{"i":1,"d":"0f0"}"#, "not base64");
    check_dead(r#"{"i":1,"t":978307200}"#, "expected timestamp for column \"t\"");
    check_dead(r#"{"i":1,"t":"yesterday"}"#, "not an RFC 3339 time");
    check_dead(r#"{"i":true}"#, "expected int32 for column \"i\"");
    check_dead(r#"{"i":1,"b":"true"}"#, "expected bool for column \"b\"");
    check_dead(r#"{"i":1,"s":5}"#, "expected string for column \"s\"");
    check_dead(r#"{"i":1,"s":{"a":1}}"#, "expected string for column \"s\"");
    check_dead(r#"{"i":null}"#, "column \"i\" (int32) has no value");
    check_dead("{}", "column \"i\" (int32) has no value");
}

#[test]
fn lines_that_are_not_one_object_are_dead() {
    for line in [
        r#"{"i":1}{"i":2}"#,
        r#"{"i":1} x"#,
        r#"{"i":1},"#,
        r#"{"i":1"#,
        r#""i":1}"#,
        r#"{"i":1 "u":2}"#,
        r#"{"i":1,}"#,
        r#"{"i":01}"#,
        r#"{"x":1-2,"i":1}"#,
        r#"{'i':1}"#,
        "[1]",
        "null",
        "1",
        "garbage",
        "{\"i\":1,\"s\":\"a\tb\"}",
        r#"{"i":1,"s":"\ud800"}"#,
    ] {
        check_dead(line, " at byte ");
    }
    check_dead(b"{\"i\":1,\"s\":\"\xff\"}", "not UTF-8 at byte 13");
    check_dead(b"{\"i\":1,\"x\":\"\xff\"}", "not UTF-8");
    check_dead("[".repeat(100_000), " at byte ");
}

#[test]
fn a_dead_line_leaves_nothing_behind() {
    let mut decoder = NdjsonDecoder::new(&schema());
    decoder.push(br#"{"i":1,"s":"a"}"#).expect("a row");
    decoder.push(br#"{"i":2,"s":"b","t":"never"}"#).expect_err("a bad time");
    decoder.push(br#"{"u":2}"#).expect_err("no value for i");
    decoder.push(br#"{"i":3}"#).expect("a row");
    let batch = decoder.finish();
    assert_eq!((batch.num_rows(), decoder.rows()), (2, 0));
    assert_eq!(batch.column(0).as_ref(), &arrow_array::Int32Array::from(vec![1, 3]));
    assert_eq!(batch.column(4).as_ref(), &arrow_array::StringArray::from(vec![Some("a"), None]));
}

proptest! {
    #[test]
    fn any_bytes_are_a_row_or_dead(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = NdjsonDecoder::new(&schema());
        let pushed = decoder.push(&line);
        prop_assert_eq!(decoder.rows(), usize::from(pushed.is_ok()));
        prop_assert_eq!(decoder.finish().num_rows(), usize::from(pushed.is_ok()));
    }
}

/// Lines of many forms, most of them valid, some broken by one byte.
fn lines() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        any::<i64>().prop_map(|v| v.to_string()),
        any::<u64>().prop_map(|v| v.to_string()),
        (-130i64..130).prop_map(|v| v.to_string()),
        any::<f32>().prop_map(|v| format!("{v}")),
        "[ -~é]{0,8}".prop_map(|v| serde_json::to_string(&v).expect("text becomes JSON")),
        proptest::sample::select(vec![
            "null",
            "true",
            "false",
            "-0",
            "00",
            "01",
            "1.0",
            "1e2",
            "\"2001-01-01T00:00:00Z\"",
            "[1]",
            "{}",
            "\"a\\n\"",
            "999999999999999999",
            "1000000000000000000",
            "-9223372036854775808",
            "nul",
            "tru",
            "\"",
        ])
        .prop_map(str::to_owned),
    ];
    let key = proptest::sample::select(vec!["i", "u", "s", "b", "t", "f", "g", "d", "x", "a\u{308}"]);
    let space = || proptest::sample::select(vec!["", "", "", " ", "  ", "\t"]);
    let entry = (key, value, space(), space()).prop_map(|(k, v, a, b)| format!("{a}\"{k}\"{b}:{a}{v}{b}"));
    let broken = proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    (proptest::collection::vec(entry, 0..7), broken, space()).prop_map(|(entries, broken, space)| {
        let mut line = format!("{{{}}}{space}", entries.join(",")).into_bytes();
        if let Some((at, byte)) = broken {
            let at = at.index(line.len());
            line[at] = byte & 0x7f;
        }
        String::from_utf8_lossy(&line).into_owned()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]
    #[test]
    fn the_short_way_takes_nothing_that_the_long_one_reads_otherwise(line in lines()) {
        let decoder = NdjsonDecoder::new(&schema());
        let mut short = vec![Short::Null; schema().fields.len()];
        if decoder.short.read(&line, &mut short) {
            let mut long = vec![Cell::Null; schema().fields.len()];
            prop_assert_eq!(decoder.read(&line, &mut long), Ok(()));
            let short: Vec<_> = short.into_iter().map(|value| value.cell(&line)).collect();
            prop_assert_eq!(short, long);
        }
    }
}

#[test]
fn ordinary_lines_take_the_short_way() {
    let decoder = NdjsonDecoder::new(&schema());
    for line in [
        r#"{"i":1,"u":2,"s":"text","b":true,"t":"2001-01-01T00:00:00Z"}"#,
        r#"{"t": "2001-01-01T00:00:00Z", "s": "ä", "i": -7, "other": 5, "b": null}"#,
    ] {
        let mut row = vec![Short::Null; schema().fields.len()];
        assert!(decoder.short.read(line, &mut row), "{line}");
    }
}

fn nested() -> Schema {
    let price = Field::new("price", Type::Decimal { precision: 20, scale: 2 }, true);
    let text = |name: &str, nullable| Field::new(name, Type::Utf8, nullable);
    let address = vec![text("street", false), text("zip", true), Field::new("since", Type::Date, true)];
    Schema::new(vec![
        price,
        Field::new("day", Type::Date, true),
        Field::list("tags", text("item", false), true),
        Field::structure("address", address.clone(), true),
        Field::list("stops", Field::structure("item", address, false), true),
    ])
}

fn read_nested(line: &str) -> Result<String, String> {
    let mut decoder = NdjsonDecoder::new(&nested());
    decoder.push(line.as_bytes())?;
    let mut out = Vec::new();
    encoder(Format::Ndjson, &nested()).encode(&decoder.finish(), &mut out).expect("a batch of this schema");
    Ok(String::from_utf8(out).expect("JSON is text").trim_end().to_owned())
}

#[test]
fn nested_values_decimals_and_dates_come_back_exactly() {
    let nulls = r#"{"price":null,"day":null,"tags":null,"address":null,"stops":null}"#;
    let all = concat!(
        r#"{"price":123456789012345678.10,"day":"2001-02-28","tags":["a","é\"b"],"#,
        r#""address":{"street":"Main","zip":null,"since":"1969-12-31"},"#,
        r#""stops":[{"street":"A","zip":"1","since":null},{"street":"B","zip":null,"since":null}]}"#
    );
    for same in [nulls, all] {
        assert_eq!(read_nested(same).as_deref(), Ok(same));
    }
    let with = |price: &str| nulls.replace(r#""price":null"#, &format!(r#""price":{price}"#));
    for (given, expect) in [
        ("1", "1.00"),
        (r#""-0.5""#, "-0.50"),
        ("1e3", "1000.00"),
        ("123456789012345678.99", "123456789012345678.99"),
        (r#""\u0031""#, "1.00"),
    ] {
        assert_eq!(read_nested(&with(given)), Ok(with(expect)), "{given}");
    }
    assert_eq!(
        read_nested(r#"{"address":{"x":[1],"street":"S"},"tags":[]}"#),
        Ok(nulls
            .replace(r#""tags":null"#, r#""tags":[]"#)
            .replace(r#""address":null"#, r#""address":{"street":"S","zip":null,"since":null}"#))
    );
}

#[test]
fn nested_values_that_do_not_fit_are_dead_and_say_where() {
    for (line, reason) in [
        (r#"{"price":0.001}"#, r#"column "price" (decimal(20,2)): "0.001" has too many digits behind the point"#),
        (r#"{"price":1e18}"#, "is out of range"),
        (r#"{"price":"x"}"#, "is not a decimal number"),
        (r#"{"price":true}"#, "is not a number"),
        (r#"{"price":[1]}"#, "is not a number"),
        (r#"{"day":"2001-02-29"}"#, r#"column "day" (date): "2001-02-29" is not a date"#),
        (r#"{"day":5}"#, r#"expected date for column "day""#),
        (r#"{"tags":[null]}"#, r#"column "tags.item" (string) has no value"#),
        (r#"{"tags":["a",1]}"#, r#"expected string for column "tags.item""#),
        (r#"{"tags":"a"}"#, r#"expected list<string> for column "tags""#),
        (r#"{"tags":{"a":1}}"#, r#"expected list<string> for column "tags""#),
        (r#"{"address":{"zip":"1"}}"#, r#"column "address.street" (string) has no value"#),
        (r#"{"address":["Main"]}"#, r#"for column "address""#),
        (r#"{"stops":[{"street":"a"},{"street":"b","since":"x"}]}"#, r#"column "stops.item.since" (date): "x""#),
    ] {
        let got = read_nested(line).expect_err(line);
        assert!(got.contains(reason), "{line}: {got:?} should contain {reason:?}");
    }
}

#[test]
fn a_dead_nested_line_leaves_nothing_behind() {
    let mut decoder = NdjsonDecoder::new(&nested());
    decoder.push(br#"{"tags":["a"],"stops":[{"street":"s"}]}"#).expect("a row");
    decoder.push(br#"{"tags":["b","c"],"stops":[{"zip":"s"}]}"#).expect_err("no street");
    decoder.push(br#"{"tags":["d"]}"#).expect("a row");
    let batch = decoder.finish();
    let mut out = Vec::new();
    encoder(Format::Ndjson, &nested()).encode(&batch, &mut out).expect("a batch of this schema");
    let text = String::from_utf8(out).expect("JSON is text");
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains(r#""tags":["a"]"#) && text.contains(r#""tags":["d"]"#), "{text}");
    assert!(!text.contains(r#""c""#), "{text}");
}
