//! A node whose mempool and blocks are changed by the test, which decides what is told of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash, OutPoint, Txid};

use crate::error::NodeError;
use crate::mempool::{MempoolEntry, MempoolSnapshot};
use crate::mempool_feed::{BlockTxids, MempoolView, Notice};

/// A node that is changed by the test.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<World>>);

#[derive(Default)]
pub(super) struct World {
    pub(super) waiting: BTreeSet<Txid>,
    sequence: u64,
    /// Every block there ever was, each mined on the tip of its time, with what it contains.
    known: Vec<BlockTxids>,
    /// The places of the active ones in that list, lowest first.
    active: Vec<usize>,
    /// What transactions spend, where that is not an output of their own.
    pub(super) spends: HashMap<Txid, OutPoint>,
    pub(super) failing: bool,
}

impl World {
    fn tip(&self) -> Option<BlockHash> {
        self.active.last().map(|place| block(*place))
    }
}

pub(super) const INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn txid(number: u32) -> Txid {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Txid::from_byte_array(bytes)
}

/// The hash of the block that was mined as this one, from 0.
pub(super) fn block(number: usize) -> BlockHash {
    BlockHash::from_byte_array(txid(u32::try_from(number + 1).unwrap()).to_byte_array())
}

pub(super) fn output(number: u32) -> OutPoint {
    OutPoint { txid: txid(u32::MAX), vout: number }
}

impl Fake {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub(super) fn add(&self, number: u32) -> Option<Notice> {
        let mut world = self.world();
        let (txid, sequence) = (txid(number), world.sequence);
        let confirmed = world.active.iter().any(|place| world.known[*place].txids.contains(&txid));
        (!confirmed && world.waiting.insert(txid)).then(|| {
            world.sequence += 1;
            Notice::Added { txid, sequence }
        })
    }

    pub(super) fn remove(&self, number: u32) -> Option<Notice> {
        let mut world = self.world();
        let (txid, sequence) = (txid(number), world.sequence);
        world.waiting.remove(&txid).then(|| {
            world.sequence += 1;
            Notice::Removed { txid, sequence }
        })
    }

    pub(super) fn mine(&self, numbers: &[u32]) -> Notice {
        let mut world = self.world();
        let txids: Vec<Txid> = numbers.iter().map(|number| txid(*number)).collect();
        for txid in &txids {
            world.sequence += u64::from(world.waiting.remove(txid));
        }
        let (previous, number) = (world.tip(), world.known.len());
        world.known.push(BlockTxids { previous, txids });
        world.active.push(number);
        Notice::Connected(block(number))
    }

    /// Disconnects the highest block, whose transactions wait again.
    pub(super) fn undo(&self) -> Vec<Notice> {
        let mut world = self.world();
        let Some(left) = world.active.pop() else { return Vec::new() };
        let mut notices = vec![Notice::Disconnected(block(left))];
        for txid in world.known[left].txids.clone() {
            let sequence = world.sequence;
            if world.waiting.insert(txid) {
                world.sequence += 1;
                notices.push(Notice::Added { txid, sequence });
            }
        }
        notices
    }

    fn check(&self) -> Result<MutexGuard<'_, World>, NodeError> {
        let world = self.world();
        if world.failing { Err(NodeError::not_ready("the test wants it so")) } else { Ok(world) }
    }
}

impl MempoolView for Fake {
    async fn snapshot(&self) -> Result<MempoolSnapshot, NodeError> {
        let world = self.check()?;
        Ok(MempoolSnapshot { sequence: world.sequence, txids: world.waiting.iter().copied().collect() })
    }

    async fn tip(&self) -> Result<BlockHash, NodeError> {
        Ok(self.check()?.tip().unwrap_or(BlockHash::all_zeros()))
    }

    async fn block_txids(&self, hash: BlockHash) -> Result<Option<BlockTxids>, NodeError> {
        let world = self.check()?;
        let found = (0..).zip(&world.known).find(|(number, _)| block(*number) == hash);
        Ok(found.map(|(_, block)| block.clone()))
    }

    async fn entry(&self, txid: Txid) -> Result<Option<MempoolEntry>, NodeError> {
        let waits = self.check()?.waiting.contains(&txid);
        let entry = MempoolEntry { fee: Amount::from_sat(9), vsize: 1, time: 0, unbroadcast: false };
        Ok(waits.then_some(entry))
    }

    async fn inputs(&self, txid: Txid) -> Result<Option<Vec<OutPoint>>, NodeError> {
        let world = self.check()?;
        let own = OutPoint { txid, vout: 0 };
        let inputs = vec![world.spends.get(&txid).copied().unwrap_or(own)];
        Ok(world.waiting.contains(&txid).then_some(inputs))
    }
}
