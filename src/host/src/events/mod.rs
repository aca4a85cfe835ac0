//! Events: the host's sequence of them, and how it reaches the modules.
//!
//! Every event gets the next cursor, is encoded once, and its bytes are shared by all who subscribed. Whoever
//! publishes never waits for whoever reads. Changes of the chain are written down before they are published, so
//! that they are told once and under one cursor whenever the core dies.

mod availability;
mod chain_feed;
mod derived;
mod hub;
mod interest;
mod journal;
mod mailbox;
mod open;
mod reorg;
mod ring;

pub use availability::{Origins, event_matrix};
pub(crate) use chain_feed::ChainFeed;
pub(crate) use hub::{Attachment, Hub};
pub(crate) use interest::Interest;
#[cfg(test)]
pub(crate) use mailbox::QUEUE_BYTES;
pub(crate) use mailbox::{EVENT_QUEUE, Mailbox};
pub(crate) use open::open;

use bytes::Bytes;
use cofferdam_protocol::EventType;

/// One event as it is written to sockets. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedEvent {
    pub(crate) cursor: u64,
    pub(crate) event_type: EventType,
    pub(crate) frame: Bytes,
}

/// The types that tell of changes of the chain: those that outlive the core.
pub(crate) const CHAIN_TYPES: [EventType; 3] =
    [EventType::NewBlock, EventType::BlockDisconnected, EventType::ChainReorg];
