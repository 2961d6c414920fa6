//! The manifest: what a module offers and needs, told by its `describe` export.
//!
//! Behind the functions stands one more section when a slot is described: for each slot of each
//! function, in order, its [`SlotValues`]. A module of an SDK that describes nothing has none.

use crate::effects::TimerFamily;
use crate::wire::{Reader, Writer};
use crate::{ABI_MAJOR, ABI_MINOR, DecodeError, Schema, Shape, Type};

const MAGIC: u32 = u32::from_le_bytes(*b"WMM1");
const FUNCTIONS_MAX: usize = 256;
const ITEMS_MAX: usize = 256;
/// In a slot's kind: its time to live follows behind the type's name.
const HAS_TTL: u8 = 0x80;
/// A thousand years.
pub const TTL_MICROS_MAX: u64 = 1000 * 366 * 86_400 * 1_000_000;

/// All functions of a module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Manifest {
    /// The crate's name.
    pub name: String,
    /// The crate's version.
    pub version: String,
    /// The SDK and its version, for example `wasmill-sdk 0.1.0`.
    pub sdk: String,
    pub functions: Vec<Function>,
}

/// One function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub name: String,
    /// The first paragraph of the function's documentation.
    pub doc: String,
    pub kind: FunctionKind,
    /// The rows that come in; of functions with two inputs, those of the left one.
    pub input: Schema,
    /// The rows of the right input, for functions that have two. Only keyed functions have.
    pub right: Option<Schema>,
    /// In the order of the ids that effects use.
    pub outputs: Vec<Output>,
    /// What becomes of rows that come too late.
    pub late: LateRows,
    pub config: Vec<ConfigField>,
    pub metrics: Vec<Metric>,
    /// Whether it understands changelogs; one that does not is given rows that are only appended.
    pub reads_changes: bool,
}

/// What becomes of rows that come too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateRows {
    /// The function has no word for them: they are rows like all others.
    #[default]
    Handled = 0,
    /// The function may call rows late; then they leave it, with all of their columns, through
    /// outputs that the host adds: `late`, or `late_left` and `late_right` when it has two inputs.
    Leave = 1,
}

/// What a function works on.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionKind {
    /// Rows one by one.
    Map,
    /// Rows by key, with state and timers.
    Keyed {
        /// The key's columns: their types must be those of the job's key columns.
        key: Schema,
        /// In the order of the ids that frames and effects use.
        slots: Vec<Slot>,
    },
}

impl Function {
    /// The state slots; none for functions without keys.
    pub fn slots(&self) -> &[Slot] {
        match &self.kind {
            FunctionKind::Map => &[],
            FunctionKind::Keyed { slots, .. } => slots,
        }
    }

    /// The names of the outputs that the host adds for late rows, one per input. They stand behind
    /// [`Self::outputs`], and have the columns of the stream that comes in.
    pub fn late_outputs(&self) -> &'static [&'static str] {
        match (self.late, &self.right) {
            (LateRows::Handled, _) => &[],
            (LateRows::Leave, None) => &["late"],
            (LateRows::Leave, Some(_)) => &["late_left", "late_right"],
        }
    }

    /// The key's schema, for keyed functions.
    pub fn key(&self) -> Option<&Schema> {
        match &self.kind {
            FunctionKind::Map => None,
            FunctionKind::Keyed { key, .. } => Some(key),
        }
    }
}

/// A named output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub name: String,
    pub schema: Schema,
    /// Whether every row says what it does ([`crate::Op`]); otherwise rows are only appended.
    pub changelog: bool,
}

/// A typed piece of state per key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub name: String,
    pub kind: SlotKind,
    /// The version of the value's schema; stored before each value.
    pub version: u32,
    /// The Rust type, for people.
    pub type_name: String,
    /// How long what is stored lives; `None`: until it is removed.
    pub ttl: Option<Ttl>,
    /// What its values are, and which older ones the module can read.
    pub values: SlotValues,
}

