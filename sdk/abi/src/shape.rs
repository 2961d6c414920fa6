//! Descriptions of stored values: what serde and postcard make of a type, so that a host can show a
//! value without its guest, and can tell whether a module reads what another one wrote.
//!
//! A description is a tree. A type that holds itself is told by [`Shape::Outer`].

use crate::DecodeError;
use crate::wire::{Reader, Writer};

/// At most so many levels in a description.
pub const DEPTH_MAX: usize = 32;
/// At most so many parts in one description.
pub const PARTS_MAX: usize = 4096;

/// How the bytes of a value are to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Shape {
    /// Not described: only the bytes can be shown.
    #[default]
    Unknown,
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
    Unit,
    /// Microseconds since 1970-01-01T00:00:00Z, as an `i64`.
    Timestamp,
    Option(Box<Shape>),
    List(Box<Shape>),
    /// So many values of one kind, without a length before them.
    Array(u32, Box<Shape>),
    Tuple(Vec<Shape>),
    Map(Box<Shape>, Box<Shape>),
    /// The name is empty for the fields of an enum's variant.
    Struct {
        name: String,
        fields: Vec<(String, Shape)>,
    },
    /// The variants in the order of their numbers, from 0.
    Enum {
        name: String,
        variants: Vec<(String, Shape)>,
    },
    /// The struct or enum around this place that stands so many levels further out; 0 is the
    /// nearest. Only structs and enums count.
    Outer(u32),
}

/// The shapes without parts, in the order of their codes.
const PLAIN: [Shape; 19] = [
    Shape::Unknown,
    Shape::Bool,
    Shape::I8,
    Shape::I16,
    Shape::I32,
    Shape::I64,
    Shape::I128,
    Shape::U8,
    Shape::U16,
    Shape::U32,
    Shape::U64,
    Shape::U128,
    Shape::F32,
    Shape::F64,
    Shape::Char,
    Shape::Str,
    Shape::Bytes,
    Shape::Unit,
    Shape::Timestamp,
];
const OPTION: u8 = 32;
const LIST: u8 = 33;
const ARRAY: u8 = 34;
const TUPLE: u8 = 35;
const MAP: u8 = 36;
const STRUCT: u8 = 37;
const ENUM: u8 = 38;
const OUTER: u8 = 39;

impl Shape {
    pub fn encode(&self, w: &mut Writer) {
        if let Some(code) = PLAIN.iter().position(|plain| plain == self) {
            return w.u8(code as u8);
        }
        match self {
            Shape::Option(inner) => {
                w.u8(OPTION);
                inner.encode(w);
            }
            Shape::List(inner) => {
                w.u8(LIST);
                inner.encode(w);
            }
            Shape::Array(n, inner) => {
                w.u8(ARRAY);
                w.u32(*n);
                inner.encode(w);
            }
            Shape::Tuple(parts) => {
                w.u8(TUPLE);
                w.u32(parts.len() as u32);
                parts.iter().for_each(|part| part.encode(w));
            }
            Shape::Map(key, value) => {
                w.u8(MAP);
                key.encode(w);
                value.encode(w);
            }
            Shape::Struct { name, fields: named } | Shape::Enum { name, variants: named } => {
                w.u8(if matches!(self, Shape::Struct { .. }) { STRUCT } else { ENUM });
                w.str(name);
                w.u32(named.len() as u32);
                for (name, shape) in named {
                    w.str(name);
                    shape.encode(w);
                }
            }
            Shape::Outer(levels) => {
                w.u8(OUTER);
                w.u32(*levels);
            }
            _ => unreachable!("every other shape is plain"),
        }
    }

    pub fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Decoder { parts: 0 }.shape(r, 0, 0)
    }

    /// Whether this shape is deep and broad only within the limits that [`Shape::decode`] has.
    pub fn is_bounded(&self) -> bool {
        let mut w = Writer::new();
        self.encode(&mut w);
        Shape::decode(&mut Reader::new("shape", &w.into_bytes())).is_ok()
    }

    /// Whether a value that was written with the shape `stored` is read rightly with this one.
    /// Fields and variants may be renamed, variants may be added at the end; a name that has moved
    /// to another place means that values would change their meaning, so it is refused.
    pub fn reads(&self, stored: &Shape) -> bool {
        match (self, stored) {
            (Shape::Unknown, _) | (_, Shape::Unknown) => true,
            (Shape::Option(a), Shape::Option(b)) | (Shape::List(a), Shape::List(b)) => a.reads(b),
            (Shape::Array(n, a), Shape::Array(m, b)) => n == m && a.reads(b),
            (Shape::Tuple(a), Shape::Tuple(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.reads(b)),
            (Shape::Map(ka, va), Shape::Map(kb, vb)) => ka.reads(kb) && va.reads(vb),
            (Shape::Struct { fields: a, .. }, Shape::Struct { fields: b, .. }) => a.len() == b.len() && in_place(a, b),
            (Shape::Enum { variants: a, .. }, Shape::Enum { variants: b, .. }) => a.len() >= b.len() && in_place(a, b),
            (Shape::Timestamp, Shape::I64) | (Shape::I64, Shape::Timestamp) => true,
            (Shape::Bytes, Shape::List(b)) | (Shape::List(b), Shape::Bytes) => **b == Shape::U8,
            _ => self == stored,
        }
    }
}

