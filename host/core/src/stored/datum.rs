//! A stored value as people see it. Values are decoded by their description alone, without the guest
//! that wrote them.

use wasmill_abi::{DecodeError, Shape};

/// A value may describe itself; so deep it is followed.
const DEPTH_MAX: usize = 64;
/// Of one value, so many parts are shown.
const PARTS_MAX: usize = 1 << 20;

/// A decoded value.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    Null,
    Bool(bool),
    Int(i128),
    UInt(u128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Microseconds since 1970.
    Time(i64),
    List(Vec<Datum>),
    Map(Vec<(Datum, Datum)>),
    Record(Vec<(String, Datum)>),
    /// `Null` inside for variants without a value.
    Variant(String, Box<Datum>),
}

impl Datum {
    /// Reads what postcard wrote of a type with this shape, to its last byte.
    pub fn decode(shape: &Shape, bytes: &[u8]) -> Result<Datum, DecodeError> {
        if *shape == Shape::Unknown {
            return Ok(Datum::Bytes(bytes.to_vec()));
        }
        let mut decoder = Decoder { rest: bytes, around: Vec::new(), parts: 0, depth: 0 };
        let datum = decoder.datum(shape)?;
        match decoder.rest.len() {
            0 => Ok(datum),
            n => Err(decoder.error(format!("{n} bytes are left over behind it"))),
        }
    }
}

struct Decoder<'s> {
    rest: &'s [u8],
    /// The structs and enums around this place.
    around: Vec<&'s Shape>,
    parts: usize,
    depth: usize,
}

impl<'s> Decoder<'s> {
    fn error(&self, problem: impl Into<String>) -> DecodeError {
        DecodeError::new("stored value", problem)
    }

