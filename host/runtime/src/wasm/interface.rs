//! The types and names of the WIT world, as the host sees them. They follow `sdk/wit/function.wit`.

use wasmtime::component::{ComponentType, Lift, Lower};

/// The package of the world.
pub(super) const PACKAGE: &str = "wasmill:function";
/// The version of the world that this host offers.
pub(super) const VERSION: &str = "0.1.0";
/// The interfaces that a guest may import.
pub(super) const OFFERED: [&str; 4] = ["effects", "log", "state", "types"];

/// `wasmill:function/INTERFACE@VERSION`.
pub(super) fn interface_name(interface: &str) -> String {
    format!("{PACKAGE}/{interface}@{VERSION}")
}

/// The part of a version that must be the same for two versions to fit: the major version, and for
/// 0.x also the minor one.
pub(super) fn version_track(version: &str) -> &str {
    let end = if version.starts_with("0.") { 2 } else { 1 };
    version.match_indices('.').nth(end - 1).map_or(version, |(at, _)| &version[..at])
}

/// Splits `package/interface@version` of our package into interface and version.
pub(super) fn our_interface(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}

/// What the guest asks the host to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub enum Fault {
    /// The row is bad: the operator's policy applies to it.
    #[component(name = "bad-record")]
    BadRecord,
    /// The same batch again, later.
    #[component(name = "transient")]
    Transient,
    /// The job stops with the message.
    #[component(name = "fatal")]
    Fatal,
    /// Module and host do not fit together.
    #[component(name = "incompatible")]
    Incompatible,
}

impl Fault {
    /// The name in WIT.
    pub fn name(self) -> &'static str {
        match self {
            Fault::BadRecord => "bad-record",
            Fault::Transient => "transient",
            Fault::Fatal => "fatal",
            Fault::Incompatible => "incompatible",
        }
    }
}

/// The level of a guest's log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// The record `error`.
#[derive(Debug, Clone, ComponentType, Lift)]
#[component(record)]
pub(super) struct GuestError {
    pub fault: Fault,
    pub code: u32,
    pub message: String,
    pub row: Option<u32>,
}

/// The record `frame-range`.
#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(super) struct FrameRange {
    pub lo: u32,
    pub hi: u32,
    pub features: u64,
}

/// The frames that this host writes.
pub(super) const FRAMES: FrameRange =
    FrameRange { lo: wasmill_abi::frame::VERSION as u32, hi: wasmill_abi::frame::VERSION as u32, features: 0 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_tracks() {
        for (version, track) in [("0.1.0", "0.1"), ("0.12.3", "0.12"), ("1.4.0", "1"), ("12.0.1", "12"), ("", "")] {
            assert_eq!(version_track(version), track);
        }
    }

    #[test]
    fn names_of_our_interfaces() {
        assert_eq!(our_interface("wasmill:function/log@0.1.0"), Some(("log", "0.1.0")));
        assert_eq!(our_interface("wasmill:function/log"), Some(("log", "")));
        assert_eq!(our_interface("wasi:cli/environment@0.2.0"), None);
        assert_eq!(our_interface("wasmill:functions/log@0.1.0"), None);
    }
}
