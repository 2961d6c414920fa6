//! The state of a function: its slots, and where their stored bytes lie in a batch.
//!
//! Stored bytes are the schema version as LEB128, then the value by postcard.

use std::rc::Rc;

use wasmill_abi::effects::{EffectsWriter, state_schema};
use wasmill_abi::frame::Frame;
use wasmill_abi::manifest::Slot;

use crate::Error;

/// The state of a key: a struct of [`Value`](crate::Value)s with `#[derive(Slots)]`, whose slots are named like
/// its fields. `()` is no state. See [`Value`](crate::Value) for an example.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of state slots",
    note = "use a struct of Value fields with #[derive(Slots)], or () for none"
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
    fn create(name: &'static str, version: u32) -> Self;
    fn load(&mut self, id: u16, stored: &Stored<'_>) -> Result<(), Error>;
    fn select(&mut self, key: usize);
    fn undo(&mut self);
    fn fault(&self) -> Result<(), Error>;
    fn write(&self, id: u16, effects: &mut EffectsWriter) -> Result<(), Error>;
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
        let block = stored.frame.state(id, &state_schema()).map_err(Error::incompatible)?;
        let column = block.columns[0];
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
