//! Calls about the chain: answered by the node, translated to what travels. Blocks and transactions pass
//! through as the bytes they are; nothing here decodes or copies them.

use cofferdam_protocol::calls::{
    GetBlock, GetBlockByHeight, GetBlockHeader, GetBlockHeight, GetChainInfo, GetChainTip, GetSyncStatus,
    GetTransaction, GetUtxo, HasTransaction,
};
use cofferdam_protocol::{
    ApiError, BlockHash, BoundedVec, ChainInfo, Development, RawBlock, RawHeader, RawTransaction, SyncPhase,
    SyncStatus, Utxo,
};

use super::Host;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};
use cofferdam_node::{Chain, NodeError};

impl Handle<GetBlock> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, _: &Caller, call: Authorized<GetBlock>) -> Result<Option<RawBlock>, ApiError> {
        let block = self.node.block(call.into_call().hash.into()).await;
        Ok(block.map_err(|error| self.failure(error))?.map(RawBlock::new))
    }
}

impl Handle<GetBlockHeader> for Host {
    async fn handle(
        &self,
        _: &Caller,
        call: Authorized<GetBlockHeader>,
    ) -> Result<Option<RawHeader>, ApiError> {
        let header = self.node.block_header(call.into_call().hash.into()).await;
        Ok(header.map_err(|error| self.failure(error))?.as_ref().map(RawHeader::encode))
    }
}

impl Handle<GetBlockByHeight> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(
        &self,
        _: &Caller,
        call: Authorized<GetBlockByHeight>,
    ) -> Result<Option<RawBlock>, ApiError> {
        let block = self.node.block_by_height(call.into_call().height).await;
        Ok(block.map_err(|error| self.failure(error))?.map(RawBlock::new))
    }
}

impl Handle<GetTransaction> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(
        &self,
        _: &Caller,
        call: Authorized<GetTransaction>,
    ) -> Result<Option<RawTransaction>, ApiError> {
        let transaction = self.node.transaction(call.into_call().txid.into()).await;
        Ok(transaction.map_err(|error| self.failure(error))?.map(RawTransaction::new))
    }
}

impl Handle<HasTransaction> for Host {
    // The reply is a word, but to give it the host holds the transaction.
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, _: &Caller, call: Authorized<HasTransaction>) -> Result<bool, ApiError> {
        let known = self.node.has_transaction(call.into_call().txid.into()).await;
        known.map_err(|error| self.failure(error))
    }
}

impl Handle<GetChainTip> for Host {
    async fn handle(&self, _: &Caller, _: Authorized<GetChainTip>) -> Result<BlockHash, ApiError> {
        let tip = self.node.chain_tip().await;
        Ok(tip.map_err(|error| self.failure(error))?.hash.into())
    }
}

impl Handle<GetBlockHeight> for Host {
    async fn handle(&self, _: &Caller, _: Authorized<GetBlockHeight>) -> Result<u32, ApiError> {
        self.node.block_height().await.map_err(|error| self.failure(error))
    }
}

impl Handle<GetChainInfo> for Host {
    async fn handle(&self, _: &Caller, _: Authorized<GetChainInfo>) -> Result<ChainInfo, ApiError> {
        let info = self.chain_info().await;
        info.map_err(|error| self.failure(error))
    }
}

impl Handle<GetSyncStatus> for Host {
    async fn handle(&self, _: &Caller, _: Authorized<GetSyncStatus>) -> Result<SyncStatus, ApiError> {
        let status = self.node.sync_status().await.map_err(|error| self.failure(error))?;
        Ok(sync_status_as_it_travels(status))
    }
}

impl Handle<GetUtxo> for Host {
    async fn handle(&self, _: &Caller, call: Authorized<GetUtxo>) -> Result<Option<Utxo>, ApiError> {
        let utxo = self.node.utxo(call.into_call().outpoint.into()).await;
        Ok(utxo.map_err(|error| self.failure(error))?.map(utxo_as_it_travels))
    }
}

impl Host {
    async fn chain_info(&self) -> Result<ChainInfo, NodeError> {
        let info = self.node.chain_info().await?;
        // The tip's header is found by its hash, so that the two answers belong together.
        let header = self.node.block_header(info.tip.hash).await?.ok_or_else(|| NodeError::NotReady {
            reason: format!("the node has just left its tip {}", info.tip.hash),
        })?;
        Ok(ChainInfo {
            chain: info.chain.to_string(),
            tip: info.tip.hash.into(),
            height: info.tip.height,
            bits: header.bits.to_consensus(),
            difficulty: info.difficulty,
            chain_work: info.chain_work,
            initial_block_download: info.initial_block_download,
            pruned: info.prune_height.is_some(),
            node: self.node.label().to_owned(),
            development: development(info.chain),
            warnings: BoundedVec::truncated(info.warnings),
        })
    }
}

fn development(chain: Chain) -> Development {
    match chain {
        Chain::Development => Development::DevelopmentChain,
        Chain::Main | Chain::Testnet3 | Chain::Testnet4 | Chain::Signet | Chain::Regtest => {
            Development::Network
        }
    }
}

fn utxo_as_it_travels(utxo: cofferdam_node::Utxo) -> Utxo {
    Utxo {
        value_sats: utxo.value.to_sat(),
        script_pubkey: utxo.script_pubkey.into_bytes(),
        height: utxo.height,
        coinbase: utxo.coinbase,
    }
}

/// How far the node is, as calls and events tell it.
pub(crate) fn sync_status_as_it_travels(status: cofferdam_node::SyncStatus) -> SyncStatus {
    SyncStatus {
        phase: match status.phase {
            cofferdam_node::SyncPhase::Headers => SyncPhase::Headers,
            cofferdam_node::SyncPhase::Blocks => SyncPhase::Blocks,
            cofferdam_node::SyncPhase::Synced => SyncPhase::Synced,
        },
        blocks: status.blocks,
        headers: status.headers,
        progress: status.progress,
    }
}
