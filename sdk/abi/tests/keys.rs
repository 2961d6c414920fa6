//! Keys: the order of the bytes is the order of the values, and decoding gives the values back.

use std::cmp::Ordering;

use proptest::prelude::*;
use wasmill_abi::Type;
use wasmill_abi::key::{self, Value};

fn encode(ty: Type, value: &Value, out: &mut Vec<u8>) {
    match (ty, value) {
        (_, Value::Null) => key::put_null(out),
        (_, Value::Bool(v)) => key::put_bool(out, *v),
        (Type::I8, Value::Int(v)) => key::put_i8(out, *v as i8),
        (Type::I16, Value::Int(v)) => key::put_i16(out, *v as i16),
        (Type::I32 | Type::Date, Value::Int(v)) => key::put_i32(out, *v as i32),
        (_, Value::Int(v)) => key::put_i64(out, *v),
        (Type::U8, Value::UInt(v)) => key::put_u8(out, *v as u8),
        (Type::U16, Value::UInt(v)) => key::put_u16(out, *v as u16),
        (Type::U32, Value::UInt(v)) => key::put_u32(out, *v as u32),
        (_, Value::UInt(v)) => key::put_u64(out, *v),
        (Type::F32, Value::Float(v)) => key::put_f32(out, *v as f32),
        (_, Value::Float(v)) => key::put_f64(out, *v),
        (_, Value::Str(v)) => key::put_bytes(out, v.as_bytes()),
        (_, Value::Bytes(v)) => key::put_bytes(out, v),
        (_, Value::Decimal(v)) => key::put_i128(out, *v),
    }
}

/// Values of a type, small ones often, so that equal prefixes are common. Zeros are positive and
/// numbers numbers: those are what an encoded key decodes to.
fn value(ty: Type) -> BoxedStrategy<Value> {
    let present = match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::I8 => any::<i8>().prop_map(|v| Value::Int(v.into())).boxed(),
        Type::I16 => any::<i16>().prop_map(|v| Value::Int(v.into())).boxed(),
        Type::I32 | Type::Date => any::<i32>().prop_map(|v| Value::Int(v.into())).boxed(),
        Type::I64 | Type::Timestamp => prop_oneof![any::<i64>(), -2i64..3].prop_map(Value::Int).boxed(),
        Type::U8 => any::<u8>().prop_map(|v| Value::UInt(v.into())).boxed(),
        Type::U16 => any::<u16>().prop_map(|v| Value::UInt(v.into())).boxed(),
        Type::U32 => any::<u32>().prop_map(|v| Value::UInt(v.into())).boxed(),
        Type::U64 => prop_oneof![any::<u64>(), 0u64..3].prop_map(Value::UInt).boxed(),
        Type::F32 => any::<f32>().prop_map(|v| Value::Float((v + 0.0).into())).boxed(),
        Type::F64 => any::<f64>().prop_map(|v| Value::Float(v + 0.0)).boxed(),
        Type::Utf8 => "[\\x00a-c\u{e9}]{0,4}".prop_map(Value::Str).boxed(),
        Type::Binary => {
            let byte = prop_oneof![Just(0), Just(1), Just(255), any::<u8>()];
            prop::collection::vec(byte, 0..5).prop_map(Value::Bytes).boxed()
        }
        Type::Decimal { .. } => {
            let units = prop_oneof![any::<i128>(), -2i128..3, any::<i64>().prop_map(i128::from)];
            units.prop_map(Value::Decimal).boxed()
        }
        Type::List | Type::Struct => panic!("a {ty} is no key"),
    };
    prop_oneof![1 => Just(Value::Null), 6 => present].boxed()
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::UInt(a), Value::UInt(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).expect("no NaN is made here"),
        (Value::Str(a), Value::Str(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
        _ => panic!("{a:?} and {b:?} are of different types"),
    }
}

fn key_type() -> impl Strategy<Value = Type> {
    let decimal = Type::Decimal { precision: 38, scale: 2 };
    prop::sample::select(Type::ALL.into_iter().chain([decimal]).collect::<Vec<_>>())
}

fn two_keys() -> impl Strategy<Value = (Vec<Type>, Vec<Value>, Vec<Value>)> {
    prop::collection::vec(key_type(), 1..4).prop_flat_map(|types| {
        let key = types.iter().map(|ty| value(*ty)).collect::<Vec<_>>();
        // Half of the pairs share all but their last column.
        (key.clone(), key, any::<bool>()).prop_map(move |(a, mut b, share)| {
            if share {
                let last = a.len() - 1;
                b[..last].clone_from_slice(&a[..last]);
            }
            (types.clone(), a, b)
        })
    })
}

fn encoded(types: &[Type], values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    types.iter().zip(values).for_each(|(ty, value)| encode(*ty, value, &mut out));
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_sort_as_values((types, a, b) in two_keys()) {
        let order = a.iter().zip(&b).map(|(a, b)| compare(a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal);
        prop_assert_eq!(encoded(&types, &a).cmp(&encoded(&types, &b)), order);
    }

    #[test]
    fn keys_decode_to_their_values((types, a, _) in two_keys()) {
        prop_assert_eq!(key::decode(&types, &encoded(&types, &a)).expect("just encoded"), a);
    }

    #[test]
    fn no_bytes_panic(
        types in prop::collection::vec(key_type(), 0..4),
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1u8), any::<u8>()], 0..24),
    ) {
        // Whatever decodes must encode to bytes that decode to the same.
        if let Ok(values) = key::decode(&types, &bytes) {
            let again = key::decode(&types, &encoded(&types, &values)).expect("just encoded");
            prop_assert_eq!(format!("{again:?}"), format!("{values:?}"));
        }
    }
}

#[test]
fn every_nan_is_one_key_behind_infinity() {
    let key = |v: f64| encoded(&[Type::F64], &[Value::Float(v)]);
    let nan = key(f64::NAN);
    assert_eq!(nan, key(-f64::NAN));
    assert_eq!(nan, key(f64::from_bits(0x7ff0_0000_0000_0001)));
    assert!(nan > key(f64::INFINITY));
    assert_eq!(key(-0.0), key(0.0));
}
