//! What a node answers beyond the chain: the mempool, mining, the network, its own state.

use std::time::Duration;

use bitcoin::Txid;
use bytes::Bytes;

use crate::Node;
use crate::error::NodeError;
use crate::mempool::{FeeEstimate, MempoolEntry, MempoolFollowing, MempoolInfo, MempoolSnapshot};
use crate::mining::{BlockTemplate, SubmittedBlock};
use crate::network::{Ban, BanTarget, NetworkStats, Peer};
use crate::status::{Deployment, IndexStatus, SyncStatus};

impl Node {
    /// Every transaction of the mempool, from one moment.
    ///
    /// # Errors
    /// [`NodeError::Unsupported`] above [`MAX_MEMPOOL_TXIDS`](crate::MAX_MEMPOOL_TXIDS); otherwise why the
    /// node did not answer.
    pub async fn mempool_txids(&self) -> Result<MempoolSnapshot, NodeError> {
        ask!(self, backend => backend.mempool_txids().await)
    }

    /// A waiting transaction's consensus bytes with witness; `None` where it does not wait. Needs no index.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn mempool_transaction(&self, txid: Txid) -> Result<Option<Bytes>, NodeError> {
        ask!(self, backend => backend.mempool_transaction(txid).await)
    }

    /// Fee and size of a waiting transaction; `None` where it does not wait.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn mempool_entry(&self, txid: Txid) -> Result<Option<MempoolEntry>, NodeError> {
        ask!(self, backend => backend.mempool_entry(txid).await)
    }

    /// Whether a transaction waits.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn mempool_contains(&self, txid: Txid) -> Result<bool, NodeError> {
        Ok(self.mempool_entry(txid).await?.is_some())
    }

    /// The mempool in figures.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn mempool_info(&self) -> Result<MempoolInfo, NodeError> {
        ask!(self, backend => backend.mempool_info().await)
    }

    /// The rate at which a transaction probably confirms within `target_blocks` blocks, 1 to 1008.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] out of that range; [`NodeError::InsufficientData`] where the node has
    /// seen too little, with the lowest rate it would take.
    pub async fn fee_estimate(&self, target_blocks: u16) -> Result<FeeEstimate, NodeError> {
        ask!(self, backend => backend.fee_estimate(target_blocks).await)
    }

    /// Hands a transaction, as consensus bytes with witness, to the node, which checks it and tells its peers.
    /// One that waits already is told to them again. A node refuses rates above its own `maxfeerate`, 0.1 BTC
    /// per 1000 virtual bytes.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] for bytes that are no transaction; [`NodeError::Rejected`] with the
    /// node's reason, also where a block contains it already.
    pub async fn submit_transaction(&self, bytes: &[u8]) -> Result<Txid, NodeError> {
        ask!(self, backend => backend.submit_transaction(bytes).await)
    }

    /// The next block as the node would have it.
    ///
    /// # Errors
    /// [`NodeError::NotReady`] where the node has no peers or is catching up.
    pub async fn block_template(&self) -> Result<BlockTemplate, NodeError> {
        ask!(self, backend => backend.block_template().await)
    }

    /// Hands a block, as consensus bytes with witness, to the node.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] for bytes that are no block; otherwise why the node did not answer.
    /// What the node thinks of the block is no error, but in the answer.
    pub async fn submit_block(&self, bytes: &[u8]) -> Result<SubmittedBlock, NodeError> {
        ask!(self, backend => backend.submit_block(bytes).await)
    }

    /// How far the node has come.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn sync_status(&self) -> Result<SyncStatus, NodeError> {
        ask!(self, backend => backend.sync_status().await)
    }

    /// The changes of the consensus rules that the node knows, by name, as of its tip.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn deployments(&self) -> Result<Vec<Deployment>, NodeError> {
        ask!(self, backend => backend.deployments().await)
    }

    /// The indexes that the node keeps, by name. One that is not listed is not there.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn indexes(&self) -> Result<Vec<IndexStatus>, NodeError> {
        ask!(self, backend => backend.indexes().await)
    }

    /// The node's network in figures.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn network_stats(&self) -> Result<NetworkStats, NodeError> {
        ask!(self, backend => backend.network_stats().await)
    }

    /// The peers connected now. Their addresses are personal data.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn peers(&self) -> Result<Vec<Peer>, NodeError> {
        ask!(self, backend => backend.peers().await)
    }

    /// Disconnects addresses and refuses them for `duration`, or for ever. A ban that is there already stays
    /// as it is. The answer is the ban in force.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] for a peer that is not there or is not reached over IP, and for less
    /// than a second; [`NodeError::Unsupported`] where there are no peers.
    pub async fn ban_peer(&self, target: BanTarget, duration: Option<Duration>) -> Result<Ban, NodeError> {
        ask!(self, backend => backend.ban_peer(target, duration).await)
    }

    /// The addresses that the node refuses now.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn banned(&self) -> Result<Vec<Ban>, NodeError> {
        ask!(self, backend => backend.banned().await)
    }

    /// Delivers every change of the mempool from now on. It costs the node and this process something: begin
    /// it when somebody wants it, drop the events when nobody does.
    ///
    /// Must be called within a tokio runtime; ends when the events are dropped.
    #[must_use]
    pub fn follow_mempool(&self) -> MempoolFollowing {
        ask!(self, backend => backend.follow_mempool())
    }
}
