//! The task that follows a mempool. What it holds is always what the consumer was told, so that a comparison
//! with the node gives exactly what is still to be told.

use std::time::Duration;

use bitcoin::{BlockHash, Txid};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::mirror::{Difference, Mirror, Spends};
use super::telling::Evicted;
use super::{Heard, MempoolView, Notice};
use crate::error::NodeError;
use crate::mempool::{MempoolEvent, MempoolSource, RemovalReason, ResyncCause};

/// How long the transaction that replaces one that left may take: the node tells of it in the same moment.
const REPLACEMENT_WAIT: Duration = Duration::from_secs(1);
/// Transactions that wait for the one that replaced them: more than one replacement may evict.
const MAX_EVICTED: usize = 1000;
/// How long a subscription may take before the mempool is compared instead.
const SUBSCRIBING: Duration = Duration::from_secs(2);
/// How long notices may be on their way.
const UNDERWAY: Duration = Duration::from_secs(1);
/// When to compare after a block was disconnected: what it gives back is where nodes differ.
const VERIFYING: Duration = Duration::from_secs(2);
/// When to look after subscribing, as nothing acknowledges a subscription.
const SETTLING: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];
/// When to look although changes are told: TCP may die without a word.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// First and longest pause after a failure.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// Why a feed stopped for the moment.
pub(super) enum Halt {
    /// Nobody listens any more.
    Abandoned,
    Failed(NodeError),
}

impl From<NodeError> for Halt {
    fn from(error: NodeError) -> Self {
        Self::Failed(error)
    }
}

/// Whether a comparison is told as such.
#[derive(Debug, Clone, Copy)]
enum Mark {
    /// Something may have been missed.
    Always(ResyncCause),
    /// Something was missed if there is any difference.
    IfDifferent(ResyncCause),
    /// It is how changes are found here.
    Never,
}

/// What is done when nothing happens.
#[derive(Debug, Clone, Copy)]
enum Task {
    Compare(Mark),
    /// See whether the node has made changes that were not told.
    Look(ResyncCause),
}

pub(super) struct Feed<V> {
    pub(super) view: V,
    pub(super) events: mpsc::Sender<MempoolEvent>,
    source: watch::Sender<MempoolSource>,
    interval: Duration,
    /// What the consumer was told; `None` before the first snapshot.
    pub(super) told: Option<Mirror>,
    /// Whether each change is told.
    live: bool,
    /// The number of the next change that the consumer has not been told.
    pub(super) next: u64,
    /// Whether the next notice must have exactly that number: blocks use numbers that are not told.
    exact: bool,
    /// Whether the subscription is known to have been in force ever since the last comparison. From then on the
    /// numbers of the messages themselves show what is missing.
    proven: bool,
    pub(super) evicted: Vec<Evicted>,
    /// A block that was active no later than when the last comparison was made.
    pub(super) tip: Option<BlockHash>,
    /// What is to be done next, and when.
    due: (Instant, Task),
    /// When to compare in any case.
    verify: Option<Instant>,
    /// Looks that remain of [`SETTLING`].
    settling: &'static [Duration],
    retry: Duration,
}

impl<V: MempoolView> Feed<V> {
    pub(super) fn new(
        view: V,
        events: mpsc::Sender<MempoolEvent>,
        source: watch::Sender<MempoolSource>,
        interval: Duration,
    ) -> Self {
        Self {
            view,
            events,
            source,
            interval,
            told: None,
            live: false,
            next: 0,
            exact: false,
            proven: false,
            evicted: Vec::new(),
            tip: None,
            due: (Instant::now(), Task::Compare(Mark::Never)),
            verify: None,
            settling: &[],
            retry: RETRY_FIRST,
        }
    }

