//! The state of a function: its slots, and where their stored bytes lie in a batch.
//!
//! Stored bytes are the schema version as LEB128, then the value by postcard.

use std::rc::Rc;

use serde::de::DeserializeOwned;
use wasmill_abi::Shape;
use wasmill_abi::effects::{EffectsWriter, state_schema};
use wasmill_abi::frame::Frame;
use wasmill_abi::manifest::{OlderValues, Slot, SlotValues, Ttl};
use wasmill_abi::wire::get_varint;

use crate::Error;
use crate::shape::shape_of;

/// The state of a key: a struct with `#[derive(Slots)]` of [`Value`](crate::Value)s, [`MapState`](crate::MapState)s,
/// [`ListState`](crate::ListState)s and [`MergeState`](crate::MergeState)s, whose slots are named like its fields. `()`
/// is no state. See [`Value`](crate::Value) for an example.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of state slots",
    note = "use a struct of Value, MapState, ListState or CounterState fields with #[derive(Slots)], or () for none"
)]
pub trait Slots: Sized {
    /// The slots, in the order of their ids.
    fn slots() -> Vec<Slot>;
    #[doc(hidden)]
    fn create() -> Self;
    #[doc(hidden)]
    fn load(&mut self, stored: &Stored<'_>) -> Result<(), Error>;
    #[doc(hidden)]
    fn select(&mut self, key: usize);
    #[doc(hidden)]
    fn undo(&mut self);
    #[doc(hidden)]
    fn fault(&self) -> Result<(), Error>;
    #[doc(hidden)]
    fn write(&self, effects: &mut EffectsWriter) -> Result<(), Error>;
}

impl Slots for () {
    fn slots() -> Vec<Slot> {
        Vec::new()
    }

    fn create() -> Self {}

    fn load(&mut self, _: &Stored<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn select(&mut self, _: usize) {}

    fn undo(&mut self) {}

    fn fault(&self) -> Result<(), Error> {
        Ok(())
    }

    fn write(&self, _: &mut EffectsWriter) -> Result<(), Error> {
        Ok(())
    }
}

/// What [`Slots`] asks of each of its fields.
#[doc(hidden)]
pub trait Cells {
    /// What has a version: the value, or each of the values.
    type Value: 'static;

    /// How a slot of this type is described; `older` are the versions it can migrate from.
    fn slot(name: &str, version: u32, type_name: &str, older: &[Older<Self::Value>]) -> Slot;
    /// `older` is as for `slot`.
    fn create(name: &'static str, version: u32, older: &'static [Older<Self::Value>]) -> Self;
    /// What is stored lives that long.
    fn set_ttl(&mut self, ttl: Ttl);
    fn load(&mut self, id: u16, stored: &Stored<'_>) -> Result<(), Error>;
    fn select(&mut self, key: usize);
    fn undo(&mut self);
    fn fault(&self) -> Result<(), Error>;
    fn write(&self, id: u16, effects: &mut EffectsWriter) -> Result<(), Error>;
}

/// A version from before: how its bytes become a `T`.
#[doc(hidden)]
pub struct Older<T> {
    pub version: u32,
    pub shape: fn() -> Shape,
    pub read: fn(&[u8]) -> Result<T, String>,
}

/// Reads an old value and makes a new one of it; `migrate` goes through all versions in between.
#[doc(hidden)]
pub fn older<Old: DeserializeOwned, T>(bytes: &[u8], migrate: impl FnOnce(Old) -> T) -> Result<T, String> {
    decode(bytes).map(migrate)
}

/// The shape of what a step of a migration takes.
#[doc(hidden)]
pub fn shape_taken<Old: DeserializeOwned, T>(_: fn(Old) -> T) -> Shape {
    shape_of::<Old>()
}

/// What [`SlotValues`] tells of values of type `T` and of those they come from.
pub(crate) fn values_of<T: DeserializeOwned>(older: &[Older<T>], entry_key: Option<Shape>) -> SlotValues {
    let older = older.iter().map(|o| OlderValues { version: o.version, shape: (o.shape)() });
    SlotValues { shape: shape_of::<T>(), entry_key, older: older.collect() }
}

/// Reads a stored value: its version, then postcard. A value of an older version is migrated.
pub(crate) fn read_versioned<T: DeserializeOwned>(bytes: &[u8], current: u32, older: &[Older<T>]) -> Result<T, String> {
    let (version, value) = get_varint(bytes).map_err(|e| e.to_string())?;
    if version == current {
        return decode(value).map_err(|why| format!("version {version}: {why}"));
    }
    let Some(from) = older.iter().find(|o| o.version == version) else {
        let known: String = older.iter().map(|o| format!(" or {}", o.version)).collect();
        return Err(format!(
            "the stored value has version {version}, this module expects version {current}{known}; \
             run a module that knows version {version}, or start the job with new state"
        ));
    };
    (from.read)(value).map_err(|why| format!("version {version}: {why}"))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes are left over behind the stored value", rest.len())),
        Err(e) => Err(format!("the stored value does not decode: {e}")),
    }
}

/// The state that came with a batch.
#[doc(hidden)]
pub struct Stored<'s> {
    pub bytes: &'s Rc<Vec<u8>>,
    pub frame: &'s Frame<'s>,
}

/// Where the stored bytes of a slot lie in the batch.
#[derive(Default)]
pub(crate) struct StoredValues {
    frame: Rc<Vec<u8>>,
    offsets: usize,
    values: usize,
}

impl StoredValues {
    /// Points to the values of a slot of this batch; returns the number of its keys.
    pub fn load(&mut self, id: u16, stored: &Stored<'_>) -> Result<usize, Error> {
        let mut block = stored.frame.state(id, &state_schema()).map_err(Error::incompatible)?;
        let column = block.columns.remove(0);
        let position = |part: *const u8| part as usize - stored.bytes.as_ptr() as usize;
        self.frame = Rc::clone(stored.bytes);
        self.offsets = position(column.offsets.as_flattened().as_ptr());
        self.values = if column.values.is_empty() { 0 } else { position(column.values.as_ptr()) };
        Ok(block.rows)
    }

    /// The bytes of a key; empty when nothing is stored.
    pub fn get(&self, key: usize) -> &[u8] {
        let at = |i: usize| {
            let offset = &self.frame[self.offsets + 4 * i..][..4];
            self.values + u32::from_le_bytes(offset.try_into().expect("four bytes")) as usize
        };
        &self.frame[at(key)..at(key + 1)]
    }
}
