//! The development chain in memory: which blocks there are, which are active, what is unspent.
//!
//! Blocks come from this process or its own file, so their scripts are not run; links, proof of work, merkle
//! root, inputs and amounts are checked all the same. Bodies stay in the file. Memory grows with the chain,
//! about 300 bytes a block and 150 an unspent output: at a block a second, 30 MiB a day.

use std::collections::{HashMap, VecDeque};

use bitcoin::block::Header;
use bitcoin::consensus::deserialize;
use bitcoin::{Amount, Block, BlockHash, OutPoint, Transaction, TxIn, TxOut, Txid};

use super::build::{bits, subsidy};
use super::mempool::{Mempool, Waiting};

use super::store::{BlockReader, Location};
use crate::types::ChainPoint;

/// The deepest reorganisation; undo data is kept for as many blocks.
pub(super) const MAX_REORG_DEPTH: u32 = 100;
/// Blocks after which a coinbase may be spent, as in Bitcoin.
pub(super) const COINBASE_MATURITY: u32 = 100;
/// Blocks whose median time the next block must exceed.
const MEDIAN_SPAN: usize = 11;

/// An unspent output.
#[derive(Debug, Clone)]
pub(super) struct Coin {
    pub(super) output: TxOut,
    pub(super) height: u32,
    pub(super) coinbase: bool,
}

/// A block known, active or stale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) header: Header,
    pub(super) height: u32,
    /// `None` for the genesis block, which is in no file.
    pub(super) location: Option<Location>,
}

/// Coins that a block spent.
type Undo = Vec<(OutPoint, Coin)>;

/// Everything but the bodies of blocks.
#[derive(Debug)]
pub(super) struct State {
    entries: HashMap<BlockHash, Entry>,
    genesis: BlockHash,
    /// Above the genesis block, by height less one.
    active: Vec<BlockHash>,
    coins: HashMap<OutPoint, Coin>,
    /// For the highest active blocks, newest last.
    undo: VecDeque<Undo>,
    /// Where each transaction of the active chain is.
    transactions: HashMap<Txid, BlockHash>,
    pub(super) mempool: Mempool,
}

impl State {
    pub(super) fn new(genesis: &Block) -> Self {
        let hash = genesis.block_hash();
        let entry = Entry { header: genesis.header, height: 0, location: None };
        Self {
            entries: HashMap::from([(hash, entry)]),
            genesis: hash,
            active: Vec::new(),
            coins: HashMap::new(),
            undo: VecDeque::new(),
            transactions: HashMap::from_iter(genesis.txdata.iter().map(|tx| (tx.compute_txid(), hash))),
            mempool: Mempool::default(),
        }
    }

    pub(super) fn tip(&self) -> ChainPoint {
        let hash = self.active.last().copied().unwrap_or(self.genesis);
        let height = u32::try_from(self.active.len()).unwrap_or(u32::MAX);
        ChainPoint { hash, height }
    }

    pub(super) fn hash_at(&self, height: u32) -> Option<BlockHash> {
        match height.checked_sub(1) {
            None => Some(self.genesis),
            Some(above) => self.active.get(usize::try_from(above).ok()?).copied(),
        }
    }

    pub(super) fn entry(&self, hash: &BlockHash) -> Option<Entry> {
        self.entries.get(hash).copied()
    }

    /// How many blocks are known, stale ones included.
    pub(super) fn known_blocks(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.coins.get(outpoint)
    }

    pub(super) fn block_of(&self, txid: &Txid) -> Option<BlockHash> {
        self.transactions.get(txid).copied()
    }

    /// Median time of the eleven blocks up to `hash`, in seconds since 1970.
    pub(super) fn median_time(&self, hash: BlockHash) -> u32 {
        let mut times = Vec::with_capacity(MEDIAN_SPAN);
        let mut next = self.entries.get(&hash);
        while let Some(entry) = next.filter(|_| times.len() < MEDIAN_SPAN) {
            times.push(entry.header.time);
            next = self.entries.get(&entry.header.prev_blockhash);
        }
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    }

