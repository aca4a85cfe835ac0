//! What the core answers: one handler per row of the table of calls.
//!
//! A handler gets a call that was authorised, asks the node or the host, and answers honestly: what cannot be
//! known is an error with its reason, never an empty reply or an invented number.

mod chain;
mod failure;
mod log;
mod subscribe;

use std::sync::Arc;

use tokio::sync::Semaphore;

use self::failure::Faults;
use crate::dispatch::MAX_LARGE_IN_ALL;
use crate::events::{Attachment, Hub};
use cofferdam_node::Node;

/// What handlers answer from. Shared by all sessions.
#[derive(Debug)]
pub(crate) struct Host {
    node: Node,
    hub: Arc<Hub>,
    faults: Arc<Faults>,
    large_replies: Arc<Semaphore>,
}

impl Host {
    /// A host that answers from `node` and `hub`.
    pub(crate) fn new(node: Node, hub: Arc<Hub>) -> Self {
        let large_replies = Arc::new(Semaphore::new(MAX_LARGE_IN_ALL));
        Self { node, hub, faults: Arc::new(Faults::new()), large_replies }
    }

    /// The same host for one session, whose calls wait for no other session's.
    pub(crate) fn for_session(&self) -> Self {
        let (hub, faults) = (Arc::clone(&self.hub), Arc::clone(&self.faults));
        let large_replies = Arc::clone(&self.large_replies);
        Self { node: self.node.for_caller(), hub, faults, large_replies }
    }

    /// What stands behind the answers, for people.
    pub(crate) fn node_label(&self) -> &'static str {
        self.node.label()
    }

    /// A host with room for so many large replies.
    #[cfg(test)]
    pub(crate) fn with_large_replies(self, places: usize) -> Self {
        Self { large_replies: Arc::new(Semaphore::new(places)), ..self }
    }

    /// The places for large replies, of all sessions.
    pub(crate) fn large_replies(&self) -> &Arc<Semaphore> {
        &self.large_replies
    }

    /// Where events are published.
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Adds a session to those that may subscribe.
    pub(crate) fn attach(&self) -> Attachment {
        self.hub.attach()
    }
}
