//! Files that another engine wrote, files of our own, damaged files, and files that do not fit.

use super::*;
use crate::format::avro_blocks::AvroBlocks;
use crate::format::column_rows::with_nulls;
use crate::format::{Encoder, decoder, encoder};
use std::path::PathBuf;
use wasmill_abi::{Field, Type};
use wasmill_core::plan::Format;

const START: Place = Place { offset: 0, skip: 0 };

/// Made by `tests/data/avro/make.py`.
fn made_elsewhere(codec: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/data/avro/{codec}.avro"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn decimal(name: &str, precision: u8) -> Field {
    Field::new(name, Type::Decimal { precision, scale: 2 }, true)
}

fn text(name: &str) -> Field {
    Field::new(name, Type::Utf8, true)
}

fn schema() -> Schema {
    let stop = vec![Field::new("day", Type::Date, false), decimal("cost", 6)];
    Schema::new(vec![
        text("name"),
        Field::new("id", Type::I64, false),
        Field::new("at", Type::Timestamp, false),
        Field::new("day", Type::Date, true),
        decimal("price", 20),
        Field::list("tags", text(""), true),
        Field::structure("address", vec![text("zip"), text("street")], true),
        Field::list("stops", Field::structure("", stop, true), true),
        text("color"),
        Field::structure("other", vec![text("street")], true),
    ])
}

/// Row `i` of the files of the other engine, as NDJSON.
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
    let color = ["RED", "BLUE"][(i % 2) as usize];
    format!(
        r#"{{"name":"größe {}","id":{i},"at":"{at}","day":"2001-{day}","price":{price},"tags":{tags},"address":{address},"stops":{stops},"color":"{color}","other":{{"street":"other {i}"}}}}"#,
        i % 3
    )
}

fn rows_at<'f>(file: &'f [u8], schema: &Schema, at: Place, row: u64) -> Result<AvroRows<&'f [u8]>, FormatError> {
    let header = AvroHeader::read(file, schema)?;
    let at = Place { offset: at.offset.max(header.first_block()), ..at };
    Ok(AvroRows::new(header, &file[at.offset as usize..], at, row))
}

/// All rows as lines, or the damage behind them.
fn lines(mut rows: AvroRows<&[u8]>, schema: &Schema) -> (Vec<String>, Option<Damage>) {
    let mut encoder = encoder(Format::Ndjson, &with_nulls(schema));
    let mut out = Vec::new();
    let damage = loop {
        match rows.next() {
            Ok(Some(batch)) => encoder.encode(&batch, &mut out).expect("the columns of the schema"),
            Ok(None) => break None,
            Err(damage) => break Some(damage),
        }
    };
    (String::from_utf8(out).expect("text").lines().map(str::to_owned).collect(), damage)
}

fn intact(rows: AvroRows<&[u8]>, schema: &Schema) -> Vec<String> {
    let (lines, damage) = lines(rows, schema);
    assert!(damage.is_none(), "{damage:?}");
    lines
}

#[test]
fn files_of_another_engine_from_any_row_on() {
    for codec in ["null", "deflate", "snappy", "zstandard"] {
        let file = made_elsewhere(codec);
        let mut rows = rows_at(&file, &schema(), START, 0).expect("it fits");
        assert_eq!(intact(rows_at(&file, &schema(), START, 0).expect("it fits"), &schema()).len(), 10);
        let mut first = 0;
        let mut blocks = 0;
        while let Some(batch) = rows.next().expect("intact") {
            // Every row of this block, and the one behind it.
            for row in first..=first + batch.num_rows() as u64 {
                let place = rows.place_of(row);
                let resumed = rows_at(&file, &schema(), place, row).expect("it fits");
                assert_eq!(resumed.place_of(row), place);
                let expected: Vec<_> = (row..10).map(expected).collect();
                assert_eq!(intact(resumed, &schema()), expected, "{codec} from row {row}");
            }
            first += batch.num_rows() as u64;
            blocks += 1;
        }
        assert!(blocks > 2, "{codec} should have several blocks, it has {blocks}");
    }
}

fn every_type() -> Schema {
    let scalars = [
        ("bool", Type::Bool),
        ("i8", Type::I8),
        ("i16", Type::I16),
        ("i32", Type::I32),
        ("i64", Type::I64),
        ("u8", Type::U8),
        ("u16", Type::U16),
        ("u32", Type::U32),
        ("f32", Type::F32),
        ("f64", Type::F64),
        ("text", Type::Utf8),
        ("bytes", Type::Binary),
        ("at", Type::Timestamp),
        ("day", Type::Date),
        ("money", Type::Decimal { precision: 38, scale: 10 }),
    ];
    let mut fields: Vec<_> = scalars.iter().map(|&(name, ty)| Field::new(name, ty, name != "i64")).collect();
    let inner =
        Field::structure("item", vec![text("a"), Field::list("b", Field::new("", Type::I64, false), true)], true);
    fields.push(Field::structure("item", vec![Field::list("items", inner, true)], true));
    fields.push(Field::list("lists", Field::list("", text(""), true), false));
    Schema::new(fields)
}

