//! Channels between subtasks: rows, watermarks, barriers and ends, in order, bounded.
//!
//! Every subtask of a sender is connected to every subtask of the receiver. Rows take one of these
//! channels, by the edge's route; everything else takes all of them.

use crate::batch::Batch;
use crate::fragment::keys::{KeySink, RowKeys};
use crate::measure::{Activity, Cell};
use arrow_array::UInt32Array;
use arrow_buffer::ScalarBuffer;
use arrow_select::take::take_record_batch;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use std::sync::Arc;
use wasmill_abi::{Type, hash};

/// Messages that one channel holds before its sender waits. With batches bounded in rows and bytes
/// this bounds memory.
pub const CHANNEL_MESSAGES: usize = 8;
/// Rows in one message; a function may emit far more in one call.
const MESSAGE_ROWS: usize = 8192;

/// What goes through a channel.
#[derive(Debug, Clone)]
pub enum Message {
    Rows(Batch),
    /// No row with an event time at or below this one follows from this sender.
    Watermark(i64),
    /// The sender has had nothing for a while, and holds event time back for nobody. It says a
    /// watermark before it sends rows again.
    Idle,
    /// The end of an epoch.
    Barrier(u64),
    /// No rows follow; barriers do.
    End,
}

/// The other side of a channel is gone: the job is ending, for a reason reported there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// The sending side of one edge, in one subtask.
pub struct Outlet {
    senders: Vec<Sender<Message>>,
    router: Router,
    /// Of the operator that sends.
    cell: Arc<Cell>,
}

enum Router {
    One(usize),
    ByKey(Box<KeyRouter>),
}

struct KeyRouter {
    columns: Vec<usize>,
    types: Vec<Type>,
    key_groups: u16,
    keys: RowKeys,
    /// The rows of each receiver, reused.
    rows: Vec<Vec<u32>>,
}

/// One side of an edge: for each of its subtasks, an end of every channel that it has.
type Ends<T> = Vec<Vec<T>>;

/// The channels of one edge: for every receiving subtask, one receiver per sending subtask.
pub fn connect(senders: usize, receivers: usize) -> (Ends<Sender<Message>>, Ends<Receiver<Message>>) {
    let mut tx: Vec<Vec<_>> = (0..senders).map(|_| Vec::with_capacity(receivers)).collect();
    let mut rx: Vec<Vec<_>> = (0..receivers).map(|_| Vec::with_capacity(senders)).collect();
    for outlet in &mut tx {
        for inlet in &mut rx {
            let (sender, receiver) = crossbeam_channel::bounded(CHANNEL_MESSAGES);
            outlet.push(sender);
            inlet.push(receiver);
        }
    }
    (tx, rx)
}

impl Outlet {
    /// All rows go to one subtask: `subtask` modulo the number of receivers.
    pub fn forward(senders: Vec<Sender<Message>>, subtask: u16) -> Self {
        let target = usize::from(subtask) % senders.len();
        Self { senders, router: Router::One(target), cell: Arc::default() }
    }

    /// Each row goes to the subtask that owns its key group.
    pub fn by_key(senders: Vec<Sender<Message>>, columns: Vec<usize>, types: Vec<Type>, key_groups: u16) -> Self {
        if senders.len() == 1 {
            return Self { senders, router: Router::One(0), cell: Arc::default() };
        }
        let rows = vec![Vec::new(); senders.len()];
        let router = KeyRouter { columns, types, key_groups, keys: RowKeys::default(), rows };
        Self { senders, router: Router::ByKey(Box::new(router)), cell: Arc::default() }
    }

    /// The times of this outlet are counted there.
    pub fn measured_in(self, cell: Arc<Cell>) -> Self {
        Self { cell, ..self }
    }

    /// Sends rows to where they belong; waits while the receiver is behind.
    pub fn rows(&mut self, batch: Batch) -> Result<(), Closed> {
        for start in (0..batch.rows()).step_by(MESSAGE_ROWS) {
            let len = MESSAGE_ROWS.min(batch.rows() - start);
            self.message(if len == batch.rows() { batch.clone() } else { batch.slice(start, len) })?;
        }
        Ok(())
    }

    fn message(&mut self, batch: Batch) -> Result<(), Closed> {
        match &mut self.router {
            Router::One(target) => send(&self.senders[*target], Message::Rows(batch), &self.cell),
            Router::ByKey(router) => {
                let mut laps = self.cell.laps();
                router.partition(&batch);
                for (rows, sender) in router.rows.iter().zip(&self.senders) {
                    let part = match rows.len() {
                        0 => continue,
                        n if n == batch.rows() => batch.clone(),
                        _ => pick(&batch, rows),
                    };
                    laps.lap(Activity::Route);
                    send(sender, Message::Rows(part), &self.cell)?;
                    laps.skip();
                }
                Ok(())
            }
        }
    }

    /// Sends a watermark, a barrier or the end to every receiver.
    pub fn broadcast(&self, message: &Message) -> Result<(), Closed> {
        self.senders.iter().try_for_each(|s| send(s, message.clone(), &self.cell))
    }
}

