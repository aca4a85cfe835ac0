//! What the core answers: one handler per row of the table of calls.
//!
//! A handler gets a call that was authorised, asks the node or the host, and answers honestly: what cannot be
//! known is an error with its reason, never an empty reply or an invented number.

mod chain;
mod failure;
mod log;
mod subscribe;

use std::sync::Arc;

use self::failure::Faults;
use crate::events::{Attachment, Hub};
use crate::node::Node;

/// What handlers answer from. Shared by all sessions.
#[derive(Debug)]
pub(crate) struct Host {
    node: Node,
    hub: Arc<Hub>,
    faults: Faults,
}

impl Host {
    /// A host that answers from `node` and `hub`.
    pub(crate) fn new(node: Node, hub: Arc<Hub>) -> Self {
        Self { node, hub, faults: Faults::new() }
    }

    /// What stands behind the answers, for people.
    pub(crate) fn node_label(&self) -> &'static str {
        self.node.label()
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
