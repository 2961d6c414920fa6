//! The names of all partitions by the numbers that positions use. Sources that find files while
//! they run add to them.

use std::sync::{PoisonError, RwLock};

/// Shared by all subtasks of a job.
#[derive(Debug, Default)]
pub struct PartitionNames(RwLock<Vec<String>>);

impl PartitionNames {
    pub fn new(names: Vec<String>) -> Self {
        Self(RwLock::new(names))
    }

    /// Adds a name, whose number holds until the process ends; `None` when there are no numbers left.
    pub fn add(&self, name: &str) -> Option<u16> {
        let mut names = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let number = u16::try_from(names.len()).ok()?;
        names.push(name.to_owned());
        Some(number)
    }

    pub fn get(&self, number: u16) -> Option<String> {
        let names = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.get(usize::from(number)).cloned()
    }
}