impl Slot {
    /// A slot of which nothing else is told.
    pub fn new(name: impl Into<String>, kind: SlotKind, version: u32, type_name: impl Into<String>) -> Self {
        let (name, type_name) = (name.into(), type_name.into());
        Self { name, kind, version, type_name, ttl: None, values: SlotValues::default() }
    }

    /// The versions of values that the module can read, ascending; the last one is what it writes.
    pub fn readable(&self) -> impl Iterator<Item = u32> {
        self.values.older.iter().map(|older| older.version).chain([self.version])
    }

    /// The description of values of this version, if the module can read it.
    pub fn shape_of(&self, version: u32) -> Option<&Shape> {
        if version == self.version {
            return Some(&self.values.shape);
        }
        self.values.older.iter().find(|older| older.version == version).map(|older| &older.shape)
    }
}

/// The description of what a slot stores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotValues {
    /// Of the values, in the slot's version.
    pub shape: Shape,
    /// Of the keys inside of the slot, for kinds that have such.
    pub entry_key: Option<Shape>,
    /// The versions that the module can migrate from, ascending, all below the slot's version.
    pub older: Vec<OlderValues>,
}

/// A version of values from before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OlderValues {
    pub version: u32,
    pub shape: Shape,
}

impl SlotValues {
    pub fn encode(&self, w: &mut Writer) {
        self.shape.encode(w);
        w.u8(u8::from(self.entry_key.is_some()));
        if let Some(key) = &self.entry_key {
            key.encode(w);
        }
        w.u32(self.older.len() as u32);
        for older in &self.older {
            w.u32(older.version);
            older.shape.encode(w);
        }
    }

    pub fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let shape = Shape::decode(r)?;
        let entry_key = if r.bool()? { Some(Shape::decode(r)?) } else { None };
        let n = r.count(ITEMS_MAX)?;
        let older = (0..n).map(|_| Ok(OlderValues { version: r.u32()?, shape: Shape::decode(r)? }));
        Ok(Self { shape, entry_key, older: older.collect::<Result<_, DecodeError>>()? })
    }
}

/// How a slot stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// One value per key, which travels with the frame.
    Value = 1,
    /// Any number of entries per key, in the order of their own keys.
    Map = 2,
    /// Any number of values per key, in the order in which they were appended.
    List = 3,
    /// One `i64` per key to which is added without a read.
    Sum = 4,
    /// The smallest of the `i64`s that were given.
    Min = 5,
    /// The largest of the `i64`s that were given.
    Max = 6,
}

impl SlotKind {
    /// The kind with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        use SlotKind::{List, Map, Max, Min, Sum, Value};
        [Value, Map, List, Sum, Min, Max].into_iter().find(|kind| *kind as u8 == code)
    }

    /// Whether values are merged into what is stored.
    pub fn is_merge(self) -> bool {
        matches!(self, SlotKind::Sum | SlotKind::Min | SlotKind::Max)
    }

    /// What a merge slot holds once `given` was merged into `stored`; sums wrap around.
    pub fn merge(self, stored: i64, given: i64) -> i64 {
        match self {
            SlotKind::Min => stored.min(given),
            SlotKind::Max => stored.max(given),
            SlotKind::Sum | SlotKind::Value | SlotKind::Map | SlotKind::List => stored.wrapping_add(given),
        }
    }
}

/// How long what is stored lives. Each stored value of such a slot starts with the time of its
/// expiry: an `i64` of microseconds, little-endian. It is gone once the clock has come that far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    pub micros: u64,
    pub from: TtlFrom,
    /// The watermark, or the host's clock.
    pub clock: TimerFamily,
}

/// Since when a stored value's age counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TtlFrom {
    /// Since it was written first.
    Create = 0,
    /// Since it was written last.
    Update = 1,
}