    fn take(&mut self, n: usize) -> Result<&'s [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(n) else {
            return Err(self.error(format!("{n} bytes expected, {} left", self.rest.len())));
        };
        self.rest = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    fn varint(&mut self) -> Result<u128, DecodeError> {
        let mut n = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            n |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(self.error("a number has more than 128 bits"))
    }

    fn signed(&mut self) -> Result<i128, DecodeError> {
        let n = self.varint()?;
        Ok((n >> 1) as i128 ^ -((n & 1) as i128))
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let n = self.varint()?;
        usize::try_from(n).map_err(|_| self.error(format!("a length of {n}")))
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let n = self.length()?;
        let bytes = self.take(n)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| self.error(format!("text is not UTF-8: {e}")))
    }

    fn list(&mut self, n: usize, shape: &'s Shape) -> Result<Vec<Datum>, DecodeError> {
        let mut all = Vec::new();
        for _ in 0..n {
            all.push(self.datum(shape)?);
        }
        Ok(all)
    }

    fn datum(&mut self, shape: &'s Shape) -> Result<Datum, DecodeError> {
        self.parts += 1;
        if self.parts > PARTS_MAX || self.depth == DEPTH_MAX {
            return Err(self.error(format!("it has more than {PARTS_MAX} parts or {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let datum = self.inner(shape)?;
        self.depth -= 1;
        Ok(datum)
    }

    fn inner(&mut self, shape: &'s Shape) -> Result<Datum, DecodeError> {
        Ok(match shape {
            Shape::Unknown => return Err(self.error("a part of it is not described")),
            Shape::Bool => match self.byte()? {
                0 => Datum::Bool(false),
                1 => Datum::Bool(true),
                other => return Err(self.error(format!("a bool of {other}"))),
            },
            Shape::I8 => Datum::Int((self.byte()? as i8).into()),
            Shape::U8 => Datum::UInt(self.byte()?.into()),
            Shape::I16 | Shape::I32 | Shape::I64 | Shape::I128 => Datum::Int(self.signed()?),
            Shape::U16 | Shape::U32 | Shape::U64 | Shape::U128 => Datum::UInt(self.varint()?),
            Shape::F32 => Datum::Float(f32::from_le_bytes(self.array()?).into()),
            Shape::F64 => Datum::Float(f64::from_le_bytes(self.array()?)),
            Shape::Char | Shape::Str => Datum::Text(self.text()?),
            Shape::Bytes => {
                let n = self.length()?;
                Datum::Bytes(self.take(n)?.to_vec())
            }
            Shape::Unit => Datum::Null,
            Shape::Timestamp => {
                let micros = self.signed()?;
                Datum::Time(i64::try_from(micros).map_err(|_| self.error(format!("a time of {micros}")))?)
            }
            Shape::Option(inner) => match self.byte()? {
                0 => Datum::Null,
                1 => self.datum(inner)?,
                other => return Err(self.error(format!("an option of {other}"))),
            },
            Shape::List(inner) => {
                let n = self.length()?;
                Datum::List(self.list(n, inner)?)
            }
            Shape::Array(n, inner) => Datum::List(self.list(*n as usize, inner)?),
            Shape::Tuple(parts) => Datum::List(parts.iter().map(|p| self.datum(p)).collect::<Result<_, _>>()?),
            Shape::Map(key, value) => {
                let n = self.length()?;
                let mut entries = Vec::new();
                for _ in 0..n {
                    entries.push((self.datum(key)?, self.datum(value)?));
                }
                Datum::Map(entries)
            }
            Shape::Struct { fields, .. } => {
                self.around.push(shape);
                let record = fields.iter().map(|(name, part)| Ok((name.clone(), self.datum(part)?)));
                let record = record.collect::<Result<_, DecodeError>>()?;
                self.around.pop();
                Datum::Record(record)
            }
            Shape::Enum { name, variants } => {
                let number = self.length()?;
                let Some((variant, inner)) = variants.get(number) else {
                    return Err(self.error(format!("variant {number} of {name}, which has {}", variants.len())));
                };
                self.around.push(shape);
                let value = self.datum(inner)?;
                self.around.pop();
                Datum::Variant(variant.clone(), Box::new(value))
            }
            Shape::Outer(levels) => self.outer(*levels as usize)?,
        })
    }

    /// A value of a type that stands around this place.
    fn outer(&mut self, levels: usize) -> Result<Datum, DecodeError> {
        let Some(at) = self.around.len().checked_sub(levels + 1) else {
            return Err(self.error("its description refers to nothing"));
        };
        let shape = self.around[at];
        let inside = self.around.split_off(at);
        let datum = self.datum(shape)?;
        self.around.extend(inside);
        Ok(datum)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N)?.try_into().expect("take returns exactly N bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, shape: Shape) -> (String, Shape) {
        (name.to_owned(), shape)
    }

    #[test]
    fn values_read_as_postcard_writes_them() {
        // postcard::to_allocvec of these values, by hand: zigzag varints, lengths, tags.
        for (shape, bytes, datum) in [
            (Shape::I64, &[0x0d][..], Datum::Int(-7)),
            (Shape::U64, &[0xac, 0x02], Datum::UInt(300)),
            (Shape::I8, &[0xff], Datum::Int(-1)),
            (Shape::F64, &1.5f64.to_le_bytes(), Datum::Float(1.5)),
            (Shape::Str, b"\x02ab", Datum::Text("ab".into())),
            (Shape::Option(Box::new(Shape::Bool)), &[1, 1], Datum::Bool(true)),
            (Shape::Option(Box::new(Shape::Bool)), &[0], Datum::Null),
            (Shape::List(Box::new(Shape::U8)), &[2, 7, 9], Datum::List(vec![Datum::UInt(7), Datum::UInt(9)])),
            (Shape::Unknown, &[1, 2], Datum::Bytes(vec![1, 2])),
        ] {
            assert_eq!(Datum::decode(&shape, bytes), Ok(datum), "{shape}");
        }
    }

    #[test]
    fn a_type_within_itself_is_followed() {
        let children = Shape::List(Box::new(Shape::Outer(0)));
        let tree = Shape::Struct { name: "Tree".into(), fields: vec![named("n", Shape::U8), named("in", children)] };
        let leaf = |n| Datum::Record(vec![("n".into(), Datum::UInt(n)), ("in".into(), Datum::List(vec![]))]);
        let whole =
            Datum::Record(vec![("n".into(), Datum::UInt(1)), ("in".into(), Datum::List(vec![leaf(2), leaf(3)]))]);
        assert_eq!(Datum::decode(&tree, &[1, 2, 2, 0, 3, 0]), Ok(whole));
        // Deeper than anybody wants to see, and than the stack would bear.
        let deep = [1, 1].repeat(1000);
        assert!(Datum::decode(&tree, &deep).is_err());
    }

    #[test]
    fn damaged_values_are_told() {
        let choice = Shape::Enum { name: "E".into(), variants: vec![named("A", Shape::Unit)] };
        let nothings = Shape::List(Box::new(Shape::Unit));
        for (shape, bytes, told) in [
            (Shape::Str, &[5, b'a'][..], "5 bytes expected, 1 left"),
            (Shape::Bool, &[2], "a bool of 2"),
            (Shape::U8, &[1, 2], "1 bytes are left over"),
            (choice, &[4], "variant 4 of E, which has 1"),
            (nothings, &[0xff, 0xff, 0xff, 0xff, 0x7f], "more than 1048576 parts"),
        ] {
            let error = Datum::decode(&shape, bytes).expect_err("it is damaged").to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
