//! Column types and schemas: the shape of every row that crosses the wall.
//!
//! A type says how one buffer of values is laid out; what a nested column is made of stands in the
//! children of its field. So types are small and flat, and a schema is a tree of fields.

use crate::DecodeError;
use crate::wire::{Reader, Writer};

const DECIMAL_CODE: u8 = 16;
const LIST_CODE: u8 = 17;
const STRUCT_CODE: u8 = 18;

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
    /// Days since 1970-01-01, as `i32`.
    Date,
    /// Numbers of at most `precision` decimal digits, `scale` of them behind the point: whole
    /// multiples of `10^-scale`, as `i128`.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// Any number of values of one type, 32-bit offsets. The field's only child is the item.
    List,
    /// One value for each child of the field.
    Struct,
}

impl Type {
    /// Every type that needs nothing beside its name, in the order of its code.
    pub const ALL: [Type; 15] = [
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
        Type::Date,
    ];

    /// The most digits that a decimal can have.
    pub const PRECISION_MAX: u8 = 38;

    /// A decimal type, if there is one with so many digits: from 1 to [`Type::PRECISION_MAX`], of
    /// which at most all stand behind the point.
    pub fn decimal(precision: u8, scale: u8) -> Option<Type> {
        let exists = (1..=Type::PRECISION_MAX).contains(&precision) && scale <= precision;
        exists.then_some(Type::Decimal { precision, scale })
    }

    /// The number that stands for this type on the wire; it never changes.
    pub fn code(self) -> u8 {
        match self {
            Type::Bool => 1,
            Type::I8 => 2,
            Type::I16 => 3,
            Type::I32 => 4,
            Type::I64 => 5,
            Type::U8 => 6,
            Type::U16 => 7,
            Type::U32 => 8,
            Type::U64 => 9,
            Type::F32 => 10,
            Type::F64 => 11,
            Type::Utf8 => 12,
            Type::Binary => 13,
            Type::Timestamp => 14,
            Type::Date => 15,
            Type::Decimal { .. } => DECIMAL_CODE,
            Type::List => LIST_CODE,
            Type::Struct => STRUCT_CODE,
        }
    }

    /// The type of [`Type::ALL`] with this [`Type::code`].
    pub fn from_code(code: u8) -> Option<Type> {
        Type::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// The name that job files and manifests use, for example `int32` or `timestamp`. What decimals,
    /// lists and structs have beside it, [`Field::type_text`] tells.
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
            Type::Date => "date",
            Type::Decimal { .. } => "decimal",
            Type::List => "list",
            Type::Struct => "struct",
        }
    }

    /// The type of [`Type::ALL`] with this [`Type::name`].
    pub fn from_name(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Bytes per value; `None` for bit-packed booleans, for text and bytes, and for nested types.
    pub fn width(self) -> Option<usize> {
        match self {
            Type::I8 | Type::U8 => Some(1),
            Type::I16 | Type::U16 => Some(2),
            Type::I32 | Type::U32 | Type::F32 | Type::Date => Some(4),
            Type::I64 | Type::U64 | Type::F64 | Type::Timestamp => Some(8),
            Type::Decimal { .. } => Some(16),
            Type::Bool | Type::Utf8 | Type::Binary | Type::List | Type::Struct => None,
        }
    }

    /// Whether values are made of the values of child columns.
    pub fn is_nested(self) -> bool {
        matches!(self, Type::List | Type::Struct)
    }

    /// Whether values have offsets and data (text and bytes).
    pub fn is_variable(self) -> bool {
        matches!(self, Type::Utf8 | Type::Binary)
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Type::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            plain => f.write_str(plain.name()),
        }
    }
}

/// One named column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: String,
    pub ty: Type,
    /// Whether a value may be missing.
    pub nullable: bool,
    /// The item of a list, the fields of a struct; empty for all other types.
    pub children: Vec<Field>,
}

impl Field {
    /// The name of a list's child.
    pub const ITEM: &'static str = "item";
    /// At most so many types may stand in each other, the column's own counted.
    pub const DEPTH_MAX: usize = 8;

    /// A column of a type that is not nested.
    pub fn new(name: impl Into<String>, ty: Type, nullable: bool) -> Self {
        Self { name: name.into(), ty, nullable, children: Vec::new() }
    }

    /// A column of lists; the name of the item does not matter.
    pub fn list(name: impl Into<String>, item: Field, nullable: bool) -> Self {
        let item = Field { name: Self::ITEM.to_owned(), ..item };
        Self { children: vec![item], ..Self::new(name, Type::List, nullable) }
    }

    /// A column of structs with at least one field.
    pub fn structure(name: impl Into<String>, fields: Vec<Field>, nullable: bool) -> Self {
        Self { children: fields, ..Self::new(name, Type::Struct, nullable) }
    }

