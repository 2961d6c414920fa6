//! The short way through a line of NDJSON: objects of plain values without escapes, which are nearly
//! all there are. It takes only what it is sure of, and what it takes it reads as serde_json does;
//! every other line, right or wrong, is left to [`super::ndjson`], whose answer and whose messages
//! count.

use super::values::{self, Cell};
use std::borrow::Cow;
use std::ops::Range;
use wasmill_abi::{Field, Type};

/// A value on the short way: a word that is copied and never dropped, so that a row of them costs
/// nothing but its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    Null,
    Bool(bool),
    /// As [`Cell::Int`], in the range of its column.
    Int(i64),
    /// As [`Cell::Uint`], in the range of its column.
    Uint(u64),
    /// Where a text lies in its line, between characters.
    Text {
        start: u32,
        end: u32,
    },
}

impl Short {
    /// The same value, its text borrowed from the line.
    pub fn cell(self, line: &str) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Bool(value) => Cell::Bool(value),
            Self::Int(value) => Cell::Int(value),
            Self::Uint(value) => Cell::Uint(value),
            Self::Text { start, end } => Cell::Text(Cow::Borrowed(&line[start as usize..end as usize])),
        }
    }

    /// A cell without a text of its own.
    fn of(cell: Cell<'_>) -> Result<Self, Unsure> {
        match cell {
            Cell::Int(value) => Ok(Self::Int(value)),
            Cell::Uint(value) => Ok(Self::Uint(value)),
            _ => Err(Unsure),
        }
    }
}

/// What a column takes on the short way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    I64,
    U64,
    /// Integers whose range has to be looked at.
    Narrow(Type),
    Bool,
    Text,
    /// Text that stands for something else.
    Parsed(Type),
    /// Floats and nested values.
    Other,
}

/// A column with its key as it stands in a line.
struct Column {
    /// With both quotes.
    key: Vec<u8>,
    /// The first bytes of the key as one word, and which bits of a word of the line they are.
    head: u128,
    mask: u128,
    kind: Kind,
}

impl Column {
    fn new(field: &Field) -> Self {
        let mut key = vec![b'"'];
        key.extend_from_slice(field.name.as_bytes());
        key.push(b'"');
        // A name that JSON writes with escapes never stands in a line like this.
        if key[1..key.len() - 1].iter().any(|&b| b < 0x20 || b == b'"' || b == b'\\') {
            key.clear();
        }
        let (mut head, mut mask) = ([0; 16], [0; 16]);
        let len = key.len().min(16);
        head[..len].copy_from_slice(&key[..len]);
        mask[..len].fill(0xff);
        Self { head: u128::from_le_bytes(head), mask: u128::from_le_bytes(mask), key, kind: kind_of(field.ty) }
    }

    /// Whether bytes start with the key. Most keys fit into a word, which is compared at once.
    #[inline]
    fn starts(&self, bytes: &[u8]) -> bool {
        match bytes.first_chunk::<16>() {
            Some(word) if self.key.len() <= 16 => {
                !self.key.is_empty() && u128::from_le_bytes(*word) & self.mask == self.head
            }
            _ => !self.key.is_empty() && bytes.starts_with(&self.key),
        }
    }
}

/// Reads lines for one schema.
pub struct ShortLines {
    columns: Vec<Column>,
}

/// What stands at the reader's place is for the other way.
struct Unsure;

impl ShortLines {
    pub fn new(fields: &[Field]) -> Self {
        Self { columns: fields.iter().map(Column::new).collect() }
    }

    /// Fills the values of a row, one per column, that are all null. When it says `false`, what they
    /// hold means nothing.
    pub fn read(&self, line: &str, row: &mut [Short]) -> bool {
        let bytes = line.as_bytes();
        if u32::try_from(bytes.len()).is_err() {
            return false;
        }
        // In one pass that the compiler turns into vectors; control characters stand in no text.
        if bytes.iter().fold(false, |found, &b| found | (b < 0x20)) {
            return false;
        }
        Reader { line, bytes, at: 0 }.object(&self.columns, row).is_ok()
    }
}

fn kind_of(ty: Type) -> Kind {
    match ty {
        Type::I64 => Kind::I64,
        Type::U64 => Kind::U64,
        Type::I8 | Type::I16 | Type::I32 | Type::U8 | Type::U16 | Type::U32 => Kind::Narrow(ty),
        Type::Bool => Kind::Bool,
        Type::Utf8 => Kind::Text,
        Type::Timestamp => Kind::Parsed(ty),
        _ => Kind::Other,
    }
}