/// Whether each stored part is read by the part at its place, and no name has moved.
fn in_place(parts: &[(String, Shape)], stored: &[(String, Shape)]) -> bool {
    let stands_in = |list: &[(String, Shape)], name: &str| list.iter().any(|(n, _)| n == name);
    parts.iter().zip(stored).all(|((a, shape), (b, was))| {
        let renamed = || !stands_in(parts, b) && !stands_in(stored, a);
        shape.reads(was) && (a == b || renamed())
    })
}

struct Decoder {
    parts: usize,
}

impl Decoder {
    /// `named` structs and enums stand around this place.
    fn shape(&mut self, r: &mut Reader<'_>, depth: usize, named: u32) -> Result<Shape, DecodeError> {
        self.parts += 1;
        if depth == DEPTH_MAX || self.parts > PARTS_MAX {
            return Err(
                r.error(format!("a description has more than {DEPTH_MAX} levels or more than {PARTS_MAX} parts"))
            );
        }
        let depth = depth + 1;
        let code = r.u8()?;
        if let Some(plain) = PLAIN.get(usize::from(code)) {
            return Ok(plain.clone());
        }
        Ok(match code {
            OPTION => Shape::Option(Box::new(self.shape(r, depth, named)?)),
            LIST => Shape::List(Box::new(self.shape(r, depth, named)?)),
            ARRAY => Shape::Array(r.u32()?, Box::new(self.shape(r, depth, named)?)),
            TUPLE => {
                let n = r.count(PARTS_MAX)?;
                Shape::Tuple((0..n).map(|_| self.shape(r, depth, named)).collect::<Result<_, _>>()?)
            }
            MAP => Shape::Map(Box::new(self.shape(r, depth, named)?), Box::new(self.shape(r, depth, named)?)),
            STRUCT => Shape::Struct { name: r.str()?.to_owned(), fields: self.named(r, depth, named + 1)? },
            ENUM => Shape::Enum { name: r.str()?.to_owned(), variants: self.named(r, depth, named + 1)? },
            OUTER => match r.u32()? {
                levels if levels < named => Shape::Outer(levels),
                levels => return Err(r.error(format!("a description refers {levels} levels out, there are {named}"))),
            },
            other => return Err(r.error(format!("unknown code {other} in a description"))),
        })
    }

    fn named(&mut self, r: &mut Reader<'_>, depth: usize, named: u32) -> Result<Vec<(String, Shape)>, DecodeError> {
        let n = r.count(PARTS_MAX)?;
        (0..n).map(|_| Ok((r.str()?.to_owned(), self.shape(r, depth, named)?))).collect()
    }
}

/// As Rust would write the type, with the fields of structs: `Totals { rows: u64, last: Option<i64> }`.
impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shape::Unknown => f.write_str("not described"),
            Shape::Str => f.write_str("String"),
            Shape::Bytes => f.write_str("bytes"),
            Shape::Unit => f.write_str("()"),
            Shape::Timestamp => f.write_str("Timestamp"),
            Shape::Option(inner) => write!(f, "Option<{inner}>"),
            Shape::List(inner) => write!(f, "[{inner}]"),
            Shape::Array(n, inner) => write!(f, "[{inner}; {n}]"),
            Shape::Tuple(parts) => {
                f.write_str("(")?;
                for (i, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Shape::Map(key, value) => write!(f, "Map<{key}, {value}>"),
            Shape::Struct { name, fields } => {
                write!(f, "{name}{}{{ ", if name.is_empty() { "" } else { " " })?;
                for (i, (name, shape)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {shape}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(" }")
            }
            Shape::Enum { name, variants } => {
                write!(f, "enum {name} {{ ")?;
                for (i, (name, shape)) in variants.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    match shape {
                        Shape::Unit => write!(f, "{comma}{name}"),
                        Shape::Tuple(_) => write!(f, "{comma}{name}{shape}"),
                        Shape::Struct { .. } => write!(f, "{comma}{name} {shape}"),
                        shape => write!(f, "{comma}{name}({shape})"),
                    }?;
                }
                f.write_str(" }")
            }
            Shape::Outer(_) => f.write_str("Self"),
            plain => f.write_str(&format!("{plain:?}").to_lowercase()),
        }
    }
}
