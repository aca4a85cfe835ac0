//! The scripted chain: real blocks on regtest's first one, made as the test says, and a mempool beside it.
//!
//! Blocks are linked, have proof of work and right merkle roots, so that what a module computes from them fits. What is
//! in them is not checked: a test may spend what it likes.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::opcodes::OP_TRUE;
use bitcoin::transaction;
use bitcoin::{Amount, Block, Network, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness};
use cofferdam_protocol::mempool::{MempoolSize, MempoolTransactions, Txids};
use cofferdam_protocol::{
    BlockHash, BoundedVec, ChainInfo, Development, EventPayload, OutPoint, RawHeader, RemovalReason, Txid,
    Utxo,
};

use super::TestHost;
use super::state::State;

/// What the coinbase of every block pays.
const SUBSIDY: Amount = Amount::from_int_btc(50);

/// A transaction that spends `inputs` and pays `outputs`. It has no signatures: nothing here checks them.
#[must_use]
pub fn transaction(inputs: &[OutPoint], outputs: &[(ScriptBuf, u64)]) -> Transaction {
    let input = |outpoint: &OutPoint| TxIn {
        previous_output: (*outpoint).into(),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = |(script, sats): &(ScriptBuf, u64)| TxOut {
        value: Amount::from_sat(*sats),
        script_pubkey: script.clone(),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.iter().map(output).collect(),
    }
}

impl TestHost {
    /// Puts a block with these transactions on the chain, tells the module of it and of the transactions that left
    /// the mempool with it, and gives it. Its first transaction is the coinbase.
    pub fn mine(&self, transactions: impl IntoIterator<Item = Transaction>) -> Block {
        self.change(|state| state.mine(transactions.into_iter().collect()))
    }

    /// Takes the last `depth` blocks off the chain and puts one more in their place, as a longer branch does, and
    /// tells the module in order. The new blocks have only coinbases; gives them.
    ///
    /// # Panics
    /// If the chain has fewer blocks than that above the first one.
    pub fn reorganise(&self, depth: u32) -> Vec<Block> {
        let blocks = usize::try_from(depth).unwrap_or(usize::MAX).saturating_add(1);
        self.reorganise_to(depth, vec![Vec::new(); blocks])
    }

    /// As [`TestHost::reorganise`], with these blocks in their place, given by their transactions.
    ///
    /// # Panics
    /// As [`TestHost::reorganise`], or if the new branch is not longer.
    #[track_caller]
    pub fn reorganise_to(&self, depth: u32, branch: Vec<Vec<Transaction>>) -> Vec<Block> {
        let height = self.state().chain.height();
        assert!(depth <= height, "the chain has only {height} blocks above the first one, not {depth}");
        let longer = u32::try_from(branch.len()).is_ok_and(|blocks| blocks > depth);
        assert!(longer, "a branch of {} blocks does not replace {depth}", branch.len());
        self.change(|state| state.reorganise(depth, branch))
    }

    /// Puts a transaction into the mempool and tells the module. Its fee is what its inputs have more than its
    /// outputs, if the chain and the mempool have all its inputs; else it is told as unknown.
    pub fn add_to_mempool(&self, transaction: Transaction) -> Txid {
        self.change(|state| state.add_to_mempool(transaction))
    }

    /// A transaction that pays `sats` to a script and `fee_sats` to the miner, from what earlier blocks of
    /// [`TestHost::mine`] paid, and gives the change back there.
    ///
    /// # Panics
    /// If nothing is left of that: mine a block first.
    #[must_use]
    #[track_caller]
    pub fn payment(&self, script: ScriptBuf, sats: u64, fee_sats: u64) -> Transaction {
        let wanted = sats.saturating_add(fee_sats);
        let coin = self.state().coin(wanted);
        let (coin, value) =
            coin.unwrap_or_else(|| panic!("no coin of {wanted} sats is left; call host.mine([]) first"));
        let change = (anyone(), value.saturating_sub(wanted));
        super::transaction(&[coin], &[(script, sats), change])
    }

    /// The blocks of the best chain, the first one included.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        self.state().chain.blocks.clone()
    }
}

/// A script that anyone can spend.
fn anyone() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![OP_TRUE.to_u8()])
}

/// The blocks of the best chain, and those that left it.
pub(super) struct Chain {
    blocks: Vec<Block>,
    stale: Vec<Block>,
    /// Makes each coinbase different from all others, those of left blocks too.
    made: u64,
}

