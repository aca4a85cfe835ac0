//! Turns changes of the node's chain into events, in order: written down, then published.
//!
//! Between every two steps the core may die. Before the write nobody has heard of the change, and the next run
//! announces it. After the write it is the next run's past, which modules that resume are sent under the same
//! cursor. The log line comes first of all and may be written twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::block::Header;
use cofferdam_log::{Throttle, and_more};
use cofferdam_node::{ChainEvent, ChainPoint, Following, Node, NodeStatus};
use cofferdam_protocol::{EventPayload, RawHeader};
use tokio::sync::watch;

use super::EncodedEvent;
use super::derived::{derived, needs_parent};
use super::hub::{ChainNews, Hub, KEPT_OF_CHAIN};
use super::journal::{Journal, Record};
use super::reorg::ReorgTracker;

/// Lines about blocks: every one at the pace of any network, but not the thousands of a node that catches up.
const BLOCK_LINES: (Duration, u32) = (Duration::from_millis(50), 200);

/// Lines about reorganisations, which have their own so that blocks cannot crowd them out.
const REORG_LINES: (Duration, u32) = (Duration::from_secs(1), 20);

/// Lines about a disk that does not take the journal: every block of a node that catches up would have one.
const DISK_LINES: (Duration, u32) = (Duration::from_secs(60), 3);

/// Changes that are written and synced together at most.
const MAX_BATCH: usize = 256;

/// Where the last run of the core ended.
#[derive(Debug)]
pub(super) struct Start {
    /// The last block that was announced.
    pub(super) point: Option<ChainPoint>,
    /// What was announced last, in order.
    pub(super) past: Vec<EventPayload>,
    /// Where changes are written down; none if it could not even be made.
    pub(super) journal: Option<Journal>,
}

/// The task that announces what happens to the chain.
#[derive(Debug)]
pub(crate) struct ChainFeed {
    node: Node,
    hub: Arc<Hub>,
    following: Following,
    /// Used by one blocking thread at a time.
    journal: Option<Arc<Mutex<Journal>>>,
    /// The block on top after what was announced last.
    point: Option<ChainPoint>,
    parents: Parents,
    reorg: ReorgTracker,
    /// The same point, for whoever looks at something once per block.
    tip: watch::Sender<Option<ChainPoint>>,
    has_started: bool,
    lines: Lines,
}

/// What is announced of one change, and the block on top after it.
struct Announcement {
    news: ChainNews,
    point: Option<ChainPoint>,
}

impl ChainFeed {
    /// A task that goes on from `start`. Must be called within a tokio runtime.
    pub(super) fn new(node: Node, hub: Arc<Hub>, start: Start) -> Self {
        let Start { point, past, journal } = start;
        let (mut parents, mut reorg) = (Parents::default(), ReorgTracker::default());
        past.iter().for_each(|payload| replay(payload, &mut parents, &mut reorg));
        Self {
            following: node.follow(point),
            node,
            hub,
            journal: journal.map(|journal| Arc::new(Mutex::new(journal))),
            point,
            parents,
            reorg,
            tip: watch::Sender::new(point),
            has_started: false,
            lines: Lines::new(),
        }
    }

    /// The block on top after what was announced last; changes with each block.
    pub(crate) fn tip(&self) -> watch::Receiver<Option<ChainPoint>> {
        self.tip.subscribe()
    }

    /// How the node is doing.
    pub(crate) fn status(&self) -> watch::Receiver<NodeStatus> {
        self.following.status.clone()
    }