struct Reader<'a> {
    line: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn object(mut self, columns: &[Column], row: &mut [Short]) -> Result<(), Unsure> {
        self.take(b'{')?;
        self.spaces();
        // Lines mostly have their keys in the order of the schema, so the next one is a good guess.
        let mut guess = 0;
        loop {
            let index = match columns.get(guess) {
                Some(column) if column.starts(self.rest()) => {
                    self.at += column.key.len();
                    Some(guess)
                }
                _ => self.key(columns)?,
            };
            self.spaces();
            self.take(b':')?;
            self.spaces();
            match index {
                Some(index) => {
                    self.value(columns[index].kind, &mut row[index])?;
                    guess = index + 1;
                }
                None => self.skip()?,
            }
            self.spaces();
            match self.next()? {
                b',' => self.spaces(),
                b'}' => break,
                _ => return Err(Unsure),
            }
        }
        self.spaces();
        if self.at == self.bytes.len() { Ok(()) } else { Err(Unsure) }
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn peek(&self) -> Result<u8, Unsure> {
        self.bytes.get(self.at).copied().ok_or(Unsure)
    }

    fn next(&mut self) -> Result<u8, Unsure> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, byte: u8) -> Result<(), Unsure> {
        if self.next()? == byte { Ok(()) } else { Err(Unsure) }
    }

    fn spaces(&mut self) {
        while self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }

    /// A key that was not guessed; `None` when no column is called so.
    fn key(&mut self, columns: &[Column]) -> Result<Option<usize>, Unsure> {
        let start = self.at;
        self.text()?;
        let key = &self.bytes[start..self.at];
        Ok(columns.iter().position(|column| column.key == key))
    }

    /// Where a text without escapes lies, and behind it. Quotes are ASCII, so both ends lie between
    /// characters.
    #[inline]
    fn text(&mut self) -> Result<Range<usize>, Unsure> {
        self.take(b'"')?;
        let start = self.at;
        let end = start + memchr::memchr2(b'"', b'\\', self.rest()).ok_or(Unsure)?;
        if self.bytes[end] == b'\\' {
            return Err(Unsure);
        }
        self.at = end + 1;
        Ok(start..end)
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Unsure> {
        if !self.rest().starts_with(word) {
            return Err(Unsure);
        }
        self.at += word.len();
        Ok(())
    }

    /// A whole number below 10^18 that JSON allows: its sign and its digits' value.
    fn whole(&mut self) -> Result<(bool, u64), Unsure> {
        const DIGITS_MAX: usize = 18;
        let is_negative = self.peek()? == b'-';
        self.at += usize::from(is_negative);
        let start = self.at;
        let mut value = 0u64;
        while let Some(digit) = self.bytes.get(self.at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        let digits = self.at - start;
        let is_plain = (1..=DIGITS_MAX).contains(&digits) && (digits == 1 || self.bytes[start] != b'0');
        // "-0" is a float, and so is what goes on with a point or an exponent.
        let goes_on = matches!(self.bytes.get(self.at), Some(b'.' | b'e' | b'E'));
        if !is_plain || goes_on || is_negative && value == 0 {
            return Err(Unsure);
        }
        Ok((is_negative, value))
    }

    /// Writes the value in its place: one that is returned is copied by wide loads of what narrow
    /// stores have just written, and waits for them.
    #[inline]
    fn value(&mut self, kind: Kind, cell: &mut Short) -> Result<(), Unsure> {
        if self.peek()? == b'n' {
            self.word(b"null")?;
            *cell = Short::Null;
            return Ok(());
        }
        match kind {
            Kind::I64 => {
                let (is_negative, value) = self.whole()?;
                let value = value as i64;
                *cell = Short::Int(if is_negative { -value } else { value });
            }
            Kind::U64 => match self.whole()? {
                (false, value) => *cell = Short::Uint(value),
                (true, _) => return Err(Unsure),
            },
            Kind::Narrow(ty) => {
                let (is_negative, value) = self.whole()?;
                let value = value as i64;
                *cell = Short::of(values::int(ty, if is_negative { -value } else { value }).map_err(|_| Unsure)?)?;
            }
            Kind::Bool if self.peek()? == b't' => {
                self.word(b"true")?;
                *cell = Short::Bool(true);
            }
            Kind::Bool => {
                self.word(b"false")?;
                *cell = Short::Bool(false);
            }
            Kind::Text => {
                let Range { start, end } = self.text()?;
                // The line is not longer than a u32 says.
                *cell = Short::Text { start: start as u32, end: end as u32 };
            }
            Kind::Parsed(ty) => {
                let text = self.text()?;
                *cell = Short::of(values::parse(ty, &self.line[text]).map_err(|_| Unsure)?)?;
            }
            Kind::Other => return Err(Unsure),
        }
        Ok(())
    }

    /// Passes over the value of a key that no column has.
    fn skip(&mut self) -> Result<(), Unsure> {
        match self.peek()? {
            b'"' => self.text().map(|_| ()),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.whole().map(|_| ()),
            _ => Err(Unsure),
        }
    }
}
