//! What monitoring reads of a running job: an HTTP endpoint, `/metrics` in the OpenMetrics text
//! format and `/healthz`. It reads what the runtime measures and decides nothing.
//!
//! The listener is optional; without it no thread is started. Names and units follow
//! `docs/guide/metrics.md`, which a test holds against [`families::FAMILIES`].

mod endpoint;
mod exposition;
mod families;
mod http;
mod note;
mod process;

pub use endpoint::{Endpoint, Listener};
pub use exposition::Exposition;
pub use families::{FAMILIES, Family, Kind};
pub use note::{Note, url_of_running};
