//! Whether the modules of a job can go on with the state that is there, decided before anything
//! runs; and what is to be remembered about the state from now on.
//!
//! ```text
//! operator/NAME        key columns, module and function         wasmill_core::stored::OperatorRecord
//! slot/OPERATOR/SLOT   kind, versions and their descriptions    wasmill_core::stored::SlotRecord
//! module/NAME          sha256 of the module
//! lines/NAME           key, format and columns of a view         wasmill_core::stored::ViewRecord
//! ```
//!
//! The records are committed with the first epoch that may hold what they describe.

use super::error::RunError;
use crate::format;
use crate::fragment::view;
use crate::state::keyed::TIMERS_SLOT;
use crate::state::{Database, Go, Snapshot, StateError, Store, StoredSlot};
use crate::wasm::Factory;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmill_abi::Schema;
use wasmill_core::plan::{FunctionCall, Operator, OperatorKind, Plan, Sink, SinkConnector};
use wasmill_core::stored::{self, OperatorRecord, Remembered, SlotRecord, ViewRecord};

const OPERATOR: &str = "operator/";
const SLOT: &str = "slot/";
const MODULE: &str = "module/";
const LINES: &str = "lines/";

/// Committed values to write: `None` deletes.
pub type Meta = Vec<(String, Option<Vec<u8>>)>;

/// What admission asks of committed state.
pub trait Committed {
    fn epoch(&self) -> u64;
    fn meta(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StateError>;
    fn slots(&self) -> Vec<StoredSlot>;
    /// Whether a slot holds a value or a timer in any key group.
    fn holds(&self, slot: u32, key_groups: u16) -> Result<bool, StateError>;
}

impl Committed for Database {
    fn epoch(&self) -> u64 {
        self.committed_epoch()
    }

    fn meta(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.meta_prefix(prefix)
    }

    fn slots(&self) -> Vec<StoredSlot> {
        self.stored_slots()
    }

    fn holds(&self, slot: u32, key_groups: u16) -> Result<bool, StateError> {
        let mut any = self.holds_any(slot, 0..key_groups)?;
        if !any {
            self.scan_timers(slot, 0..key_groups, &mut |_| {
                any = true;
                Some(())
            })?;
        }
        Ok(any)
    }
}

impl Committed for Snapshot {
    fn epoch(&self) -> u64 {
        self.committed_epoch()
    }

    fn meta(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.meta_prefix(prefix)
    }

    fn slots(&self) -> Vec<StoredSlot> {
        self.slots()
    }

