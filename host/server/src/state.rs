//! Looking into the committed state of a job, whether it runs or not, and giving up parts of it on
//! purpose. It needs the job file for the job's name alone: no module is loaded, because the state
//! remembers what its values are.

use crate::files;
use crate::key;
use crate::local::{RunError, RunErrorKind, base_of};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wasmill_abi::effects::TimerFamily;
use wasmill_abi::wire::get_varint;
use wasmill_abi::{Schema, Shape, Type, hash};
use wasmill_core::job;
use wasmill_core::stored::{Datum, Remembered, SlotRecord};
use wasmill_runtime::carrier::admission::{self, Committed};
use wasmill_runtime::state::keyed::TIMERS_SLOT;
use wasmill_runtime::state::{Database, Go, Identity, Snapshot, StoredSlot};

/// What to look at.
#[derive(Debug, Clone)]
pub struct StateQuery {
    pub job_file: PathBuf,
    /// `.wasmill/JOB` beside the job file when not given.
    pub state_dir: Option<PathBuf>,
    /// `None`: every operator and slot, with counts alone.
    pub operator: Option<String>,
    pub slot: Option<String>,
    /// As a user writes it: a value, or a JSON array with one value for each column.
    pub key: Option<String>,
    /// At most so many keys are shown; counts are of all.
    pub limit: usize,
}