    /// Announces what the node reports until it reports no more.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                biased;
                received = self.following.events.recv_many(&mut batch, MAX_BATCH) => {
                    if received == 0 {
                        return;
                    }
                    self.announce_all(std::mem::take(&mut batch)).await;
                }
                Ok(()) = self.following.status.changed() => {}
            }
            self.settle().await;
        }
    }

    async fn announce_all(&mut self, events: Vec<ChainEvent>) {
        let (mut announcements, mut follows) = (Vec::new(), Vec::new());
        for event in events {
            self.lines.tell_the_operator(&event);
            match event {
                ChainEvent::Connected { hash, height, header } => {
                    let block = ChainPoint { hash, height };
                    announcements.extend(self.connected(block, &header));
                    follows.extend(self.derived(block, &header).await);
                }
                ChainEvent::Disconnected { hash, height } => {
                    let block = ChainPoint { hash, height };
                    announcements.push(self.disconnected(block).await);
                }
                ChainEvent::Reorg { old_tip, new_tip, fork_height, depth } => {
                    let told = EventPayload::ChainReorg {
                        old_tip: old_tip.into(),
                        new_tip: new_tip.into(),
                        fork_height,
                        depth,
                    };
                    // What was disconnected in an earlier run is known here only.
                    let ours = self.point.and_then(|tip| self.finished_reorg(tip));
                    let news = ChainNews::Change(ours.unwrap_or(told));
                    announcements.push(Announcement { news, point: self.point });
                }
            }
        }
        self.announce(announcements).await;
        for payload in follows {
            self.hub.publish(payload);
        }
    }

    fn connected(&mut self, block: ChainPoint, header: &Header) -> Vec<Announcement> {
        let mut announcements = Vec::new();
        if self.point.is_some_and(|tip| tip.hash != header.prev_blockhash) {
            self.reorg.clear();
            announcements.push(Announcement { news: ChainNews::Gap, point: self.point });
        }
        self.parents.add(block.hash, header.prev_blockhash);
        self.reorg.connected(block);
        self.point = Some(block);
        let news = ChainNews::Change(EventPayload::NewBlock {
            hash: block.hash.into(),
            height: block.height,
            header: RawHeader::encode(header),
        });
        announcements.push(Announcement { news, point: self.point });
        announcements
    }

    async fn disconnected(&mut self, block: ChainPoint) -> Announcement {
        self.reorg.disconnected(block);
        let parent = self.parent_of(block.hash).await;
        self.point =
            parent.zip(block.height.checked_sub(1)).map(|(hash, height)| ChainPoint { hash, height });
        let payload = EventPayload::BlockDisconnected { hash: block.hash.into(), height: block.height };
        Announcement { news: ChainNews::Change(payload), point: self.point }
    }

    /// The block below. If neither the last thousand blocks nor the node has it, a core that dies right now goes
    /// on from the node's tip and says that events are missing.
    async fn parent_of(&self, hash: BlockHash) -> Option<BlockHash> {
        match self.parents.of(hash) {
            Some(parent) => Some(parent),
            None => Some(self.node.block_header(hash).await.ok()??.prev_blockhash),
        }
    }

    async fn derived(&self, block: ChainPoint, header: &Header) -> Vec<EventPayload> {
        let parent = match needs_parent(block.height) {
            true => self.node.block_header(header.prev_blockhash).await.ok().flatten(),
            false => None,
        };
        derived(block, header, parent.as_ref())
    }

    fn finished_reorg(&mut self, tip: ChainPoint) -> Option<EventPayload> {
        let reorg = self.reorg.settle(tip)?;
        Some(EventPayload::ChainReorg {
            old_tip: reorg.old_tip.hash.into(),
            new_tip: tip.hash.into(),
            fork_height: reorg.fork_height,
            depth: reorg.depth,
        })
    }

    /// Looks whether everything up to the node's tip is announced, and if so completes what takes that.
    async fn settle(&mut self) {
        let NodeStatus::Ready { tip } = *self.following.status.borrow_and_update() else { return };
        // The node's events come before its status: with none waiting, all up to this tip were received.
        if !self.following.events.is_empty() || self.point.is_some_and(|point| point != tip) {
            return;
        }
        if let Some(payload) = self.finished_reorg(tip) {
            let news = ChainNews::Change(payload);
            self.announce(vec![Announcement { news, point: Some(tip) }]).await;
        }
        if self.point.is_none() {
            self.point = Some(tip);
            self.write(move |journal| journal.stand_at(tip)).await;
            self.tip.send_replace(self.point);
        }
        if !self.has_started {
            self.has_started = true;
            let (hash, height) = (tip.hash.into(), tip.height);
            self.hub.publish(EventPayload::NodeStartupCompleted { tip: hash, height });
        }
    }

    /// Writes changes down, then publishes them.
    async fn announce(&mut self, announcements: Vec<Announcement>) {
        let news = announcements.into_iter().map(|Announcement { news, point }| (news, point));
        let events = self.hub.begin(news);
        let record = |(event, point): &(EncodedEvent, Option<ChainPoint>)| Record {
            cursor: event.cursor,
            point: *point,
            frame: event.frame.clone(),
        };
        let records: Vec<Record> = events.iter().map(record).collect();
        self.write(move |journal| journal.append(&records)).await;
        self.hub.commit(events.into_iter().map(|(event, _)| event));
        self.tip.send_replace(self.point);
    }

    /// Works on the journal. If the disk does not take it the chain is announced all the same: a core that died
    /// then would tell some changes again under other cursors, which is what the operator is told.
    async fn write(&mut self, work: impl FnOnce(&mut Journal) -> std::io::Result<()> + Send + 'static) {
        let Some(journal) = self.journal.as_ref().map(Arc::clone) else { return };
        let written = tokio::task::spawn_blocking(move || {
            work(&mut journal.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let problem = match written.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if let Some(swallowed) = self.lines.disk.pass() {
            let more = and_more(swallowed);
            tracing::error!(
                "events of the chain cannot be written to <state_dir>/core/events: {problem}; if the core ends \
                 before they can, modules hear of some blocks twice{more}"
            );
        }
    }
}

/// The blocks below the newest ones.
#[derive(Debug, Default)]
struct Parents(VecDeque<(BlockHash, BlockHash)>);

impl Parents {
    fn add(&mut self, block: BlockHash, parent: BlockHash) {
        if self.0.len() >= KEPT_OF_CHAIN {
            self.0.pop_front();
        }
        self.0.push_back((block, parent));
    }

    fn of(&self, block: BlockHash) -> Option<BlockHash> {
        self.0.iter().rev().find(|(hash, _)| *hash == block).map(|(_, parent)| *parent)
    }
}

/// What an announcement of the last run says about the chain now.
fn replay(payload: &EventPayload, parents: &mut Parents, reorg: &mut ReorgTracker) {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the journal holds no others")]
    match payload {
        EventPayload::NewBlock { hash, height, header } => {
            let hash = BlockHash::from(*hash);
            if let Ok(header) = header.decode() {
                parents.add(hash, header.prev_blockhash);
            }
            reorg.connected(ChainPoint { hash, height: *height });
        }
        EventPayload::BlockDisconnected { hash, height } => {
            reorg.disconnected(ChainPoint { hash: (*hash).into(), height: *height });
        }
        _ => reorg.clear(),
    }
}

/// What the operator reads about the chain, limited.
#[derive(Debug)]
struct Lines {
    blocks: Throttle,
    reorgs: Throttle,
    disk: Throttle,
}

impl Lines {
    fn new() -> Self {
        Self {
            blocks: Throttle::new(BLOCK_LINES.0, BLOCK_LINES.1),
            reorgs: Throttle::new(REORG_LINES.0, REORG_LINES.1),
            disk: Throttle::new(DISK_LINES.0, DISK_LINES.1),
        }
    }

    fn tell_the_operator(&mut self, event: &ChainEvent) {
        let throttle = match event {
            ChainEvent::Connected { .. } | ChainEvent::Disconnected { .. } => &mut self.blocks,
            ChainEvent::Reorg { .. } => &mut self.reorgs,
        };
        let Some(swallowed) = throttle.pass() else { return };
        let more = and_more(swallowed);
        match event {
            ChainEvent::Connected { hash, height, .. } => {
                tracing::info!("new block {hash} at height {height}{more}");
            }
            ChainEvent::Disconnected { hash, height } => {
                tracing::info!("block {hash} at height {height} left the chain{more}");
            }
            ChainEvent::Reorg { old_tip, new_tip, fork_height, depth } => {
                tracing::warn!(
                    "the chain was reorganised: {depth} blocks above height {fork_height} were replaced, \
                     tip {old_tip} by {new_tip}{more}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