impl Chain {
    pub(super) fn new() -> Self {
        Self { blocks: vec![genesis_block(Network::Regtest)], stale: Vec::new(), made: 0 }
    }

    pub(super) fn height(&self) -> u32 {
        u32::try_from(self.blocks.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(super) fn tip(&self) -> BlockHash {
        self.blocks.last().map_or_else(|| BlockHash::from_bytes([0; 32]), |block| block.block_hash().into())
    }

    pub(super) fn at(&self, height: u32) -> Option<&Block> {
        self.blocks.get(usize::try_from(height).ok()?)
    }

    pub(super) fn block(&self, hash: BlockHash) -> Option<&Block> {
        self.blocks.iter().chain(&self.stale).find(|block| BlockHash::from(block.block_hash()) == hash)
    }

    pub(super) fn transaction(&self, txid: Txid) -> Option<&Transaction> {
        self.blocks.iter().flat_map(|block| &block.txdata).find(|tx| Txid::from(tx.compute_txid()) == txid)
    }

    pub(super) fn info(&self) -> ChainInfo {
        let header = self.blocks.last().map(|block| block.header);
        let work = self.blocks.iter().map(|block| block.header.work()).reduce(|sum, work| sum + work);
        ChainInfo {
            chain: "regtest".to_owned(),
            tip: self.tip(),
            height: self.height(),
            bits: header.map_or(0, |header| header.bits.to_consensus()),
            difficulty: header.map_or(0.0, |header| header.difficulty_float()),
            chain_work: work.map_or([0; 32], |work| work.to_be_bytes()),
            initial_block_download: false,
            pruned: false,
            node: "the host of a test".to_owned(),
            development: Development::DevelopmentChain,
            warnings: BoundedVec::default(),
        }
    }

    /// What is unspent in the chain. The first block's output never was spendable.
    pub(super) fn utxos(&self) -> BTreeMap<OutPoint, Utxo> {
        let mut utxos = BTreeMap::new();
        for (height, block) in (0..).zip(&self.blocks).skip(1) {
            for tx in &block.txdata {
                tx.input.iter().for_each(|input| {
                    utxos.remove(&input.previous_output.into());
                });
                utxos.extend(outputs(tx, height));
            }
        }
        utxos
    }

    fn make(&mut self, transactions: Vec<Transaction>) -> Block {
        self.made = self.made.saturating_add(1);
        let height = self.height().saturating_add(1);
        let coinbase = Transaction {
            input: vec![TxIn {
                previous_output: bitcoin::OutPoint::null(),
                script_sig: bitcoin::script::Builder::new()
                    .push_int(height.into())
                    .push_slice(self.made.to_le_bytes())
                    .into_script(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            ..transaction(&[], &[(anyone(), SUBSIDY.to_sat())])
        };
        let time = self.blocks.last().map_or(0, |block| block.header.time).saturating_add(600);
        let bits = genesis_block(Network::Regtest).header.bits;
        let header = Header {
            version: Version::TWO,
            prev_blockhash: self.tip().into(),
            merkle_root: TxMerkleNode::all_zeros(),
            time,
            bits,
            nonce: 0,
        };
        let mut block = Block { header, txdata: std::iter::once(coinbase).chain(transactions).collect() };
        block.header.merkle_root = block.compute_merkle_root().unwrap_or_else(TxMerkleNode::all_zeros);
        while block.header.validate_pow(block.header.target()).is_err() {
            block.header.nonce = block.header.nonce.wrapping_add(1);
        }
        block
    }
}

fn outputs(tx: &Transaction, height: u32) -> Vec<(OutPoint, Utxo)> {
    let txid = Txid::from(tx.compute_txid());
    let output = |(vout, output): (u32, &TxOut)| {
        let utxo = Utxo {
            value_sats: output.value.to_sat(),
            script_pubkey: output.script_pubkey.to_bytes(),
            height,
            coinbase: tx.is_coinbase(),
        };
        (OutPoint { txid, vout }, utxo)
    };
    (0..).zip(&tx.output).map(output).collect()
}

/// The transactions that wait for a block.
#[derive(Default)]
pub(super) struct Mempool {
    transactions: BTreeMap<Txid, Waiting>,
    sequence: u64,
}

struct Waiting {
    transaction: Transaction,
    fee_sats: Option<u64>,
}

impl Mempool {
    pub(super) fn transaction(&self, txid: Txid) -> Option<&Transaction> {
        self.transactions.get(&txid).map(|waiting| &waiting.transaction)
    }

    pub(super) fn ids(&self, after: Option<Txid>) -> MempoolTransactions {
        let ids = self.transactions.keys().copied().filter(|txid| after.is_none_or(|after| *txid > after));
        MempoolTransactions {
            mempool_sequence: Some(self.sequence),
            txids: Txids::truncated(ids),
            more: false,
        }
    }

    pub(super) fn size(&self) -> MempoolSize {
        let all = || self.transactions.values();
        MempoolSize {
            transactions: u64::try_from(self.transactions.len()).unwrap_or(u64::MAX),
            virtual_bytes: all().map(|waiting| virtual_bytes(&waiting.transaction)).sum(),
            total_fee_sats: all().filter_map(|waiting| waiting.fee_sats).sum(),
            min_fee_msats_per_vbyte: 1000,
        }
    }

    fn spends(&self) -> BTreeSet<OutPoint> {
        let inputs = self.transactions.values().flat_map(|waiting| &waiting.transaction.input);
        inputs.map(|input| input.previous_output.into()).collect()
    }
}

fn virtual_bytes(transaction: &Transaction) -> u64 {
    u64::try_from(transaction.vsize()).unwrap_or(u64::MAX)
}

impl State {
    fn mine(&mut self, transactions: Vec<Transaction>) -> Block {
        let block = self.chain.make(transactions);
        let hash = BlockHash::from(block.block_hash());
        self.chain.blocks.push(block.clone());
        let height = self.chain.height();
        self.publish(EventPayload::NewBlock { hash, height, header: RawHeader::encode(&block.header) });
        for tx in &block.txdata {
            let txid = Txid::from(tx.compute_txid());
            if self.mempool.transactions.remove(&txid).is_some() {
                self.mempool.sequence = self.mempool.sequence.saturating_add(1);
                let reason = RemovalReason::Confirmed { block: hash };
                self.publish(EventPayload::MempoolTransactionRemoved { txid, reason });
            }
        }
        block
    }

    fn reorganise(&mut self, depth: u32, branch: Vec<Vec<Transaction>>) -> Vec<Block> {
        let old_tip = self.chain.tip();
        for _ in 0..depth {
            let height = self.chain.height();
            if let Some(block) = self.chain.blocks.pop() {
                let hash = block.block_hash().into();
                self.chain.stale.push(block);
                self.publish(EventPayload::BlockDisconnected { hash, height });
            }
        }
        let fork_height = self.chain.height();
        let blocks = branch.into_iter().map(|transactions| self.mine(transactions)).collect();
        let new_tip = self.chain.tip();
        self.publish(EventPayload::ChainReorg { old_tip, new_tip, fork_height, depth });
        blocks
    }

    fn add_to_mempool(&mut self, transaction: Transaction) -> Txid {
        let txid = Txid::from(transaction.compute_txid());
        let fee_sats = self.fee_of(&transaction);
        let virtual_bytes = Some(virtual_bytes(&transaction));
        self.mempool.sequence = self.mempool.sequence.saturating_add(1);
        self.mempool.transactions.insert(txid, Waiting { transaction, fee_sats });
        self.publish(EventPayload::NewTransaction { txid, fee_sats, virtual_bytes });
        self.publish(EventPayload::MempoolTransactionAdded { txid, fee_sats, virtual_bytes });
        txid
    }

    fn fee_of(&self, transaction: &Transaction) -> Option<u64> {
        let mut known = self.chain.utxos();
        known.extend(self.mempool.transactions.values().flat_map(|waiting| outputs(&waiting.transaction, 0)));
        let value = |input: &TxIn| known.get(&input.previous_output.into()).map(|utxo| utxo.value_sats);
        let paid: u64 = transaction.input.iter().map(value).sum::<Option<u64>>()?;
        paid.checked_sub(transaction.output.iter().map(|output| output.value.to_sat()).sum())
    }

    /// A coin of at least so many satoshis that anyone can spend and nobody does, with its value.
    fn coin(&self, sats: u64) -> Option<(OutPoint, u64)> {
        let (spent, script) = (self.mempool.spends(), anyone().into_bytes());
        let usable = |(outpoint, utxo): &(OutPoint, Utxo)| {
            utxo.script_pubkey == script && utxo.value_sats >= sats && !spent.contains(outpoint)
        };
        let pending = self.mempool.transactions.values().flat_map(|waiting| outputs(&waiting.transaction, 0));
        let coins = self.chain.utxos().into_iter().chain(pending);
        coins
            .filter(usable)
            .map(|(outpoint, utxo)| (outpoint, utxo.value_sats))
            .min_by_key(|(_, value)| *value)
    }
}