/// The committed state of a job, or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StateReport {
    pub job: String,
    pub dir: PathBuf,
    pub epoch: u64,
    pub operators: Vec<OperatorState>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OperatorState {
    pub name: String,
    /// The key's columns; `None` when the state was written before they were remembered.
    pub key: Option<Schema>,
    pub slots: Vec<SlotState>,
    pub timers: u64,
    /// The keys that were asked for, each with its values and timers, in the order of their bytes
    /// within a key group.
    pub keys: Vec<KeyState>,
    /// More keys than the limit allows.
    pub cut: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SlotState {
    pub name: String,
    /// `None` when the state was written before it was remembered.
    pub record: Option<SlotRecord>,
    pub values: u64,
    /// Of keys and values, uncompressed.
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct KeyState {
    pub key: Datum,
    pub group: u16,
    pub values: Vec<ValueState>,
    pub timers: Vec<(TimerFamily, i64)>,
    /// More values than the limit allows.
    pub cut: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ValueState {
    pub slot: String,
    /// The key of an entry, or the number of an element, for slots with many values per key.
    pub entry: Option<Datum>,
    /// Microseconds since 1970, for slots with a time to live.
    pub gone_at: Option<i64>,
    pub version: u32,
    /// Or why it cannot be shown.
    pub value: Result<Datum, String>,
}

/// Reads the state of a job. It takes no lock and writes nothing, so the job may run: then it shows
/// the last epoch that was committed when it began to read.
pub fn read(query: &StateQuery) -> Result<StateReport, RunError> {
    let (job, dir) = place(&query.job_file, query.state_dir.as_deref())?;
    let Some(snapshot) = Snapshot::open(&dir).map_err(failed)? else {
        let told = format!("there is no state in {}: the job {job:?} has not run there", dir.display());
        return Err(RunError::new(RunErrorKind::State, told));
    };
    let found = snapshot.job().map_err(failed)?;
    if found != job {
        let told = format!("the state in {} belongs to job {found:?}, not to {job:?}", dir.display());
        return Err(RunError::new(RunErrorKind::State, told));
    }
    let mut slots: BTreeMap<String, Vec<StoredSlot>> = BTreeMap::new();
    snapshot.slots().into_iter().for_each(|slot| slots.entry(slot.operator.clone()).or_default().push(slot));
    if let Some(operator) = &query.operator {
        let known: Vec<&String> = slots.keys().collect();
        if !slots.contains_key(operator) {
            let told = format!("no operator {operator:?} has state in {}; these have: {known:?}", dir.display());
            return Err(RunError::new(RunErrorKind::Spec, told));
        }
        slots.retain(|name, _| name == operator);
    }
    let groups = snapshot.key_groups().map_err(failed)?;
    let reader = Reader { snapshot: &snapshot, groups, query };
    let operators = slots.into_iter().map(|(name, slots)| reader.operator(name, slots));
    let operators = operators.collect::<Result<Vec<_>, RunError>>()?;
    Ok(StateReport { job, dir, epoch: snapshot.committed_epoch(), operators })
}

/// Removes the state of an operator, or of one slot of it, for good. The job must not run. Returns
/// what was removed.
///
/// `what` is `OPERATOR` or `OPERATOR.SLOT`.
pub fn drop_state(job_file: &Path, state_dir: Option<&Path>, what: &str) -> Result<Vec<String>, RunError> {
    let (job, dir) = place(job_file, state_dir)?;
    let refused = |told: String| Err(RunError::new(RunErrorKind::Spec, told));
    let Some(key_groups) = Snapshot::open(&dir).and_then(|s| s.map(|s| s.key_groups()).transpose()).map_err(failed)?
    else {
        return refused(format!("there is no state in {}, so nothing can be dropped", dir.display()));
    };
    let db = Database::open(&dir, &Identity { job: &job, key_groups }).map_err(failed)?;
    let (operator, slot) = match what.split_once('.') {
        Some((operator, slot)) => (operator, Some(slot)),
        None => (what, None),
    };
    let of_operator = |s: &&StoredSlot| s.operator == operator && slot.is_none_or(|slot| slot == s.name);
    let all = db.stored_slots();
    let found: Vec<&StoredSlot> = all.iter().filter(of_operator).collect();
    if found.is_empty() {
        let known: Vec<String> = all.iter().filter(|s| s.name != TIMERS_SLOT).map(place_of).collect();
        return refused(format!("there is no state of {what:?} in {}; there is {known:?}", dir.display()));
    }
    let remembered = admission::remembered(db.as_ref(), operator)?;
    let ids: Vec<u32> = found.iter().map(|s| s.id).collect();
    db.forget(&ids, &admission::records_of(operator, slot, &remembered)).map_err(failed)?;
    Ok(found.into_iter().map(place_of).collect())
}

fn place_of(slot: &StoredSlot) -> String {
    let name = if slot.name == TIMERS_SLOT { "timers" } else { slot.name.as_str() };
    format!("{}.{name}", slot.operator)
}

/// The name of a job, and its state directory.
fn place(job_file: &Path, state_dir: Option<&Path>) -> Result<(String, PathBuf), RunError> {
    let text = files::job_text(job_file).map_err(|told| RunError::new(RunErrorKind::Spec, told))?;
    let (spec, problems) = job::parse_lenient(&text);
    let Some(name) = spec.and_then(|spec| spec.job).map(|job| job.value) else {
        let shown = job_file.display().to_string();
        let told = format!("the job file {shown} does not tell the job's name\n{}", problems.render(&shown).trim_end());
        return Err(RunError::new(RunErrorKind::Spec, told));
    };
    let dir = state_dir.map_or_else(|| base_of(job_file).join(".wasmill").join(&name), Path::to_path_buf);
    Ok((name, dir))
}

fn failed(error: wasmill_runtime::state::StateError) -> RunError {
    RunError::new(RunErrorKind::State, error.to_string())
}

struct Reader<'r> {
    snapshot: &'r Snapshot,
    groups: u16,
    query: &'r StateQuery,
}

impl Reader<'_> {
    fn operator(&self, name: String, slots: Vec<StoredSlot>) -> Result<OperatorState, RunError> {
        let remembered = admission::remembered(self.snapshot, &name)?;
        let key = remembered.operator.as_ref().map(|o| o.key.clone());
        let mut state = OperatorState { name, key, slots: Vec::new(), timers: 0, keys: Vec::new(), cut: false };
        if let Some(slot) = self.query.slot.as_ref().filter(|slot| slots.iter().all(|s| s.name != **slot)) {
            let known: Vec<&str> = slots.iter().map(|s| s.name.as_str()).filter(|s| *s != TIMERS_SLOT).collect();
            let told = format!("operator {:?} has no slot {slot:?}; it has {known:?}", state.name);
            return Err(RunError::new(RunErrorKind::Spec, told));
        }
        let wanted = |s: &&StoredSlot| self.query.slot.as_ref().is_none_or(|slot| *slot == s.name);
        let slots: Vec<&StoredSlot> = slots.iter().filter(wanted).collect();
        match (&self.query.operator, &self.query.key) {
            (Some(_), Some(text)) => {
                let encoded = key::parse(state.key.as_ref(), text)
                    .map_err(|told| RunError::new(RunErrorKind::Spec, format!("--key {text}: {told}")))?;
                let group = hash::key_group(hash::hash32(&encoded), self.groups);
                self.group(group, &encoded, &slots, &remembered, &mut state)?;
            }
            _ => {
                for group in 0..self.groups {
                    self.group(group, &[], &slots, &remembered, &mut state)?;
                }
            }
        }
        Ok(state)
    }

    /// Adds what a key group holds, or only one key of it, to `state`.
    fn group(
        &self,
        group: u16,
        only: &[u8],
        slots: &[&StoredSlot],
        remembered: &Remembered,
        state: &mut OperatorState,
    ) -> Result<(), RunError> {
        let shows_keys = self.query.operator.is_some();
        let limit = self.query.limit;
        let known = state.keys.len();
        let mut keys: BTreeMap<Vec<u8>, KeyState> = BTreeMap::new();
        let mut cut = false;
        let mut at = |key: &[u8], schema: Option<&Schema>, add: &mut dyn FnMut(&mut KeyState)| {
            if !only.is_empty() && key != only {
                return;
            }
            let room = known + keys.len() < limit;
            match keys.get_mut(key) {
                Some(state) => add(state),
                None if room => {
                    let shown = key::shown(schema, key);
                    let mut new = KeyState { key: shown, group, values: Vec::new(), timers: Vec::new(), cut: false };
                    add(&mut new);
                    keys.insert(key.to_vec(), new);
                }
                None => cut = true,
            }
        };
        let key_schema = state.key.clone();
        for slot in slots {
            if slot.name == TIMERS_SLOT {
                let timers = &mut state.timers;
                self.snapshot
                    .timers(slot.id, group, &mut |family, time, key| {
                        *timers += u64::from(only.is_empty() || key == only);
                        if shows_keys {
                            at(key, key_schema.as_ref(), &mut |k| k.timers.push((family, time)));
                        }
                        Go::On
                    })
                    .map_err(failed)?;
                continue;
            }
            let record = remembered.slots.get(&slot.name);
            let stored = Stored { slot, record, has_stamps: self.snapshot.has_stamps(slot).map_err(failed)? };
            let types: Option<Vec<Type>> = key_schema.as_ref().map(|s| s.fields.iter().map(|f| f.ty).collect());
            let (mut values, mut bytes) = (0, 0);
            self.snapshot
                .values(slot.id, group, only, &mut |name, value| {
                    let (key, entry) = types
                        .as_ref()
                        .and_then(|types| wasmill_abi::key::split(types, name).ok())
                        .unwrap_or((name, &[]));
                    if !only.is_empty() && key != only {
                        return Go::On;
                    }
                    values += 1;
                    bytes += (name.len() + value.len()) as u64;
                    if shows_keys {
                        at(key, key_schema.as_ref(), &mut |k| {
                            if k.values.len() < limit {
                                k.values.push(stored.value(entry, value));
                            } else {
                                k.cut = true;
                            }
                        });
                    }
                    Go::On
                })
                .map_err(failed)?;
            match state.slots.iter_mut().find(|s| s.name == slot.name) {
                Some(slot) => {
                    slot.values += values;
                    slot.bytes += bytes;
                }
                None => {
                    let (name, record) = (slot.name.clone(), record.cloned());
                    state.slots.push(SlotState { name, record, values, bytes });
                }
            }
        }
        state.cut |= cut;
        state.keys.extend(keys.into_values());
        Ok(())
    }
}

/// How the values of a slot are stored.
struct Stored<'s> {
    slot: &'s StoredSlot,
    record: Option<&'s SlotRecord>,
    has_stamps: bool,
}