    fn holds(&self, slot: u32, key_groups: u16) -> Result<bool, StateError> {
        let mut any = false;
        for group in 0..key_groups {
            self.values(slot, group, &[], &mut |_, _| {
                any = true;
                Go::Stop
            })?;
            self.timers(slot, group, &mut |_, _, _| {
                any = true;
                Go::Stop
            })?;
            if any {
                break;
            }
        }
        Ok(any)
    }
}

/// Holds every function with state, and every view, against what is stored. Returns what the next commit has to
/// remember.
///
/// # Errors
/// [`RunError::Refused`] with all that does not fit.
pub fn admit(
    plan: &Plan,
    factories: &BTreeMap<String, Arc<Factory>>,
    committed: &dyn Committed,
) -> Result<Meta, RunError> {
    let slots = committed.slots();
    let mut meta = modules(factories, committed)?;
    let mut problems = Vec::new();
    for operator in &plan.operators {
        let OperatorKind::Function(call) = &operator.kind else { continue };
        if !call.is_keyed() {
            continue;
        }
        let remembered = remembered(committed, &operator.name)?;
        let (key, known) = (key_of(plan, operator, call), remembered.operator.as_ref());
        let mut holds = |name: Option<&str>| {
            for slot in slots.iter().filter(|s| s.operator == operator.name && name.is_none_or(|n| n == s.name)) {
                if committed.holds(slot.id, plan.key_groups)? {
                    return Ok::<_, RunError>(true);
                }
            }
            Ok(false)
        };
        let epoch = committed.epoch() + 1;
        match stored::compare(&operator.name, &call.function, &key, &remembered, epoch, &mut holds)? {
            Err(mismatches) => problems.extend(mismatches.iter().map(ToString::to_string)),
            Ok(new) => {
                let name = |slot: &str| format!("{SLOT}{}/{slot}", operator.name);
                let gone = remembered.slots.keys().filter(|n| call.function.slots().iter().all(|s| s.name != **n));
                meta.extend(gone.map(|slot| (name(slot), None)));
                meta.extend(new.into_iter().map(|(slot, record)| (name(&slot), Some(record.encode()))));
            }
        }
        let record = OperatorRecord { key, module: call.module.clone(), function: call.function.name.clone() };
        if known != Some(&record) {
            meta.push((format!("{OPERATOR}{}", operator.name), Some(record.encode())));
        }
    }
    for operator in &plan.operators {
        let OperatorKind::Sink(sink @ Sink { connector: SinkConnector::View { .. }, .. }) = &operator.kind else {
            continue;
        };
        let name = format!("{LINES}{}", operator.name);
        let now = lines_of(sink);
        let known = committed.meta(&name)?.into_iter().find(|(key, _)| *key == name);
        let known = known.map(|(_, bytes)| ViewRecord::decode(&bytes)).transpose();
        let known = known.map_err(|e| RunError::Bug(format!("the state's {name}: {e}")))?;
        let mismatch = known.as_ref().and_then(|known| stored::compare_view(&operator.name, known, &now));
        let kept = slots.iter().find(|slot| slot.operator == operator.name && slot.name == view::SLOT);
        match (mismatch, kept) {
            (Some(mismatch), Some(slot)) if committed.holds(slot.id, plan.key_groups)? => {
                problems.push(mismatch.to_string());
            }
            _ if known.as_ref() != Some(&now) => meta.push((name, Some(now.encode()))),
            _ => {}
        }
    }
    tell_of_orphans(plan, &slots, committed)?;
    if problems.is_empty() { Ok(meta) } else { Err(RunError::Refused(refusal(&problems))) }
}

fn refusal(problems: &[String]) -> String {
    let mut told = "the job cannot go on with its state".to_owned();
    problems.iter().for_each(|problem| told += &format!("\n  {problem}"));
    told
}

/// What is remembered of an operator.
pub fn remembered(committed: &dyn Committed, operator: &str) -> Result<Remembered, RunError> {
    let unreadable = |key: &str, e: wasmill_abi::DecodeError| RunError::Bug(format!("the state's {key}: {e}"));
    let mut remembered = Remembered::default();
    let name = format!("{OPERATOR}{operator}");
    for (key, bytes) in committed.meta(&name)? {
        if key == name {
            remembered.operator = Some(OperatorRecord::decode(&bytes).map_err(|e| unreadable(&key, e))?);
        }
    }
    let prefix = format!("{SLOT}{operator}/");
    for (key, bytes) in committed.meta(&prefix)? {
        let record = SlotRecord::decode(&bytes).map_err(|e| unreadable(&key, e))?;
        remembered.slots.insert(key[prefix.len()..].to_owned(), record);
    }
    Ok(remembered)
}

/// The names under which an operator, or one slot of it, is remembered.
pub fn records_of(operator: &str, slot: Option<&str>, remembered: &Remembered) -> Vec<String> {
    match slot {
        Some(slot) => vec![format!("{SLOT}{operator}/{slot}")],
        None => {
            let slots = remembered.slots.keys().map(|slot| format!("{SLOT}{operator}/{slot}"));
            slots.chain([format!("{OPERATOR}{operator}")]).collect()
        }
    }
}

/// What the lines of a view are made of.
fn lines_of(sink: &Sink) -> ViewRecord {
    let key = Schema::new(sink.key.iter().map(|&column| sink.schema.fields[column].clone()).collect());
    let format = format::encoder(sink.format, &sink.schema).extension().to_owned();
    ViewRecord { key, format, columns: sink.schema.clone() }
}

/// The key's columns by the names of the job, with the types of the key.
fn key_of(plan: &Plan, operator: &Operator, call: &FunctionCall) -> Schema {
    let input = &operator.inputs[0];
    let columns = &plan.operators[input.from.0].outputs[input.output].schema;
    Schema::new(call.key.iter().map(|&c| columns.fields[c].clone()).collect())
}

/// Another build of a module goes on with its state; that is told, because it may be news.
fn modules(factories: &BTreeMap<String, Arc<Factory>>, committed: &dyn Committed) -> Result<Meta, RunError> {
    let known: BTreeMap<String, Vec<u8>> = committed.meta(MODULE)?.into_iter().collect();
    let mut meta = Meta::new();
    for (name, factory) in factories {
        let (key, now) = (format!("{MODULE}{name}"), factory.sha256());
        match known.get(&key) {
            Some(was) if was == now.as_bytes() => continue,
            Some(was) => {
                let was = String::from_utf8_lossy(was).into_owned();
                tracing::info!(module = name, was, now, "another build of the module goes on with the state");
            }
            None => {}
        }
        meta.push((key, Some(now.as_bytes().to_vec())));
    }
    Ok(meta)
}

/// State of operators that the job does not have (any more) stays, and is found again under its name.
fn tell_of_orphans(plan: &Plan, slots: &[StoredSlot], committed: &dyn Committed) -> Result<(), RunError> {
    let is_orphan = |slot: &&StoredSlot| plan.operators.iter().all(|o| o.name != slot.operator);
    for slot in slots.iter().filter(is_orphan) {
        if committed.holds(slot.id, plan.key_groups)? {
            let what = if slot.name == TIMERS_SLOT { "timers" } else { slot.name.as_str() };
            tracing::info!(
                operator = slot.operator,
                slot = what,
                "the state of an operator that is not in the job stays"
            );
        }
    }
    Ok(())
}