    /// The whole type as a job file writes it, without the `?` of a nullable column:
    /// `decimal(12,2)`, `list<string?>`, `struct<street: string, zip: string?>`.
    pub fn type_text(&self) -> TypeText<'_> {
        TypeText(self)
    }

    /// How many types stand in each other: 1 when nothing is nested.
    pub fn depth(&self) -> usize {
        1 + self.children.iter().map(Field::depth).max().unwrap_or(0)
    }

    /// The number of columns that this one is made of, itself counted.
    pub fn columns(&self) -> usize {
        1 + self.children.iter().map(Field::columns).sum::<usize>()
    }

    /// Whether values of `self` can be read as `reader`: the same type, missing values only where
    /// the reader takes them. Fields of structs are found by name; a reader may leave some out.
    pub fn reads_as(&self, reader: &Field) -> bool {
        let child = |wanted: &Field| match self.ty {
            Type::Struct => self.children.iter().any(|c| c.name == wanted.name && c.reads_as(wanted)),
            _ => self.children.iter().all(|c| c.reads_as(wanted)),
        };
        self.ty == reader.ty && (reader.nullable || !self.nullable) && reader.children.iter().all(child)
    }

    fn encode(&self, w: &mut Writer) {
        w.str(&self.name);
        w.u8(self.ty.code());
        match self.ty {
            Type::Decimal { precision, scale } => {
                w.u8(precision);
                w.u8(scale);
            }
            Type::List | Type::Struct => {
                w.u32(self.children.len() as u32);
                self.children.iter().for_each(|child| child.encode(w));
            }
            _ => {}
        }
        w.u8(u8::from(self.nullable));
    }

    /// `depth` counts the types that this one may still hold, `left` the columns of the schema.
    fn decode(r: &mut Reader<'_>, depth: usize, left: &mut usize) -> Result<Self, DecodeError> {
        let error = |problem: String| Err(DecodeError::new("schema", problem));
        let name = r.str()?.to_owned();
        let Some(one_less) = left.checked_sub(1) else {
            return error(format!("more than {} columns, nested ones counted", Schema::COLUMNS_MAX));
        };
        *left = one_less;
        if depth == 0 {
            return error(format!("column {name:?} is nested deeper than {} types", Field::DEPTH_MAX));
        }
        let code = r.u8()?;
        let mut children = Vec::new();
        let ty = match code {
            DECIMAL_CODE => {
                let (precision, scale) = (r.u8()?, r.u8()?);
                let Some(ty) = Type::decimal(precision, scale) else {
                    return error(format!("column {name:?} has no decimal type: ({precision},{scale})"));
                };
                ty
            }
            LIST_CODE | STRUCT_CODE => {
                let n = r.count(Schema::COLUMNS_MAX)?;
                if n == 0 || (code == LIST_CODE && n > 1) {
                    return error(format!("column {name:?} has {n} children; a list has one, a struct at least one"));
                }
                for _ in 0..n {
                    children.push(Field::decode(r, depth - 1, left)?);
                }
                if code == LIST_CODE { Type::List } else { Type::Struct }
            }
            plain => match Type::from_code(plain) {
                Some(ty) => ty,
                None => return error(format!("column {name:?} has unknown type code {code}")),
            },
        };
        Ok(Field { name, ty, nullable: r.bool()?, children })
    }
}

/// See [`Field::type_text`].
#[derive(Debug, Clone, Copy)]
pub struct TypeText<'a>(&'a Field);

impl std::fmt::Display for TypeText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let field = self.0;
        let mark = |child: &Field| if child.nullable { "?" } else { "" };
        match (field.ty, field.children.as_slice()) {
            (Type::List, [item]) => write!(f, "list<{}{}>", item.type_text(), mark(item)),
            (Type::Struct, fields) => {
                f.write_str("struct<")?;
                for (i, child) in fields.iter().enumerate() {
                    write!(f, "{}{child}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(">")
            }
            (ty, _) => ty.fmt(f),
        }
    }
}

/// `name: type`, with a `?` behind the type of a nullable column.
impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}{}", self.name, self.type_text(), if self.nullable { "?" } else { "" })
    }
}

/// The columns of a row, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Schema {
    pub fields: Vec<Field>,
}

impl Schema {
    /// At most this many columns in a schema, the children of nested ones counted.
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
        self.fields.iter().for_each(|f| f.encode(w));
    }

    pub fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let n = r.count(Self::COLUMNS_MAX)?;
        let mut left = Self::COLUMNS_MAX;
        let fields = (0..n).map(|_| Field::decode(r, Field::DEPTH_MAX, &mut left)).collect::<Result<_, _>>()?;
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
