//! Turns changes of the node's chain into events, in order.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_protocol::{EventPayload, RawHeader};

use super::Hub;
use cofferdam_node::{ChainEvent, Following};
use cofferdam_log::{Throttle, and_more};

/// Lines about blocks: every one at the pace of any network, but not the thousands of a node that catches up.
const BLOCK_LINES: (Duration, u32) = (Duration::from_millis(50), 200);

/// Lines about reorganisations, which have their own so that blocks cannot crowd them out.
const REORG_LINES: (Duration, u32) = (Duration::from_secs(1), 20);

/// Publishes what the node reports until it reports no more.
pub(crate) async fn publish_chain(mut following: Following, hub: Arc<Hub>) {
    let mut lines = Lines::new();
    while let Some(event) = following.events.recv().await {
        lines.tell_the_operator(&event);
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

/// What the operator reads about the chain, limited.
struct Lines {
    blocks: Throttle,
    reorgs: Throttle,
}

impl Lines {
    fn new() -> Self {
        Self {
            blocks: Throttle::new(BLOCK_LINES.0, BLOCK_LINES.1),
            reorgs: Throttle::new(REORG_LINES.0, REORG_LINES.1),
        }
    }

    fn tell_the_operator(&mut self, event: &ChainEvent) {
        let throttle = match event {
            ChainEvent::Connected { .. } | ChainEvent::Disconnected { .. } => &mut self.blocks,
            ChainEvent::Reorg { .. } => &mut self.reorgs,
        };
        let Some(swallowed) = throttle.pass() else { return };
        let more = and_more(swallowed);
        match event {
            ChainEvent::Connected { hash, height, .. } => {
                tracing::info!("new block {hash} at height {height}{more}");
            }
            ChainEvent::Disconnected { hash, height } => {
                tracing::info!("block {hash} at height {height} left the chain{more}");
            }
            ChainEvent::Reorg { old_tip, new_tip, fork_height, depth } => {
                tracing::warn!(
                    "the chain was reorganised: {depth} blocks above height {fork_height} were replaced, \
                     tip {old_tip} by {new_tip}{more}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_log::captured::Captured;
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash;

    fn left(height: u32) -> ChainEvent {
        ChainEvent::Disconnected { hash: BlockHash::all_zeros(), height }
    }

    #[tokio::test(start_paused = true)]
    async fn blocks_at_the_pace_of_a_network_are_all_logged() {
        let (log, _guard) = Captured::start();
        let mut lines = Lines::new();
        for height in 0..1000 {
            lines.tell_the_operator(&left(height));
            tokio::time::advance(Duration::from_millis(200)).await;
        }
        assert_eq!(log.text().lines().count(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn thousands_of_blocks_at_once_are_counted_and_do_not_hide_a_reorganisation() {
        let (log, _guard) = Captured::start();
        let mut lines = Lines::new();
        (0..2000).for_each(|height| lines.tell_the_operator(&left(height)));
        let tip = BlockHash::all_zeros();
        lines.tell_the_operator(&ChainEvent::Reorg {
            old_tip: tip,
            new_tip: tip,
            fork_height: 1,
            depth: 2000,
        });
        tokio::time::advance(Duration::from_secs(1)).await;
        lines.tell_the_operator(&left(2000));
        let text = log.text();
        assert_eq!(text.lines().count(), 202, "{text}");
        assert!(
            text.contains("reorganised") && text.contains("(and 1800 more that were not logged)"),
            "{text}"
        );
    }
}
