//! What a miner needs from a node, and what becomes of what it submits: plain values, the same whichever
//! backend gives them.

use bitcoin::block::Version;
use bitcoin::{Amount, BlockHash, CompactTarget, ScriptBuf, Txid, Wtxid};
use bytes::Bytes;

/// The next block as the node would have it, but for the coinbase, the time and the nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTemplate {
    /// The version its header must have, with the signals the node wants to give.
    pub version: Version,
    /// The block below.
    pub previous_block: BlockHash,
    /// Its height.
    pub height: u32,
    /// The target its hash must meet.
    pub bits: CompactTarget,
    /// The node's clock, in seconds since 1970.
    pub current_time: u32,
    /// The earliest time the header may have, in seconds since 1970.
    pub min_time: u32,
    /// The most the coinbase may pay: subsidy and the fees of all the transactions below.
    pub coinbase_value: Amount,
    /// The output that the coinbase needs so that the block commits to these transactions with their
    /// witnesses; any other selection of them needs another.
    pub default_witness_commitment: Option<ScriptBuf>,
    /// The transactions, each after those that it spends from.
    pub transactions: Vec<TemplateTransaction>,
    /// Names this template: another name means that another block would be better.
    pub longpoll_id: String,
    /// Rules in force that a miner must know, as the node names them; `!` marks those it may not ignore.
    pub rules: Vec<String>,
    /// Limit of signature operations, in weighted units; 0 where the chain has none.
    pub sigop_limit: u64,
    /// Limit of the block's size in bytes, with witness.
    pub size_limit: u64,
    /// Limit of the block's weight.
    pub weight_limit: u64,
}

/// A transaction of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateTransaction {
    /// Its consensus bytes with witness.
    pub bytes: Bytes,
    /// Its id.
    pub txid: Txid,
    /// Its id with witness.
    pub wtxid: Wtxid,
    /// The fee it pays.
    pub fee: Amount,
    /// The places in the template, from 0, of the transactions it spends from: a miner that leaves one of
    /// those out must leave this one out too.
    pub depends: Vec<u32>,
    /// Its signature operations, in weighted units.
    pub sigops: u64,
    /// Its weight.
    pub weight: u64,
}

/// A block that was handed to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmittedBlock {
    /// Its hash.
    pub hash: BlockHash,
    /// What the node said.
    pub verdict: BlockVerdict,
}

/// What a node says of a block that it was handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockVerdict {
    /// It is valid and now the tip, or was when the node answered.
    Accepted,
    /// It is kept, but does not extend the best chain: whether it is valid is not known.
    Inconclusive,
    /// The node had it already, and it is valid. Also said where the connection to the node died under the
    /// first attempt, which had succeeded.
    Duplicate,
    /// It breaks a rule.
    Rejected {
        /// The rule, in the node's words.
        reason: String,
    },
}