/// A setting that the job may or must give.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigField {
    pub name: String,
    /// No `timestamp` and no `bytes`.
    pub ty: Type,
    /// `None`: the job must give it, unless it is `optional`.
    pub default: Option<ConfigValue>,
    /// May be left out without a default.
    pub optional: bool,
    pub doc: String,
}

/// A value of a setting.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigValue {
    Bool(bool),
    /// All integer types.
    Int(i128),
    Float(f64),
    Str(String),
}

/// A number that the function reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    pub name: String,
    pub kind: MetricKind,
}

/// How reports of a metric add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Reports are added.
    Counter = 1,
    /// The last report counts.
    Gauge = 2,
}

impl ConfigValue {
    pub fn encode(&self, w: &mut Writer) {
        match self {
            ConfigValue::Bool(v) => {
                w.u8(1);
                w.u8(u8::from(*v));
            }
            ConfigValue::Int(v) => {
                w.u8(2);
                w.u64(*v as u64);
                w.u64((*v >> 64) as u64);
            }
            ConfigValue::Float(v) => {
                w.u8(3);
                w.u64(v.to_bits());
            }
            ConfigValue::Str(v) => {
                w.u8(4);
                w.str(v);
            }
        }
    }

    pub fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match r.u8()? {
            1 => ConfigValue::Bool(r.bool()?),
            2 => {
                let (lo, hi) = (r.u64()?, r.u64()?);
                ConfigValue::Int((u128::from(hi) << 64 | u128::from(lo)) as i128)
            }
            3 => ConfigValue::Float(f64::from_bits(r.u64()?)),
            4 => ConfigValue::Str(r.str()?.to_owned()),
            other => return Err(r.error(format!("unknown kind {other} of a config value"))),
        })
    }
}

macro_rules! config_value_from {
    ($($rust:ty => $kind:ident),*) => {$(
        impl From<$rust> for ConfigValue {
            fn from(v: $rust) -> Self {
                ConfigValue::$kind(v.into())
            }
        }
    )*};
}
config_value_from!(bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int);
config_value_from!(u64 => Int, f32 => Float, f64 => Float, &str => Str, String => Str);

impl std::fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigValue::Bool(v) => write!(f, "{v}"),
            ConfigValue::Int(v) => write!(f, "{v}"),
            ConfigValue::Float(v) => write!(f, "{v}"),
            ConfigValue::Str(v) => write!(f, "{v:?}"),
        }
    }
}

