//! What comes into the mempool and leaves it. The node crate follows it; nothing is concluded here.

use cofferdam_node::{MempoolEntry, MempoolEvent, Node};
use cofferdam_protocol::{EventPayload, EventType, RemovalReason};

use crate::events::Hub;

/// The types that this is about.
pub(super) const TYPES: &[EventType] =
    &[EventType::NewTransaction, EventType::MempoolTransactionAdded, EventType::MempoolTransactionRemoved];

/// Tells of every change until the node's feed ends.
pub(super) async fn follow(node: &Node, hub: &Hub) {
    let mut following = node.follow_mempool();
    let interest = hub.interest();
    while let Some(event) = following.events.recv().await {
        if let MempoolEvent::Resynced { .. } = event {
            hub.tell_missing(TYPES);
        }
        for payload in payloads(event) {
            // Two types tell of the same: what nobody wants would only crowd out what somebody missed.
            if interest.borrow().any_of(&[payload.event_type()]) {
                hub.publish(payload);
            }
        }
    }
}

fn payloads(event: MempoolEvent) -> Vec<EventPayload> {
    match event {
        MempoolEvent::Added { txid, entry, .. } => {
            let (txid, fee_sats) = (txid.into(), entry.map(|entry: MempoolEntry| entry.fee.to_sat()));
            let virtual_bytes = entry.map(|entry| entry.vsize);
            vec![
                EventPayload::NewTransaction { txid, fee_sats, virtual_bytes },
                EventPayload::MempoolTransactionAdded { txid, fee_sats, virtual_bytes },
            ]
        }
        MempoolEvent::Removed { txid, reason, .. } => {
            let reason = match reason {
                cofferdam_node::RemovalReason::Confirmed { block } => {
                    RemovalReason::Confirmed { block: block.into() }
                }
                cofferdam_node::RemovalReason::Replaced { by } => RemovalReason::Replaced { by: by.into() },
                cofferdam_node::RemovalReason::Unknown => RemovalReason::Unknown,
            };
            vec![EventPayload::MempoolTransactionRemoved { txid: txid.into(), reason }]
        }
        MempoolEvent::Resynced { .. } => Vec::new(),
    }
}
