//! The description of a type, found by reading a value of it from nothing: a deserializer that hands
//! out ones and empty texts, and notes what it was asked for.
//!
//! So no type has to be written for it. A type that refuses such values (one that parses text, for
//! example) is [`Shape::Unknown`]: it can be stored, and the host shows its bytes.

use std::any::type_name;
use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserializer, de};
use wasmill_abi::Shape;

/// Each round settles at least one variant of an enum.
const ROUNDS_MAX: usize = 1024;
/// A type that holds itself without an option or a list in between never ends.
const DEPTH_MAX: usize = 48;

/// The name by which a type asks to be shown as a point in time.
pub(crate) const TIMESTAMP: &str = "wasmill::Timestamp";

/// What serde makes of `T`.
pub(crate) fn shape_of<T: DeserializeOwned>() -> Shape {
    let mut trace = Trace::default();
    for _ in 0..ROUNDS_MAX {
        let mut shape = Shape::Unknown;
        trace.open = false;
        if T::deserialize(Tracer { trace: &mut trace, found: &mut shape, closing: false }).is_err() {
            return Shape::Unknown;
        }
        if !trace.open {
            return if shape.is_bounded() { shape } else { Shape::Unknown };
        }
    }
    Shape::Unknown
}

/// What is known from earlier rounds, and where this one is.
#[derive(Default)]
struct Trace {
    /// The structs and enums around this place, by the types of their visitors.
    around: Vec<&'static str>,
    /// The variants that are settled, by where their enum stands.
    settled: BTreeMap<String, Vec<(String, Shape)>>,
    /// An enum in this round has variants that were not looked at.
    open: bool,
    depth: usize,
}

/// The type does not take what it was given.
#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the type cannot be described")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Refused
    }
}

/// One place of a value. A tracer that is closing makes the shortest value of a type that is being
/// described further out; what it notes is dropped.
struct Tracer<'t> {
    trace: &'t mut Trace,
    found: &'t mut Shape,
    closing: bool,
}

impl Tracer<'_> {
    /// Traces what lies in this place; returns the value and what it is.
    fn inner<T>(&mut self, read: impl FnOnce(Tracer<'_>) -> Result<T, Refused>) -> Result<(T, Shape), Refused> {
        if self.trace.depth == DEPTH_MAX {
            return Err(Refused);
        }
        let mut found = Shape::Unknown;
        self.trace.depth += 1;
        let value = read(Tracer { trace: &mut *self.trace, found: &mut found, closing: self.closing })?;
        self.trace.depth -= 1;
        Ok((value, found))
    }

    /// Traces so many parts in a row; returns the value and what each part is.
    fn parts<'de, V: Visitor<'de>>(&mut self, count: usize, visitor: V) -> Result<(V::Value, Vec<Shape>), Refused> {
        let mut parts = Parts { tracer: self, left: count, found: Vec::new() };
        let value = visitor.visit_seq(&mut parts)?;
        Ok((value, parts.found))
    }

    fn fields<'de, V: Visitor<'de>>(
        &mut self,
        name: &str,
        fields: &[&str],
        visitor: V,
    ) -> Result<(V::Value, Shape), Refused> {
        let (value, found) = self.parts(fields.len(), visitor)?;
        // Fields with aliases have more names than values, so the names do not tell which is which.
        let shape = if found.len() == fields.len() {
            let named = fields.iter().map(|f| (*f).to_owned()).zip(found).collect();
            Shape::Struct { name: name.to_owned(), fields: named }
        } else {
            Shape::Tuple(found)
        };
        Ok((value, shape))
    }

    /// Whether the type of this visitor is being described around this place; then that is noted.
    fn is_around<V>(&mut self) -> bool {
        let levels = self.trace.around.iter().rev().position(|around| *around == type_name::<V>());
        if let Some(levels) = levels {
            *self.found = Shape::Outer(levels as u32);
        }
        levels.is_some()
    }
}

struct Parts<'p, 't> {
    tracer: &'p mut Tracer<'t>,
    left: usize,
    found: Vec<Shape>,
}