impl Manifest {
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(MAGIC);
        w.u16(ABI_MAJOR);
        w.u16(ABI_MINOR);
        w.str(&self.name);
        w.str(&self.version);
        w.str(&self.sdk);
        w.u32(self.functions.len() as u32);
        self.functions.iter().for_each(|f| f.encode(&mut w));
        let slots = || self.functions.iter().flat_map(Function::slots);
        if slots().any(|s| s.values != SlotValues::default()) {
            slots().for_each(|s| s.values.encode(&mut w));
        }
        w.into_bytes()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new("manifest", bytes);
        if r.u32()? != MAGIC {
            return Err(r.error("it does not start with WMM1"));
        }
        let (major, minor) = (r.u16()?, r.u16()?);
        if major != ABI_MAJOR || minor > ABI_MINOR {
            return Err(r.error(format!(
                "the module speaks ABI {major}.{minor}, this host speaks {ABI_MAJOR}.0 to {ABI_MAJOR}.{ABI_MINOR}"
            )));
        }
        let name = r.str()?.to_owned();
        let version = r.str()?.to_owned();
        let sdk = r.str()?.to_owned();
        let n = r.count(FUNCTIONS_MAX)?;
        let mut functions = (0..n).map(|_| Function::decode(&mut r)).collect::<Result<Vec<_>, _>>()?;
        if !r.rest().is_empty() {
            decode_values(&mut functions, &mut r)?;
        }
        let manifest = Self { name, version, sdk, functions };
        manifest.check_names(&r)?;
        r.finish()?;
        Ok(manifest)
    }

    fn check_names(&self, r: &Reader<'_>) -> Result<(), DecodeError> {
        if self.functions.is_empty() {
            return Err(r.error("it offers no function"));
        }
        let unique = |what: &str, names: Vec<&str>| {
            let mut seen = std::collections::BTreeSet::new();
            match names.into_iter().find(|n| n.is_empty() || !seen.insert(*n)) {
                Some(name) => Err(r.error(format!("{what} {name:?} is empty or stands twice"))),
                None => Ok(()),
            }
        };
        unique("function", self.functions.iter().map(|f| f.name.as_str()).collect())?;
        for f in &self.functions {
            let late = f.late_outputs().iter().copied();
            unique("output", f.outputs.iter().map(|o| o.name.as_str()).chain(late).collect())?;
            if f.right.is_some() && f.key().is_none() {
                return Err(r.error(format!("function {:?} has two inputs and no key", f.name)));
            }
            unique("slot", f.slots().iter().map(|s| s.name.as_str()).collect())?;
            unique("setting", f.config.iter().map(|c| c.name.as_str()).collect())?;
            unique("metric", f.metrics.iter().map(|m| m.name.as_str()).collect())?;
            for input in std::iter::once(&f.input).chain(&f.right) {
                unique("input column", input.fields.iter().map(|c| c.name.as_str()).collect())?;
            }
            for o in &f.outputs {
                unique("output column", o.schema.fields.iter().map(|c| c.name.as_str()).collect())?;
            }
            if f.key().is_some_and(|k| k.fields.is_empty()) {
                return Err(r.error(format!("keyed function {:?} has no key column", f.name)));
            }
        }
        Ok(())
    }
}

/// The section behind the functions.
fn decode_values(functions: &mut [Function], r: &mut Reader<'_>) -> Result<(), DecodeError> {
    let mut described = false;
    for function in functions {
        let FunctionKind::Keyed { slots, .. } = &mut function.kind else { continue };
        for slot in slots {
            slot.values = SlotValues::decode(r)?;
            described |= slot.values != SlotValues::default();
            if !slot.readable().is_sorted_by(|a, b| a < b) {
                return Err(r.error(format!("the versions of slot {:?} do not ascend", slot.name)));
            }
        }
    }
    if described { Ok(()) } else { Err(r.error("bytes are left over at the end")) }
}

