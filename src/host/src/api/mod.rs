//! What the core answers: one handler per row of the table of calls.
//!
//! A handler gets a call that was authorised, asks the node or the host, and answers honestly: what cannot be
//! known is an error with its reason, never an empty reply or an invented number.

mod chain;
mod failure;
mod log;
mod pending;
mod subscribe;

use std::sync::Arc;

use tokio::sync::Semaphore;

use self::failure::Faults;
use crate::dispatch::MAX_LARGE_IN_ALL;
use crate::events::{Attachment, Hub};
use cofferdam_node::Node;

/// What handlers answer from, for one session: the node as one caller of it, and what all sessions share.
#[derive(Debug)]
pub(crate) struct Host {
    node: Node,
    shared: Arc<Shared>,
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    hub: Arc<Hub>,
    faults: Faults,
    large_replies: Arc<Semaphore>,
}

impl Host {
    /// A host that answers from `node` and `hub`.
    pub(crate) fn new(node: Node, hub: Arc<Hub>) -> Self {
        let large_replies = Arc::new(Semaphore::new(MAX_LARGE_IN_ALL));
        Self { node, shared: Arc::new(Shared { hub, faults: Faults::new(), large_replies }) }
    }

    /// The same host for one session, whose calls wait for no other session's.
    pub(crate) fn for_session(&self) -> Self {
        Self { node: self.node.for_caller(), shared: Arc::clone(&self.shared) }
    }

    /// What stands behind the answers, for people.
    pub(crate) fn node_label(&self) -> &'static str {
        self.node.label()
    }

    /// A host with room for so many large replies.
    #[cfg(test)]
    pub(crate) fn with_large_replies(self, places: usize) -> Self {
        let Self { node, shared } = self;
        let Shared { hub, faults, .. } = Arc::into_inner(shared).unwrap();
        let large_replies = Arc::new(Semaphore::new(places));
        Self { node, shared: Arc::new(Shared { hub, faults, large_replies }) }
    }

    /// The places for large replies, of all sessions.
    pub(crate) fn large_replies(&self) -> &Arc<Semaphore> {
        &self.shared.large_replies
    }

    /// Where events are published.
    pub(crate) fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// What goes wrong, counted and logged.
    fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Adds a session to those that may subscribe.
    pub(crate) fn attach(&self) -> Attachment {
        self.shared.hub.attach()
    }
}
