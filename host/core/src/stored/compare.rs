//! Whether a function can go on with the state that is there.

use super::record::{OperatorRecord, SlotRecord, ViewRecord, kind_name};
use std::collections::BTreeMap;
use std::fmt;
use wasmill_abi::manifest::{Function, Slot};
use wasmill_abi::{Schema, Shape};

/// What the database knows of one operator.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    pub operator: Option<OperatorRecord>,
    /// By the slots' names.
    pub slots: BTreeMap<String, SlotRecord>,
}

/// Why a function cannot go on with the state of its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub operator: String,
    /// `None`: the key of the operator.
    pub slot: Option<String>,
    pub problem: MismatchKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MismatchKind {
    /// Versions are stored that the module does not read.
    Versions {
        stored: Vec<u32>,
        reads: Vec<u32>,
    },
    /// A version is the same, and its values are not.
    Shape {
        version: u32,
        stored: Shape,
        now: Shape,
    },
    Kind {
        stored: u8,
        now: u8,
    },
    EntryKey {
        stored: Shape,
        now: Shape,
    },
    Gone {
        function: String,
    },
    Key {
        stored: Schema,
        now: Schema,
    },
    /// The lines of a view are others.
    Lines {
        stored: ViewRecord,
        now: ViewRecord,
    },
}

fn numbers(versions: &[u32]) -> String {
    let all: Vec<String> = versions.iter().map(ToString::to_string).collect();
    format!("{} {}", if all.len() == 1 { "version" } else { "versions" }, all.join(", "))
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operator, slot, problem } = self;
        let place = slot.as_ref().map_or_else(|| operator.clone(), |slot| format!("{operator}.{slot}"));
        write!(f, "operator {operator:?}")?;
        if let Some(slot) = slot {
            write!(f, ", state slot {slot:?}")?;
        }
        match problem {
            MismatchKind::Versions { stored, reads } => write!(
                f,
                ": the state holds values of {}, and the module reads {}. Add the missing migration to the slot \
                 (migrate(..) in the SDK), or run a module that has it",
                numbers(stored),
                numbers(reads)
            ),
            MismatchKind::Shape { version, stored, now } => write!(
                f,
                ": values of version {version} are stored as {stored}, and the module takes version {version} for \
                 {now}. Raise the slot's version and migrate from {version}, or run a module with the stored type"
            ),
            MismatchKind::Kind { stored, now } => write!(
                f,
                ": the state holds a {}, and the module has a {}. Give the new one another name, or run a module \
                 with the old one",
                kind_name(*stored),
                kind_name(*now)
            ),
            MismatchKind::EntryKey { stored, now } => write!(
                f,
                ": its entries are stored by keys of type {stored}, and the module looks for {now}. Give the new \
                 one another name, or run a module with the old key"
            ),
            MismatchKind::Gone { function } => write!(
                f,
                ": the state holds values, and function {function:?} has no such slot any more. Keep the slot, or \
                 run a module that has it"
            ),
            MismatchKind::Key { stored, now } => write!(
                f,
                ": its state is stored by the key ({stored}), and the job now keys it by ({now}): nothing would be \
                 found again. Set the key back, or give the operator another name"
            ),
            MismatchKind::Lines { stored, now } => write!(
                f,
                ": its rows are kept as {} with the columns ({}), and the job now writes {} with ({}): old and new \
                 lines would stand side by side. Set them back, or give the sink another name",
                stored.format, stored.columns, now.format, now.columns
            ),
        }?;
        write!(f, ". To lose what is stored on purpose: wasmill state JOB --drop {place}")
    }
}

/// What is to be remembered of each slot, or why the module cannot go on from what is stored.
pub type Compared = Result<Vec<(String, SlotRecord)>, Vec<Mismatch>>;

