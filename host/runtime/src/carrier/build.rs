//! Building the subtasks of a plan: opens functions, state and sources, and lays the channels.

use super::Opened;
use super::error::RunError;
use super::log::guest_log;
use super::outlets::Outlets;
use super::progress::Counters;
use super::sinks::buffering_of;
use super::source::{Pace, SourceSubtask, position_key};
use super::subtask::{ChannelSubtask, Worker};
use super::task::{Control, Event};
use crate::connect::{self, PartitionNames, SourceOptions, SourceReader};
use crate::exchange::{self, CHANNEL_MESSAGES, Message, Outlet};
use crate::fragment::caution::Caution;
use crate::fragment::changes::OpColumn;
use crate::fragment::dead_letters::DeadLetters;
use crate::fragment::function::{FunctionOperator, Inputs, Meter};
use crate::fragment::guest::Guest;
use crate::fragment::sink::SinkOperator;
use crate::fragment::view::{self, ViewOperator};
use crate::fragment::{Counts, Edge, Fragment, Node, Operator};
use crate::measure::Measures;
use crate::state::KeyedState;
use crossbeam_channel::{Receiver, Sender};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use wasmill_abi::hash;
use wasmill_abi::open::OpenContext;
use wasmill_core::align::Alignment;
use wasmill_core::limits::Limits;
use wasmill_core::plan::{
    self, FragmentIndex, FunctionCall, Input, OperatorIndex, OperatorKind, Plan, Route, Side, Sink, SinkConnector,
};

/// All subtasks of a job, ready to run, with the names of their threads.
pub struct Built {
    pub sources: Vec<(String, Sender<Control>, SourceSubtask)>,
    pub channels: Vec<(String, ChannelSubtask)>,
}

/// The channels of all edges between fragments, taken out by the subtasks that use them.
#[derive(Default)]
struct Wiring {
    /// By fragment and subtask.
    outlets: BTreeMap<(usize, u16), Vec<Outlet>>,
    inlets: BTreeMap<(usize, u16), Vec<Receiver<Message>>>,
    /// The fragment and subtask at the other end of each inlet.
    senders: BTreeMap<(usize, u16), Vec<(usize, u16)>>,
    /// The side of each inlet.
    sides: BTreeMap<(usize, u16), Vec<Side>>,
    /// For each operator and output, the edges that leave its fragment, as positions of outlets.
    edges: BTreeMap<(usize, usize), Vec<usize>>,
}

struct Builder<'a, 'o> {
    opened: &'o Opened<'a>,
    plan: &'o Plan,
    limits: Arc<Limits>,
    partitions: Arc<PartitionNames>,
    counters: &'o Arc<Counters>,
    events: &'o Sender<Event>,
    stopping: &'o Receiver<()>,
    epoch: u64,
}

/// Opens everything that runs. `committed` is shared with the coordinator.
pub fn subtasks(
    opened: &Opened<'_>,
    counters: &Arc<Counters>,
    committed: &Arc<AtomicU64>,
    events: &Sender<Event>,
    stopping: &Receiver<()>,
) -> Result<Built, RunError> {
    let plan = opened.job.plan;
    let builder = Builder {
        opened,
        plan,
        limits: Arc::new(plan.limits.clone()),
        partitions: Arc::new(PartitionNames::new(opened.partitions.names.clone())),
        counters,
        events,
        stopping,
        epoch: opened.db.committed_epoch() + 1,
    };
    let mut wiring = wire(plan, &counters.measures);
    let mut built = Built { sources: Vec::new(), channels: Vec::new() };
    // Source subtasks with nothing to read; sources come before what reads from them.
    let mut silent = BTreeSet::new();
    let mut number = 0;
    for (f, fragment) in plan.fragments.iter().enumerate() {
        for subtask in 0..fragment.parallelism {
            let worker = builder.worker(FragmentIndex(f), subtask, number, &mut wiring)?;
            number += 1;
            let head = &plan.operators[fragment.operators[0].0];
            let name = format!("{}/{subtask}", head.name);
            if let OperatorKind::Source(source) = &head.kind {
                let (control, receiver) = crossbeam_channel::unbounded();
                let reader = builder.reader(&head.name, source, subtask, fragment.parallelism)?;
                if reader.has_ended() {
                    silent.insert((f, subtask));
                }
                let subtask = SourceSubtask {
                    worker,
                    operator: head.name.clone(),
                    schema: source.schema.clone(),
                    reader,
                    control: receiver,
                    pace: source.rate.map(Pace::new),
                    ended: false,
                    draining: false,
                    idle: false,
                    barrier: builder.epoch - 1,
                    committed: builder.epoch - 1,
                    handed_in: HashMap::new(),
                };
                built.sources.push((name, control, subtask));
            } else {
                let inlets = wiring.inlets.remove(&(f, subtask)).unwrap_or_default();
                worker.cell.queue_capacity.set((inlets.len() * CHANNEL_MESSAGES) as u64);
                let mut alignment = Alignment::resumed(inlets.len(), builder.epoch, worker.watermark);
                let senders = wiring.senders.remove(&(f, subtask)).unwrap_or_default();
                let without_rows = senders.iter().enumerate().filter(|(_, sender)| silent.contains(sender));
                without_rows.for_each(|(inlet, _)| alignment.expect_no_rows(inlet));
                let sides = wiring.sides.remove(&(f, subtask)).unwrap_or_default();
                let committed = committed.clone();
                let seen_committed = builder.epoch - 1;
                let subtask =
                    ChannelSubtask { worker, inlets, sides, alignment, committed, seen_committed, fired: false };
                built.channels.push((name, subtask));
            }
        }
    }
    Ok(built)
}