impl Stored<'_> {
    /// A stored value: its stamp where the slot has those, its version, then what its description
    /// says; a merged number has its kind instead of a version.
    fn value(&self, entry: &[u8], bytes: &[u8]) -> ValueState {
        let kind = self.record.map_or(KIND_VALUE, |r| r.kind);
        let (slot, entry) = (self.slot.name.clone(), self.entry(kind, entry));
        let (gone_at, bytes) = match bytes.split_first_chunk::<8>() {
            Some((stamp, rest)) if self.has_stamps => (Some(i64::from_le_bytes(*stamp)), rest),
            _ => (None, bytes),
        };
        let unreadable =
            |why: String| ValueState { slot: slot.clone(), entry: None, gone_at, version: 0, value: Err(why) };
        if is_merge(kind) {
            let Some((_, number)) = bytes.split_first() else { return unreadable("it is empty".to_owned()) };
            let number = number.try_into().map(i64::from_le_bytes);
            let value = number.map(|n| Datum::Int(n.into())).map_err(|_| format!("a number of {} bytes", bytes.len()));
            let version = self.record.and_then(|r| r.versions.last()).map_or(1, |v| v.version);
            return ValueState { slot, entry, gone_at, version, value };
        }
        let (version, bytes) = match get_varint(bytes) {
            Ok(parts) => parts,
            Err(e) => return unreadable(e.to_string()),
        };
        let shape = self.record.and_then(|r| r.shape_of(version)).unwrap_or(&Shape::Unknown);
        let value = Datum::decode(shape, bytes).map_err(|e| e.to_string());
        ValueState { slot, entry, gone_at, version, value }
    }

    fn entry(&self, kind: u8, bytes: &[u8]) -> Option<Datum> {
        match (kind, self.record.and_then(|r| r.entry_key.as_ref())) {
            _ if bytes.is_empty() => None,
            (KIND_MAP, Some(shape)) => Some(key::entry(shape, bytes)),
            (KIND_LIST, _) => bytes.try_into().ok().map(|n| Datum::UInt(u64::from_be_bytes(n).into())),
            _ => Some(Datum::Bytes(bytes.to_vec())),
        }
    }
}

const KIND_VALUE: u8 = 1;
const KIND_MAP: u8 = 2;
const KIND_LIST: u8 = 3;

/// Sums, smallest and largest numbers.
fn is_merge(kind: u8) -> bool {
    matches!(kind, 4..=6)
}

/// What admission would say of a plan, without starting it: used by checks.
pub(crate) fn admits(loaded: &crate::load::Loaded, dir: &Path) -> Result<(), RunError> {
    let Some(snapshot) = Snapshot::open(dir).map_err(failed)? else { return Ok(()) };
    if snapshot.job().map_err(failed)? != loaded.plan.job {
        return Ok(());
    }
    let committed: &dyn Committed = &snapshot;
    Ok(admission::admit(&loaded.plan, &loaded.factories, committed).map(drop)?)
}
