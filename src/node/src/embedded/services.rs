//! What the development chain answers beyond its blocks. It has no peers and no market for fees, and says so.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::consensus::serialize;
use bitcoin::{BlockHash, OutPoint, Txid};
use bytes::Bytes;

use super::foreign::Judgement;
use super::{Embedded, Inner, LABEL, blocking, build, lock, rejected};
use crate::bitcoind::requests::{check_block, check_target, check_transaction};
use crate::error::NodeError;
use crate::mempool::{
    EstimateBasis, FeeEstimate, FeeRate, MempoolEntry, MempoolFollowing, MempoolInfo, MempoolSnapshot,
};
use crate::mempool_feed::{self, BlockTxids, MempoolView, Notice, Notices};
use crate::mining::{BlockTemplate, BlockVerdict, SubmittedBlock, TemplateTransaction};
use crate::network::{Ban, BanTarget, NetworkState, NetworkStats, Peer};
use crate::status::{Deployment, IndexStatus, SyncPhase, SyncStatus};

/// What is told to whoever asks for a rate: 1 sat per virtual byte.
const SIMULATED_RATE: FeeRate = FeeRate::from_msat_per_vb(1000);
/// The limits of a block, as in Bitcoin.
const BLOCK_LIMIT: u64 = 4_000_000;

impl Embedded {
    pub(crate) async fn mempool_txids(&self) -> Result<MempoolSnapshot, NodeError> {
        Ok(self.inner.read().mempool.snapshot())
    }

    pub(crate) async fn mempool_transaction(&self, txid: Txid) -> Result<Option<Bytes>, NodeError> {
        Ok(self.inner.read().mempool.get(&txid).map(|tx| serialize(tx).into()))
    }

    pub(crate) async fn mempool_entry(&self, txid: Txid) -> Result<Option<MempoolEntry>, NodeError> {
        Ok(self.inner.read().mempool.entry(&txid))
    }

    pub(crate) async fn mempool_info(&self) -> Result<MempoolInfo, NodeError> {
        Ok(self.inner.read().mempool.info())
    }

    pub(crate) async fn fee_estimate(&self, target_blocks: u16) -> Result<FeeEstimate, NodeError> {
        check_target(target_blocks)?;
        Ok(FeeEstimate { rate: SIMULATED_RATE, target_blocks, basis: EstimateBasis::Simulated })
    }

    pub(crate) async fn submit_transaction(&self, bytes: &[u8]) -> Result<Txid, NodeError> {
        let transaction = check_transaction(bytes)?;
        let txid = transaction.compute_txid();
        // Like any node: what waits already may be handed over again.
        if self.inner.read().mempool.get(&txid).is_some() {
            return Ok(txid);
        }
        self.submit(transaction)
    }

    pub(crate) async fn block_template(&self) -> Result<BlockTemplate, NodeError> {
        let state = self.inner.read();
        let tip = state.tip();
        let (waiting, fees) = state.mempool.for_block();
        let transactions = waiting.iter().map(|waiting| TemplateTransaction {
            bytes: serialize(&waiting.tx).into(),
            txid: waiting.txid,
            wtxid: waiting.tx.compute_wtxid(),
            fee: waiting.fee,
            // Only outputs of blocks are spent.
            depends: Vec::new(),
            sigops: 0,
            weight: waiting.tx.weight().to_wu(),
        });
        let height = tip.height.saturating_add(1);
        let min_time = state.median_time(tip.hash).saturating_add(1);
        Ok(BlockTemplate {
            version: build::VERSION,
            previous_block: tip.hash,
            height,
            bits: build::bits(),
            current_time: seconds_now().max(min_time),
            min_time,
            coinbase_value: build::subsidy(height).checked_add(fees).unwrap_or(bitcoin::Amount::MAX_MONEY),
            default_witness_commitment: build::witness_commitment(
                &waiting.iter().map(|waiting| waiting.tx.clone()).collect::<Vec<_>>(),
            ),
            transactions: transactions.collect(),
            longpoll_id: format!("{}-{}", tip.hash, state.mempool.snapshot().sequence),
            rules: vec!["!segwit".to_owned()],
            sigop_limit: 0,
            size_limit: BLOCK_LIMIT,
            weight_limit: BLOCK_LIMIT,
        })
    }