/// Lays a channel for every edge that leaves a fragment.
fn wire(plan: &Plan, measures: &Measures) -> Wiring {
    let mut wiring = Wiring::default();
    for operator in &plan.operators {
        for input in operator.inputs.iter().filter(|i| i.route != Route::Local) {
            let sender = &plan.operators[input.from.0];
            let (from, to) = (sender.fragment.0, operator.fragment.0);
            let (tx, rx) = exchange::connect(sender.parallelism.into(), operator.parallelism.into());
            let position = wiring.outlets.get(&(from, 0)).map_or(0, Vec::len);
            wiring.edges.entry((input.from.0, input.output)).or_default().push(position);
            for (subtask, senders) in tx.into_iter().enumerate() {
                let outlet = outlet(plan, sender, input, senders, subtask as u16)
                    .measured_in(measures.cell(input.from.0, subtask as u16));
                wiring.outlets.entry((from, subtask as u16)).or_default().push(outlet);
            }
            for (subtask, receivers) in rx.into_iter().enumerate() {
                wiring.inlets.entry((to, subtask as u16)).or_default().extend(receivers);
                let senders = (0..sender.parallelism).map(|s| (from, s));
                let at = (to, subtask as u16);
                wiring.senders.entry(at).or_default().extend(senders);
                let sides = (0..sender.parallelism).map(|_| input.side);
                wiring.sides.entry(at).or_default().extend(sides);
            }
        }
    }
    wiring
}

fn outlet(plan: &Plan, sender: &plan::Operator, input: &Input, channels: Vec<Sender<Message>>, subtask: u16) -> Outlet {
    match &input.route {
        Route::Local | Route::Forward => Outlet::forward(channels, subtask),
        Route::ByKey { columns } => {
            let schema = &sender.outputs[input.output].schema;
            let types = columns.iter().map(|&c| schema.fields[c].ty).collect();
            Outlet::by_key(channels, columns.clone(), types, plan.key_groups)
        }
    }
}

impl Builder<'_, '_> {
    fn worker(
        &self,
        fragment: FragmentIndex,
        index: u16,
        number: usize,
        wiring: &mut Wiring,
    ) -> Result<Worker, RunError> {
        let members = &self.plan.fragments[fragment.0].operators;
        let nodes =
            members.iter().map(|&o| self.node(o, members, index, wiring)).collect::<Result<Vec<_>, RunError>>()?;
        let state = self.state(members[0], index)?;
        let outlets = wiring.outlets.remove(&(fragment.0, index)).unwrap_or_default();
        let head = self.plan.operators[members[0].0].name.clone();
        let watermark = self.opened.watermarks.of(&head);
        let dead = DeadLetters::new(self.partitions.clone(), number, self.epoch);
        Ok(Worker {
            subtask: number,
            index,
            head,
            watermark,
            fragment: Fragment::new(nodes, state, dead, self.epoch, watermark),
            outlets: Outlets::new(outlets, self.stopping.clone()),
            cell: self.counters.measures.cell(members[0].0, index),
            events: self.events.clone(),
            counters: self.counters.clone(),
            buffer_bytes: self.limits.outbox_bytes,
            reported: Counts::default(),
            epoch_wanted: false,
        })
    }

