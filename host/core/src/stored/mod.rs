//! What a job's database remembers about the values in it, and what follows from that: whether a
//! module can go on from there ([`compare`]), and how a value looks to people ([`Datum`]).
//!
//! It reads no database: the caller brings the records and says which slots hold something.

mod compare;
mod datum;
mod record;

pub use compare::{Mismatch, MismatchKind, Remembered, compare, compare_view};
pub use datum::Datum;
pub use record::{OperatorRecord, SlotRecord, VersionRecord, ViewRecord, kind_name};