    /// Adds a block that is already in the file, and makes it the tip if its chain is the longest.
    ///
    /// The error is a reason; the active chain is then as it was, unless a longer branch was itself invalid.
    pub(super) fn add(&mut self, block: &Block, at: Location, bodies: &BlockReader) -> Result<(), String> {
        let hash = block.block_hash();
        let height = self.check_block(block, &hash)?;
        let entry = Entry { header: block.header, height, location: Some(at) };
        let tip = self.tip();
        if block.header.prev_blockhash == tip.hash {
            self.connect(block, hash)?;
            self.entries.insert(hash, entry);
        } else {
            self.entries.insert(hash, entry);
            if height > tip.height {
                self.switch_to(hash, bodies)?;
            }
        }
        Ok(())
    }

    /// What can be told of a block by itself and its parent; gives its height.
    pub(super) fn check_block(&self, block: &Block, hash: &BlockHash) -> Result<u32, String> {
        let parent = self.entries.get(&block.header.prev_blockhash).ok_or("the block's parent is unknown")?;
        if self.entries.contains_key(hash) {
            return Err("the block is there twice".to_owned());
        }
        if block.header.bits != bits() || block.header.validate_pow(block.header.target()).is_err() {
            return Err("the block has no valid proof of work".to_owned());
        }
        if !block.check_merkle_root() || !block.check_witness_commitment() {
            return Err("the block does not commit to its transactions".to_owned());
        }
        let (coinbase, rest) = block.txdata.split_first().ok_or("the block has no transaction")?;
        if !coinbase.is_coinbase() || rest.iter().any(Transaction::is_coinbase) {
            return Err("the block's coinbase is not where it belongs".to_owned());
        }
        parent.height.checked_add(1).ok_or_else(|| "the chain is too long".to_owned())
    }

    /// Leaves the active chain down to the fork, then connects the branch that ends in `hash`.
    fn switch_to(&mut self, hash: BlockHash, bodies: &BlockReader) -> Result<(), String> {
        let mut branch = vec![];
        let mut next = hash;
        let fork = loop {
            let entry = self.entry(&next).ok_or("a branch without a root")?;
            if self.hash_at(entry.height) == Some(next) {
                break entry.height;
            }
            branch.push((next, self.body(&next, bodies)?));
            next = entry.header.prev_blockhash;
        };
        if self.tip().height.saturating_sub(fork) > MAX_REORG_DEPTH {
            return Err(format!("a reorganisation deeper than {MAX_REORG_DEPTH} blocks"));
        }
        let waiting = self.mempool.begin_reorganisation();
        // All bodies are read before anything changes: a disk that fails leaves the chain as it was.
        let above_fork = self.active.iter().rev().take_while(|hash| self.hash_at(fork) != Some(**hash));
        let leaving: Vec<Block> = above_fork.map(|hash| self.body(hash, bodies)).collect::<Result<_, _>>()?;
        for block in leaving {
            self.disconnect(block);
        }
        let connected = branch.iter().rev().try_for_each(|(hash, block)| self.connect(block, *hash));
        self.refresh_mempool();
        self.mempool.end_reorganisation(waiting);
        connected
    }

    fn body(&self, hash: &BlockHash, bodies: &BlockReader) -> Result<Block, String> {
        let location = self.entry(hash).and_then(|entry| entry.location).ok_or("the block has no body")?;
        let bytes = bodies.block(location).map_err(|error| error.to_string())?;
        deserialize(&bytes).map_err(|error| error.to_string())
    }

    fn connect(&mut self, block: &Block, hash: BlockHash) -> Result<(), String> {
        let height = self.tip().height.saturating_add(1);
        let undo = self.spends(block, height)?;
        for tx in &block.txdata {
            let txid = tx.compute_txid();
            self.transactions.insert(txid, hash);
            for (vout, output) in
                (0..).zip(&tx.output).filter(|(_, output)| !output.script_pubkey.is_op_return())
            {
                let coin = Coin { output: output.clone(), height, coinbase: tx.is_coinbase() };
                self.coins.insert(OutPoint { txid, vout }, coin);
            }
        }
        // After the outputs: a block may spend what it made.
        for input in block.txdata.iter().skip(1).flat_map(|tx| &tx.input) {
            self.coins.remove(&input.previous_output);
        }
        self.undo.push_back(undo);
        if self.undo.len() > usize::try_from(MAX_REORG_DEPTH).unwrap_or(usize::MAX) {
            self.undo.pop_front();
        }
        self.active.push(hash);
        self.mempool.remove_confirmed(block, hash);
        Ok(())
    }

