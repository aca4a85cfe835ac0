//! Calls of those who make blocks. With [`SendTransaction`](cofferdam_protocol::calls::SendTransaction),
//! submitting a block is the one way for a module to change the chain, and the node judges what it submits.

use cofferdam_protocol::calls::{GetBlockTemplate, SubmitBlock};
use cofferdam_protocol::mining::{BlockTemplate, TemplateTransaction};
use cofferdam_protocol::{ApiError, BlockHash, BoundedVec, EventPayload, RawTransaction};

use super::Host;
use super::failure::invalid;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};
use cofferdam_node::BlockVerdict;

/// The largest block there can be, in bytes: one whose weight is all witness (BIP 141).
const MAX_BLOCK_BYTES: usize = 4_000_000;

impl Handle<GetBlockTemplate> for Host {
    const REPLY: ReplySize = ReplySize::TwiceLarge;

    async fn handle(&self, _: &Caller, _: Authorized<GetBlockTemplate>) -> Result<BlockTemplate, ApiError> {
        let template = self.node.block_template().await.map_err(|error| self.failure(error))?;
        Ok(BlockTemplate {
            version: template.version.to_consensus(),
            previous_block: template.previous_block.into(),
            height: template.height,
            bits: template.bits.to_consensus(),
            current_time: template.current_time,
            min_time: template.min_time,
            coinbase_value_sats: template.coinbase_value.to_sat(),
            witness_commitment: template.default_witness_commitment.map(|script| script.into_bytes().into()),
            weight_limit: template.weight_limit,
            sigop_limit: template.sigop_limit,
            transactions: BoundedVec::new(template.transactions.into_iter().map(as_it_travels).collect())
                .map_err(|error| self.fault(&format!("a template: {error}")))?,
        })
    }
}

impl Handle<SubmitBlock> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<SubmitBlock>) -> Result<BlockHash, ApiError> {
        let SubmitBlock { block } = call.into_call();
        let bytes = block.as_bytes().len();
        if bytes > MAX_BLOCK_BYTES {
            return Err(invalid("block", format!("{bytes} bytes; a block has at most {MAX_BLOCK_BYTES}")));
        }
        let decoded = block.decode().map_err(|error| invalid("block", error.to_string()))?;
        let submitted =
            self.node.submit_block(block.as_bytes()).await.map_err(|error| self.failure(error))?;
        let (hash, module) = (submitted.hash, &caller.module.name);
        match submitted.verdict {
            BlockVerdict::Accepted => {
                tracing::info!(subject = %module, "submitted block {hash}, which the node took");
                if let Some(height) = self.height_of(hash, &decoded).await {
                    let module = module.to_string();
                    self.hub().publish(EventPayload::BlockMined { hash: hash.into(), height, module });
                }
            }
            BlockVerdict::Duplicate => {}
            BlockVerdict::Inconclusive => {
                return Err(ApiError::Rejected { reason: INCONCLUSIVE.to_owned() });
            }
            BlockVerdict::Rejected { reason } => return Err(ApiError::Rejected { reason }),
        }
        Ok(hash.into())
    }
}

/// What the node means by its one word for this.
const INCONCLUSIVE: &str =
    "inconclusive: it does not extend the best chain; the node keeps it, and has not checked it";

impl Host {
    /// The height of a block that the node has just taken. Another may have come on top of it since: then its
    /// coinbase says it (BIP 34).
    async fn height_of(&self, hash: bitcoin::BlockHash, block: &bitcoin::Block) -> Option<u32> {
        let tip = self.node.chain_tip().await.ok().filter(|tip| tip.hash == hash);
        let in_coinbase = || block.bip34_block_height().ok().and_then(|height| u32::try_from(height).ok());
        tip.map(|tip| tip.height).or_else(in_coinbase)
    }
}

fn as_it_travels(transaction: cofferdam_node::TemplateTransaction) -> TemplateTransaction {
    TemplateTransaction {
        txid: transaction.txid.into(),
        transaction: RawTransaction::new(transaction.bytes),
        fee_sats: transaction.fee.to_sat(),
        weight: transaction.weight,
        sigops: transaction.sigops,
    }
}
