//! The frozen hashes and key bytes, against vectors from elsewhere.

use wasmill_abi::hash::{hash32, key_group, murmur3_x86_32, subtask_of_group};
use wasmill_abi::key;

fn rows(csv: &str) -> impl Iterator<Item = Vec<&str>> {
    csv.lines().skip(1).map(|line| line.split(',').collect())
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hexadecimal digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn murmur3_is_that_of_guava() {
    let mut seen = 0;
    for row in rows(include_str!("vectors/murmur3_x86_32.csv")) {
        let (seed, expected): (u32, u32) = (row[1].parse().expect("a seed"), row[2].parse().expect("a hash"));
        assert_eq!(murmur3_x86_32(&unhex(row[0]), seed), expected, "{row:?}");
        seen += 1;
    }
    assert_eq!(seen, 123);
    // From the table of the Wikipedia article "MurmurHash".
    assert_eq!(hash32(b"The quick brown fox jumps over the lazy dog"), 0x2e4f_f723);
}

#[test]
fn key_groups_are_those_of_flink() {
    let mut seen = 0;
    for row in rows(include_str!("vectors/flink_key_groups.csv")) {
        let hash: u32 = row[0].parse().expect("a hash");
        for (groups, expected) in [(128, row[2]), (32_768, row[3]), (720, row[4])] {
            assert_eq!(key_group(hash, groups).to_string(), expected, "{row:?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 256);
}

#[test]
fn subtasks_own_contiguous_and_even_ranges_of_groups() {
    for (groups, parallelism) in [(128, 1), (128, 3), (128, 128), (32_768, 7), (720, 11)] {
        let owners: Vec<u16> = (0..groups).map(|g| subtask_of_group(g, groups, parallelism)).collect();
        assert!(owners.is_sorted());
        assert_eq!((owners[0], owners[usize::from(groups) - 1]), (0, parallelism - 1));
        let sizes = (0..parallelism).map(|s| owners.iter().filter(|o| **o == s).count());
        let (least, most) = (sizes.clone().min().expect("some"), sizes.max().expect("some"));
        assert!(most - least <= 1, "{groups} groups over {parallelism} subtasks: {least} to {most}");
    }
}

fn check(put: impl FnOnce(&mut Vec<u8>), expected: &str) {
    let mut out = Vec::new();
    put(&mut out);
    assert_eq!(out, unhex(expected));
}

/// Written down by hand from the table in the documentation of `key`.
#[test]
fn key_bytes_are_frozen() {
    check(key::put_null, "00");
    check(|out| key::put_bool(out, true), "0101");
    check(|out| key::put_u16(out, 0x1234), "011234");
    check(|out| key::put_i8(out, -1), "017f");
    check(|out| key::put_i32(out, 1), "0180000001");
    check(|out| key::put_i64(out, i64::MIN), "010000000000000000");
    // A date is its days, a decimal its units: 1970-01-02, and -0.01 of decimal(12,2).
    check(|out| key::put_i32(out, 1), "0180000001");
    check(|out| key::put_i128(out, -1), "017fffffffffffffffffffffffffffffff");
    check(|out| key::put_i128(out, 1250), "01800000000000000000000000000004e2");
    check(|out| key::put_f32(out, 1.0), "01bf800000");
    check(|out| key::put_f64(out, -2.0), "013fffffffffffffff");
    check(|out| key::put_f64(out, -0.0), "018000000000000000");
    check(|out| key::put_f32(out, -f32::NAN), "01ffc00000");
    check(|out| key::put_bytes(out, b"JFK"), "014a464b0000");
    check(|out| key::put_bytes(out, b"a\0b"), "016100ff620000");
    check(|out| key::put_bytes(out, b""), "010000");
}
