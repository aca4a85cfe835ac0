//! What the calls about the chain answer with, besides blocks and transactions themselves.
//!
//! Numbers have the size the chain needs (32 bytes of chain work, `f64` of difficulty); nothing here is
//! saturated or truncated.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bounded::BoundedVec;
use crate::hash::BlockHash;

/// The most warnings one [`ChainInfo`] carries; a node has a handful at worst.
pub const MAX_WARNINGS: usize = 16;

/// Whether the chain is Bitcoin or one made for development.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Development {
    /// A chain of the Bitcoin network or one of its test networks, as the node follows it.
    Network,
    /// A chain that a development node makes up by itself. Nothing on it has value.
    DevelopmentChain,
}

/// What the node knows about the chain it follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainInfo {
    /// The chain's name as the node gives it: `main`, `test`, `testnet4`, `signet`, `regtest`, `development`.
    pub chain: String,
    /// The hash of the best block.
    pub tip: BlockHash,
    /// The height of the best block; the first block has height 0.
    pub height: u32,
    /// The target of the best block in its compact form.
    pub bits: u32,
    /// How many times harder the best block was to find than the easiest one.
    pub difficulty: f64,
    /// The expected number of hashes behind the best block, a big-endian number.
    pub chain_work: [u8; 32],
    /// Whether the node is still catching up with the network.
    pub initial_block_download: bool,
    /// Whether the node has deleted old blocks.
    pub pruned: bool,
    /// Which node answers, for people: `embedded` or the node's own version string.
    pub node: String,
    /// Whether this is a development chain.
    pub development: Development,
    /// What the node warns of.
    pub warnings: BoundedVec<String, MAX_WARNINGS>,
}

/// An unspent output in the chain state of the best block (the mempool is not looked at).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utxo {
    /// Its value in satoshis.
    pub value_sats: u64,
    /// The script that must be satisfied to spend it.
    #[serde(with = "serde_bytes")]
    pub script_pubkey: Vec<u8>,
    /// The height of the block that made it.
    pub height: u32,
    /// Whether a coinbase transaction made it; such outputs can be spent after 100 blocks only.
    pub coinbase: bool,
}

/// How far the node is with the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// What it is doing.
    pub phase: SyncPhase,
    /// The height of the best block that it has checked.
    pub blocks: u32,
    /// The height of the best header that it knows.
    pub headers: u32,
    /// Its own guess of how much of the chain it has checked, 0 to 1.
    pub progress: f64,
}

/// What a node is doing about the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SyncPhase {
    /// It fetches headers, and has no blocks to check.
    Headers,
    /// It fetches and checks blocks for the first time.
    Blocks,
    /// It follows the chain.
    Synced,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LogLevel {
    /// Something is broken and somebody should look.
    Error,
    /// Something is not as it should be, and the module goes on.
    Warn,
    /// What the operator wants to know.
    Info,
    /// What the author wants to know.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level in lower case, as configuration files and log lines write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A word that is not a log level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a log level (use error, warn, info, debug or trace)")]
pub struct UnknownLogLevel(pub String);

impl FromStr for LogLevel {
    type Err = UnknownLogLevel;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace]
            .into_iter()
            .find(|level| level.as_str() == word)
            .ok_or_else(|| UnknownLogLevel(word.to_owned()))
    }
}
