//! A feed whose node changes behind its back.

use std::sync::Mutex;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, TxMerkleNode};

use super::*;
use crate::follower::Best;
use cofferdam_log::captured::Captured;

/// A node that knows one chain and nothing else.
#[derive(Clone)]
struct Fake(Arc<Mutex<State>>);

struct State {
    headers: Vec<Header>,
    /// Added to the height of the tip.
    boast: u32,
}

/// As many blocks on the same genesis block, unlike those of any other `salt`.
fn chain(salt: u32, blocks: u32) -> Vec<Header> {
    let bits = CompactTarget::from_consensus(0x207f_ffff);
    let (version, merkle_root) = (Version::ONE, TxMerkleNode::all_zeros());
    let mut prev_blockhash = BlockHash::all_zeros();
    let heights = (0..=blocks).map(|nonce| {
        let time = if nonce == 0 { 0 } else { salt };
        let header = Header { version, prev_blockhash, merkle_root, time, bits, nonce };
        prev_blockhash = header.block_hash();
        header
    });
    heights.collect()
}

fn connected(headers: &[Header], height: u32) -> ChainEvent {
    let header = headers[usize::try_from(height).unwrap()];
    ChainEvent::Connected { hash: header.block_hash(), height, header }
}

impl Fake {
    fn new(headers: Vec<Header>, boast: u32) -> Self {
        Self(Arc::new(Mutex::new(State { headers, boast })))
    }

    fn become_chain(&self, headers: Vec<Header>) {
        *self.0.lock().unwrap() = State { headers, boast: 0 };
    }

    fn follow(&self) -> Following {
        self.follow_from(None)
    }

    fn follow_from(&self, from: Option<ChainPoint>) -> Following {
        let (_, pause) = watch::channel(Duration::from_millis(1));
        spawn(self.clone(), from, Pace { hint: Arc::default(), pause })
    }
}

impl ChainView for Fake {
    async fn best(&self) -> Result<Best, NodeError> {
        let state = self.0.lock().unwrap();
        let height = u32::try_from(state.headers.len() - 1).unwrap().saturating_add(state.boast);
        let point = ChainPoint { hash: state.headers.last().unwrap().block_hash(), height };
        Ok(Best { point, catching_up: false })
    }

    async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, NodeError> {
        let state = self.0.lock().unwrap();
        Ok(state.headers.get(usize::try_from(height).unwrap()).map(Header::block_hash))
    }

    async fn header(&self, hash: BlockHash) -> Result<Option<Header>, NodeError> {
        let state = self.0.lock().unwrap();
        Ok(state.headers.iter().find(|header| header.block_hash() == hash).copied())
    }
}

async fn ready(following: &mut Following) -> NodeStatus {
    let status = following.status.wait_for(|status| matches!(status, NodeStatus::Ready { .. }));
    status.await.unwrap().clone()
}

#[tokio::test]
async fn node_with_another_chain_is_followed_from_its_tip_and_the_gap_is_logged() {
    let (log, _guard) = Captured::start();
    let node = Fake::new(chain(1, 5), 0);
    let mut following = node.follow();
    ready(&mut following).await;
    let (before, after) = (chain(1, 6), chain(2, 9));
    node.become_chain(before.clone());
    assert_eq!(following.events.recv().await, Some(connected(&before, 6)));
    // Another data directory: nothing of what was followed is known there.
    node.become_chain(after[..9].to_vec());
    let left = ChainEvent::Disconnected { hash: before[6].block_hash(), height: 6 };
    assert_eq!(following.events.recv().await, Some(left));
    assert_eq!(following.events.recv().await, Some(connected(&after, 8)));
    node.become_chain(after.clone());
    assert_eq!(following.events.recv().await, Some(connected(&after, 9)));
    assert!(log.text().contains("events go on from the node's tip"), "{}", log.text());
}

#[tokio::test]
async fn tip_that_is_not_at_its_height_is_not_believed() {
    let headers = chain(1, 3);
    let node = Fake::new(headers.clone(), u32::MAX);
    let mut following = node.follow();
    let status = following.status.wait_for(|status| *status != NodeStatus::Starting).await.unwrap().clone();
    assert!(matches!(status, NodeStatus::Lost { error: NodeError::Malformed { .. } }), "{status:?}");
    node.become_chain(headers.clone());
    let tip = ChainPoint { hash: headers[3].block_hash(), height: 3 };
    assert_eq!(ready(&mut following).await, NodeStatus::Ready { tip });
    assert!(following.events.try_recv().is_err(), "a block that never was left the chain");
}

#[tokio::test]
async fn following_from_a_block_that_the_node_never_had_begins_at_its_tip_with_a_gap() {
    let (_log, _guard) = Captured::start();
    let headers = chain(1, 4);
    let from = ChainPoint { hash: chain(2, 3)[3].block_hash(), height: 3 };
    let mut following = Fake::new(headers.clone(), 0).follow_from(Some(from));
    assert_eq!(following.events.recv().await, Some(connected(&headers, 4)));
    ready(&mut following).await;
    assert!(following.events.try_recv().is_err());
}
