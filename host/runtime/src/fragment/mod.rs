//! A fragment: the operators between two exchanges, run as one by a subtask.
//!
//! A fragment is pure: rows, timers and watermarks go in, rows go out through [`Carrier`]. It knows
//! no thread, socket, clock or file; state lies in the [`KeyedState`] that the carrier lends it.

pub mod caution;
pub mod changes;
pub mod dead_letters;
mod frames;
pub mod function;
pub mod guest;
pub mod kept;
pub mod keys;
mod late;
pub mod metrics;
pub mod sink;
mod state_calls;
pub mod view;

use crate::batch::Batch;
use crate::exchange::Closed;
use crate::format::FormatError;
use crate::measure::Cell;
use crate::state::{Delta, DueTimers, KeyedState, StateError};
use changes::OpColumn;
use dead_letters::{DeadLetters, Letters};
use function::FunctionOperator;
use sink::SinkOperator;
use std::sync::Arc;
use std::time::Duration;
use view::ViewOperator;
use wasmill_abi::effects::TimerFamily;
use wasmill_core::plan::Side;

/// What a fragment needs from whoever runs it.
pub trait Carrier {
    /// Sends rows to the next fragment; may wait.
    fn send(&mut self, outlet: usize, batch: Batch) -> Result<(), Closed>;
    /// Microseconds since 1970.
    fn now(&self) -> i64;
    /// Waits before a call is tried again; returns early when the job stops.
    fn pause(&mut self, time: Duration) -> Result<(), Closed>;
}

/// Why a fragment cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FragmentError {
    /// Another subtask ended first; its own error tells why.
    #[error("the job is stopping")]
    Stopping,
    #[error("operator {operator:?}: {message}")]
    Function { operator: String, message: String },
    #[error(transparent)]
    State(#[from] StateError),
    #[error("operator {operator:?}: {source}")]
    Format { operator: String, source: FormatError },
}

impl From<Closed> for FragmentError {
    fn from(_: Closed) -> Self {
        FragmentError::Stopping
    }
}

/// One operator with its edges.
pub struct Node {
    pub operator: Operator,
    pub cell: Arc<Cell>,
    /// For each output, where its rows go.
    pub edges: Vec<Vec<Edge>>,
}

/// What an operator does with rows.
pub enum Operator {
    /// A source, at the head: rows pass through. Those of a changelog lose the column that says what
    /// they do.
    Source(Option<OpColumn>),
    Function(Box<FunctionOperator>),
    Sink(SinkOperator),
    /// A view, at the head.
    View(Box<ViewOperator>),
}

/// Where rows of an output go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// To a node of this fragment.
    Node(usize),
    /// To another fragment.
    Outlet(usize),
}

/// Rows that an operator emitted on one of its outputs.
pub struct Emitted {
    pub output: usize,
    pub batch: Batch,
}

/// What a subtask's operators hand in at the end of an epoch.
#[derive(Default)]
pub struct EpochPart {
    pub state: Option<Delta>,
    /// The bytes of each sink of the fragment, by the operator's position in the plan.
    pub sinks: Vec<(usize, Vec<u8>)>,
    pub dead_letters: Letters,
    /// The views that changed, by the operator's position in the plan.
    pub views: Vec<usize>,
}

/// Counts of one fragment since it was opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub rows_out: u64,
    pub dead_letters: u64,
    /// Rows and timers that failed and were dropped, because their operator's policy says so.
    pub skipped: u64,
}

/// The operators of one subtask, the head first.
pub struct Fragment {
    nodes: Vec<Node>,
    /// The head's state, when the head is a keyed function or a view.
    state: Option<KeyedState>,
    dead: DeadLetters,
    /// Memory that is used again.
    due: DueTimers,
    epoch: u64,
    watermark: i64,
    counts: Counts,
}

impl Fragment {
    /// `epoch` is the one that the first rows belong to; event time has come as far as `watermark`.
    pub fn new(nodes: Vec<Node>, state: Option<KeyedState>, dead: DeadLetters, epoch: u64, watermark: i64) -> Self {
        Self { nodes, state, dead, due: DueTimers::new(), epoch, watermark, counts: Counts::default() }
    }

    /// Rows for the head, of one of its inputs.
    pub fn rows(&mut self, side: Side, batch: Batch, carrier: &mut dyn Carrier) -> Result<(), FragmentError> {
        self.node(0, side, batch, carrier)
    }

    /// Records a line that no row came of.
    pub fn dead_line(&mut self, operator: &str, line: &crate::connect::DeadLine) {
        self.dead.line(operator, line);
    }

    /// Event time has come this far: timers that are due fire. Watermarks have their place between
    /// the rows, so timers fire at the same place however the rows were batched.
    pub fn watermark(&mut self, watermark: i64, carrier: &mut dyn Carrier) -> Result<(), FragmentError> {
        self.watermark = watermark;
        self.timers(TimerFamily::Event, watermark, carrier)
    }

    /// The time of the next processing-time timer.
    pub fn next_processing_timer(&self) -> Option<i64> {
        self.state.as_ref().and_then(|s| s.next_timer(TimerFamily::Processing))
    }

