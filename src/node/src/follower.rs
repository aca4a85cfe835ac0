//! Turns "what does the node's active chain look like now" into an ordered, gapless list of events.
//!
//! One step asks for at most three facts and yields at most one event. Nothing is assumed between two
//! questions: the node may reorganise while it is being asked, and every event is still checked against
//! the block before it. Notifications of the node (ZMQ) are no input here; they only say when to look.
//! No clock, no socket, no task.

use std::collections::VecDeque;
use std::future::Future;

use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::error::NodeError;
use super::types::{ChainEvent, ChainPoint};

/// Blocks below the tip that are remembered, so that they can be disconnected even where the node has
/// forgotten them. Two weeks of blocks at 36 bytes each; deeper ones are asked of the node.
const REMEMBERED_BLOCKS: usize = 2016;

/// The best block of a node, with what is needed to judge it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Best {
    /// The tip of the active chain.
    pub point: ChainPoint,
    /// Whether the node is still fetching or replaying blocks that it is known to need.
    pub catching_up: bool,
}

/// The three questions that following a chain takes.
pub trait ChainView: Send + Sync {
    /// The tip now.
    fn best(&self) -> impl Future<Output = Result<Best, NodeError>> + Send;
    /// The block of the active chain at `height`; `None` above the tip.
    fn hash_at(&self, height: u32) -> impl Future<Output = Result<Option<BlockHash>, NodeError>> + Send;
    /// The header of a block, active or stale; hashes to `hash`.
    fn header(&self, hash: BlockHash) -> impl Future<Output = Result<Option<Header>, NodeError>> + Send;
}

/// What one step gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Something changed; more may follow.
    Event(ChainEvent),
    /// The chain moved between two questions; step again.
    Moved,
    /// The follower stands on the node's tip.
    CaughtUp,
}

/// Blocks of the old chain that were disconnected and may come back.
#[derive(Debug)]
struct OpenReorg {
    /// The highest block that old and new chain share.
    fork: ChainPoint,
    /// The old chain above it, from the top down; never empty.
    undone: Vec<ChainPoint>,
}

/// Where the stream of events stands.
#[derive(Debug)]
pub struct Follower {
    tip: ChainPoint,
    /// Blocks below `tip`, nearest last, each the parent of the next.
    below: VecDeque<BlockHash>,
    reorg: Option<OpenReorg>,
}

impl Follower {
    /// Starts after `tip`: its own event counts as delivered.
    #[must_use]
    pub fn new(tip: ChainPoint) -> Self {
        Self { tip, below: VecDeque::new(), reorg: None }
    }

    /// The block on top after the last event.
    #[must_use]
    pub fn tip(&self) -> ChainPoint {
        self.tip
    }

    /// Whether nothing is left to tell where `point` is the node's tip.
    #[must_use]
    pub fn rests_on(&self, point: ChainPoint) -> bool {
        self.tip == point && self.reorg.is_none()
    }

    /// Asks what it must to take one step towards the node's active chain.
    ///
    /// # Errors
    /// Whatever the view answers; [`NodeError::LostTrack`] where the node does not know the block that
    /// has to be disconnected; [`NodeError::WrongChain`] where even the genesis block would have to be.
    /// The follower is unchanged by an error.
    pub async fn step<V: ChainView>(&mut self, view: &V) -> Result<Step, NodeError> {
        if let Some(height) = self.tip.height.checked_add(1)
            && let Some(hash) = view.hash_at(height).await?
        {
            let header = view.header(hash).await?.ok_or_else(|| {
                NodeError::malformed("getblockheader", format!("the block at height {height} has no header"))
            })?;
            if header.prev_blockhash == self.tip.hash {
                return Ok(Step::Event(self.connect(ChainPoint { hash, height }, header)));
            }
        }
        match view.hash_at(self.tip.height).await? {
            Some(hash) if hash == self.tip.hash => self.settle(view).await,
            Some(_) | None => self.disconnect(view).await.map(Step::Event),
        }
    }

    /// The tip is on the active chain: it is the top, unless a block came while we asked.
    async fn settle<V: ChainView>(&mut self, view: &V) -> Result<Step, NodeError> {
        if view.best().await?.point != self.tip {
            return Ok(Step::Moved);
        }
        let finished = self.reorg.take_if(|reorg| self.tip.height > reorg.fork.height);
        Ok(finished.and_then(|reorg| reorg.event(self.tip.hash)).map_or(Step::CaughtUp, Step::Event))
    }

    fn connect(&mut self, point: ChainPoint, header: Header) -> ChainEvent {
        if let Some(reorg) = &mut self.reorg
            && reorg.fork == self.tip
            && reorg.undone.last() == Some(&point)
        {
            reorg.undone.pop();
            reorg.fork = point;
        }
        self.reorg.take_if(|reorg| reorg.undone.is_empty());
        if self.below.len() >= REMEMBERED_BLOCKS {
            self.below.pop_front();
        }
        self.below.push_back(self.tip.hash);
        self.tip = point;
        ChainEvent::Connected { hash: point.hash, height: point.height, header }
    }

    async fn disconnect<V: ChainView>(&mut self, view: &V) -> Result<ChainEvent, NodeError> {
        let tip = self.tip;
        let Some(height) = tip.height.checked_sub(1) else {
            return Err(NodeError::WrongChain {
                expected: format!("genesis block {}", tip.hash),
                found: "another genesis block".to_owned(),
            });
        };
        let hash = match self.below.back() {
            Some(parent) => *parent,
            None => view.header(tip.hash).await?.ok_or(lost_track(tip))?.prev_blockhash,
        };
        self.below.pop_back();
        self.tip = ChainPoint { hash, height };
        match &mut self.reorg {
            Some(reorg) if reorg.fork == tip => {
                reorg.undone.push(tip);
                reorg.fork = self.tip;
            }
            // A block of the new branch left again: neither the fork nor the old chain has changed.
            Some(_) => {}
            None => self.reorg = Some(OpenReorg { fork: self.tip, undone: vec![tip] }),
        }
        Ok(ChainEvent::Disconnected { hash: tip.hash, height: tip.height })
    }
}

impl OpenReorg {
    fn event(&self, new_tip: BlockHash) -> Option<ChainEvent> {
        let old_tip = self.undone.first()?;
        Some(ChainEvent::Reorg {
            old_tip: old_tip.hash,
            new_tip,
            fork_height: self.fork.height,
            depth: old_tip.height.saturating_sub(self.fork.height),
        })
    }
}

fn lost_track(point: ChainPoint) -> NodeError {
    NodeError::LostTrack { hash: point.hash, height: point.height }
}

#[cfg(test)]
mod tests;
