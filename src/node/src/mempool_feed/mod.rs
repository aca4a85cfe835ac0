//! Follows a mempool: turns what a node tells of it, and comparisons with what it holds, into events.
//!
//! Two sources, one truth. Notices tell of each change, and their numbers show whether one is missing; a
//! comparison of two snapshots finds what changed, but not what came and went between. Whenever the notices do
//! not add up, a comparison makes up for it and says that something may have been missed. A consumer that is
//! slow makes the feed wait, the notices overflow, and a comparison follows: nothing here ever grows.

mod feed;
mod mirror;
mod telling;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitcoin::{BlockHash, OutPoint, Txid};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use self::feed::Feed;
use crate::error::NodeError;
use crate::mempool::{MempoolEntry, MempoolFollowing, MempoolSnapshot, MempoolSource};

/// Notices that wait for the feed, about 50 bytes each: some minutes of a busy network.
const NOTICE_QUEUE: usize = 8192;
/// Events that wait for the consumer, about 100 bytes each.
const EVENT_QUEUE: usize = 1024;

/// The txids of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockTxids {
    /// The block below; the genesis block has none.
    pub(crate) previous: Option<BlockHash>,
    /// The transactions, in the block's order.
    pub(crate) txids: Vec<Txid>,
}

/// The questions that following a mempool takes.
pub(crate) trait MempoolView: Send + Sync {
    /// Every transaction now.
    fn snapshot(&self) -> impl Future<Output = Result<MempoolSnapshot, NodeError>> + Send;
    /// The tip of the active chain.
    fn tip(&self) -> impl Future<Output = Result<BlockHash, NodeError>> + Send;
    /// What a block contains; `None` where no such block is known.
    fn block_txids(
        &self,
        hash: BlockHash,
    ) -> impl Future<Output = Result<Option<BlockTxids>, NodeError>> + Send;
    /// Fee and size of a transaction; `None` where it waits no longer.
    fn entry(&self, txid: Txid) -> impl Future<Output = Result<Option<MempoolEntry>, NodeError>> + Send;
    /// What a transaction spends; `None` where it waits no longer.
    fn inputs(&self, txid: Txid) -> impl Future<Output = Result<Option<Vec<OutPoint>>, NodeError>> + Send;
}

/// What a node tells of its mempool as it happens, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// From now on changes are told.
    Subscribed,
    /// From now on they are not.
    Lost,
    /// Some were not told.
    Missed,
    /// A transaction came.
    Added {
        /// The transaction.
        txid: Txid,
        /// The number of the change.
        sequence: u64,
    },
    /// A transaction left, not into a block.
    Removed {
        /// The transaction.
        txid: Txid,
        /// The number of the change.
        sequence: u64,
    },
    /// A block was connected; the transactions in it left, each with a number that is not told.
    Connected(BlockHash),
    /// A block was disconnected.
    Disconnected(BlockHash),
}

/// Where notices go in.
#[derive(Debug)]
pub(crate) struct Notices {
    sender: mpsc::Sender<Notice>,
    missed: Arc<AtomicBool>,
}

/// Where they come out.
#[derive(Debug)]
pub(crate) struct Heard {
    receiver: mpsc::Receiver<Notice>,
    missed: Arc<AtomicBool>,
}

impl Notices {
    /// A queue of its own for one feed.
    pub(crate) fn queue() -> (Self, Heard) {
        let (sender, receiver) = mpsc::channel(NOTICE_QUEUE);
        let missed = Arc::default();
        (Self { sender, missed: Arc::clone(&missed) }, Heard { receiver, missed })
    }

    /// Never waits: what finds no place is lost, and that is told. Whether anybody still listens.
    pub(crate) fn tell(&self, notice: Notice) -> bool {
        match self.sender.try_send(notice) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed.store(true, Ordering::Release);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Whether anybody still listens.
    pub(crate) fn is_heard(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Waits until nobody listens any more.
    pub(crate) async fn unheard(&self) {
        self.sender.closed().await;
    }
}

impl Heard {
    /// The next notice; `None` where there will be none.
    pub(crate) async fn next(&mut self) -> Option<Notice> {
        // Whatever was lost came after all that still waits.
        if self.receiver.is_empty() && self.missed.swap(false, Ordering::AcqRel) {
            return Some(Notice::Missed);
        }
        self.receiver.recv().await
    }
}

/// Starts a task that follows the mempool of `view`. Without `heard`, and while that is silent, it compares
/// what it knows with what is there once in each `interval`.
pub(crate) fn spawn<V: MempoolView + 'static>(
    view: V,
    heard: Option<Heard>,
    interval: Duration,
) -> MempoolFollowing {
    let (events, events_out) = mpsc::channel(EVENT_QUEUE);
    let (source, source_out) = watch::channel(MempoolSource::Starting);
    tokio::spawn(Feed::new(view, events, source, interval).run(heard));
    MempoolFollowing { events: events_out, source: source_out }
}

#[cfg(test)]
mod tests;