    /// The coins a block would take from the set; an error where it may not.
    pub(super) fn spends(&self, block: &Block, height: u32) -> Result<Undo, String> {
        let mut made: HashMap<OutPoint, Amount> = HashMap::new();
        let mut undo = Undo::new();
        let mut taken = std::collections::HashSet::new();
        let mut fees = Amount::ZERO;
        for tx in block.txdata.iter().skip(1) {
            let mut value = Amount::ZERO;
            for TxIn { previous_output, .. } in &tx.input {
                if !taken.insert(*previous_output) {
                    return Err(format!("{previous_output} is spent twice"));
                }
                let input = match (made.get(previous_output), self.coins.get(previous_output)) {
                    (Some(value), _) => *value,
                    (None, Some(coin)) if is_mature(coin, height) => {
                        undo.push((*previous_output, coin.clone()));
                        coin.output.value
                    }
                    (None, Some(_)) => return Err(format!("{previous_output} is an immature coinbase")),
                    (None, None) => return Err(format!("{previous_output} does not exist or is spent")),
                };
                value = value.checked_add(input).ok_or("amounts overflow")?;
            }
            let fee = total(&tx.output).and_then(|out| value.checked_sub(out));
            fees = fee
                .and_then(|fee| fees.checked_add(fee))
                .ok_or("a transaction pays out more than it takes")?;
            let txid = tx.compute_txid();
            made.extend((0..).zip(&tx.output).map(|(vout, output)| (OutPoint { txid, vout }, output.value)));
        }
        let paid = block.txdata.first().and_then(|coinbase| total(&coinbase.output));
        let limit = subsidy(height).checked_add(fees);
        if paid.is_none() || limit.is_none() || paid > limit {
            return Err("the coinbase pays more than subsidy and fees".to_owned());
        }
        Ok(undo)
    }

    fn disconnect(&mut self, block: Block) {
        self.active.pop();
        self.mempool.disconnected(block.block_hash());
        for tx in &block.txdata {
            let txid = tx.compute_txid();
            self.transactions.remove(&txid);
            for (vout, _) in (0..).zip(&tx.output) {
                self.coins.remove(&OutPoint { txid, vout });
            }
        }
        self.coins.extend(self.undo.pop_back().unwrap_or_default());
        let time = u64::from(block.header.time);
        self.mempool.give_back(block.txdata.into_iter().skip(1), time);
    }

    /// Takes a transaction into the mempool.
    pub(super) fn accept(&mut self, tx: Transaction, now: u64) -> Result<Txid, String> {
        let txid = tx.compute_txid();
        if self.transactions.contains_key(&txid) {
            return Err("it is in the chain already".to_owned());
        }
        let fee = super::mempool::check(&tx, |outpoint| self.coins.get(outpoint), self.tip().height)?;
        self.mempool.insert(Waiting { txid, tx, fee, time: now })?;
        Ok(txid)
    }

    /// Judges every waiting transaction anew, after the chain under them changed.
    fn refresh_mempool(&mut self) {
        for Waiting { txid, tx, time, .. } in self.mempool.take_all() {
            if let Err(reason) = self.accept(tx, time) {
                tracing::debug!(%txid, reason, "left the mempool in a reorganisation");
            }
        }
    }
}

/// Whether a coin may be spent in a block at `height`.
pub(super) fn is_mature(coin: &Coin, height: u32) -> bool {
    !coin.coinbase || height.saturating_sub(coin.height) >= COINBASE_MATURITY
}

/// The sum of some outputs; `None` above all the money there is.
pub(super) fn total(outputs: &[TxOut]) -> Option<Amount> {
    outputs
        .iter()
        .try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))
        .filter(|sum| *sum <= Amount::MAX_MONEY)
}
