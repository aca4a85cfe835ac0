//! The node behind the core: one interface, two backends.
//!
//! [`Node`] answers questions about the active chain and delivers its changes in order. What it answers is
//! checked as far as the answer itself allows: a block hashes to the hash that was asked for, a header
//! links to the one before. It never decides what a module may ask, and never invents what a backend does
//! not know.

/// Asks the same of whichever backend there is.
macro_rules! ask {
    ($node:expr, $backend:ident => $call:expr) => {
        match $node {
            Node::Embedded($backend) => $call,
            Node::Bitcoind($backend) => $call,
        }
    };
}

pub mod bitcoind;
pub mod embedded;
mod error;
mod feed;
mod follower;
#[doc(hidden)]
pub mod fuzz;
mod mempool;
mod mempool_feed;
mod mining;
mod network;
mod services;
mod status;
mod types;

use bitcoin::block::Header;
use bitcoin::{BlockHash, OutPoint, Txid};
use bytes::Bytes;

pub use bitcoind::{Bitcoind, BitcoindSettings, Credentials, MEMPOOL_POLL_FACTOR, Secret};
pub use embedded::{Embedded, EmbeddedSettings};
pub use error::NodeError;
pub use feed::Following;
pub use follower::{Best, ChainView, Follower, Step};
pub use mempool::{
    EstimateBasis, FeeEstimate, FeeRate, MAX_MEMPOOL_TXIDS, MempoolEntry, MempoolEvent, MempoolFollowing,
    MempoolInfo, MempoolSnapshot, MempoolSource, RemovalReason, ResyncCause,
};
pub use mining::{BlockTemplate, BlockVerdict, SubmittedBlock, TemplateTransaction};
pub use network::{
    Ban, BanTarget, NetworkState, NetworkStats, Peer, PeerDirection, PeerNetwork, PeerTransport, Subnet,
    SubnetError,
};
pub use status::{Deployment, DeploymentStatus, IndexStatus, SyncPhase, SyncStatus};
pub use types::{Chain, ChainEvent, ChainInfo, ChainPoint, NodeStatus, UnknownChain, Utxo};

/// A node of either kind. Cheap to clone; all clones share connections and state, and are one caller.
#[derive(Debug, Clone)]
pub enum Node {
    /// The development chain inside this process.
    Embedded(Embedded),
    /// A Bitcoin Core compatible node over JSON-RPC.
    Bitcoind(Bitcoind),
}

impl Node {
    /// What stands behind the answers, for people: never omits that the embedded chain is not Bitcoin.
    #[must_use]
    pub fn label(&self) -> &'static str {
        ask!(self, backend => backend.label())
    }

    /// The same node for another caller. Each has its own share of the calls that a node can serve at once,
    /// so that nobody waits for all that somebody else has asked.
    #[must_use]
    pub fn for_caller(&self) -> Self {
        match self {
            // In memory, no call waits for another.
            Self::Embedded(chain) => Self::Embedded(chain.clone()),
            Self::Bitcoind(node) => Self::Bitcoind(node.for_caller()),
        }
    }

    /// The chain being followed.
    #[must_use]
    pub fn chain(&self) -> Chain {
        ask!(self, backend => backend.chain())
    }

    /// A block's consensus bytes with witness, active or stale; `None` where no such block is known.
    ///
    /// # Errors
    /// [`NodeError::Pruned`] where the node once had it; otherwise why the node did not answer.
    pub async fn block(&self, hash: BlockHash) -> Result<Option<Bytes>, NodeError> {
        ask!(self, backend => backend.block(hash).await)
    }

    /// A block's header; `None` where no such block is known.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn block_header(&self, hash: BlockHash) -> Result<Option<Header>, NodeError> {
        ask!(self, backend => backend.block_header(hash).await)
    }

    /// The active chain's block at `height`; `None` above the tip.
    ///
    /// # Errors
    /// As [`Node::block`].
    pub async fn block_by_height(&self, height: u32) -> Result<Option<Bytes>, NodeError> {
        ask!(self, backend => backend.block_by_height(height).await)
    }

    /// A transaction's consensus bytes with witness, from the mempool or the active chain.
    ///
    /// # Errors
    /// [`NodeError::IndexRequired`] where a node without a transaction index cannot tell.
    pub async fn transaction(&self, txid: Txid) -> Result<Option<Bytes>, NodeError> {
        ask!(self, backend => backend.transaction(txid).await)
    }

    /// Whether a transaction is in the mempool or the active chain.
    ///
    /// # Errors
    /// As [`Node::transaction`]: never answers "no" without knowing.
    pub async fn has_transaction(&self, txid: Txid) -> Result<bool, NodeError> {
        Ok(self.transaction(txid).await?.is_some())
    }

    /// The tip of the active chain.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn chain_tip(&self) -> Result<ChainPoint, NodeError> {
        Ok(self.chain_info().await?.tip)
    }

    /// The height of the tip.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn block_height(&self) -> Result<u32, NodeError> {
        Ok(self.chain_info().await?.tip.height)
    }

    /// The state of the chain, all of it from one moment.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn chain_info(&self) -> Result<ChainInfo, NodeError> {
        ask!(self, backend => backend.chain_info().await)
    }

    /// An unspent output; `None` where it is spent or never existed. The mempool is not considered.
    ///
    /// # Errors
    /// Why the node did not answer.
    pub async fn utxo(&self, outpoint: OutPoint) -> Result<Option<Utxo>, NodeError> {
        ask!(self, backend => backend.utxo(outpoint).await)
    }

    /// Delivers every change of the active chain after `from`, or after the tip found first.
    ///
    /// Must be called within a tokio runtime; ends when the events are dropped.
    #[must_use]
    pub fn follow(&self, from: Option<ChainPoint>) -> Following {
        ask!(self, backend => backend.follow(from))
    }
}