    /// Fires the processing-time timers that are due at `now`.
    pub fn processing_time(&mut self, now: i64, carrier: &mut dyn Carrier) -> Result<(), FragmentError> {
        self.timers(TimerFamily::Processing, now, carrier)
    }

    fn timers(&mut self, family: TimerFamily, until: i64, carrier: &mut dyn Carrier) -> Result<(), FragmentError> {
        for round in 0u64.. {
            let (Some(state), Some(Operator::Function(function))) =
                (self.state.as_mut(), self.nodes.first_mut().map(|n| &mut n.operator))
            else {
                return Ok(());
            };
            state.take_due(family, until, function.batch_rows(), &mut self.due);
            if self.due.is_empty() {
                return Ok(());
            }
            if round >= function.timer_rounds() {
                function.give_up(family, &self.due, &mut self.dead)?;
                continue;
            }
            let call = function::Call { epoch: self.epoch, watermark: self.watermark, carrier: &mut *carrier };
            let emitted = function.timers(family, &self.due, state, call, &mut self.dead)?;
            self.deliver(0, emitted, carrier)?;
        }
        Ok(())
    }

    fn node(&mut self, node: usize, side: Side, batch: Batch, carrier: &mut dyn Carrier) -> Result<(), FragmentError> {
        if batch.rows() == 0 {
            return Ok(());
        }
        self.nodes[node].cell.rows_in.add(batch.rows() as u64);
        self.nodes[node].cell.batches.add(1);
        let emitted = match &mut self.nodes[node].operator {
            Operator::Source(None) => vec![Emitted { output: 0, batch }],
            Operator::Source(Some(op)) => vec![Emitted { output: 0, batch: op.take(batch, &mut self.dead) }],
            Operator::Sink(sink) => {
                self.counts.rows_out += batch.rows() as u64;
                sink.rows(&batch)?;
                return Ok(());
            }
            Operator::View(view) => {
                self.counts.rows_out += batch.rows() as u64;
                let state = self.state.as_mut().expect("a view stands at the head, which has state");
                return view.rows(&batch, state);
            }
            Operator::Function(function) => {
                let state = if node == 0 { self.state.as_mut() } else { None };
                let call = function::Call { epoch: self.epoch, watermark: self.watermark, carrier: &mut *carrier };
                function.rows(side, &batch, state, call, &mut self.dead)?
            }
        };
        self.deliver(node, emitted, carrier)
    }

    fn deliver(&mut self, node: usize, emitted: Vec<Emitted>, carrier: &mut dyn Carrier) -> Result<(), FragmentError> {
        for Emitted { output, batch } in emitted {
            self.nodes[node].cell.rows_out.add(batch.rows() as u64);
            if let ([], Operator::Function(function)) = (&*self.nodes[node].edges[output], &self.nodes[node].operator) {
                function.unread(output, batch.rows());
            }
            for i in 0..self.nodes[node].edges[output].len() {
                match self.nodes[node].edges[output][i] {
                    // Functions with two inputs read by key, so they are heads.
                    Edge::Node(next) => self.node(next, Side::Left, batch.clone(), carrier)?,
                    Edge::Outlet(outlet) => carrier.send(outlet, batch.clone())?,
                }
            }
        }
        Ok(())
    }

    /// Ends the epoch: takes out everything that it leaves behind. No row stays buffered.
    pub fn prepare_barrier(&mut self, epoch: u64) -> EpochPart {
        self.epoch = epoch + 1;
        let sinks = self.nodes.iter_mut().filter_map(|n| match &mut n.operator {
            Operator::Sink(sink) => Some((sink.index(), sink.take())),
            _ => None,
        });
        let sinks = sinks.filter(|(_, bytes)| !bytes.is_empty()).collect();
        let mut views = Vec::new();
        for node in &mut self.nodes {
            match &mut node.operator {
                Operator::Function(function) => function.epoch_ended(),
                Operator::View(view) => views.extend(view.take_changed()),
                _ => {}
            }
        }
        let dead_letters = self.dead.take(self.epoch);
        let state = self.state.as_mut().map(|s| s.take_delta(epoch));
        if let (Some(state), Some(head)) = (&self.state, self.nodes.first()) {
            head.cell.state.set(&state.stats(), state.cached_bytes());
        }
        EpochPart { state, sinks, dead_letters, views }
    }

    /// The epoch that rows belong to now.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Everything up to this epoch is durable.
    pub fn committed(&mut self, epoch: u64) {
        if let Some(state) = &mut self.state {
            state.committed(epoch);
        }
    }

    /// Bytes that wait for the end of the epoch.
    pub fn buffered_bytes(&self) -> u64 {
        let sinks: u64 = self
            .nodes
            .iter()
            .map(|n| match &n.operator {
                Operator::Sink(sink) => sink.buffered_bytes(),
                _ => 0,
            })
            .sum();
        sinks + self.dead.buffered_bytes() + self.state.as_ref().map_or(0, KeyedState::dirty_bytes)
    }

    pub fn counts(&self) -> Counts {
        Counts { dead_letters: self.dead.total(), skipped: self.dead.skipped(), ..self.counts }
    }
}
