//! The mempool and fees.

use bitcoin::consensus::deserialize;
use bitcoin::{BlockHash, OutPoint, Transaction, Txid};
use bytes::Bytes;
use serde_json::json;

use crate::bitcoind::decode::{mempool as decode, status};
use crate::bitcoind::http::Limit;
use crate::bitcoind::reply::{DECODE_FAILED, NOT_FOUND, REJECTIONS, quoted};
use crate::bitcoind::rpc::CallError;
use crate::bitcoind::{Bitcoind, LABEL};
use crate::error::NodeError;
use crate::mempool::{FeeEstimate, MempoolEntry, MempoolInfo, MempoolSnapshot};
use crate::mempool_feed::{BlockTxids, MempoolView};

/// The targets for which nodes estimate, in blocks.
pub(crate) const FEE_TARGETS: std::ops::RangeInclusive<u16> = 1..=1008;
/// No transaction that fits into a block is larger: a byte weighs at least 1.
pub(crate) const MAX_TRANSACTION_BYTES: usize = 4_000_000;
/// `RPC_INTERNAL_ERROR`: for `estimatesmartfee`, a node that does not estimate.
const INTERNAL_ERROR: i64 = -32603;

impl Bitcoind {
    pub(crate) async fn mempool_txids(&self) -> Result<MempoolSnapshot, NodeError> {
        let answer = self.rpc.call(&self.lane, "getrawmempool", json!([false, true]), Limit::Mempool).await;
        answer.map_err(|error| error.into_node_error("getrawmempool"))?.decode(decode::snapshot)
    }

    pub(crate) async fn mempool_transaction(&self, txid: Txid) -> Result<Option<Bytes>, NodeError> {
        // With a transaction index the node would answer for blocks as well.
        if self.mempool_entry(txid).await?.is_none() {
            return Ok(None);
        }
        self.raw_transaction(txid).await
    }

    pub(crate) async fn mempool_entry(&self, txid: Txid) -> Result<Option<MempoolEntry>, NodeError> {
        let reply = self.find("getmempoolentry", json!([txid]), NOT_FOUND, Limit::Small).await?;
        reply.map(|reply| reply.decode(decode::entry)).transpose()
    }

    pub(crate) async fn mempool_info(&self) -> Result<MempoolInfo, NodeError> {
        self.rpc.ask(&self.lane, "getmempoolinfo", json!([])).await?.decode(decode::info)
    }

    pub(crate) async fn fee_estimate(&self, target_blocks: u16) -> Result<FeeEstimate, NodeError> {
        const METHOD: &str = "estimatesmartfee";
        check_target(target_blocks)?;
        let reply = match self.rpc.call(&self.lane, METHOD, json!([target_blocks]), Limit::Small).await {
            Ok(reply) => reply,
            Err(CallError::Failure(failure))
                if failure.code == INTERNAL_ERROR && failure.message.contains("disabled") =>
            {
                let reason = "this node does not estimate fees (does it run with -blocksonly?)".to_owned();
                return Err(NodeError::Unsupported { backend: LABEL, reason });
            }
            Err(error) => return Err(error.into_node_error(METHOD)),
        };
        if let Some(estimate) = reply.decode(decode::estimate)? {
            return Ok(estimate);
        }
        let info = self.mempool_info().await?;
        let floor = info.min_fee_rate.max(info.min_relay_fee_rate);
        Err(NodeError::InsufficientData {
            reason: format!(
                "the node has seen too few blocks to estimate the fee for {target_blocks} of them; the lowest \
                 rate it takes now is {floor}"
            ),
        })
    }

