//! Records and places are the same whatever arrives when.

use super::*;
use proptest::prelude::*;

/// Gives the bytes in pieces, and blocks after each.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    size: usize,
    block: bool,
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.block = !self.block;
        if self.block {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.size.min(buf.len()).min(self.bytes.len() - self.at);
        buf[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

type Found = (Vec<u8>, u64, u64, Length);

fn all(format: Format, bytes: &[u8], from: u64, line: u64, size: usize, max: usize) -> Vec<Found> {
    let input = Pieces { bytes: bytes[from as usize..].to_vec(), at: 0, size, block: false };
    let mut records = Records::new(Box::new(input), format, from, line).with_limits(size, max);
    let mut found = Vec::new();
    loop {
        match records.next() {
            Ok(Some(r)) => found.push((records.bytes(&r).to_vec(), r.offset, r.line, r.length)),
            Ok(None) => break,
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert_eq!(records.offset(), bytes.len() as u64, "everything was read");
    found
}

fn check(format: Format, bytes: &str, expect: &[(&str, u64, u64)]) {
    let got = all(format, bytes.as_bytes(), 0, 1, 1024, 1024);
    let want: Vec<Found> = expect.iter().map(|(b, o, l)| (b.as_bytes().to_vec(), *o, *l, Length::Fits)).collect();
    assert_eq!(got, want, "{bytes:?}");
}

#[test]
fn lines() {
    check(Format::Ndjson, "", &[]);
    check(Format::Ndjson, "\n\r\n  \n", &[]);
    check(Format::Ndjson, "a\nbc\r\n\nd", &[("a", 0, 1), ("bc", 2, 2), ("d", 7, 4)]);
    check(Format::Ndjson, "\u{feff}a\n\u{feff}b\n", &[("a", 0, 1), ("\u{feff}b", 5, 2)]);
}

#[test]
fn csv_records_may_span_lines() {
    check(Format::Csv, "a,\"b\n\"\"c\",d\r\ne\n", &[("a,\"b\n\"\"c\",d", 0, 1), ("e", 13, 3)]);
    check(Format::Csv, "a\"b\n\"c\"d\n", &[("a\"b", 0, 1), ("\"c\"d", 4, 2)]);
    check(Format::Csv, "a\n\n  \n\"never\nclosed\n", &[("a", 0, 1), ("  ", 3, 3), ("\"never\nclosed\n", 6, 4)]);
}

#[test]
fn long_records_are_cut_and_the_next_one_is_whole() {
    let bytes = format!("a\n{}\nb\n{}", "x".repeat(100), "y".repeat(50));
    for size in [1, 7, 1000] {
        let got = all(Format::Ndjson, bytes.as_bytes(), 0, 1, size, 10);
        let expect = [
            (b"a".to_vec(), 0, 1, Length::Fits),
            (b"xxxxxxxxxx".to_vec(), 2, 2, Length::TooLong),
            (b"b".to_vec(), 103, 3, Length::Fits),
            (b"yyyyyyyyyy".to_vec(), 105, 4, Length::TooLong),
        ];
        assert_eq!(got, expect, "pieces of {size}");
    }
}

#[test]
fn memory_is_bounded_on_an_endless_line() {
    let input = io::repeat(b'x').take(200 << 20);
    let mut records = Records::new(Box::new(input), Format::Ndjson, 0, 1);
    let record = records.next().expect("no error").expect("one line");
    assert_eq!((record.length, records.offset()), (Length::TooLong, 200 << 20));
    assert_eq!(records.bytes(&record).len(), DEAD_BYTES_MAX);
    assert!(records.buf.capacity() <= 2 * (RECORD_BYTES_MAX + CHUNK_BYTES), "{}", records.buf.capacity());
}

proptest! {
    #[test]
    fn pieces_and_resumes_change_nothing(
        bytes in "[ab,\"\n\r ]{0,60}", size in 1usize..20, max in 1usize..20, csv in any::<bool>(),
    ) {
        let format = if csv { Format::Csv } else { Format::Ndjson };
        let whole = all(format, bytes.as_bytes(), 0, 1, 1024, max);
        prop_assert_eq!(&all(format, bytes.as_bytes(), 0, 1, size, max), &whole);
        for (i, (_, offset, line, _)) in whole.iter().enumerate() {
            prop_assert_eq!(&all(format, bytes.as_bytes(), *offset, *line, size, max)[..], &whole[i..]);
        }
    }
}
