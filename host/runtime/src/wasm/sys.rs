//! The only file of the host's Wasm with `unsafe`: loading compiled code, and the CPU clock of a
//! thread. It decides nothing.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled code whose origin was proved. Only two make one: [`super::cache`], after it has checked the
/// authentication code over these very bytes, and [`super::compile`], from the pipe of its own child.
pub(super) struct TrustedCode<'a>(&'a [u8]);

impl<'a> TrustedCode<'a> {
    /// `is_authentic` is the result of that check.
    pub(super) fn new(bytes: &'a [u8], is_authentic: Authentic) -> Self {
        let Authentic = is_authentic;
        Self(bytes)
    }
}

/// Says at the place of the call that the bytes were written by this host's owner.
pub(super) struct Authentic;

/// Loads compiled code. Code of another wasmtime or configuration is an error.
pub(super) fn load_compiled(engine: &Engine, code: &TrustedCode<'_>) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` demands bytes that `Component::serialize` wrote and nobody changed.
    // `TrustedCode` is only made of bytes with a valid HMAC-SHA256 under a key that only this user
    // can read, computed over what `serialize` returned, or of what a child of this very binary
    // wrote into a pipe that nobody else holds; the bytes are in memory of our own, so nobody can
    // change them between that check and this call.
    unsafe { Component::deserialize(engine, code.0) }
}

/// The CPU time that this thread has used since it started.
pub(super) fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).expect("nanoseconds are below 10^9");
    Duration::new(u64::try_from(time.tv_sec).expect("CPU time is never negative"), nanos)
}