    pub(crate) async fn submit_block(&self, bytes: &[u8]) -> Result<SubmittedBlock, NodeError> {
        let block = check_block(bytes)?;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let hash = block.block_hash();
            // Held from the judgement to the end, so that the tip stays the one that was judged by.
            let mut file = lock(&inner.file);
            let judgement = inner.read().judge(&block, seconds_now());
            let verdict = match judgement {
                Judgement::Fits => {
                    inner.add(&mut file, &block)?;
                    BlockVerdict::Accepted
                }
                Judgement::Known => BlockVerdict::Duplicate,
                Judgement::Breaks(reason) => BlockVerdict::Rejected { reason },
            };
            Ok(SubmittedBlock { hash, verdict })
        })
        .await
    }

    pub(crate) async fn sync_status(&self) -> Result<SyncStatus, NodeError> {
        let height = self.inner.read().tip().height;
        Ok(SyncStatus {
            phase: SyncPhase::Synced,
            blocks: height,
            headers: height,
            progress: 1.0,
            initial_block_download: false,
            unverified_snapshot: false,
        })
    }

    pub(crate) async fn deployments(&self) -> Result<Vec<Deployment>, NodeError> {
        // Its rules have never changed.
        Ok(Vec::new())
    }

    pub(crate) async fn indexes(&self) -> Result<Vec<IndexStatus>, NodeError> {
        let best_height = self.inner.read().tip().height;
        Ok(vec![IndexStatus { name: "txindex".to_owned(), synced: true, best_height }])
    }

    pub(crate) async fn network_stats(&self) -> Result<NetworkStats, NodeError> {
        Ok(NetworkStats {
            state: NetworkState::None,
            peers_inbound: 0,
            peers_outbound: 0,
            bytes_received: 0,
            bytes_sent: 0,
            hashes_per_second: 0.0,
        })
    }

    pub(crate) async fn peers(&self) -> Result<Vec<Peer>, NodeError> {
        Ok(Vec::new())
    }

    pub(crate) async fn banned(&self) -> Result<Vec<Ban>, NodeError> {
        Ok(Vec::new())
    }

    pub(crate) async fn ban_peer(&self, _: BanTarget, _: Option<Duration>) -> Result<Ban, NodeError> {
        Err(NodeError::Unsupported { backend: LABEL, reason: "it has no peers to ban".to_owned() })
    }

    pub(crate) fn follow_mempool(&self) -> MempoolFollowing {
        let (listener, heard) = Notices::queue();
        listener.tell(Notice::Subscribed);
        lock(&self.inner.listeners).push(listener);
        mempool_feed::spawn(self.clone(), Some(heard), LONGEST_SILENCE)
    }
}

/// How often the mempool is compared although nothing was told: never needed, as changes are told for certain.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

impl Inner {
    /// Changes the state and tells those who follow the mempool what changed, in order.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut super::State) -> T) -> T {
        let mut state = self.write();
        let result = change(&mut state);
        // Under the lock of the state: two changes must not be told in another order than they were made.
        let notices = state.mempool.take_notices();
        lock(&self.listeners)
            .retain(|listener| notices.iter().all(|notice| listener.tell(*notice)) && listener.is_heard());
        result
    }

    /// Takes a transaction into the mempool.
    pub(super) fn submit(&self, transaction: bitcoin::Transaction) -> Result<Txid, NodeError> {
        let now = u64::from(seconds_now());
        self.change(|state| state.accept(transaction, now)).map_err(rejected)
    }
}

impl MempoolView for Embedded {
    async fn snapshot(&self) -> Result<MempoolSnapshot, NodeError> {
        self.mempool_txids().await
    }

    async fn tip(&self) -> Result<BlockHash, NodeError> {
        Ok(self.inner.read().tip().hash)
    }

    async fn block_txids(&self, hash: BlockHash) -> Result<Option<BlockTxids>, NodeError> {
        let Some(bytes) = self.block(hash).await? else { return Ok(None) };
        let block = check_block(&bytes)?;
        let txids = block.txdata.iter().map(bitcoin::Transaction::compute_txid).collect();
        Ok(Some(BlockTxids { previous: Some(block.header.prev_blockhash), txids }))
    }

    async fn entry(&self, txid: Txid) -> Result<Option<MempoolEntry>, NodeError> {
        self.mempool_entry(txid).await
    }

    async fn inputs(&self, txid: Txid) -> Result<Option<Vec<OutPoint>>, NodeError> {
        let state = self.inner.read();
        let inputs = state.mempool.get(&txid).map(|tx| tx.input.iter().map(|input| input.previous_output));
        Ok(inputs.map(Iterator::collect))
    }
}

fn seconds_now() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(now).unwrap_or(u32::MAX)
}