impl<'de> SeqAccess<'de> for Parts<'_, '_> {
    type Error = Refused;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let (value, shape) = self.tracer.inner(|inner| seed.deserialize(inner))?;
        self.found.push(shape);
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Parts<'_, '_> {
    type Error = Refused;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refused> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refused> {
        let (value, shape) = self.tracer.inner(|inner| seed.deserialize(inner))?;
        self.found.push(shape);
        Ok(value)
    }
}

macro_rules! plain {
    ($($method:ident $visit:ident $value:expr => $shape:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            *self.found = Shape::$shape;
            visitor.$visit($value)
        }
    )*};
}

macro_rules! refused {
    ($($method:ident),*) => {$(
        /// Postcard cannot read such types either.
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
            Err(Refused)
        }
    )*};
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Refused;

    // Ones, because some types have no zero.
    plain! {
        deserialize_bool visit_bool false => Bool,
        deserialize_i8 visit_i8 1 => I8,
        deserialize_i16 visit_i16 1 => I16,
        deserialize_i32 visit_i32 1 => I32,
        deserialize_i64 visit_i64 1 => I64,
        deserialize_i128 visit_i128 1 => I128,
        deserialize_u8 visit_u8 1 => U8,
        deserialize_u16 visit_u16 1 => U16,
        deserialize_u32 visit_u32 1 => U32,
        deserialize_u64 visit_u64 1 => U64,
        deserialize_u128 visit_u128 1 => U128,
        deserialize_f32 visit_f32 1.0 => F32,
        deserialize_f64 visit_f64 1.0 => F64,
        deserialize_char visit_char 'a' => Char,
        deserialize_str visit_str "" => Str,
        deserialize_string visit_str "" => Str,
        deserialize_bytes visit_bytes &[] => Bytes,
        deserialize_byte_buf visit_bytes &[] => Bytes,
    }
    refused!(deserialize_any, deserialize_identifier, deserialize_ignored_any);

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        *self.found = Shape::Unit;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let (value, found) = self.inner(|inner| visitor.visit_newtype_struct(inner))?;
        *self.found = match found {
            Shape::I64 if name == TIMESTAMP => Shape::Timestamp,
            inner => inner,
        };
        Ok(value)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        if self.closing {
            return visitor.visit_none();
        }
        let (value, found) = self.inner(|inner| visitor.visit_some(inner))?;
        *self.found = Shape::Option(Box::new(found));
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let (value, mut found) = self.parts(usize::from(!self.closing), visitor)?;
        *self.found = Shape::List(Box::new(found.pop().unwrap_or_default()));
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        let (value, mut found) = self.parts(len, visitor)?;
        let alike = found.len() > 1 && found.iter().all(|part| *part == found[0]);
        *self.found = match found.pop() {
            Some(part) if alike => Shape::Array(len as u32, Box::new(part)),
            last => Shape::Tuple(found.into_iter().chain(last).collect()),
        };
        Ok(value)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let left = usize::from(!self.closing);
        let mut parts = Parts { tracer: &mut self, left, found: Vec::new() };
        let value = visitor.visit_map(&mut parts)?;
        let mut found = parts.found.into_iter();
        let mut next = || Box::new(found.next().unwrap_or_default());
        *self.found = Shape::Map(next(), next());
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if self.closing || self.is_around::<V>() {
            self.closing = true;
            return Ok(self.fields(name, fields, visitor)?.0);
        }
        self.trace.around.push(type_name::<V>());
        let (value, shape) = self.fields(name, fields, visitor)?;
        self.trace.around.pop();
        *self.found = shape;
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if variants.is_empty() {
            return Err(Refused);
        }
        if self.closing || self.is_around::<V>() {
            self.closing = true;
            // Different variants at different depths, so that one is met that does not go deeper.
            let variant = self.trace.depth % variants.len();
            return visitor.visit_enum(Variant { tracer: &mut self, variant: variant as u32, found: &mut Shape::Unit });
        }
        let place = format!("{} {}", self.trace.around.join(" "), type_name::<V>());
        let settled = self.trace.settled.get(&place).map_or(0, Vec::len);
        let is_settled = settled == variants.len();
        let variant = if is_settled { 0 } else { settled };
        let open_before = std::mem::replace(&mut self.trace.open, false);
        self.trace.around.push(type_name::<V>());
        self.closing = is_settled;
        let mut found = Shape::Unit;
        let value = visitor.visit_enum(Variant { tracer: &mut self, variant: variant as u32, found: &mut found })?;
        self.trace.around.pop();
        let known = self.trace.settled.entry(place).or_default();
        if !is_settled && !self.trace.open {
            known.push((variants[variant].to_owned(), found));
        }
        *self.found = Shape::Enum { name: name.to_owned(), variants: known.clone() };
        self.trace.open |= open_before || known.len() < variants.len();
        Ok(value)
    }
}