    fn node(
        &self,
        index: OperatorIndex,
        members: &[OperatorIndex],
        subtask: u16,
        wiring: &Wiring,
    ) -> Result<Node, RunError> {
        let operator = &self.plan.operators[index.0];
        let cell = self.counters.measures.cell(index.0, subtask);
        let kind = match &operator.kind {
            OperatorKind::Source(source) => Operator::Source(OpColumn::of(&operator.name, source)),
            OperatorKind::Function(call) => {
                let meter = Meter { cell: cell.clone(), reported: self.counters.measures.reported(index.0) };
                Operator::Function(Box::new(self.function(operator, call, subtask, meter)?))
            }
            OperatorKind::Sink(sink) => {
                let name = operator.name.clone();
                match sink.connector {
                    SinkConnector::View { .. } => Operator::View(Box::new(ViewOperator::new(name, index.0, sink))),
                    _ => Operator::Sink(SinkOperator::new(name, index.0, buffering_of(sink), sink, cell.clone())),
                }
            }
        };
        let edges = (0..operator.outputs.len()).map(|output| {
            let local = members.iter().enumerate().filter(|(_, m)| {
                let inputs = &self.plan.operators[m.0].inputs;
                inputs.iter().any(|i| i.from == index && i.output == output && i.route == Route::Local)
            });
            let outlets = wiring.edges.get(&(index.0, output)).into_iter().flatten();
            local.map(|(node, _)| Edge::Node(node)).chain(outlets.map(|&o| Edge::Outlet(o))).collect()
        });
        Ok(Node { operator: kind, cell, edges: edges.collect() })
    }

    fn function(
        &self,
        operator: &plan::Operator,
        call: &FunctionCall,
        subtask: u16,
        meter: Meter,
    ) -> Result<FunctionOperator, RunError> {
        let factory = self
            .opened
            .job
            .factories
            .get(&call.module)
            .ok_or_else(|| RunError::Bug(format!("module {:?} of the plan was not loaded", call.module)))?;
        let open = OpenContext {
            function: call.function.name.clone(),
            job: self.plan.job.clone(),
            operator: operator.name.clone(),
            subtask,
            parallelism: operator.parallelism,
            config: call.config.clone(),
        };
        let log =
            guest_log(&self.plan.job, &operator.name, subtask, self.limits.log_lines_per_second, meter.cell.clone());
        let guest = Guest::open(factory.clone(), open, self.limits.clone(), log)
            .map_err(|e| RunError::Open { operator: operator.name.clone(), source: Box::new(e) })?;
        let schema = |side| {
            let input = operator.inputs.iter().find(|i| i.side == side)?;
            Some(self.plan.operators[input.from.0].outputs[input.output].schema.clone())
        };
        let left = schema(Side::Left).ok_or_else(|| RunError::Bug(format!("{} reads nothing", operator.name)))?;
        let inputs = Inputs { left, right: schema(Side::Right) };
        let seed = u64::from(hash::hash32(operator.name.as_bytes())) << 16 | u64::from(subtask);
        let function = FunctionOperator::new(operator, call.clone(), inputs, guest, self.limits.clone(), seed, meter);
        let caution = self.opened.starts.careful().map(|careful| careful as Arc<dyn Caution>);
        Ok(function.with_caution(caution))
    }

    /// The state of a fragment whose head is a keyed function or a view.
    fn state(&self, head: OperatorIndex, subtask: u16) -> Result<Option<KeyedState>, RunError> {
        let operator = &self.plan.operators[head.0];
        let of_view;
        let slots = match &operator.kind {
            OperatorKind::Function(call) if call.is_keyed() => call.function.slots(),
            OperatorKind::Sink(Sink { connector: SinkConnector::View { .. }, .. }) => {
                of_view = [view::slot()];
                &of_view
            }
            _ => return Ok(None),
        };
        let groups = self.plan.key_groups;
        let owns = |g: &u16| hash::subtask_of_group(*g, groups, operator.parallelism) == subtask;
        let first = (0..groups).find(owns).unwrap_or(groups);
        let count = (first..groups).take_while(owns).count() as u16;
        let state = KeyedState::open(
            self.opened.db.clone(),
            &operator.name,
            slots,
            first..first + count,
            groups,
            self.limits.state_cache_bytes,
        )?;
        Ok(Some(state))
    }

    fn reader(
        &self,
        operator: &str,
        source: &plan::Source,
        subtask: u16,
        parallelism: u16,
    ) -> Result<Box<dyn SourceReader>, RunError> {
        let prefix = position_key(operator, "");
        let restored = self.opened.db.meta_prefix(&prefix)?;
        let restored: BTreeMap<_, _> = restored.into_iter().map(|(k, v)| (k[prefix.len()..].to_owned(), v)).collect();
        let partitions = self.opened.partitions.of_source.get(operator).cloned().unwrap_or_default();
        let options = SourceOptions {
            source,
            base: self.opened.job.base,
            subtask,
            parallelism,
            batch_rows: self.limits.batch_rows as usize,
            batch_bytes: self.limits.batch_bytes as usize,
            names: &self.partitions,
            restored: &restored,
            partitions: &partitions,
        };
        connect::open_source(options).map_err(|source| RunError::Source { operator: operator.to_owned(), source })
    }
}
