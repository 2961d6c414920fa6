//! The encoding of keys: bytes whose order is the order of the values, column by column.
//!
//! Each value starts with a marker: [`NULL`] or [`PRESENT`]; missing values sort first. Then:
//!
//! | type | bytes |
//! |---|---|
//! | bool | `00` or `01` |
//! | unsigned integers | big-endian |
//! | signed integers, timestamps, dates | big-endian, sign bit flipped |
//! | decimals | their units of `10^-scale` like a signed integer of 16 bytes |
//! | floats | IEEE 754 big-endian; sign bit flipped for positive, all bits flipped for negative numbers; `-0.0` is `0.0`; every NaN is one NaN, after infinity |
//! | text, bytes | the bytes with each `00` written as `00 FF`, then `00 00` |
//!
//! Lists and structs are no keys. The encoding is frozen: stored state is found by it. `tests/vectors.rs` holds its test vectors.

use crate::{DecodeError, Type};

/// Marks a missing value.
pub const NULL: u8 = 0;
/// Marks a value that is there.
pub const PRESENT: u8 = 1;

/// Appends a missing value.
pub fn put_null(out: &mut Vec<u8>) {
    out.push(NULL);
}

/// Appends a boolean.
pub fn put_bool(out: &mut Vec<u8>, v: bool) {
    out.extend_from_slice(&[PRESENT, u8::from(v)]);
}

macro_rules! put_ints {
    ($($unsigned:ident $of_u:ident $put_u:ident $signed:ident $of_i:ident $put_i:ident),*) => {$(
        #[doc = concat!("The bytes of a `", stringify!($unsigned), "`.")]
        #[inline]
        pub fn $of_u(v: $unsigned) -> [u8; size_of::<$unsigned>() + 1] {
            let mut key = [PRESENT; size_of::<$unsigned>() + 1];
            key[1..].copy_from_slice(&v.to_be_bytes());
            key
        }

        #[doc = concat!("The bytes of an `", stringify!($signed), "`.")]
        #[inline]
        pub fn $of_i(v: $signed) -> [u8; size_of::<$signed>() + 1] {
            $of_u(v as $unsigned ^ (1 << ($unsigned::BITS - 1)))
        }

        #[doc = concat!("Appends a `", stringify!($unsigned), "`.")]
        #[inline]
        pub fn $put_u(out: &mut Vec<u8>, v: $unsigned) {
            out.extend_from_slice(&$of_u(v));
        }

        #[doc = concat!("Appends an `", stringify!($signed), "`.")]
        #[inline]
        pub fn $put_i(out: &mut Vec<u8>, v: $signed) {
            out.extend_from_slice(&$of_i(v));
        }
    )*};
}
put_ints!(
    u8 of_u8 put_u8 i8 of_i8 put_i8,
    u16 of_u16 put_u16 i16 of_i16 put_i16,
    u32 of_u32 put_u32 i32 of_i32 put_i32,
    u64 of_u64 put_u64 i64 of_i64 put_i64,
    u128 of_u128 put_u128 i128 of_i128 put_i128
);

/// Appends an `f32`.
pub fn put_f32(out: &mut Vec<u8>, v: f32) {
    let v = if v.is_nan() { f32::from_bits(0x7fc0_0000) } else { v + 0.0 };
    let bits = v.to_bits();
    put_u32(out, if bits >> 31 == 1 { !bits } else { bits | 1 << 31 });
}

/// Appends an `f64`.
pub fn put_f64(out: &mut Vec<u8>, v: f64) {
    let v = if v.is_nan() { f64::from_bits(0x7ff8_0000_0000_0000) } else { v + 0.0 };
    let bits = v.to_bits();
    put_u64(out, if bits >> 63 == 1 { !bits } else { bits | 1 << 63 });
}

/// Appends text or bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, v: &[u8]) {
    out.push(PRESENT);
    if v.contains(&0) {
        for &b in v {
            out.push(b);
            if b == 0 {
                out.push(0xff);
            }
        }
    } else {
        out.extend_from_slice(v);
    }
    out.extend_from_slice(&[0, 0]);
}

