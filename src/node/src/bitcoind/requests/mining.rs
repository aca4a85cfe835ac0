//! Templates for miners, and the blocks they make.

use bitcoin::Block;
use bitcoin::consensus::deserialize;
use bitcoin::hex::DisplayHex;
use serde_json::json;

use crate::bitcoind::Bitcoind;
use crate::bitcoind::decode::mining as decode;
use crate::bitcoind::http::Limit;
use crate::bitcoind::reply::{DECODE_FAILED, quoted};
use crate::bitcoind::rpc::CallError;
use crate::error::NodeError;
use crate::mining::{BlockTemplate, SubmittedBlock};
use crate::types::Chain;

/// No valid block is larger: its weight is limited to this, and a byte weighs at least 1.
pub(crate) const MAX_BLOCK_BYTES: usize = 4_000_000;
/// `RPC_CLIENT_NOT_CONNECTED` and `RPC_CLIENT_IN_INITIAL_DOWNLOAD`.
const NOT_YET: [i64; 2] = [-9, -10];

impl Bitcoind {
    pub(crate) async fn block_template(&self) -> Result<BlockTemplate, NodeError> {
        const METHOD: &str = "getblocktemplate";
        let rules = match self.settings.chain {
            Chain::Signet => json!(["segwit", "signet"]),
            Chain::Main | Chain::Testnet3 | Chain::Testnet4 | Chain::Regtest | Chain::Development => {
                json!(["segwit"])
            }
        };
        match self.rpc.call(&self.lane, METHOD, json!([{ "rules": rules }]), Limit::Template).await {
            Ok(reply) => reply.decode(decode::template),
            Err(CallError::Failure(failure)) if NOT_YET.contains(&failure.code) => {
                Err(NodeError::not_ready(quoted(failure.message.as_bytes())))
            }
            Err(error) => Err(error.into_node_error(METHOD)),
        }
    }

    pub(crate) async fn submit_block(&self, bytes: &[u8]) -> Result<SubmittedBlock, NodeError> {
        const METHOD: &str = "submitblock";
        let hash = check_block(bytes)?.block_hash();
        let params = json!([format!("{:x}", bytes.as_hex())]);
        match self.rpc.call(&self.lane, METHOD, params, Limit::Small).await {
            Ok(reply) => Ok(SubmittedBlock { hash, verdict: reply.decode(decode::verdict)? }),
            Err(CallError::Failure(failure)) if failure.code == DECODE_FAILED => {
                Err(NodeError::invalid("block", quoted(failure.message.as_bytes())))
            }
            Err(error) => Err(error.into_node_error(METHOD)),
        }
    }
}

/// The block that these bytes are, all of them.
pub(crate) fn check_block(bytes: &[u8]) -> Result<Block, NodeError> {
    if bytes.len() > MAX_BLOCK_BYTES {
        let problem = format!("{} bytes, more than a block may have: {MAX_BLOCK_BYTES}", bytes.len());
        return Err(NodeError::invalid("block", problem));
    }
    deserialize(bytes).map_err(|error| NodeError::invalid("block", format!("it does not decode: {error}")))
}