/// One variant of an enum.
struct Variant<'v, 't> {
    tracer: &'v mut Tracer<'t>,
    variant: u32,
    found: &'v mut Shape,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Refused;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refused> {
        let number = de::value::U32Deserializer::<Refused>::new(self.variant);
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refused> {
        let (value, found) = self.tracer.inner(|inner| seed.deserialize(inner))?;
        *self.found = found;
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refused> {
        let (value, found) = self.tracer.parts(len, visitor)?;
        *self.found = Shape::Tuple(found);
        Ok(value)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Refused> {
        self.tracer.trace.around.push("");
        let (value, found) = self.tracer.fields("", fields, visitor)?;
        self.tracer.trace.around.pop();
        *self.found = found;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::shape_of;
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};
    use std::collections::{BTreeMap, HashSet};
    use wasmill_abi::Shape;

    fn shown<T: DeserializeOwned>() -> String {
        shape_of::<T>().to_string()
    }

    #[derive(Serialize, Deserialize)]
    enum Choice {
        Nothing,
        One(i32),
        Two(String, Option<bool>),
        Named { at: crate::Timestamp, inner: Inner },
    }

    #[derive(Serialize, Deserialize)]
    enum Inner {
        A,
        B(Vec<u8>),
    }

    #[derive(Serialize, Deserialize)]
    struct Pair<T> {
        left: T,
        right: T,
    }

    #[derive(Serialize, Deserialize)]
    struct Tree {
        value: u8,
        children: Vec<Tree>,
        next: Option<Box<Tree>>,
    }

    #[derive(Serialize, Deserialize)]
    enum Expression {
        Sum(Box<Expression>, Box<Expression>),
        Number(f64),
    }

    #[derive(Serialize, Deserialize)]
    struct Endless(Box<Endless>);

    #[test]
    fn types_are_described_as_they_are_stored() {
        assert_eq!(shown::<u64>(), "u64");
        assert_eq!(shown::<(i8, String, Option<char>)>(), "(i8, String, Option<char>)");
        assert_eq!(shown::<[u16; 3]>(), "[u16; 3]");
        assert_eq!(shown::<BTreeMap<String, HashSet<i128>>>(), "Map<String, [i128]>");
        assert_eq!(shown::<std::num::NonZeroU32>(), "u32");
        assert_eq!(shown::<std::time::Duration>(), "Duration { secs: u64, nanos: u32 }");
        assert_eq!(shown::<Option<Option<()>>>(), "Option<Option<()>>");
    }

    #[test]
    fn every_variant_is_found() {
        let inner = "enum Inner { A, B([u8]) }";
        let choice = format!(
            "enum Choice {{ Nothing, One(i32), Two(String, Option<bool>), Named {{ at: Timestamp, inner: {inner} }} }}"
        );
        assert_eq!(shown::<Choice>(), choice);
        assert_eq!(shown::<Pair<Choice>>(), format!("Pair {{ left: {choice}, right: {choice} }}"));
    }

    #[test]
    fn types_within_themselves_are_told_from_types_of_one_name() {
        assert_eq!(shown::<Pair<Pair<u8>>>(), {
            let inner = "Pair { left: u8, right: u8 }";
            format!("Pair {{ left: {inner}, right: {inner} }}")
        });
        assert_eq!(shown::<Tree>(), "Tree { value: u8, children: [Self], next: Option<Self> }");
        assert_eq!(shown::<Expression>(), "enum Expression { Sum(Self, Self), Number(f64) }");
    }

    #[test]
    fn what_refuses_made_up_values_is_not_described() {
        #[derive(Deserialize)]
        #[serde(try_from = "String")]
        struct Fussy;
        impl TryFrom<String> for Fussy {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                if text == "fussy" { Ok(Fussy) } else { Err("it is not") }
            }
        }
        assert_eq!(shape_of::<Fussy>(), Shape::Unknown);
        assert_eq!(shape_of::<Endless>(), Shape::Unknown);
    }
}
