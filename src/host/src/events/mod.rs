//! Events: the host's sequence of them, and how it reaches the modules.
//!
//! Every event gets the next cursor, is encoded once, and its bytes are shared by all who subscribed. Whoever
//! publishes never waits for whoever reads.

mod availability;
mod chain_feed;
mod hub;
mod mailbox;

pub(crate) use availability::availability;
pub(crate) use chain_feed::publish_chain;
pub(crate) use hub::{Attachment, Hub, first_cursor};
pub(crate) use mailbox::{EVENT_QUEUE, Mailbox};

use bytes::Bytes;
use cofferdam_protocol::EventType;

/// One event as it is written to sockets. Clones share the bytes.
#[derive(Debug, Clone)]
pub(crate) struct EncodedEvent {
    pub(crate) cursor: u64,
    pub(crate) event_type: EventType,
    pub(crate) frame: Bytes,
}