/// The same columns with the integers that Avro has.
fn widened() -> Schema {
    let wide = |field: &Field| match field.ty {
        Type::I8 | Type::I16 | Type::U8 | Type::U16 => Field { ty: Type::I32, ..field.clone() },
        Type::U32 => Field { ty: Type::I64, ..field.clone() },
        _ => field.clone(),
    };
    Schema::new(every_type().fields.iter().map(wide).collect())
}

const ROWS: [&str; 3] = [
    r#"{"bool":true,"i8":-128,"i16":-32768,"i32":-2147483648,"i64":-9223372036854775808,"u8":255,"u16":65535,"u32":4294967295,"f32":1.5,"f64":-2.25,"text":"größe","bytes":"AP8=","at":"1969-12-31T23:59:59.999999Z","day":"1900-02-28","money":-1234567890123456789012345678.0123456789,"item":{"items":[{"a":"x","b":[1,-2]},null,{"a":null,"b":null}]},"lists":[["a",null],[],null]}"#,
    r#"{"bool":null,"i8":null,"i16":null,"i32":null,"i64":0,"u8":null,"u16":null,"u32":null,"f32":null,"f64":null,"text":null,"bytes":null,"at":null,"day":null,"money":null,"item":null,"lists":[]}"#,
    r#"{"bool":false,"i8":127,"i16":32767,"i32":2147483647,"i64":9223372036854775807,"u8":0,"u16":0,"u32":0,"f32":-0.5,"f64":1e300,"text":"","bytes":"","at":"9999-12-31T23:59:59Z","day":"9999-12-31","money":0.0000000001,"item":{"items":[]},"lists":[[]]}"#,
];

/// A file of our own: a block for each chunk of lines.
fn written(chunks: &[&[&str]]) -> Vec<u8> {
    let mut blocks = AvroBlocks::new(&every_type());
    let mut file = blocks.header();
    for chunk in chunks {
        let mut decoder = decoder(Format::Ndjson, &every_type(), None).expect("NDJSON needs no header");
        chunk.iter().for_each(|line| decoder.push(line.as_bytes()).expect("a row"));
        blocks.encode(&decoder.finish(), &mut file).expect("it fits");
    }
    file
}

#[test]
fn every_type_comes_back_and_blocks_are_the_same_each_time() {
    let file = written(&[&ROWS[..2], &ROWS[2..], &[]]);
    let rows = rows_at(&file, &widened(), START, 0).expect("it fits");
    let plain = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    let (read, wrote) = (intact(rows, &widened()), ROWS.map(plain));
    // Digits that a 64-bit float does not hold are compared as text.
    assert!(read[0].contains("-1234567890123456789012345678.0123456789"), "{}", read[0]);
    assert_eq!(read.iter().map(|line| plain(line)).collect::<Vec<_>>(), wrote);
    assert_eq!(file, written(&[&ROWS[..2], &ROWS[2..]]), "the same rows in the same blocks are the same bytes");
    // A block that is put behind an ended file belongs to it.
    let appended =
        [written(&[&ROWS[..2]]), written(&[&ROWS[2..]])[AvroBlocks::new(&every_type()).header().len()..].to_vec()];
    assert_eq!(appended.concat(), file);
}

#[test]
fn large_batches_are_cut_into_blocks() {
    let schema = Schema::new(vec![Field::new("n", Type::I64, false)]);
    let mut decoder = decoder(Format::Ndjson, &schema, None).expect("NDJSON needs no header");
    (0..20_000).for_each(|n| decoder.push(format!("{{\"n\":{n}}}").as_bytes()).expect("a row"));
    let mut blocks = AvroBlocks::new(&schema);
    let mut file = blocks.header();
    blocks.encode(&decoder.finish(), &mut file).expect("it fits");
    let mut rows = rows_at(&file, &schema, START, 0).expect("it fits");
    let mut sizes = Vec::new();
    while let Some(batch) = rows.next().expect("intact") {
        sizes.push(batch.num_rows());
    }
    assert_eq!(sizes, [8192, 8192, 3616]);
}

#[test]
fn a_file_that_was_cut_off_is_damaged_behind_its_last_whole_block() {
    let file = written(&[&ROWS[..1], &ROWS[1..2], &ROWS[2..]]);
    let whole =
        [written(&[]).len(), written(&[&ROWS[..1]]).len(), written(&[&ROWS[..1], &ROWS[1..2]]).len(), file.len()];
    for cut in 0..file.len() {
        let Ok(rows) = rows_at(&file[..cut], &widened(), START, 0) else {
            assert!(cut < whole[0], "the header was whole at {cut}");
            continue;
        };
        assert!(cut >= whole[0], "no whole header has {cut} bytes");
        let (read, damage) = lines(rows, &widened());
        let blocks = whole.iter().rposition(|&end| end <= cut).expect("the header is whole");
        assert_eq!(read.len(), blocks, "rows before {cut}");
        let offset = damage.as_ref().map(|d| d.offset);
        assert_eq!(offset, (whole[blocks] != cut).then_some(Some(whole[blocks] as u64)), "{damage:?} at {cut}");
    }
}