/// One decoded key value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// All signed integers, timestamps and dates.
    Int(i64),
    /// The units of a decimal.
    Decimal(i128),
    /// All unsigned integers.
    UInt(u64),
    /// Both float types.
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
}

/// Decodes a whole key of these column types.
pub fn decode(types: &[Type], key: &[u8]) -> Result<Vec<Value>, DecodeError> {
    let mut rest = key;
    let mut values = Vec::with_capacity(types.len());
    for &ty in types {
        let (value, tail) = decode_one(ty, rest)?;
        values.push(value);
        rest = tail;
    }
    if rest.is_empty() { Ok(values) } else { Err(malformed(format!("{} bytes left over", rest.len()))) }
}

/// Takes a key of these column types off the start of `bytes`; returns it with what follows. An
/// encoded key ends where it says.
pub fn split<'b>(types: &[Type], bytes: &'b [u8]) -> Result<(&'b [u8], &'b [u8]), DecodeError> {
    let mut rest = bytes;
    for ty in types {
        rest = decode_one(*ty, rest)?.1;
    }
    Ok(bytes.split_at(bytes.len() - rest.len()))
}

fn malformed(problem: String) -> DecodeError {
    DecodeError::new("key", problem)
}

fn decode_one(ty: Type, bytes: &[u8]) -> Result<(Value, &[u8]), DecodeError> {
    let (&marker, rest) = bytes.split_first().ok_or_else(|| malformed(format!("a {ty} is missing")))?;
    match marker {
        NULL => return Ok((Value::Null, rest)),
        PRESENT => {}
        other => return Err(malformed(format!("marker {other} is neither 0 nor 1"))),
    }
    match ty {
        Type::Utf8 | Type::Binary => return decode_bytes(ty, rest),
        Type::Decimal { .. } => return decode_decimal(ty, rest),
        Type::List | Type::Struct => return Err(malformed(format!("a {ty} is no key"))),
        _ => {}
    }
    let width = ty.width().unwrap_or(1);
    let (head, rest) = rest
        .split_at_checked(width)
        .ok_or_else(|| malformed(format!("a {ty} needs {width} bytes, {} are left", rest.len())))?;
    let raw = head.iter().fold(0u64, |n, &b| n << 8 | u64::from(b));
    let top = 1u64 << (width * 8 - 1);
    let value = match ty {
        Type::Bool => Value::Bool(raw != 0),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Value::UInt(raw),
        Type::F32 => {
            let bits = raw as u32;
            Value::Float(f32::from_bits(if bits >> 31 == 1 { bits ^ 1 << 31 } else { !bits }).into())
        }
        Type::F64 => Value::Float(f64::from_bits(if raw & top != 0 { raw ^ top } else { !raw })),
        _ => {
            let shift = 64 - width * 8;
            Value::Int(((raw ^ top) << shift) as i64 >> shift)
        }
    };
    Ok((value, rest))
}

fn decode_decimal(ty: Type, bytes: &[u8]) -> Result<(Value, &[u8]), DecodeError> {
    let (head, rest) = bytes
        .split_first_chunk::<16>()
        .ok_or_else(|| malformed(format!("a {ty} needs 16 bytes, {} are left", bytes.len())))?;
    Ok((Value::Decimal((u128::from_be_bytes(*head) ^ 1 << 127) as i128), rest))
}

fn decode_bytes(ty: Type, bytes: &[u8]) -> Result<(Value, &[u8]), DecodeError> {
    let mut out = Vec::new();
    let mut i = 0;
    loop {
        match bytes.get(i..i + 2) {
            Some([0, 0]) => break,
            Some([0, 0xff]) => {
                out.push(0);
                i += 2;
            }
            Some([b, _]) if *b != 0 => {
                out.push(*b);
                i += 1;
            }
            _ => return Err(malformed(format!("a {ty} is not terminated"))),
        }
    }
    let rest = &bytes[i + 2..];
    if ty == Type::Binary {
        return Ok((Value::Bytes(out), rest));
    }
    let text = String::from_utf8(out).map_err(|e| malformed(format!("text is not UTF-8: {e}")))?;
    Ok((Value::Str(text), rest))
}
