//! Keys of the entries of a [`MapState`](crate::MapState): bytes whose order is the order of the keys.

use serde::de::DeserializeOwned;
use wasmill_abi::Type;
use wasmill_abi::key::{self, Value};

use crate::Timestamp;

/// Writes a key of a map; for what a key is looked up by.
pub trait EntryKey {
    #[doc(hidden)]
    fn put(&self, out: &mut Vec<u8>);
}

/// A key of a map: integers, booleans, text, bytes, timestamps, and tuples of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a MapState",
    note = "keys are integers, bool, String, Vec<u8>, Timestamp, and tuples of two or three of them"
)]
pub trait MapKey: EntryKey + Sized + DeserializeOwned + 'static {
    #[doc(hidden)]
    fn types(out: &mut Vec<Type>);
    #[doc(hidden)]
    fn take(values: &mut dyn Iterator<Item = Value>) -> Option<Self>;
}

pub(crate) fn encoded<K: EntryKey + ?Sized>(key: &K) -> Vec<u8> {
    let mut out = Vec::new();
    key.put(&mut out);
    out
}

pub(crate) fn decoded<K: MapKey>(bytes: &[u8]) -> Result<K, String> {
    let mut types = Vec::new();
    K::types(&mut types);
    let values = key::decode(&types, bytes).map_err(|e| e.to_string())?;
    K::take(&mut values.into_iter()).ok_or_else(|| "the key of an entry has another type".to_owned())
}

macro_rules! entry_keys {
    ($($rust:ty, $put:ident, $ty:ident, $pattern:pat => $value:expr;)*) => {$(
        impl EntryKey for $rust {
            fn put(&self, out: &mut Vec<u8>) {
                key::$put(out, *self);
            }
        }
        impl MapKey for $rust {
            fn types(out: &mut Vec<Type>) {
                out.push(Type::$ty);
            }
            fn take(values: &mut dyn Iterator<Item = Value>) -> Option<Self> {
                match values.next()? {
                    $pattern => $value,
                    _ => None,
                }
            }
        }
    )*};
}
entry_keys! {
    bool, put_bool, Bool, Value::Bool(v) => Some(v);
    i8, put_i8, I8, Value::Int(v) => v.try_into().ok();
    i16, put_i16, I16, Value::Int(v) => v.try_into().ok();
    i32, put_i32, I32, Value::Int(v) => v.try_into().ok();
    i64, put_i64, I64, Value::Int(v) => Some(v);
    u8, put_u8, U8, Value::UInt(v) => v.try_into().ok();
    u16, put_u16, U16, Value::UInt(v) => v.try_into().ok();
    u32, put_u32, U32, Value::UInt(v) => v.try_into().ok();
    u64, put_u64, U64, Value::UInt(v) => Some(v);
}

macro_rules! bytes_keys {
    ($($rust:ty, $borrowed:ty, $ty:ident, $kind:ident;)*) => {$(
        impl EntryKey for $borrowed {
            fn put(&self, out: &mut Vec<u8>) {
                key::put_bytes(out, self.as_ref());
            }
        }
        impl EntryKey for $rust {
            fn put(&self, out: &mut Vec<u8>) {
                key::put_bytes(out, self.as_ref());
            }
        }
        impl MapKey for $rust {
            fn types(out: &mut Vec<Type>) {
                out.push(Type::$ty);
            }
            fn take(values: &mut dyn Iterator<Item = Value>) -> Option<Self> {
                match values.next()? {
                    Value::$kind(v) => Some(v),
                    _ => None,
                }
            }
        }
    )*};
}
bytes_keys! {
    String, str, Utf8, Str;
    Vec<u8>, [u8], Binary, Bytes;
}

impl EntryKey for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        key::put_i64(out, self.micros());
    }
}

impl MapKey for Timestamp {
    fn types(out: &mut Vec<Type>) {
        out.push(Type::Timestamp);
    }
    fn take(values: &mut dyn Iterator<Item = Value>) -> Option<Self> {
        match values.next()? {
            Value::Int(v) => Some(Self::from_micros(v)),
            _ => None,
        }
    }
}

macro_rules! tuples {
    ($(($($part:ident $at:tt),+)),*) => {$(
        impl<$($part: EntryKey),+> EntryKey for ($($part,)+) {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$at.put(out);)+
            }
        }
        impl<$($part: MapKey),+> MapKey for ($($part,)+) {
            fn types(out: &mut Vec<Type>) {
                $($part::types(out);)+
            }
            fn take(values: &mut dyn Iterator<Item = Value>) -> Option<Self> {
                Some(($($part::take(values)?,)+))
            }
        }
    )*};
}
tuples!((A 0, B 1), (A 0, B 1, C 2));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let keys = [(-1, "b".to_owned()), (0, "a\0".to_owned()), (7, String::new())];
        let bytes: Vec<_> = keys.iter().map(encoded).collect();
        assert!(bytes.is_sorted());
        for (key, bytes) in keys.iter().zip(&bytes) {
            assert_eq!(decoded::<(i32, String)>(bytes).as_ref(), Ok(key));
        }
        assert_eq!(decoded(&encoded(&Timestamp::from_micros(-5))), Ok(Timestamp::from_micros(-5)));
        assert!(decoded::<u8>(&encoded(&300u16)).is_err());
    }
}
