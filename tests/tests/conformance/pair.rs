//! One function twice: the native code of its crate, and its component in the host. Both get the same
//! frames; whatever they give must be the same bytes. Between frames this plays the host, in memory.

use crate::cells::{self, Row};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use wasmill_abi::block::BlockWriter;
use wasmill_abi::effects::{Bounds, Effect, TimerFamily, read};
use wasmill_abi::frame::{FrameWriter, Header, Kind, NO_WATERMARK, Tag};
use wasmill_abi::key;
use wasmill_abi::manifest::{ConfigValue, Function, SlotKind};
use wasmill_abi::open::OpenContext;
use wasmill_abi::{Schema, Type};
use wasmill_core::limits::Limits;
use wasmill_runtime::wasm::{CallError, Factory, Instance, Runtime, StateCallError, StateCalls};
use wasmill_sdk::module::{Instance as Native, Module};
use wasmill_sdk::testing::{Entries, with_entries};
use wasmill_tests::Random;

static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| Runtime::new(None).expect("the engine starts"));

static FACTORIES: LazyLock<[Arc<Factory>; 2]> = LazyLock::new(|| {
    ["probe", "flights"].map(|example| {
        let bytes = std::fs::read(wasmill_tests::module(example)).expect("it was just built");
        Factory::load(&RUNTIME, &bytes, &limits()).expect("the examples are in order")
    })
});

fn limits() -> Limits {
    // What a deadline does is tested elsewhere; here a busy machine must not look like a difference.
    Limits { deadline: Duration::from_secs(30), ..Limits::default() }
}

/// Text columns that make a key.
pub type KeyText = Vec<String>;

/// All that a function did, in order.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub struct Told {
    /// Rows by output.
    pub rows: BTreeMap<u16, Vec<Row>>,
    /// Which input row, counted from the first, was refused, with code and message.
    pub rejects: Vec<(u64, u32, String)>,
    /// Input rows that were late, counted likewise.
    pub late: Vec<u64>,
    /// Whole batches that failed: fault and message.
    pub failures: Vec<String>,
    pub state: BTreeMap<(u16, KeyText), Vec<u8>>,
    pub timers: BTreeSet<(TimerFamily, i64, KeyText)>,
    /// What lives in maps, lists and merge slots: by slot and encoded key, own keys and values.
    #[expect(clippy::type_complexity, reason = "the line above says what it is")]
    pub entries: BTreeMap<(u16, Vec<u8>), Vec<(Vec<u8>, Vec<u8>)>>,
}

/// Answers a component as the native code is answered.
struct Answers(Entries);

impl StateCalls for Answers {
    fn get_many(&mut self, slot: u16, asked: &[u8]) -> Result<Vec<u8>, StateCallError> {
        Ok(self.0.get_many(slot, asked))
    }

    fn scan(
        &mut self,
        slot: u16,
        key: u32,
        start: &[u8],
        end: &[u8],
        bytes_max: u32,
    ) -> Result<Vec<u8>, StateCallError> {
        Ok(self.0.scan(slot, key, start, end, bytes_max))
    }
}

pub struct Pair {
    native_module: Module,
    factory: Arc<Factory>,
    context: OpenContext,
    native: Box<dyn Native>,
    component: Instance,
    function: Function,
    outputs: Vec<Schema>,
    handled: u64,
    pub watermark: i64,
    pub told: Told,
    entries: Rc<RefCell<Entries>>,
    pub frames: u64,
}

impl Pair {
    pub fn open(example: &str, function: &str, config: Vec<(String, ConfigValue)>) -> Self {
        let (native_module, factory) = match example {
            "probe" => (probe::wasmill_module(), &FACTORIES[0]),
            _ => (flights::wasmill_module(), &FACTORIES[1]),
        };
        let manifest = factory.manifest().clone();
        assert_eq!(native_module.manifest(), manifest, "one crate, one manifest");
        let found = manifest.functions.into_iter().find(|f| f.name == function).expect("the example has it");
        let context = OpenContext {
            function: function.to_owned(),
            job: "conformance".to_owned(),
            operator: function.to_owned(),
            subtask: 0,
            parallelism: 1,
            config,
        };
        let native = native_module.open(&context.encode()).expect("it opens natively");
        let component = factory.instantiate(&context, &limits(), Arc::new(|_, _| {})).expect("it opens in the host");
        let entries = Rc::new(RefCell::new(Entries::new(found.slots().to_vec())));
        Self {
            native_module,
            factory: factory.clone(),
            context,
            native,
            component,
            outputs: found.outputs.iter().map(|o| o.schema.clone()).collect(),
            function: found,
            handled: 0,
            watermark: NO_WATERMARK,
            told: Told::default(),
            entries,
            frames: 0,
        }
    }

    pub fn input(&self) -> Schema {
        self.function.input.clone()
    }

