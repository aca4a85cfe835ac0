//! Clients of a private node, and what they report.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::BlockHash;
use cofferdam_node::bitcoind::CookieFile;
use cofferdam_node::{
    Bitcoind, BitcoindSettings, Chain, ChainEvent, Credentials, Following, Node, NodeStatus,
};
use cofferdam_regtest_node::RegtestNode;

/// How long a test waits for what must happen; only a failing test takes it.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    Zmq,
    Polling,
}

/// What the tests of this crate ask of a node.
pub trait Clients {
    fn cookie(&self) -> CookieFile;
    fn settings(&self, notify: Notify) -> BitcoindSettings;

    fn client(&self, notify: Notify) -> Node {
        self.client_with(self.settings(notify), Arc::new(self.cookie()))
    }

    fn client_with(&self, settings: BitcoindSettings, credentials: Arc<dyn Credentials>) -> Node {
        Node::Bitcoind(Bitcoind::new(settings, credentials))
    }
}

impl Clients for RegtestNode {
    fn cookie(&self) -> CookieFile {
        CookieFile(self.cookie_file())
    }

    fn settings(&self, notify: Notify) -> BitcoindSettings {
        BitcoindSettings {
            rpc: self.rpc(),
            zmq: (notify == Notify::Zmq).then(|| self.zmq()),
            chain: Chain::Regtest,
            // Far apart where ZMQ tells of blocks: a test that passes cannot owe it to polling.
            poll_interval: Duration::from_millis(if notify == Notify::Zmq { 600_000 } else { 50 }),
        }
    }
}

/// Waits until the node has been heard.
pub async fn ready(following: &mut Following) {
    let ready = following.status.wait_for(|status| matches!(status, NodeStatus::Ready { .. }));
    let seen = tokio::time::timeout(PATIENCE, ready).await.map(|status| status.map(|_| ()));
    assert!(matches!(seen, Ok(Ok(()))), "the node did not get ready: {:?}", following.status.borrow());
}

/// The next events, as letters and hashes.
pub async fn events(following: &mut Following, count: usize) -> Vec<ChainEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(PATIENCE, following.events.recv()).await;
        let event = next.unwrap_or_else(|_| panic!("only {events:?}; {:?}", following.status.borrow()));
        events.push(event.expect("the follower ended"));
    }
    events
}

/// The hashes of events that must all be `Connected`, each at the height after the one before.
pub fn connected(events: &[ChainEvent], first_height: u32) -> Vec<BlockHash> {
    let blocks = events.iter().zip(first_height..).map(|(event, expected)| match event {
        ChainEvent::Connected { hash, height, header }
            if *height == expected && header.block_hash() == *hash =>
        {
            *hash
        }
        other => panic!("expected a block connected at {expected}, got {other:?}"),
    });
    blocks.collect()
}
