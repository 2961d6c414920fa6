//! The calls by which slots read what the host holds: imports of the component, or natively whoever
//! plays the host.

use crate::Error;
use wasmill_abi::calls::{self, PAGE_BYTES_MAX};

/// The values of entries of a key of the frame.
pub(crate) fn get(slot: u16, key: u32, entry: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut asked = Vec::with_capacity(8 + entry.len());
    calls::put_asked(&mut asked, key, entry);
    let answer = get_many(slot, &asked);
    let found = calls::read_found(&answer, 1).map_err(Error::incompatible)?;
    Ok(found[0].map(<[u8]>::to_vec))
}

/// Entries of a page: keys and values.
pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// A page of a key's entries, and whether there may be more behind it.
pub(crate) fn page(slot: u16, key: u32, start: &[u8], end: &[u8]) -> Result<(Entries, bool), Error> {
    let answer = scan(slot, key, start, end, PAGE_BYTES_MAX);
    let page = calls::read_page(&answer).map_err(Error::incompatible)?;
    let owned = |(key, value): &(&[u8], &[u8])| (key.to_vec(), value.to_vec());
    Ok((page.entries.iter().map(owned).collect(), page.more))
}

#[cfg(target_arch = "wasm32")]
use crate::guest::bindings::wasmill::function::state::{get_many, scan};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::with_calls;
#[cfg(not(target_arch = "wasm32"))]
use native::{get_many, scan};

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Whoever plays the host.
    pub trait Calls {
        fn get_many(&self, slot: u16, asked: &[u8]) -> Vec<u8>;
        fn scan(&self, slot: u16, key: u32, start: &[u8], end: &[u8], max_bytes: u32) -> Vec<u8>;
    }

    thread_local! {
        static CALLS: RefCell<Option<Rc<dyn Calls>>> = const { RefCell::new(None) };
    }

    /// Runs something while `calls` answers.
    pub fn with_calls<R>(calls: Rc<dyn Calls>, run: impl FnOnce() -> R) -> R {
        let before = CALLS.replace(Some(calls));
        let result = run();
        CALLS.set(before);
        result
    }

    fn calls() -> Rc<dyn Calls> {
        CALLS.with_borrow(|calls| calls.clone()).expect("maps, lists and merge slots are read while a harness runs")
    }

    pub fn get_many(slot: u16, asked: &[u8]) -> Vec<u8> {
        calls().get_many(slot, asked)
    }

    pub fn scan(slot: u16, key: u32, start: &[u8], end: &[u8], max_bytes: u32) -> Vec<u8> {
        calls().scan(slot, key, start, end, max_bytes)
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::Calls;
