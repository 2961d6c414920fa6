//! The host functions by which a guest reads maps, lists and merge slots. They check what a guest
//! asks; what the answer is, the caller of the guest knows.

use super::guest::{Guest, Stop};
use super::interface::interface_name;
use wasmill_abi::calls::PAGE_BYTES_MAX;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList};

/// Answers a guest's questions about the state of the keys of its frame. Formats stand in
/// [`wasmill_abi::calls`].
pub trait StateCalls: Send {
    fn get_many(&mut self, slot: u16, asked: &[u8]) -> Result<Vec<u8>, StateCallError>;
    /// A page of at most about `bytes_max` bytes of the entries of a key from `start` to `end`, which
    /// is empty for none.
    fn scan(
        &mut self,
        slot: u16,
        key: u32,
        start: &[u8],
        end: &[u8],
        bytes_max: u32,
    ) -> Result<Vec<u8>, StateCallError>;
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateCallError {
    /// The guest asked for something that there cannot be.
    Asked(String),
    /// The host could not read its state: no row is to blame.
    Host(String),
}

pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut state = linker.instance(&interface_name("state"))?;
    state.func_wrap("get-many", get_many)?;
    state.func_wrap("scan", scan)
}

/// `state.get-many`.
fn get_many(mut store: StoreContextMut<'_, Guest>, (slot, asked): (u16, WasmList<u8>)) -> wasmtime::Result<(Vec<u8>,)> {
    let asked = asked.as_le_slice(&store).to_vec();
    store.data_mut().answer(|state| state.get_many(slot, &asked))
}

/// `state.scan`.
fn scan(
    mut store: StoreContextMut<'_, Guest>,
    (slot, key, start, end, bytes_max): (u16, u32, WasmList<u8>, WasmList<u8>, u32),
) -> wasmtime::Result<(Vec<u8>,)> {
    let (start, end) = (start.as_le_slice(&store).to_vec(), end.as_le_slice(&store).to_vec());
    store.data_mut().answer(|state| state.scan(slot, key, &start, &end, bytes_max.min(PAGE_BYTES_MAX)))
}

impl Guest {
    fn answer(
        &mut self,
        ask: impl FnOnce(&mut dyn StateCalls) -> Result<Vec<u8>, StateCallError>,
    ) -> wasmtime::Result<(Vec<u8>,)> {
        let answer = match &mut self.state {
            None => Err(StateCallError::Asked("this function has no map, list or merge slot".to_owned())),
            Some(state) => ask(state.as_mut()),
        };
        answer.map(|bytes| (bytes,)).map_err(|error| {
            self.stop = Some(Stop::State(error));
            wasmtime::Error::msg("the state could not be read")
        })
    }
}
