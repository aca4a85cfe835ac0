//! What is made of the node's notifications: for the chain a hint when to look, for the mempool a notice of each
//! change.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::wire::{Happening, Message};
use crate::mempool_feed::{Notice, Notices};

/// The pause between two looks while the node tells of its blocks: TCP may die without a word.
const QUIET_PAUSE: Duration = Duration::from_secs(10);
/// When to look again after subscribing: a node under load needs a moment to serve a new subscriber.
const SETTLING: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];

/// Somebody who wants to know what the node publishes.
pub(in crate::bitcoind) trait Listener: Send + Sync {
    /// What is not told while the connection is lost, for the log.
    const OF: &'static str;

    /// Runs beside a subscription that was just sent, and may end before it does.
    fn subscribed(&self) -> impl Future<Output = ()> + Send;

    /// Takes a message; `missing` where others are missing before it.
    fn heard(&self, message: &Message, missing: bool);

    /// A connection ended, or there was none.
    fn lost(&self);

    /// Waits until nobody wants to know any more.
    fn gone(&self) -> impl Future<Output = ()> + Send;
}

/// How the follower of the chain is told.
pub(crate) struct Hints {
    pub(crate) hint: Arc<Notify>,
    pub(crate) pause: watch::Sender<Duration>,
    /// The pause while nothing is heard.
    pub(crate) poll: Duration,
}

impl Listener for Hints {
    const OF: &'static str = "blocks";

    /// Looks when a subscription has just been sent. Nothing acknowledges it, and what the node publishes
    /// before it takes effect is lost; so is everything from before.
    async fn subscribed(&self) {
        self.hint.notify_one();
        for wait in SETTLING {
            tokio::time::sleep(wait).await;
            self.hint.notify_one();
        }
    }

    fn heard(&self, message: &Message, missing: bool) {
        // Only a message proves that the subscription is in force and that this is the right port.
        self.pause.send_replace(QUIET_PAUSE.max(self.poll));
        let about_mempool =
            matches!(message.happening(), Some(Happening::Added { .. } | Happening::Removed { .. }));
        if missing || !about_mempool {
            self.hint.notify_one();
        }
    }

    fn lost(&self) {
        self.pause.send_replace(self.poll);
        self.hint.notify_one();
    }

    async fn gone(&self) {
        self.pause.closed().await;
    }
}

impl Listener for Notices {
    const OF: &'static str = "the mempool";

    async fn subscribed(&self) {
        self.tell(Notice::Subscribed);
    }

    fn heard(&self, message: &Message, missing: bool) {
        let happening = message.happening();
        if missing || happening.is_none() {
            self.tell(Notice::Missed);
        }
        match happening {
            Some(Happening::Added { txid, sequence }) => self.tell(Notice::Added { txid, sequence }),
            Some(Happening::Removed { txid, sequence }) => self.tell(Notice::Removed { txid, sequence }),
            Some(Happening::Connected(hash)) => self.tell(Notice::Connected(hash)),
            Some(Happening::Disconnected(hash)) => self.tell(Notice::Disconnected(hash)),
            None => true,
        };
    }

    fn lost(&self) {
        self.tell(Notice::Lost);
    }

    async fn gone(&self) {
        self.unheard().await;
    }
}
