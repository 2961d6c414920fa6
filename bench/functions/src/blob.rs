//! 100 incompressible bytes per key.

use serde::{Deserialize, Serialize};
use wasmill_sdk::prelude::*;

const BYTES: usize = 100;

#[derive(Row, Debug)]
pub struct BlobKey {
    pub key: u64,
}

/// Rows are nothing but their key.
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Touch {
    pub key: u64,
}

#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Bytes(pub Vec<u8>);

#[derive(Slots)]
pub struct BlobState {
    #[slot(version = 1)]
    pub bytes: Value<Bytes>,
}

#[derive(Row, Debug, Clone, PartialEq)]
pub struct Changed {
    pub key: u64,
}

pub struct Blob;

/// SplitMix64's output function.
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn incompressible(key: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES + 8);
    let mut word = key;
    while bytes.len() < BYTES {
        word = mix(word.wrapping_add(0x9E37_79B9_7F4A_7C15));
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(BYTES);
    bytes
}

impl Keyed for Blob {
    type Config = ();
    type In = Touch;
    type Key = BlobKey;
    type State = BlobState;
    type Out = Emit<Changed>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(
        &mut self,
        key: BlobKey,
        _: Touch,
        state: &mut BlobState,
        out: &mut Self::Out,
        _: &mut KeyedContext,
    ) -> Result<(), Error> {
        state.bytes.update(|bytes| {
            if bytes.0.is_empty() {
                bytes.0 = incompressible(key.key);
            }
            bytes.0[0] = bytes.0[0].wrapping_add(1);
        });
        out.emit(Changed { key: key.key });
        Ok(())
    }
}
