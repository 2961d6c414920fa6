//! What maps, lists and merge slots have in common: their place, their faults, and how values become
//! bytes.

use std::cell::OnceCell;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasmill_abi::manifest::Ttl;
use wasmill_abi::wire::put_varint;

use crate::Error;
use crate::state::{Older, read_versioned};

/// The place of a slot in a batch.
pub(crate) struct Place {
    pub name: &'static str,
    pub version: u32,
    pub ttl: Option<Ttl>,
    /// In the manifest.
    pub id: u16,
    /// The current key of the frame.
    pub key: u32,
    fault: OnceCell<Error>,
}

impl Place {
    pub fn new(name: &'static str, version: u32) -> Self {
        Self { name, version, ttl: None, id: 0, key: 0, fault: OnceCell::new() }
    }

    /// Starts a batch.
    pub fn load(&mut self, id: u16) {
        self.id = id;
        self.fault = OnceCell::new();
    }

    #[cold]
    pub fn fail(&self, problem: impl std::fmt::Display) {
        // Only the first failure counts: the batch fails with it.
        let _ = self.fault.set(Error::fatal(format_args!("state slot {:?}: {problem}", self.name)));
    }

    /// What came out well; a failure fails the batch.
    pub fn take<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.fail(problem)).ok()
    }

    pub fn fault(&self) -> Result<(), Error> {
        self.fault.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// The stamp of what is written now; 0 for slots without.
    pub fn stamp(&self) -> i64 {
        self.ttl.as_ref().map_or(0, crate::ttl::stamp)
    }

    /// A value as it goes to the host.
    pub fn stamped(&self, stamp: i64, value: &[u8]) -> Vec<u8> {
        match self.ttl {
            None => value.to_vec(),
            Some(_) => [&stamp.to_le_bytes(), value].concat(),
        }
    }

    pub fn encode<T: Serialize>(&self, value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, self.version);
        let value = postcard::to_allocvec(value).map_err(|e| format!("the value cannot be stored: {e}"));
        bytes.extend(self.take(value).unwrap_or_default());
        bytes
    }

    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8], older: &[Older<T>]) -> Option<T> {
        self.take(read_versioned(bytes, self.version, older))
    }
}
