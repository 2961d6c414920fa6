//! Channels between subtasks: rows, watermarks, barriers and ends, in order, bounded.
//!
//! Every subtask of a sender is connected to every subtask of the receiver. Rows take one of these
//! channels, by the edge's route; everything else takes all of them.

use crate::batch::Batch;
use crate::fragment::keys::RowKeys;
use arrow_array::UInt32Array;
use arrow_buffer::ScalarBuffer;
use arrow_select::take::take_record_batch;
use crossbeam_channel::{Receiver, Sender};
use wasmill_abi::{Type, hash};

/// Messages that one channel holds before its sender waits. With batches bounded in rows and bytes
/// this bounds memory.
const CHANNEL_MESSAGES: usize = 8;

/// What goes through a channel.
#[derive(Debug, Clone)]
pub enum Message {
    Rows(Batch),
    /// No row with an event time at or below this one follows from this sender.
    Watermark(i64),
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
        Self { senders, router: Router::One(target) }
    }

    /// Each row goes to the subtask that owns its key group.
    pub fn by_key(senders: Vec<Sender<Message>>, columns: Vec<usize>, types: Vec<Type>, key_groups: u16) -> Self {
        if senders.len() == 1 {
            return Self { senders, router: Router::One(0) };
        }
        let rows = vec![Vec::new(); senders.len()];
        let router = KeyRouter { columns, types, key_groups, keys: RowKeys::default(), rows };
        Self { senders, router: Router::ByKey(Box::new(router)) }
    }

    /// Sends rows to where they belong; waits while the receiver is behind.
    pub fn rows(&mut self, batch: Batch) -> Result<(), Closed> {
        if batch.rows() == 0 {
            return Ok(());
        }
        match &mut self.router {
            Router::One(target) => send(&self.senders[*target], Message::Rows(batch)),
            Router::ByKey(router) => {
                router.partition(&batch);
                for (rows, sender) in router.rows.iter().zip(&self.senders) {
                    match rows.len() {
                        0 => {}
                        n if n == batch.rows() => send(sender, Message::Rows(batch.clone()))?,
                        _ => send(sender, Message::Rows(pick(&batch, rows)))?,
                    }
                }
                Ok(())
            }
        }
    }

    /// Sends a watermark, a barrier or the end to every receiver.
    pub fn broadcast(&self, message: &Message) -> Result<(), Closed> {
        self.senders.iter().try_for_each(|s| send(s, message.clone()))
    }
}

fn send(sender: &Sender<Message>, message: Message) -> Result<(), Closed> {
    sender.send(message).map_err(|_| Closed)
}

impl KeyRouter {
    /// Fills `rows`.
    fn partition(&mut self, batch: &Batch) {
        let parallelism = self.rows.len() as u16;
        self.keys.encode(&batch.columns, &self.columns, &self.types, 0..batch.rows());
        self.rows.iter_mut().for_each(Vec::clear);
        for (i, key) in self.keys.iter().enumerate() {
            let group = hash::key_group(hash::hash32(key), self.key_groups);
            let subtask = hash::subtask_of_group(group, self.key_groups, parallelism);
            self.rows[usize::from(subtask)].push(i as u32);
        }
    }
}

/// These rows of a batch, in this order.
fn pick(batch: &Batch, rows: &[u32]) -> Batch {
    let indices = UInt32Array::from(rows.to_vec());
    let columns = take_record_batch(&batch.columns, &indices).expect("indices come from this batch");
    let at = |values: &ScalarBuffer<i64>| rows.iter().map(|&r| values[r as usize]).collect();
    Batch {
        columns,
        event_time: batch.event_time.as_ref().map(at),
        positions: rows.iter().map(|&r| batch.positions[r as usize]).collect(),
    }
}
