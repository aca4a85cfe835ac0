//! Turns changes of the node's chain into events, in order.

use std::sync::Arc;

use cofferdam_protocol::{EventPayload, RawHeader};

use super::Hub;
use crate::node::{ChainEvent, Following};

/// Publishes what the node reports until it reports no more.
pub(crate) async fn publish_chain(mut following: Following, hub: Arc<Hub>) {
    while let Some(event) = following.events.recv().await {
        tell_the_operator(&event);
        hub.publish(payload(event));
    }
}

fn payload(event: ChainEvent) -> EventPayload {
    match event {
        ChainEvent::Connected { hash, height, header } => {
            EventPayload::NewBlock { hash: hash.into(), height, header: RawHeader::encode(&header) }
        }
        ChainEvent::Disconnected { hash, height } => {
            EventPayload::BlockDisconnected { hash: hash.into(), height }
        }
        ChainEvent::Reorg { old_tip, new_tip, fork_height, depth } => {
            EventPayload::ChainReorg { old_tip: old_tip.into(), new_tip: new_tip.into(), fork_height, depth }
        }
    }
}

fn tell_the_operator(event: &ChainEvent) {
    match event {
        ChainEvent::Connected { hash, height, .. } => tracing::info!("new block {hash} at height {height}"),
        ChainEvent::Disconnected { hash, height } => {
            tracing::info!("block {hash} at height {height} left the chain");
        }
        ChainEvent::Reorg { old_tip, new_tip, fork_height, depth } => {
            tracing::warn!(
                "the chain was reorganised: {depth} blocks above height {fork_height} were replaced, \
                 tip {old_tip} by {new_tip}"
            );
        }
    }
}
