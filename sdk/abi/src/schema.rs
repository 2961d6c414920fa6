//! Column types and schemas: the shape of every row that crosses the wall.

use crate::DecodeError;
use crate::wire::{Reader, Writer};

/// The type of one column. The physical layout is Arrow's: see [`crate::block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    /// UTF-8 text, 32-bit offsets.
    Utf8,
    /// Bytes, 32-bit offsets.
    Binary,
    /// Microseconds since 1970-01-01T00:00:00Z, as `i64`.
    Timestamp,
}

impl Type {
    /// Every type, in the order of its code.
    pub const ALL: [Type; 14] = [
        Type::Bool,
        Type::I8,
        Type::I16,
        Type::I32,
        Type::I64,
        Type::U8,
        Type::U16,
        Type::U32,
        Type::U64,
        Type::F32,
        Type::F64,
        Type::Utf8,
        Type::Binary,
        Type::Timestamp,
    ];

    /// The number that stands for this type on the wire; it never changes.
    pub fn code(self) -> u8 {
        self as u8 + 1
    }

    /// The type with this [`Type::code`].
    pub fn from_code(code: u8) -> Option<Type> {
        Type::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// The name that job files and manifests use, for example `int32` or `timestamp`.
    pub fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::I8 => "int8",
            Type::I16 => "int16",
            Type::I32 => "int32",
            Type::I64 => "int64",
            Type::U8 => "uint8",
            Type::U16 => "uint16",
            Type::U32 => "uint32",
            Type::U64 => "uint64",
            Type::F32 => "float32",
            Type::F64 => "float64",
            Type::Utf8 => "string",
            Type::Binary => "bytes",
            Type::Timestamp => "timestamp",
        }
    }

    /// The type with this [`Type::name`].
    pub fn from_name(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Bytes per value; `None` for bit-packed booleans and for text and bytes.
    pub fn width(self) -> Option<usize> {
        match self {
            Type::I8 | Type::U8 => Some(1),
            Type::I16 | Type::U16 => Some(2),
            Type::I32 | Type::U32 | Type::F32 => Some(4),
            Type::I64 | Type::U64 | Type::F64 | Type::Timestamp => Some(8),
            Type::Bool | Type::Utf8 | Type::Binary => None,
        }
    }

    /// Whether values have offsets and data (text and bytes).
    pub fn is_variable(self) -> bool {
        matches!(self, Type::Utf8 | Type::Binary)
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One named column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    /// Whether a value may be missing.
    pub nullable: bool,
}

impl Field {
    pub fn new(name: impl Into<String>, ty: Type, nullable: bool) -> Self {
        Self { name: name.into(), ty, nullable }
    }
}

/// `name: type`, with a `?` behind the type of a nullable column.
impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}{}", self.name, self.ty, if self.nullable { "?" } else { "" })
    }
}

/// The columns of a row, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Schema {
    pub fields: Vec<Field>,
}

impl Schema {
    /// At most this many columns in a schema.
    pub const COLUMNS_MAX: usize = 1024;

    pub fn new(fields: Vec<Field>) -> Self {
        Self { fields }
    }

    /// The position of the column with this name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    pub fn encode(&self, w: &mut Writer) {
        w.u32(self.fields.len() as u32);
        for f in &self.fields {
            w.str(&f.name);
            w.u8(f.ty.code());
            w.u8(u8::from(f.nullable));
        }
    }

    pub fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count(Self::COLUMNS_MAX)?;
        let mut fields = Vec::with_capacity(n);
        for _ in 0..n {
            let name = r.str()?.to_owned();
            let code = r.u8()?;
            let ty = Type::from_code(code)
                .ok_or_else(|| DecodeError::new("schema", format!("column {name:?} has unknown type code {code}")))?;
            let nullable = r.bool()?;
            fields.push(Field { name, ty, nullable });
        }
        Ok(Self { fields })
    }
}

impl std::fmt::Display for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, field) in self.fields.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{field}")?;
        }
        Ok(())
    }
}
