//! What a module needs to make a block.

use serde::{Deserialize, Serialize};

use crate::bounded::BoundedVec;
use crate::hash::{BlockHash, Txid};
use crate::raw::RawTransaction;

/// The most transactions of a template: more do not fit a block (60 bytes each).
pub const MAX_TEMPLATE_TRANSACTIONS: usize = 100_000;

/// What a block on top of the best one may hold (BIP 22, BIP 145).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockTemplate {
    /// The version field of the header.
    pub version: i32,
    /// The block to build on.
    pub previous_block: BlockHash,
    /// The height of the block to be made.
    pub height: u32,
    /// The target in its compact form.
    pub bits: u32,
    /// The node's time, in seconds since 1970.
    pub current_time: u32,
    /// The earliest time the block may have.
    pub min_time: u32,
    /// What the coinbase may pay out: subsidy and fees, in satoshis.
    pub coinbase_value_sats: u64,
    /// The script of the coinbase output that commits to the witnesses, if the block has any (BIP 141).
    pub witness_commitment: Option<serde_bytes::ByteBuf>,
    /// The greatest weight of the block.
    pub weight_limit: u64,
    /// The most signature operations of the block.
    pub sigop_limit: u64,
    /// The transactions to include, parents before children; without the coinbase.
    pub transactions: BoundedVec<TemplateTransaction, MAX_TEMPLATE_TRANSACTIONS>,
}

/// A transaction of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateTransaction {
    /// Its id.
    pub txid: Txid,
    /// The transaction with its witness.
    pub transaction: RawTransaction,
    /// Its fee in satoshis.
    pub fee_sats: u64,
    /// Its weight (BIP 141).
    pub weight: u64,
    /// Its signature operations, as the limit counts them.
    pub sigops: u64,
}