impl Function {
    fn encode(&self, w: &mut Writer) {
        w.str(&self.name);
        w.str(&self.doc);
        match &self.kind {
            FunctionKind::Map => w.u8(1),
            FunctionKind::Keyed { key, slots } => {
                w.u8(2);
                key.encode(w);
                w.u32(slots.len() as u32);
                for s in slots {
                    w.str(&s.name);
                    w.u8(s.kind as u8 | if s.ttl.is_some() { HAS_TTL } else { 0 });
                    w.u32(s.version);
                    w.str(&s.type_name);
                    if let Some(ttl) = &s.ttl {
                        w.u64(ttl.micros);
                        w.u8(ttl.from as u8);
                        w.u8(ttl.clock as u8);
                    }
                }
            }
        }
        self.input.encode(w);
        w.u8(u8::from(self.right.is_some()));
        if let Some(right) = &self.right {
            right.encode(w);
        }
        w.u8(self.late as u8);
        w.u32(self.outputs.len() as u32);
        for o in &self.outputs {
            w.str(&o.name);
            o.schema.encode(w);
            w.u8(u8::from(o.changelog));
        }
        w.u32(self.config.len() as u32);
        for c in &self.config {
            w.str(&c.name);
            w.u8(c.ty.code());
            w.u8(u8::from(c.optional));
            w.u8(u8::from(c.default.is_some()));
            if let Some(v) = &c.default {
                v.encode(w);
            }
            w.str(&c.doc);
        }
        w.u32(self.metrics.len() as u32);
        for m in &self.metrics {
            w.str(&m.name);
            w.u8(m.kind as u8);
        }
        w.u8(u8::from(self.reads_changes));
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = r.str()?.to_owned();
        let doc = r.str()?.to_owned();
        let kind = match r.u8()? {
            1 => FunctionKind::Map,
            2 => {
                let key = Schema::decode(r)?;
                let n = r.count(ITEMS_MAX)?;
                FunctionKind::Keyed { key, slots: (0..n).map(|_| Slot::decode(r)).collect::<Result<_, _>>()? }
            }
            other => return Err(r.error(format!("function {name:?} has unknown kind {other}"))),
        };
        let input = Schema::decode(r)?;
        let right = if r.bool()? { Some(Schema::decode(r)?) } else { None };
        let late = match r.u8()? {
            0 => LateRows::Handled,
            1 => LateRows::Leave,
            other => return Err(r.error(format!("function {name:?} has unknown late rows {other}"))),
        };
        let n = r.count(ITEMS_MAX)?;
        let outputs = (0..n)
            .map(|_| Ok(Output { name: r.str()?.to_owned(), schema: Schema::decode(r)?, changelog: r.bool()? }))
            .collect::<Result<_, DecodeError>>()?;
        let n = r.count(ITEMS_MAX)?;
        let config = (0..n).map(|_| ConfigField::decode(r)).collect::<Result<_, _>>()?;
        let n = r.count(ITEMS_MAX)?;
        let metrics = (0..n).map(|_| Metric::decode(r)).collect::<Result<_, _>>()?;
        let reads_changes = r.bool()?;
        Ok(Self { name, doc, kind, input, right, outputs, late, config, metrics, reads_changes })
    }
}

impl Slot {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = r.str()?.to_owned();
        let code = r.u8()?;
        let kind = SlotKind::from_code(code & !HAS_TTL)
            .ok_or_else(|| r.error(format!("slot {name:?} has unknown kind {}", code & !HAS_TTL)))?;
        let (version, type_name) = (r.u32()?, r.str()?);
        let ttl = if code & HAS_TTL == 0 { None } else { Some(Ttl::decode(r, &name)?) };
        Ok(Self { ttl, ..Self::new(name, kind, version, type_name) })
    }
}

impl Ttl {
    fn decode(r: &mut Reader<'_>, slot: &str) -> Result<Self, DecodeError> {
        let micros = r.u64()?;
        if !(1..=TTL_MICROS_MAX).contains(&micros) {
            return Err(
                r.error(format!("slot {slot:?} lives {micros} microseconds, which must be 1 to {TTL_MICROS_MAX}"))
            );
        }
        let from = match r.u8()? {
            0 => TtlFrom::Create,
            1 => TtlFrom::Update,
            other => return Err(r.error(format!("slot {slot:?} has an unknown start {other} of its time to live"))),
        };
        let code = r.u8()?;
        let clock = TimerFamily::from_code(code)
            .ok_or_else(|| r.error(format!("slot {slot:?} has an unknown clock {code} of its time to live")))?;
        Ok(Self { micros, from, clock })
    }
}

impl ConfigField {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = r.str()?.to_owned();
        let code = r.u8()?;
        let ty = Type::from_code(code)
            .filter(|t| !matches!(t, Type::Timestamp | Type::Date | Type::Binary))
            .ok_or_else(|| r.error(format!("setting {name:?} cannot have type code {code}")))?;
        let optional = r.bool()?;
        let default = if r.bool()? { Some(ConfigValue::decode(r)?) } else { None };
        Ok(Self { name, ty, default, optional, doc: r.str()?.to_owned() })
    }
}

impl Metric {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = r.str()?.to_owned();
        let kind = match r.u8()? {
            1 => MetricKind::Counter,
            2 => MetricKind::Gauge,
            other => return Err(r.error(format!("metric {name:?} has unknown kind {other}"))),
        };
        Ok(Self { name, kind })
    }
}
