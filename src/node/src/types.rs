//! What the core learns from a node: plain values, the same whichever backend gives them.

use std::fmt;

use bitcoin::block::Header;
use bitcoin::{Amount, BlockHash, Network, ScriptBuf};

use super::error::NodeError;

/// The chain a node is expected to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chain {
    /// Bitcoin.
    Main,
    /// The third test network.
    Testnet3,
    /// The fourth test network.
    Testnet4,
    /// A signet, the default one or a custom one (they share a genesis block).
    Signet,
    /// A private regression-test chain.
    Regtest,
    /// The chain of the embedded node.
    Development,
}

impl Chain {
    /// The name a Bitcoin node gives to this chain in `getblockchaininfo`; `None` for the embedded chain.
    #[must_use]
    pub fn rpc_name(self) -> Option<&'static str> {
        self.network().map(Network::to_core_arg)
    }

    /// The network of the `bitcoin` crate; `None` for the embedded chain, which is not Bitcoin.
    #[must_use]
    pub fn network(self) -> Option<Network> {
        match self {
            Self::Main => Some(Network::Bitcoin),
            Self::Testnet3 => Some(Network::Testnet),
            Self::Testnet4 => Some(Network::Testnet4),
            Self::Signet => Some(Network::Signet),
            Self::Regtest => Some(Network::Regtest),
            Self::Development => None,
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rpc_name().unwrap_or("development"))
    }
}

/// A word that names no Bitcoin chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown chain `{0}`: write main, test, testnet4, signet or regtest")]
pub struct UnknownChain(pub String);

impl std::str::FromStr for Chain {
    type Err = UnknownChain;

    fn from_str(name: &str) -> Result<Self, UnknownChain> {
        const BITCOIN: [Chain; 5] =
            [Chain::Main, Chain::Testnet3, Chain::Testnet4, Chain::Signet, Chain::Regtest];
        BITCOIN
            .into_iter()
            .find(|chain| chain.rpc_name() == Some(name))
            .ok_or_else(|| UnknownChain(name.to_owned()))
    }
}

/// One block's place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainPoint {
    /// The block's hash.
    pub hash: BlockHash,
    /// The number of blocks below it; the genesis block has 0.
    pub height: u32,
}

impl fmt::Display for ChainPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at height {}", self.hash, self.height)
    }
}

/// What changed in the active chain. Played in order from the point where following began, these events
/// always describe a chain: each `Disconnected` names the block on top, each `Connected` builds on it. The one
/// exception is a node that no longer knows the chain that was followed: then the next event is `Connected`
/// with the node's tip, whose header names another parent, and what happened in between is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainEvent {
    /// A block was put on top of the active chain.
    Connected {
        /// The block's hash.
        hash: BlockHash,
        /// Its height.
        height: u32,
        /// Its header, which hashes to `hash`.
        header: Header,
    },
    /// The block on top left the active chain.
    Disconnected {
        /// The block's hash.
        hash: BlockHash,
        /// The height it had.
        height: u32,
    },
    /// Blocks that had been connected were replaced; comes after the last `Connected` of the replacement.
    Reorg {
        /// The tip before the first disconnected block left.
        old_tip: BlockHash,
        /// The tip now.
        new_tip: BlockHash,
        /// The height of the last block both chains share.
        fork_height: u32,
        /// How many blocks of the old chain were replaced; at least 1.
        depth: u32,
    },
}

/// How the node behind the core is doing, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStatus {
    /// Nothing has been heard from it yet.
    Starting,
    /// It answers, it is on the right chain, and every event up to `tip` was delivered.
    Ready {
        /// The last block delivered.
        tip: ChainPoint,
    },
    /// It does not answer or is not ready; the core goes on trying.
    Lost {
        /// The last failure.
        error: NodeError,
    },
    /// Somebody has to act; the core goes on trying, slowly.
    Refused {
        /// What was wrong.
        error: NodeError,
    },
}

/// The state of the chain as the node sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainInfo {
    /// Which chain it is.
    pub chain: Chain,
    /// The tip of the active chain.
    pub tip: ChainPoint,
    /// The height of the best header known; at least the tip's.
    pub headers: u32,
    /// Difficulty of the tip, as a multiple of the easiest target of mainnet.
    pub difficulty: f64,
    /// Work in the active chain, big-endian.
    pub chain_work: [u8; 32],
    /// Median time of the last eleven blocks, in seconds since 1970.
    pub median_time: u32,
    /// The node's guess of how much is verified, 0 to 1.
    pub verification_progress: f64,
    /// Whether the node is still fetching the chain for the first time.
    pub initial_block_download: bool,
    /// The lowest block whose body is kept, where the node prunes.
    pub prune_height: Option<u32>,
    /// The node's warnings, for the operator.
    pub warnings: Vec<String>,
}

/// An output that no block has spent. The mempool does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utxo {
    /// What it is worth.
    pub value: Amount,
    /// Who may spend it.
    pub script_pubkey: ScriptBuf,
    /// The height of the block that made it.
    pub height: u32,
    /// Whether a coinbase transaction made it.
    pub coinbase: bool,
    /// The tip at which this was true.
    pub best_block: BlockHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_named_as_the_node_names_them_and_the_development_chain_is_none_of_them() {
        for name in ["main", "test", "testnet4", "signet", "regtest"] {
            let chain: Chain = name.parse().unwrap();
            assert_eq!((chain.to_string().as_str(), chain.rpc_name()), (name, Some(name)));
        }
        for name in ["", "mainnet", "Main", "development"] {
            assert_eq!(name.parse::<Chain>(), Err(UnknownChain(name.to_owned())));
        }
    }
}
