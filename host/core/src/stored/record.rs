//! The records themselves, and their bytes: `"WMS1"`, then fields as in the manifest.

use wasmill_abi::manifest::Slot;
use wasmill_abi::wire::{Reader, Writer};
use wasmill_abi::{DecodeError, Schema, Shape};

const MAGIC: u32 = u32::from_le_bytes(*b"WMS1");
const VERSIONS_MAX: usize = 4096;

/// What is remembered of an operator with state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorRecord {
    /// The columns of its key, by the names that they have in the job.
    pub key: Schema,
    /// The name and version of the crate whose function ran last.
    pub module: String,
    pub function: String,
}

/// What is remembered of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRecord {
    /// The number of its kind.
    pub kind: u8,
    /// Of the keys inside of it, for kinds that have such.
    pub entry_key: Option<Shape>,
    /// All versions that may be stored, ascending.
    pub versions: Vec<VersionRecord>,
}

/// A version of a slot's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRecord {
    pub version: u32,
    /// The first epoch that may hold such values.
    pub since_epoch: u64,
    pub type_name: String,
    pub shape: Shape,
}

/// What is remembered of a view: what its lines, which are kept as they are written, are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRecord {
    /// The columns of its key.
    pub key: Schema,
    /// The extension of files of its format.
    pub format: String,
    pub columns: Schema,
}

/// The name of a kind of slot, for people; the numbers are those of the manifest.
pub fn kind_name(kind: u8) -> &'static str {
    match kind {
        1 => "value",
        2 => "map",
        3 => "list",
        4 => "sum",
        5 => "min",
        6 => "max",
        _ => "unknown",
    }
}

impl OperatorRecord {
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(MAGIC);
        self.key.encode(&mut w);
        w.str(&self.module);
        w.str(&self.function);
        w.into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = opened("operator's record", bytes)?;
        let key = Schema::decode(&mut r)?;
        let record = Self { key, module: r.str()?.to_owned(), function: r.str()?.to_owned() };
        r.finish()?;
        Ok(record)
    }
}

impl ViewRecord {
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(MAGIC);
        self.key.encode(&mut w);
        w.str(&self.format);
        self.columns.encode(&mut w);
        w.into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = opened("view's record", bytes)?;
        let key = Schema::decode(&mut r)?;
        let record = Self { key, format: r.str()?.to_owned(), columns: Schema::decode(&mut r)? };
        r.finish()?;
        Ok(record)
    }
}

impl SlotRecord {
    /// What is to be remembered once a module with this slot runs, from this epoch on.
    pub fn of(slot: &Slot, epoch: u64) -> Self {
        let mut record = Self { kind: slot.kind as u8, entry_key: slot.values.entry_key.clone(), versions: Vec::new() };
        record.add(slot, epoch);
        record
    }

    /// Remembers that the slot's version is written from this epoch on, and what it looks like now:
    /// fields may have been renamed.
    pub fn add(&mut self, slot: &Slot, epoch: u64) {
        self.entry_key.clone_from(&slot.values.entry_key);
        let at = self.versions.partition_point(|v| v.version < slot.version);
        let known = self.versions.get(at).filter(|v| v.version == slot.version);
        let since_epoch = known.map_or(epoch, |v| v.since_epoch);
        let end = if known.is_some() { at + 1 } else { at };
        let (type_name, shape) = (slot.type_name.clone(), slot.values.shape.clone());
        let version = VersionRecord { version: slot.version, since_epoch, type_name, shape };
        self.versions.splice(at..end, [version]);
    }

    /// The description of values of a version.
    pub fn shape_of(&self, version: u32) -> Option<&Shape> {
        self.versions.iter().find(|v| v.version == version).map(|v| &v.shape)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(MAGIC);
        w.u8(self.kind);
        w.u8(u8::from(self.entry_key.is_some()));
        if let Some(key) = &self.entry_key {
            key.encode(&mut w);
        }
        w.u32(self.versions.len() as u32);
        for v in &self.versions {
            w.u32(v.version);
            w.u64(v.since_epoch);
            w.str(&v.type_name);
            v.shape.encode(&mut w);
        }
        w.into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = opened("slot's record", bytes)?;
        let kind = r.u8()?;
        let entry_key = if r.bool()? { Some(Shape::decode(&mut r)?) } else { None };
        let n = r.count(VERSIONS_MAX)?;
        let version = |r: &mut Reader<'_>| {
            Ok(VersionRecord {
                version: r.u32()?,
                since_epoch: r.u64()?,
                type_name: r.str()?.to_owned(),
                shape: Shape::decode(r)?,
            })
        };
        let versions = (0..n).map(|_| version(&mut r)).collect::<Result<_, DecodeError>>()?;
        r.finish()?;
        Ok(Self { kind, entry_key, versions })
    }
}

fn opened<'b>(what: &'static str, bytes: &'b [u8]) -> Result<Reader<'b>, DecodeError> {
    let mut r = Reader::new(what, bytes);
    if r.u32()? != MAGIC {
        return Err(r.error("it does not start with WMS1"));
    }
    Ok(r)
}