    /// Follows until nobody listens.
    pub(super) async fn run(mut self, mut heard: Option<Heard>) {
        let events = self.events.clone();
        if heard.is_some() {
            self.due.0 += SUBSCRIBING;
        }
        loop {
            // While something waits for its replacement, notices come within moments.
            let flush = (!self.evicted.is_empty()).then(|| Instant::now() + REPLACEMENT_WAIT);
            let wake = [flush, self.verify].into_iter().flatten().fold(self.due.0, Instant::min);
            let outcome = tokio::select! {
                biased;
                () = events.closed() => return,
                // Not while the node fails: a comparison must come first.
                notice = next(&mut heard), if self.retry == RETRY_FIRST => match notice {
                    Some(notice) => self.hear(notice).await,
                    // Whoever told of changes is gone for good: compare from now on.
                    None => { heard = None; self.hear(Notice::Lost).await }
                },
                () = tokio::time::sleep_until(wake) => self.act(flush).await,
            };
            match outcome {
                Ok(()) => {}
                Err(Halt::Abandoned) => return,
                Err(Halt::Failed(error)) => self.fail(error),
            }
        }
    }

    /// Does what is due.
    async fn act(&mut self, flush: Option<Instant>) -> Result<(), Halt> {
        if flush.is_some() {
            return self.flush(None).await;
        }
        if self.verify.is_some_and(|verify| verify < self.due.0) {
            return self.compare(Mark::Never).await;
        }
        match self.due.1 {
            Task::Compare(mark) => self.compare(mark).await,
            Task::Look(cause) => self.look(cause).await,
        }
    }

    /// Tries again later. What a failed step left untold is found by a comparison.
    fn fail(&mut self, error: NodeError) {
        let pause = if error.needs_operator() { RETRY_LONGEST } else { self.retry };
        self.retry = self.retry.saturating_mul(2).min(RETRY_LONGEST);
        self.due = (Instant::now() + pause, Task::Compare(Mark::Always(ResyncCause::Gap)));
        if !matches!(&*self.source.borrow(), MempoolSource::Lost { error: before } if *before == error) {
            tracing::warn!(%error, "the mempool cannot be followed, trying again");
            self.source.send_replace(MempoolSource::Lost { error });
        }
    }

    async fn hear(&mut self, notice: Notice) -> Result<(), Halt> {
        match notice {
            Notice::Subscribed => {
                (self.live, self.proven) = (true, false);
                self.settling = &SETTLING;
                self.compare(Mark::Always(ResyncCause::Connection)).await
            }
            Notice::Lost if !self.live => Ok(()),
            Notice::Lost => {
                self.live = false;
                self.settling = &[];
                self.compare(Mark::Always(ResyncCause::Connection)).await
            }
            Notice::Missed => self.compare(Mark::Always(ResyncCause::Gap)).await,
            Notice::Added { txid, sequence } => match self.expects(sequence) {
                Order::Next => self.added(txid, sequence).await,
                Order::Old => Ok(()),
                Order::Gap => self.compare(Mark::Always(ResyncCause::Gap)).await,
            },
            Notice::Removed { txid, sequence } => match self.expects(sequence) {
                Order::Next => self.removed(txid, sequence).await,
                Order::Old => Ok(()),
                Order::Gap => self.compare(Mark::Always(ResyncCause::Gap)).await,
            },
            Notice::Connected(hash) => self.connected(hash).await,
            Notice::Disconnected(_) => {
                self.flush(None).await?;
                self.exact = false;
                self.tip = None;
                self.verify = Some(Instant::now() + VERIFYING);
                Ok(())
            }
        }
    }

    /// Takes note of the number of a change.
    fn expects(&mut self, sequence: u64) -> Order {
        if self.told.is_none() || sequence < self.next {
            return Order::Old;
        }
        if !self.proven && self.exact && sequence > self.next {
            return Order::Gap;
        }
        self.proven |= self.exact;
        self.next = sequence.saturating_add(1);
        if self.proven {
            self.settling = &[];
            self.schedule();
        }
        Order::Next
    }

    async fn added(&mut self, txid: Txid, sequence: u64) -> Result<(), Halt> {
        let arrival = self.look_up(txid, Some(sequence)).await?;
        self.flush(Some(&arrival)).await?;
        self.tell_added(arrival).await
    }

