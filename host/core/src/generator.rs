//! What a source of connector `generator` makes.

use crate::nexmark::Nexmark;
use crate::orders::Orders;

/// One of the generator's datasets, with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generator {
    Nexmark(Nexmark),
    Orders(Orders),
}

impl Generator {
    /// The stream ends before the event of this number.
    pub fn events(&self) -> u64 {
        match self {
            Generator::Nexmark(n) => n.events,
            Generator::Orders(o) => o.events,
        }
    }

    /// Partition p has the events whose number is p modulo this.
    pub fn partitions(&self) -> u16 {
        match self {
            Generator::Nexmark(n) => n.partitions,
            Generator::Orders(o) => o.partitions,
        }
    }
}