    /// Drops one of the instances, or both, as a host may between any two batches.
    pub fn maybe_restart(&mut self, random: &mut Random) {
        if random.below(8) == 0 {
            self.native = self.native_module.open(&self.context.encode()).expect("it opened before");
        }
        if random.below(8) == 0 {
            let opened = self.factory.instantiate(&self.context, &limits(), Arc::new(|_, _| {}));
            self.component = opened.expect("it opened before");
        }
    }

    fn frame(&mut self, kind: Kind, count: usize, keys: usize, sections: usize) -> FrameWriter {
        self.frames += 1;
        let (rows, timers) = if kind == Kind::Timers { (0, count as u32) } else { (count as u32, 0) };
        let (now, seed, epoch) = (1_000_000 * self.frames as i64, self.frames * 31, self.frames / 7);
        let header = Header { kind, rows, keys: keys as u32, timers, epoch, watermark: self.watermark, now, seed };
        FrameWriter::new(Vec::new(), &header, sections)
    }

    /// A batch of rows; with their keys, for a keyed function.
    pub fn rows(&mut self, rows: &[Row], keys: Option<&[KeyText]>) {
        self.rows_of(Kind::Data, rows, keys, None);
    }

    /// The same of one of two inputs, with event times when the stream has them.
    pub fn rows_of(&mut self, kind: Kind, rows: &[Row], keys: Option<&[KeyText]>, times: Option<&[i64]>) {
        let (distinct, row_key) = grouped(keys.unwrap_or_default());
        let slots = self.values().len();
        let sections = 1 + if keys.is_some() { 2 + slots } else { 0 } + usize::from(times.is_some());
        let mut frame = self.frame(kind, rows.len(), distinct.len(), sections);
        let input = match kind {
            Kind::Right => self.function.right.as_ref().expect("it has two inputs"),
            _ => &self.function.input,
        };
        frame.block(Tag::Columns, 0, rows.len(), BlockWriter::buffers_of(input), |b| cells::put(input, rows, b));
        if let Some(times) = times {
            frame.i64s(Tag::EventTime, times.iter().copied());
        }
        self.begin(&distinct);
        if keys.is_some() {
            frame.u32s(Tag::RowKey, row_key);
            self.put_keys(&mut frame, &distinct);
        }
        self.both(frame.finish(), rows.len() as u32, &distinct);
    }

    /// Raises the watermark, and fires what is due: at most one timer per key in a frame.
    pub fn fire(&mut self, family: TimerFamily, until: i64) {
        if family == TimerFamily::Event {
            self.watermark = self.watermark.max(until);
        }
        loop {
            let mut seen = BTreeSet::new();
            let is_due = |t: &&(TimerFamily, i64, KeyText)| t.0 == family && t.1 <= until && seen.insert(t.2.clone());
            let due: Vec<_> = self.told.timers.iter().filter(is_due).cloned().collect();
            if due.is_empty() {
                return;
            }
            let keys: Vec<_> = due.iter().map(|t| t.2.clone()).collect();
            self.begin(&keys);
            let sections = 4 + self.values().len();
            let mut frame = self.frame(Kind::Timers, due.len(), due.len(), sections);
            frame.i64s(Tag::TimerTime, due.iter().map(|t| t.1));
            frame.u32s(Tag::TimerKey, 0..due.len() as u32);
            frame.bytes(Tag::TimerFamily, &vec![family as u8; due.len()]);
            self.put_keys(&mut frame, &keys);
            self.told.timers.retain(|timer| !due.contains(timer));
            self.both(frame.finish(), due.len() as u32, &keys);
        }
    }

    /// The slots that are values.
    fn values(&self) -> Vec<u16> {
        let slots = (0u16..).zip(self.function.slots());
        slots.filter(|(_, slot)| slot.kind == SlotKind::Value).map(|(id, _)| id).collect()
    }

    /// All that the function did, and left in maps, lists and merge slots.
    pub fn told(&self) -> Told {
        let entries = self.entries.borrow();
        let mut told = self.told.clone();
        told.state.retain(|(slot, _), value| entries.visible(*slot, value).is_some());
        for ((slot, key, entry), value) in entries.living() {
            // The numbers of a list's elements depend on the cut, their order does not.
            let is_list = self.function.slots()[usize::from(slot)].kind == SlotKind::List;
            let entry = if is_list { Vec::new() } else { entry };
            told.entries.entry((slot, key)).or_default().push((entry, value));
        }
        told
    }

    /// The time of every frame of the same watermark is the same, however rows are cut.
    fn begin(&mut self, keys: &[KeyText]) {
        let keys: Vec<_> = keys.iter().map(encoded).collect();
        self.entries.borrow_mut().begin(&keys, self.watermark, 0);
    }

