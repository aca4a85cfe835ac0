//! A development chain inside the process: **not Bitcoin**. It has a genesis block of its own, real proof of
//! work at the difficulty of regtest, a small mempool, and can be made to reorganise.
//!
//! It runs no scripts, has no peers, and never shows its blocks to anybody but the core. One directory holds
//! one chain; a block is on the disk before any event or answer shows it.

mod build;
mod foreign;
mod mempool;
mod miner;
mod services;
mod state;
mod store;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::block::Header;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::{Amount, Block, BlockHash, OutPoint, Transaction, Txid};
use bytes::Bytes;
use tokio::sync::{Notify, watch};

pub use build::Payout;

use self::build::Recipe;
use self::state::{MAX_REORG_DEPTH, State};
use self::store::{BlockFile, BlockReader};
use super::error::NodeError;
use super::feed::{self, Following, Pace};
use super::follower::{Best, ChainView};
use super::mempool_feed::Notices;
use super::types::{Chain, ChainInfo, ChainPoint, Utxo};

const LABEL: &str = "development chain, not Bitcoin";
/// The most blocks one call mines; each costs a write to the disk.
const MAX_MINED_AT_ONCE: u32 = 10_000;
/// Followers are told of each block; this pause is only the longest between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How the embedded node is set up.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// Where the chain is kept; made if missing. Nothing else may use it.
    pub dir: PathBuf,
    /// The time between two blocks; `None` mines on demand only.
    pub block_interval: Option<Duration>,
    /// Who may spend what blocks pay.
    pub payout: Payout,
}

/// The development chain. All clones share it; the last one dropped stops the miner.
#[derive(Debug, Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Held while blocks are made and written; taken before `state`.
    file: Mutex<BlockFile>,
    state: RwLock<State>,
    reader: BlockReader,
    genesis: Block,
    payout: Payout,
    /// One hint per follower that is still there.
    hints: Mutex<Vec<Weak<Notify>>>,
    /// Those who follow the mempool; taken after `state`.
    listeners: Mutex<Vec<Notices>>,
}

impl Embedded {
    /// Opens the chain in its directory, or begins one, and starts the miner.
    ///
    /// # Errors
    /// [`NodeError::Storage`] where the directory or the file cannot be used.
    pub async fn open(settings: EmbeddedSettings) -> Result<Self, NodeError> {
        let EmbeddedSettings { dir, block_interval, payout } = settings;
        let inner = blocking(move || Inner::open(&dir, payout)).await?;
        let node = Self { inner: Arc::new(inner) };
        if let Some(interval) = block_interval {
            tokio::spawn(miner::mine_forever(Arc::downgrade(&node.inner), interval));
        }
        Ok(node)
    }

    /// Mines blocks on the tip, with what waits in the mempool, and returns the new tip.
    ///
    /// # Errors
    /// [`NodeError::Storage`] where a block cannot be written; [`NodeError::Rejected`] above 10 000 blocks.
    pub async fn mine(&self, blocks: u32) -> Result<ChainPoint, NodeError> {
        if blocks > MAX_MINED_AT_ONCE {
            return Err(rejected(format!("at most {MAX_MINED_AT_ONCE} blocks are mined at once")));
        }
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.mine(blocks)).await
    }

    /// Replaces the highest `depth` blocks by `depth + 1` empty ones and returns the new tip.
    ///
    /// # Errors
    /// [`NodeError::Rejected`] where the chain is not that long, or `depth` is 0 or above 100.
    pub async fn reorganise(&self, depth: u32) -> Result<ChainPoint, NodeError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.reorganise(depth)).await
    }

    /// Puts a transaction into the mempool.
    ///
    /// # Errors
    /// [`NodeError::Rejected`] with the rule it breaks; only outputs that anyone may spend can be spent.
    pub fn submit(&self, transaction: Transaction) -> Result<Txid, NodeError> {
        self.inner.submit(transaction)
    }

    /// The transactions that wait for a block, in the order in which they came.
    #[must_use]
    pub fn mempool(&self) -> Vec<Txid> {
        self.inner.read().mempool.txids()
    }

    pub(super) fn label(&self) -> &'static str {
        LABEL
    }

    pub(super) fn chain(&self) -> Chain {
        Chain::Development
    }

    pub(super) async fn block(&self, hash: BlockHash) -> Result<Option<Bytes>, NodeError> {
        let Some(entry) = self.inner.read().entry(&hash) else { return Ok(None) };
        let Some(location) = entry.location else {
            return Ok(Some(serialize(&self.inner.genesis).into()));
        };
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.reader.block(location).map(Some)).await
    }

    pub(super) async fn block_header(&self, hash: BlockHash) -> Result<Option<Header>, NodeError> {
        Ok(self.inner.read().entry(&hash).map(|entry| entry.header))
    }

    pub(super) async fn block_by_height(&self, height: u32) -> Result<Option<Bytes>, NodeError> {
        let hash = self.inner.read().hash_at(height);
        match hash {
            Some(hash) => self.block(hash).await,
            None => Ok(None),
        }
    }

    pub(super) async fn transaction(&self, txid: Txid) -> Result<Option<Bytes>, NodeError> {
        let block = {
            let state = self.inner.read();
            if let Some(waiting) = state.mempool.get(&txid) {
                return Ok(Some(serialize(waiting).into()));
            }
            state.block_of(&txid)
        };
        let Some(hash) = block else { return Ok(None) };
        let Some(bytes) = self.block(hash).await? else { return Ok(None) };
        let block: Block = deserialize(&bytes)
            .map_err(|error| NodeError::malformed(format!("block {hash}"), error.to_string()))?;
        let found = block.txdata.iter().find(|tx| tx.compute_txid() == txid);
        Ok(found.map(|tx| serialize(tx).into()))
    }

    pub(super) async fn chain_info(&self) -> Result<ChainInfo, NodeError> {
        let state = self.inner.read();
        let tip = state.tip();
        let mut chain_work = [0; 32];
        if let Some(low) = chain_work.last_chunk_mut() {
            *low = (build::WORK_PER_BLOCK * (u64::from(tip.height) + 1)).to_be_bytes();
        }
        Ok(ChainInfo {
            chain: Chain::Development,
            tip,
            headers: tip.height,
            difficulty: self.inner.genesis.header.difficulty_float(),
            chain_work,
            median_time: state.median_time(tip.hash),
            verification_progress: 1.0,
            initial_block_download: false,
            prune_height: None,
            warnings: vec![LABEL.to_owned()],
        })
    }

    pub(super) async fn utxo(&self, outpoint: OutPoint) -> Result<Option<Utxo>, NodeError> {
        let state = self.inner.read();
        Ok(state.coin(&outpoint).map(|coin| Utxo {
            value: coin.output.value,
            script_pubkey: coin.output.script_pubkey.clone(),
            height: coin.height,
            coinbase: coin.coinbase,
            best_block: state.tip().hash,
        }))
    }

    pub(super) fn follow(&self, from: Option<ChainPoint>) -> Following {
        let hint = Arc::new(Notify::new());
        let mut hints = lock(&self.inner.hints);
        hints.retain(|hint| hint.strong_count() > 0);
        hints.push(Arc::downgrade(&hint));
        let (_, pause) = watch::channel(LONGEST_PAUSE);
        feed::spawn(self.clone(), from, Pace { hint, pause })
    }
}