    async fn removed(&mut self, txid: Txid, sequence: u64) -> Result<(), Halt> {
        let Some(spends) = self.told.as_ref().and_then(|told| told.get(&txid)).cloned() else {
            return Ok(());
        };
        if !spends.are_known() {
            return self.tell_removed(txid, Some(sequence), RemovalReason::Unknown).await;
        }
        self.evicted.push(Evicted { txid, sequence, spends });
        if self.evicted.len() > MAX_EVICTED { self.flush(None).await } else { Ok(()) }
    }

    async fn connected(&mut self, hash: BlockHash) -> Result<(), Halt> {
        self.flush(None).await?;
        self.exact = false;
        if self.told.as_ref().is_some_and(|told| told.len() > 0) {
            let Some(block) = self.view.block_txids(hash).await? else {
                return self.compare(Mark::Always(ResyncCause::Gap)).await;
            };
            for txid in block.txids {
                self.tell_removed(txid, None, RemovalReason::Confirmed { block: hash }).await?;
            }
        }
        self.tip = Some(hash);
        Ok(())
    }

    /// Whether the node has made changes that were not told. Notices of them may still be underway: only
    /// when none has come for a while they are lost.
    async fn look(&mut self, cause: ResyncCause) -> Result<(), Halt> {
        let sequence = self.view.snapshot().await?.sequence;
        self.schedule();
        // Numbers that a block used may hide those of changes from before the subscription was in force.
        let certain = self.proven || self.exact;
        if sequence != self.next || !certain {
            self.due = (Instant::now() + UNDERWAY, Task::Compare(Mark::IfDifferent(cause)));
        }
        Ok(())
    }

    /// Tells what the node's mempool has, and what was told does not, and the other way round.
    async fn compare(&mut self, mark: Mark) -> Result<(), Halt> {
        self.flush(None).await?;
        // Before the snapshot: what this block contains is in no later one.
        let tip = self.view.tip().await?;
        let snapshot = self.view.snapshot().await?;
        (self.next, self.exact) = (snapshot.sequence, self.live);
        if let Some(told) = &self.told {
            let difference = told.difference(&snapshot.txids);
            let same = difference == Difference::default();
            match mark {
                Mark::Always(cause) => self.tell_resynced(cause).await?,
                Mark::IfDifferent(cause) if !same => self.tell_resynced(cause).await?,
                Mark::IfDifferent(_) | Mark::Never => {}
            }
            self.tell_difference(difference).await?;
        } else {
            let told = self.told.insert(Mirror::default());
            snapshot.txids.iter().for_each(|txid| told.insert(*txid, Spends::default()));
        }
        // Only now: what failed on the way is compared with the same block again.
        self.tip = Some(tip);
        (self.retry, self.verify) = (RETRY_FIRST, None);
        self.schedule();
        self.report();
        Ok(())
    }

    /// Sets what to do when nothing happens.
    fn schedule(&mut self) {
        let (pause, task) = match (self.live, self.settling.split_first()) {
            (false, _) => (self.interval, Task::Compare(Mark::Never)),
            (true, None) => (LONGEST_SILENCE, Task::Look(ResyncCause::Gap)),
            (true, Some((pause, rest))) => {
                self.settling = rest;
                (*pause, Task::Look(ResyncCause::Connection))
            }
        };
        self.due = (Instant::now() + pause, task);
    }

    fn report(&self) {
        let now = match self.live {
            true => MempoolSource::Live,
            false => MempoolSource::Sampled { interval: self.interval },
        };
        if *self.source.borrow() != now {
            tracing::info!(source = ?now, "following the mempool");
            self.source.send_replace(now);
        }
    }
}

/// How the number of a change relates to those before it.
enum Order {
    Next,
    /// It was made up for by a comparison.
    Old,
    /// Others are missing before it.
    Gap,
}

async fn next(heard: &mut Option<Heard>) -> Option<Notice> {
    match heard {
        Some(heard) => heard.next().await,
        None => std::future::pending().await,
    }
}
