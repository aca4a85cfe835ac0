//! The task that keeps a follower on the node's tip and delivers its events.
//!
//! Nothing is delivered out of order, nothing is skipped: while the consumer is slow the task waits for
//! it, and looks at the node again only then. A hint from the node merely ends a pause early. Only where the
//! node no longer knows the chain that was followed does it go on elsewhere, and says so.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::error::NodeError;
use super::follower::{ChainView, Follower, Step};
use super::types::{ChainEvent, ChainPoint, NodeStatus};

/// Events that wait for the core before the follower pauses. A header and a few words each.
const EVENT_QUEUE: usize = 256;
/// Unlinked answers in a row after which the node's view of its own chain is called inconsistent.
const MAX_MOVES: u32 = 100;
/// First and longest pause after a failure.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// What a follower delivers. Dropping `events` ends it.
#[derive(Debug)]
pub struct Following {
    /// Every change of the active chain, in order.
    pub events: mpsc::Receiver<ChainEvent>,
    /// How the node is doing now.
    pub status: watch::Receiver<NodeStatus>,
}

/// When to look at the node although nothing has failed.
#[derive(Debug)]
pub(super) struct Pace {
    /// Ends a pause early; a hint given while nobody waits is kept.
    pub(super) hint: Arc<Notify>,
    /// The longest pause now; it changes as the node's notifications come and go.
    pub(super) pause: watch::Receiver<Duration>,
}

/// Starts a task that follows `view`, after `from` or after the tip it finds.
pub(super) fn spawn<V: ChainView + 'static>(view: V, from: Option<ChainPoint>, pace: Pace) -> Following {
    let (events, events_out) = mpsc::channel(EVENT_QUEUE);
    let (status, status_out) = watch::channel(NodeStatus::Starting);
    let mut feed = Feed { view, events, status, follower: from.map(Follower::new), gap: false };
    tokio::spawn(async move { feed.run(pace).await });
    Following { events: events_out, status: status_out }
}

struct Feed<V> {
    view: V,
    events: mpsc::Sender<ChainEvent>,
    status: watch::Sender<NodeStatus>,
    follower: Option<Follower>,
    /// What is delivered next does not go on from what was delivered last.
    gap: bool,
}

/// Why a feed stopped for the moment.
enum Halt {
    /// Nobody listens any more.
    Abandoned,
    Failed(NodeError),
}

impl From<NodeError> for Halt {
    fn from(error: NodeError) -> Self {
        Self::Failed(error)
    }
}

impl<V: ChainView> Feed<V> {
    async fn run(&mut self, pace: Pace) {
        let mut retry = RETRY_FIRST;
        loop {
            let pause = match self.catch_up().await {
                Ok(tip) => {
                    self.report(NodeStatus::Ready { tip });
                    retry = RETRY_FIRST;
                    *pace.pause.borrow()
                }
                Err(Halt::Abandoned) => return,
                Err(Halt::Failed(error)) => {
                    if matches!(error, NodeError::LostTrack { .. }) {
                        self.abandon(&error);
                    }
                    let operator = error.needs_operator();
                    let pause = if operator { RETRY_LONGEST } else { retry };
                    retry = retry.saturating_mul(2).min(RETRY_LONGEST);
                    self.report(match operator {
                        true => NodeStatus::Refused { error },
                        false => NodeStatus::Lost { error },
                    });
                    pause
                }
            };
            tokio::select! {
                () = pace.hint.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.events.closed() => return,
            }
        }
    }

    /// Delivers everything between the last event and the node's tip.
    async fn catch_up(&mut self) -> Result<ChainPoint, Halt> {
        let best = self.view.best().await?;
        let kept = self.follower.take();
        let begun = match kept {
            Some(follower) => follower,
            None => self.begin(best.point).await?,
        };
        let follower = self.follower.insert(begun);
        if best.catching_up && best.point.height < follower.tip().height {
            // A node that replays its blocks after a crash passes through heights it had already left:
            // following it down would undo blocks that are about to come back.
            return Err(NodeError::not_ready(format!(
                "it is catching up and has reached height {} of {}",
                best.point.height,
                follower.tip().height
            ))
            .into());
        }
        if follower.rests_on(best.point) {
            return Ok(best.point);
        }
        let mut moves = 0;
        loop {
            match follower.step(&self.view).await? {
                Step::CaughtUp => return Ok(follower.tip()),
                Step::Event(event) => {
                    moves = 0;
                    self.events.send(event).await.map_err(|_closed| Halt::Abandoned)?;
                }
                Step::Moved if moves == MAX_MOVES => {
                    let reason = "the blocks it names by height do not link to each other";
                    return Err(NodeError::malformed("getblockhash", reason).into());
                }
                Step::Moved => moves += 1,
            }
        }
    }

    /// Where to begin. A tip that is not where the node says it is would be followed down, block by block.
    async fn begin(&mut self, tip: ChainPoint) -> Result<Follower, NodeError> {
        if self.view.hash_at(tip.height).await? != Some(tip.hash) {
            let reason = format!("it names {tip} as its tip, and another block or none by that height");
            return Err(NodeError::malformed("getblockchaininfo", reason));
        }
        let below = match tip.height.checked_sub(1).filter(|_| self.gap) {
            // After a gap the tip itself is told, whose header shows that it does not go on from before.
            Some(height) => self.view.header(tip.hash).await?.map(|header| (header.prev_blockhash, height)),
            None => None,
        };
        self.gap = false;
        Ok(Follower::new(below.map_or(tip, |(hash, height)| ChainPoint { hash, height })))
    }

    /// Gives up the chain that was followed: the node has another, and no way leads there.
    fn abandon(&mut self, error: &NodeError) {
        tracing::error!(
            %error,
            "events go on from the node's tip: the blocks in between are told to nobody, and modules have \
             to ask for them"
        );
        self.follower = None;
        self.gap = true;
    }

    /// Publishes the status, and logs it where it says something new.
    fn report(&self, status: NodeStatus) {
        let changed = match (&*self.status.borrow(), &status) {
            (NodeStatus::Ready { .. }, NodeStatus::Ready { .. }) => false,
            (before, now) => before != now,
        };
        match &status {
            NodeStatus::Ready { tip } if changed => tracing::info!(%tip, "node ready"),
            NodeStatus::Lost { error } if changed => tracing::warn!(%error, "node lost, trying again"),
            NodeStatus::Refused { error } if changed => tracing::error!(%error, "node refused"),
            NodeStatus::Starting
            | NodeStatus::Ready { .. }
            | NodeStatus::Lost { .. }
            | NodeStatus::Refused { .. } => {}
        }
        self.status.send_replace(status);
    }
}

#[cfg(test)]
mod tests;