    pub(crate) async fn submit_transaction(&self, bytes: &[u8]) -> Result<Txid, NodeError> {
        const METHOD: &str = "sendrawtransaction";
        let txid = check_transaction(bytes)?.compute_txid();
        let params = json!([format!("{:x}", bitcoin::hex::DisplayHex::as_hex(bytes))]);
        match self.rpc.call(&self.lane, METHOD, params, Limit::Small).await {
            Ok(reply) => {
                let said: Txid = reply.read()?;
                match said == txid {
                    true => Ok(txid),
                    false => Err(reply.malformed(format!("asked for {txid}, got {said}"))),
                }
            }
            Err(CallError::Failure(failure)) if REJECTIONS.contains(&failure.code) => {
                Err(NodeError::Rejected { reason: quoted(failure.message.as_bytes()) })
            }
            Err(CallError::Failure(failure)) if failure.code == DECODE_FAILED => {
                Err(NodeError::invalid("transaction", quoted(failure.message.as_bytes())))
            }
            Err(error) => Err(error.into_node_error(METHOD)),
        }
    }

    /// A transaction of the mempool, or of a block where the node has an index.
    pub(in crate::bitcoind) async fn raw_transaction(&self, txid: Txid) -> Result<Option<Bytes>, NodeError> {
        let found = self.find("getrawtransaction", json!([txid, 0]), NOT_FOUND, Limit::Block).await?;
        let Some(reply) = found else { return Ok(None) };
        let bytes = reply.hex()?;
        let found: Transaction = deserialize(&bytes).map_err(|error| reply.malformed(error))?;
        if found.compute_txid() != txid {
            let found = found.compute_txid();
            return Err(reply.malformed(format!("asked for transaction {txid}, got {found}")));
        }
        Ok(Some(bytes.into()))
    }
}

impl MempoolView for Bitcoind {
    async fn snapshot(&self) -> Result<MempoolSnapshot, NodeError> {
        self.mempool_txids().await
    }

    async fn tip(&self) -> Result<BlockHash, NodeError> {
        Ok(self.chain_info().await?.tip.hash)
    }

    async fn block_txids(&self, hash: BlockHash) -> Result<Option<BlockTxids>, NodeError> {
        const METHOD: &str = "getblock";
        let reply = match self.rpc.call(&self.lane, METHOD, json!([hash, 1]), Limit::Block).await {
            Ok(reply) => reply,
            Err(CallError::Failure(failure)) if failure.code == NOT_FOUND => return Ok(None),
            Err(CallError::Failure(failure)) => return Err(failure.into_block_error(METHOD, hash)),
            Err(CallError::Node(error)) => return Err(error),
        };
        let answer = reply.decode(status::block_txids)?;
        Ok(Some(BlockTxids { previous: answer.previous, txids: answer.txids }))
    }

    async fn entry(&self, txid: Txid) -> Result<Option<MempoolEntry>, NodeError> {
        self.mempool_entry(txid).await
    }

    async fn inputs(&self, txid: Txid) -> Result<Option<Vec<OutPoint>>, NodeError> {
        let Some(bytes) = self.raw_transaction(txid).await? else { return Ok(None) };
        let tx = check_transaction(&bytes)?;
        Ok(Some(tx.input.iter().map(|input| input.previous_output).collect()))
    }
}

/// Whether this is a target for which nodes estimate.
pub(crate) fn check_target(target_blocks: u16) -> Result<(), NodeError> {
    if FEE_TARGETS.contains(&target_blocks) {
        return Ok(());
    }
    let (first, last) = (FEE_TARGETS.start(), FEE_TARGETS.end());
    Err(NodeError::invalid("target_blocks", format!("{target_blocks} is not within {first} and {last}")))
}

/// The transaction that these bytes are, all of them.
pub(crate) fn check_transaction(bytes: &[u8]) -> Result<Transaction, NodeError> {
    if bytes.len() > MAX_TRANSACTION_BYTES {
        let problem = format!("{} bytes, more than {MAX_TRANSACTION_BYTES} fit into a block", bytes.len());
        return Err(NodeError::invalid("transaction", problem));
    }
    deserialize(bytes)
        .map_err(|error| NodeError::invalid("transaction", format!("it does not decode: {error}")))
}