fn send(sender: &Sender<Message>, message: Message, cell: &Cell) -> Result<(), Closed> {
    match sender.try_send(message) {
        Ok(()) => Ok(()),
        Err(TrySendError::Disconnected(_)) => Err(Closed),
        Err(TrySendError::Full(message)) => {
            let mut laps = cell.laps();
            let sent = sender.send(message);
            laps.lap(Activity::WaitOutput);
            sent.map_err(|_| Closed)
        }
    }
}

impl KeyRouter {
    /// Fills `rows`.
    fn partition(&mut self, batch: &Batch) {
        self.rows.iter_mut().for_each(Vec::clear);
        let mut sink = Partition {
            parallelism: self.rows.len() as u16,
            key_groups: self.key_groups,
            row: 0,
            rows: &mut self.rows,
        };
        self.keys.each(&batch.columns, &self.columns, &self.types, 0..batch.rows(), &mut sink);
    }
}

/// Gives each row to the subtask that owns its key.
struct Partition<'p> {
    parallelism: u16,
    key_groups: u16,
    row: u32,
    rows: &'p mut [Vec<u32>],
}

impl Partition<'_> {
    #[inline]
    fn add(&mut self, hash32: u32) {
        let group = hash::key_group(hash32, self.key_groups);
        let subtask = hash::subtask_of_group(group, self.key_groups, self.parallelism);
        self.rows[usize::from(subtask)].push(self.row);
        self.row += 1;
    }
}

impl KeySink for Partition<'_> {
    #[inline(always)]
    fn fixed<const N: usize>(&mut self, key: &[u8; N]) {
        self.add(hash::hash32(key));
    }

    #[inline]
    fn any(&mut self, key: &[u8]) {
        self.add(hash::hash32(key));
    }
}

/// These rows of a batch, in this order.
pub fn pick(batch: &Batch, rows: &[u32]) -> Batch {
    let indices = UInt32Array::from(rows.to_vec());
    let columns = take_record_batch(&batch.columns, &indices).expect("indices come from this batch");
    let at = |values: &ScalarBuffer<i64>| rows.iter().map(|&r| values[r as usize]).collect();
    Batch {
        columns,
        event_time: batch.event_time.as_ref().map(at),
        positions: rows.iter().map(|&r| batch.positions[r as usize]).collect(),
        ops: batch.ops.as_ref().map(|ops| rows.iter().map(|&r| ops[r as usize]).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array, RecordBatch};
    use std::sync::Arc;

    fn batch(rows: i64) -> Batch {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let columns = RecordBatch::try_from_iter([("n", values)]).expect("one column of one length");
        let ops = Some((0..rows).map(|n| (n % 4) as u8).collect());
        Batch { columns, event_time: Some((0..rows).collect()), positions: (0..rows as u64).collect(), ops }
    }

    fn received(receiver: &Receiver<Message>) -> Vec<Batch> {
        let rows = receiver.try_iter().map(|m| match m {
            Message::Rows(batch) => batch,
            other => panic!("rows expected, not {other:?}"),
        });
        rows.collect()
    }

    #[test]
    fn a_message_is_bounded_in_rows_and_nothing_is_lost() {
        let rows = MESSAGE_ROWS as i64 * 2 + 5;
        let (mut tx, rx) = connect(1, 1);
        let mut outlet = Outlet::forward(tx.remove(0), 0);
        outlet.rows(batch(rows)).expect("the receiver is there");
        let batches = received(&rx[0][0]);
        assert_eq!(batches.iter().map(Batch::rows).collect::<Vec<_>>(), [MESSAGE_ROWS, MESSAGE_ROWS, 5]);
        let positions: Vec<u64> = batches.iter().flat_map(|b| b.positions.iter().copied()).collect();
        assert_eq!(positions, (0..rows as u64).collect::<Vec<_>>());
    }

    #[test]
    fn rows_of_one_key_go_to_one_receiver_in_order() {
        let (mut tx, rx) = connect(1, 3);
        let mut outlet = Outlet::by_key(tx.remove(0), vec![0], vec![Type::I64], 128);
        outlet.rows(batch(1000)).expect("the receivers are there");
        outlet.rows(batch(1000)).expect("the receivers are there");
        let mut seen = 0;
        for receiver in rx.iter().flatten() {
            let [first, second] = &received(receiver)[..] else { panic!("one message per batch") };
            assert_eq!(first.positions, second.positions, "the same keys went elsewhere");
            assert!(first.positions.is_sorted());
            assert_eq!(first.event_time.as_ref().map(|t| t.len()), Some(first.rows()));
            let ops: Vec<u8> = first.positions.iter().map(|p| (p % 4) as u8).collect();
            assert_eq!(
                first.ops.as_ref().map(|ops| ops.to_vec()),
                Some(ops),
                "rows came with the operations of others"
            );
            seen += first.rows();
        }
        assert_eq!(seen, 1000);
    }
}