/// Holds a function against what is remembered of its operator. `key` are the operator's key columns
/// as the job names them. `holds` tells whether a slot has values, or with `None` whether the
/// operator has any state; it is asked only where something does not fit. Returns what is to be
/// remembered from `epoch` on, as far as it is new.
///
/// # Errors
/// All that does not fit, or what `holds` failed with.
pub fn compare<E>(
    operator: &str,
    function: &Function,
    key: &Schema,
    remembered: &Remembered,
    epoch: u64,
    holds: &mut dyn FnMut(Option<&str>) -> Result<bool, E>,
) -> Result<Compared, E> {
    let mut mismatches = Vec::new();
    let mut refuse = |slot: Option<&str>, problem| {
        let slot = slot.map(str::to_owned);
        mismatches.push(Mismatch { operator: operator.to_owned(), slot, problem });
    };
    if let Some(known) = &remembered.operator
        && !same_key(&known.key, key)
        && holds(None)?
    {
        refuse(None, MismatchKind::Key { stored: known.key.clone(), now: key.clone() });
    }
    let mut new = Vec::new();
    for slot in function.slots() {
        let known = remembered.slots.get(&slot.name);
        let problem = known.and_then(|known| problem_of(slot, known));
        let record = match (known, problem) {
            (None, _) => SlotRecord::of(slot, epoch),
            (Some(known), None) => {
                let mut record = known.clone();
                record.add(slot, epoch);
                record
            }
            (Some(_), Some(problem)) if holds(Some(&slot.name))? => {
                refuse(Some(&slot.name), problem);
                continue;
            }
            // Nothing is stored any more, so nothing can be misread.
            (Some(_), Some(_)) => SlotRecord::of(slot, epoch),
        };
        if known != Some(&record) {
            new.push((slot.name.clone(), record));
        }
    }
    for name in remembered.slots.keys().filter(|name| function.slots().iter().all(|s| s.name != **name)) {
        if holds(Some(name))? {
            refuse(Some(name), MismatchKind::Gone { function: function.name.clone() });
        }
    }
    Ok(if mismatches.is_empty() { Ok(new) } else { Err(mismatches) })
}

/// Whether a view can go on with the lines that were kept for it.
pub fn compare_view(view: &str, stored: &ViewRecord, now: &ViewRecord) -> Option<Mismatch> {
    let problem = if stored.key != now.key {
        MismatchKind::Key { stored: stored.key.clone(), now: now.key.clone() }
    } else if stored != now {
        MismatchKind::Lines { stored: stored.clone(), now: now.clone() }
    } else {
        return None;
    };
    Some(Mismatch { operator: view.to_owned(), slot: None, problem })
}

/// Keys are found by their columns' types. Names may change, but when the same names stand in
/// another order, each value would be taken for the other.
fn same_key(stored: &Schema, now: &Schema) -> bool {
    let types = |s: &Schema| s.fields.iter().map(|f| f.ty).collect::<Vec<_>>();
    let moved = |s: &Schema, other: &Schema| {
        s.fields.iter().enumerate().any(|(i, f)| other.index_of(&f.name).is_some_and(|at| at != i))
    };
    types(stored) == types(now) && !moved(stored, now)
}

fn problem_of(slot: &Slot, known: &SlotRecord) -> Option<MismatchKind> {
    let kind = slot.kind as u8;
    if kind != known.kind {
        return Some(MismatchKind::Kind { stored: known.kind, now: kind });
    }
    if let (Some(stored), Some(now)) = (&known.entry_key, &slot.values.entry_key)
        && !now.reads(stored)
    {
        return Some(MismatchKind::EntryKey { stored: stored.clone(), now: now.clone() });
    }
    let unread = known.versions.iter().any(|v| slot.shape_of(v.version).is_none());
    if unread {
        let stored = known.versions.iter().map(|v| v.version).collect();
        return Some(MismatchKind::Versions { stored, reads: slot.readable().collect() });
    }
    known.versions.iter().find_map(|v| {
        let now = slot.shape_of(v.version).filter(|now| !now.reads(&v.shape))?;
        Some(MismatchKind::Shape { version: v.version, stored: v.shape.clone(), now: now.clone() })
    })
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