#[test]
fn a_changed_byte_is_an_error_or_another_value_and_never_a_lost_row() {
    for file in [written(&[&ROWS[..2], &ROWS[2..]]), made_elsewhere("null"), made_elsewhere("snappy")] {
        let schema = if file.starts_with(&written(&[])) { widened() } else { schema() };
        let rows = intact(rows_at(&file, &schema, START, 0).expect("it fits"), &schema).len();
        for i in 0..file.len() {
            for bit in [0x01, 0x02, 0x40, 0x80] {
                let mut changed = file.clone();
                changed[i] ^= bit;
                let Ok(opened) = rows_at(&changed, &schema, START, 0) else { continue };
                let header = opened.offset;
                let (read, damage) = lines(opened, &schema);
                match damage {
                    None => assert_eq!(read.len(), rows, "byte {i} with {bit:#x}"),
                    Some(damage) => {
                        let offset = damage.offset.expect("blocks have a place");
                        assert!(offset <= i as u64 || (i as u64) < header, "{damage:?} for byte {i}");
                    }
                }
            }
        }
    }
}

#[test]
fn blocks_that_lie_about_their_rows_are_refused() {
    let schema = Schema::new(vec![Field::new("n", Type::I64, false)]);
    let header = AvroBlocks::new(&schema).header();
    let null: Vec<u8> = {
        // The same header without compression: blocks can be written by hand.
        let at = header.windows(7).position(|w| w == b"deflate").expect("the codec");
        [&header[..at - 1], &[8], b"null", &header[at + 7..]].concat()
    };
    let marker = &header[header.len() - MARKER_BYTES..];
    let read = |head: &[u8]| {
        let file = [&null, head, &[2, 4, 6], marker].concat();
        let (read, damage) = lines(rows_at(&file, &schema, START, 0).expect("it fits"), &schema);
        (read, damage.map(|d| d.reason).unwrap_or_default())
    };
    assert_eq!(read(&[6, 6]), (["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"].map(str::to_owned).to_vec(), String::new()));
    for (head, reason) in [
        (&[4, 6][..], "it holds more bytes than its rows need"),
        (&[0, 6], "it holds more bytes than its rows need"),
        (&[2, 6], "it holds more bytes than its rows need"),
        (&[8, 6], "a block of 4 rows"),
        (&[6, 4], "does not end with the marker"),
        (&[5, 6], "a block claims -3 rows in 3 bytes"),
        (&[6, 0x80, 0x80, 0x80, 0x80, 0x04], "a block claims 3 rows in 536870912 bytes"),
        (&[0xff; 11], "a number has more than 10 bytes"),
    ] {
        let (rows, told) = read(head);
        assert!(rows.is_empty() && told.contains(reason), "{told:?} should contain {reason:?}");
    }
}

#[test]
fn files_that_do_not_fit_say_why() {
    let file = made_elsewhere("null");
    let refused = |field: Field| {
        let opened = rows_at(&file, &Schema::new(vec![field]), START, 0);
        opened.err().expect("the column must be refused").to_string()
    };
    for (field, reason) in [
        (Field::new("nme", Type::Utf8, true), "column \"nme\" is not in the file, whose columns are id, day"),
        (Field::new("id", Type::I16, true), "column \"id\" has the type Int32 in the file"),
        (Field::new("price", Type::F64, true), "cannot be read as float64"),
        (Field::new("more", Type::Utf8, true), "cannot be read as string"),
        (Field::structure("address", vec![Field::new("zip", Type::Utf8, false)], true), "declare it as string?"),
    ] {
        let text = refused(field);
        assert!(text.contains(reason), "{text:?} should contain {reason:?}");
    }
    for (bytes, reason) in [
        (&b"not an Avro file"[..], "cannot be read as Avro: its header is damaged"),
        (&file[..40], "it ends inside of its header"),
        (&[], "it ends inside of its header"),
    ] {
        let text = rows_at(bytes, &schema(), START, 0).err().expect("no Avro").to_string();
        assert!(text.contains(reason), "{text:?} should contain {reason:?}");
    }
    let at = file.windows(4).position(|w| w == b"null").expect("the first null");
    let codec = file.windows(10).position(|w| w == b"avro.codec").expect("the codec") + 10;
    assert!(at < file.len() && file[codec] == 8, "the length of the codec's name");
    let other = [&file[..codec], &[10], b"bzip2", &file[codec + 5..]].concat();
    let text = rows_at(&other, &schema(), START, 0).err().expect("another codec").to_string();
    assert!(text.contains("its codec is Bzip2"), "{text}");
}