impl ChainView for Embedded {
    async fn best(&self) -> Result<Best, NodeError> {
        Ok(Best { point: self.inner.read().tip(), catching_up: false })
    }

    async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, NodeError> {
        Ok(self.inner.read().hash_at(height))
    }

    async fn header(&self, hash: BlockHash) -> Result<Option<Header>, NodeError> {
        self.block_header(hash).await
    }
}

impl Inner {
    fn open(dir: &std::path::Path, payout: Payout) -> Result<Self, NodeError> {
        let genesis = build::genesis();
        let mut state = State::new(&genesis);
        let file = BlockFile::open(dir, |bodies, location, bytes| {
            let block: Block = deserialize(bytes).map_err(|error| error.to_string())?;
            let added = state.add(&block, location, bodies);
            // Nobody follows yet.
            state.mempool.take_notices();
            added
        })?;
        let reader = file.reader();
        let (file, state) = (Mutex::new(file), RwLock::new(state));
        Ok(Self {
            file,
            state,
            reader,
            genesis,
            payout,
            hints: Mutex::default(),
            listeners: Mutex::default(),
        })
    }

    fn mine(&self, blocks: u32) -> Result<ChainPoint, NodeError> {
        let mut file = lock(&self.file);
        for _ in 0..blocks {
            let block = {
                let state = self.read();
                let (waiting, fees) = state.mempool.for_block();
                let transactions = waiting.iter().map(|waiting| waiting.tx.clone()).collect();
                self.recipe(&state, state.tip(), transactions, fees).build()
            };
            self.add(&mut file, &block)?;
        }
        Ok(self.read().tip())
    }

    fn reorganise(&self, depth: u32) -> Result<ChainPoint, NodeError> {
        let mut file = lock(&self.file);
        let tip = self.read().tip();
        if !(1..=MAX_REORG_DEPTH.min(tip.height)).contains(&depth) {
            return Err(rejected(format!(
                "the depth must be 1 to {MAX_REORG_DEPTH}, and the chain has {} blocks to replace",
                tip.height
            )));
        }
        let height = tip.height - depth;
        let mut parent = self.read().hash_at(height).map(|hash| ChainPoint { hash, height });
        for _ in 0..=depth {
            let Some(below) = parent else { break };
            let block = self.recipe(&self.read(), below, Vec::new(), Amount::ZERO).build();
            self.add(&mut file, &block)?;
            parent = Some(ChainPoint { hash: block.block_hash(), height: below.height + 1 });
        }
        Ok(self.read().tip())
    }

    fn recipe(
        &self,
        state: &State,
        parent: ChainPoint,
        transactions: Vec<Transaction>,
        fees: Amount,
    ) -> Recipe {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Recipe {
            parent: parent.hash,
            height: parent.height.saturating_add(1),
            time: u32::try_from(now)
                .unwrap_or(u32::MAX)
                .max(state.median_time(parent.hash).saturating_add(1)),
            salt: u64::try_from(state.known_blocks()).unwrap_or(u64::MAX),
            payout: self.payout,
            fees,
            transactions,
        }
    }

    /// Writes a block, then shows it.
    fn add(&self, file: &mut BlockFile, block: &Block) -> Result<(), NodeError> {
        let location = file.append(&serialize(block))?;
        self.change(|state| state.add(block, location, &self.reader)).map_err(rejected)?;
        for hint in lock(&self.hints).iter().filter_map(Weak::upgrade) {
            hint.notify_one();
        }
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what touches the file away from the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(NodeError::not_ready(format!("the task was stopped: {error}"))))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rejected(reason: String) -> NodeError {
    NodeError::Rejected { reason }
}

#[cfg(test)]
mod tests;
