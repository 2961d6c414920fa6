//! The orders generator and its columns: a day of orders, payments and cancellations. Which values
//! stand in them is the runtime's business.

use wasmill_abi::{Field, Schema, Type};

/// What one source generates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orders {
    /// Events are numbered from 0; the stream ends before this number.
    pub events: u64,
    /// The user of an order is uniform below this number.
    pub users: u64,
    /// Partition p has the events whose number is p modulo this. Payments and cancellations are of
    /// orders of their own partition.
    pub partitions: u16,
    /// Other seeds give other values at the same times.
    pub seed: u64,
}

impl Orders {
    /// Users when the job names no number.
    pub const USERS: u64 = 1_000_000;
    /// The seed when the job names none.
    pub const SEED: u64 = 1111;

    /// All columns that the stream has. A source generates only those that it names.
    pub fn schema() -> Schema {
        use Type::{I64, Timestamp, Utf8};
        let columns = [
            ("id", I64),
            ("kind", Utf8),
            ("user", I64),
            ("item", I64),
            ("category", Utf8),
            ("amount", I64),
            ("province", Utf8),
            ("created", Timestamp),
        ];
        Schema::new(columns.map(|(name, ty)| Field::new(name, ty, false)).into())
    }
}