    fn put_keys(&self, frame: &mut FrameWriter, keys: &[KeyText]) {
        let schema = self.function.key().expect("only keyed functions have keys");
        assert!(schema.fields.iter().all(|f| f.ty == Type::Utf8), "the keys of these functions are text");
        let rows: Vec<Row> = keys.iter().map(|k| k.iter().map(|t| cells::Cell::text(t)).collect()).collect();
        frame.block(Tag::Keys, 0, keys.len(), BlockWriter::buffers_of(schema), |b| cells::put(schema, &rows, b));
        for slot in self.values() {
            let stored = |key: &KeyText| {
                let stored = self.told.state.get(&(slot, key.clone()));
                stored.filter(|value| self.entries.borrow().visible(slot, value).is_some()).cloned().unwrap_or_default()
            };
            let values: Vec<Row> = keys.iter().map(|k| vec![cells::Cell::Var(stored(k))]).collect();
            let schema = wasmill_abi::effects::state_schema();
            frame.block(Tag::State, slot, keys.len(), 3, |b| cells::put(&schema, &values, b));
        }
    }

    /// Runs a frame in both, compares, and applies what came out.
    fn both(&mut self, frame: Vec<u8>, rows: u32, keys: &[KeyText]) {
        let mut native = Vec::new();
        let process = || self.native.process(frame.clone(), &mut |chunk| native.push(chunk));
        let ours = with_entries(&self.entries, process);
        self.component.set_state(Box::new(Answers(self.entries.borrow().clone())));
        match (ours, self.component.process(&frame, rows)) {
            (Ok(()), Ok(theirs)) => {
                let theirs: Vec<Vec<u8>> = theirs.iter().map(|chunk| chunk.bytes().to_vec()).collect();
                assert!(native == theirs, "{:?} natively\n{native:?}\nin the host\n{theirs:?}", self.function.name);
                native.iter().for_each(|chunk| self.apply(chunk, rows, keys));
            }
            (Err(ours), Err(CallError::Guest { fault, code, message, row })) => {
                let ours = format!("{:?} {} {:?} {}", ours.fault(), ours.code(), ours.row(), ours.message());
                assert_eq!(ours, format!("{fault:?} {code} {row:?} {message}").replace("BadRecord", "Reject"));
                self.told.failures.push(ours);
            }
            (ours, theirs) => panic!("natively {ours:?}, in the host {theirs:?}"),
        }
        self.handled += u64::from(rows);
    }

    fn apply(&mut self, chunk: &[u8], rows: u32, keys: &[KeyText]) {
        let function = &self.function;
        let bounds = Bounds {
            outputs: &self.outputs,
            slots: function.slots().len() as u16,
            metrics: function.metrics.len() as u16,
            rows,
            keys: keys.len() as u32,
            rows_max: 1 << 20,
        };
        for effect in read(chunk, &bounds).expect("the SDK writes effects that the ABI reads") {
            match effect {
                Effect::Rows { output, block, .. } => {
                    self.told.rows.entry(output).or_default().extend(cells::rows(&block));
                }
                Effect::State { slot, keys: changed, values } => {
                    for (i, key) in changed.iter().enumerate() {
                        let at = (slot, keys[u32::from_le_bytes(*key) as usize].clone());
                        if values.is_valid(i) {
                            self.told.state.insert(at, values.var(i).to_vec());
                        } else {
                            self.told.state.remove(&at);
                        }
                    }
                }
                Effect::Timers(changes) => {
                    for change in changes {
                        let timer = (change.family, change.time, keys[change.key as usize].clone());
                        if change.delete {
                            self.told.timers.remove(&timer);
                        } else {
                            self.told.timers.insert(timer);
                        }
                    }
                }
                Effect::Reject { row, code, message } => {
                    self.told.rejects.push((self.handled + u64::from(row), code, message.to_owned()));
                }
                Effect::Entries { slot, entries } => self.entries.borrow_mut().apply(slot, &entries),
                Effect::Late(rows) => {
                    self.told.late.extend(rows.iter().map(|row| self.handled + u64::from(*row)));
                }
                Effect::Metric { .. } => {}
            }
        }
    }
}

/// The distinct keys in the order in which they come first, and which one each row has.
fn grouped(keys: &[KeyText]) -> (Vec<KeyText>, Vec<u32>) {
    let mut distinct: Vec<KeyText> = Vec::new();
    let index = |key: &KeyText| {
        let at = distinct.iter().position(|k| k == key).unwrap_or_else(|| {
            distinct.push(key.clone());
            distinct.len() - 1
        });
        at as u32
    };
    let of_rows = keys.iter().map(index).collect();
    // Keys are found by their encoding in the host: equal texts, equal bytes.
    let bytes: BTreeSet<Vec<u8>> = distinct.iter().map(encoded).collect();
    assert_eq!(bytes.len(), distinct.len());
    (distinct, of_rows)
}

fn encoded(key: &KeyText) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.iter().for_each(|text| key::put_bytes(&mut bytes, text.as_bytes()));
    bytes
}
