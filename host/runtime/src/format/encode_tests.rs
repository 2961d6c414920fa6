//! What is written is what is read again.

use super::*;
use crate::format::{self, Decoder};
use arrow_array::*;
use proptest::prelude::*;
use wasmill_abi::{Field as Column, Type};

fn schema() -> Schema {
    Schema::new(Type::ALL.iter().map(|t| Column::new(format!("c,{t}"), *t, true)).collect())
}

fn batch(rows: &[Row]) -> RecordBatch {
    fn col<T>(rows: &[Row], f: impl Fn(&Row) -> T) -> Vec<Option<T>> {
        rows.iter().map(|r| (!r.null).then(|| f(r))).collect()
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(col(rows, |r| r.int > 0))),
        Arc::new(Int8Array::from(col(rows, |r| r.int as i8))),
        Arc::new(Int16Array::from(col(rows, |r| r.int as i16))),
        Arc::new(Int32Array::from(col(rows, |r| r.int as i32))),
        Arc::new(Int64Array::from(col(rows, |r| r.int))),
        Arc::new(UInt8Array::from(col(rows, |r| r.int as u8))),
        Arc::new(UInt16Array::from(col(rows, |r| r.int as u16))),
        Arc::new(UInt32Array::from(col(rows, |r| r.int as u32))),
        Arc::new(UInt64Array::from(col(rows, |r| r.int as u64))),
        Arc::new(Float32Array::from(col(rows, |r| r.float as f32))),
        Arc::new(Float64Array::from(col(rows, |r| r.float))),
        Arc::new(StringArray::from(col(rows, |r| r.text.clone()))),
        Arc::new(BinaryArray::from_iter(col(rows, |r| r.text.clone().into_bytes()))),
        Arc::new(TimestampMicrosecondArray::from(col(rows, |r| r.time)).with_timezone("UTC")),
        Arc::new(Date32Array::from(col(rows, |r| (r.time / 86_400_000_000) as i32))),
    ];
    RecordBatch::try_new(to_arrow(&schema()), columns).expect("columns of the schema")
}

#[derive(Debug, Clone)]
struct Row {
    null: bool,
    int: i64,
    float: f64,
    text: String,
    time: i64,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Floats that fit into an f32 too; text that is not empty, since CSV reads that as null.
    let float = prop_oneof![any::<f32>().prop_map(f64::from), -1e30..1e30f64].prop_filter("finite", |f| f.is_finite());
    let row = (any::<bool>(), any::<i64>(), float, "(?s).{1,20}", -62_167_219_200_000_000i64..253_402_300_800_000_000)
        .prop_map(|(null, int, float, text, time)| Row { null, int, float, text, time });
    proptest::collection::vec(row, 1..8)
}

fn decode(format: Format, header: &[u8], records: &[Vec<u8>]) -> RecordBatch {
    let mut decoder: Box<dyn Decoder> =
        format::decoder(format, &schema(), Some(header.trim_ascii_end())).expect("our own header");
    for record in records {
        decoder.push(record).unwrap_or_else(|e| panic!("{}: {e}", String::from_utf8_lossy(record)));
    }
    decoder.finish()
}

proptest! {
    #[test]
    fn every_row_comes_back(rows in rows()) {
        let all = batch(&rows);
        for format in [Format::Ndjson, Format::Csv] {
            let mut encoder = encoder(format, &schema());
            let mut records = Vec::new();
            let mut joined = Vec::new();
            for i in 0..all.num_rows() {
                let mut out = Vec::new();
                encoder.encode(&all.slice(i, 1), &mut out).expect("a batch of the schema");
                joined.extend_from_slice(&out);
                prop_assert_eq!(out.pop(), Some(b'\n'));
                records.push(out);
            }
            let mut whole = Vec::new();
            encoder.encode(&all, &mut whole).expect("a batch of the schema");
            prop_assert_eq!(&whole, &joined, "the cut into batches changes no byte");
            prop_assert_eq!(decode(format, &encoder.header(), &records), all.clone());
        }
    }
}

#[test]
fn forms_of_values() {
    let row = Row { null: false, int: -1, float: 0.1, text: "a\"b".into(), time: 978_307_200_000_000 };
    let null = Row { null: true, ..row.clone() };
    let all = batch(&[row, null]);
    let mut csv = Vec::new();
    encoder(Format::Csv, &schema()).encode(&all, &mut csv).expect("a batch of the schema");
    assert_eq!(
        String::from_utf8(csv).expect("text"),
        "false,-1,-1,-1,-1,255,65535,4294967295,18446744073709551615,0.1,0.1,\"a\"\"b\",YSJi,2001-01-01T00:00:00Z,2001-01-01\n\
         ,,,,,,,,,,,,,,\n"
    );
    let narrow = Schema::new(vec![Column::new("t", Type::Timestamp, true), Column::new("f", Type::F64, true)]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(i64::MAX)]).with_timezone("UTC")),
        Arc::new(Float64Array::from(vec![f64::NAN, -0.0, 1e300])),
    ];
    let all = RecordBatch::try_new(to_arrow(&narrow), columns).expect("columns of the schema");
    let mut json = Vec::new();
    encoder(Format::Ndjson, &narrow).encode(&all, &mut json).expect("a batch of the schema");
    assert_eq!(
        String::from_utf8(json).expect("text"),
        "{\"t\":\"1970-01-01T00:00:00.000001Z\",\"f\":null}\n{\"t\":null,\"f\":-0.0}\n\
         {\"t\":\"+294247-01-10T04:00:54.775807Z\",\"f\":1.0e300}\n"
    );
}

#[test]
fn headers_and_extensions() {
    let narrow = Schema::new(vec![Column::new("a", Type::I8, false), Column::new("b,c", Type::Utf8, false)]);
    let csv = encoder(Format::Csv, &narrow);
    assert_eq!((csv.header(), csv.extension()), (b"a,\"b,c\"\n".to_vec(), "csv"));
    let json = encoder(Format::Ndjson, &narrow);
    assert_eq!((json.header(), json.extension()), (Vec::new(), "ndjson"));
}

#[test]
fn a_batch_of_another_shape_is_refused_and_leaves_the_output_alone() {
    let narrow = Schema::new(vec![Column::new("a", Type::I8, false)]);
    let wide = batch(&[Row { null: true, int: 0, float: 0.0, text: String::new(), time: 0 }]);
    let mut out = b"before".to_vec();
    for format in [Format::Ndjson, Format::Csv] {
        let error = encoder(format, &narrow).encode(&wide, &mut out).expect_err("another shape");
        assert!(error.to_string().contains("the sink wants"), "{error}");
    }
    assert_eq!(out, b"before");
}

proptest! {
    #[test]
    fn the_short_way_writes_the_bytes_of_the_long_one(rows in rows()) {
        let whole = batch(&rows);
        let is_short = |c: &&Column| ShortRows::new(&[(*c).clone()]).is_some();
        let columns: Vec<usize> =
            schema().fields.iter().enumerate().filter(|(_, c)| is_short(c)).map(|(i, _)| i).collect();
        prop_assert!(columns.len() > 8, "{columns:?}");
        let narrow = Schema::new(columns.iter().map(|&i| schema().fields[i].clone()).collect());
        let batch = whole.project(&columns).expect("columns of the batch");
        let mut short = Vec::new();
        ShortRows::new(&narrow.fields).expect("only short columns").write(&batch, &mut short);
        let mut long = Vec::new();
        Ndjson { text: Texts::new(&narrow), short: None }.encode(&batch, &mut long).expect("a batch of this schema");
        prop_assert_eq!(String::from_utf8(short), String::from_utf8(long));
    }
}
