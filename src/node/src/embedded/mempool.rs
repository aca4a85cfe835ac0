//! Transactions that wait for the next block of the development chain.
//!
//! No script is run here, so only outputs that anyone may spend are spent: bare `OP_TRUE` and its witness
//! form. A transaction that needs more than that is refused with the reason, never let through. Every change is
//! noted in the words of a real node, for those who follow the mempool.

use std::collections::{HashMap, HashSet};

use bitcoin::{Amount, Block, BlockHash, OutPoint, Transaction, Txid};

use super::build::Payout;
use super::state::{Coin, is_mature, total};
use crate::mempool::{FeeRate, MempoolEntry, MempoolInfo, MempoolSnapshot};
use crate::mempool_feed::Notice;

/// Transactions kept; one more is refused.
const MAX_TRANSACTIONS: usize = 1000;
/// The largest transaction taken; with the number above, a full mempool is ten blocks.
const MAX_TRANSACTION_WEIGHT: u64 = 40_000;
/// The weight of transactions that goes into one block, well below the limit of 4 000 000.
const BLOCK_WEIGHT: u64 = 3_900_000;

/// A transaction that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) txid: Txid,
    pub(super) tx: Transaction,
    pub(super) fee: Amount,
    /// When it came, in seconds since 1970.
    pub(super) time: u64,
}

/// In order of arrival, which is the order of mining.
#[derive(Debug, Default)]
pub(super) struct Mempool {
    waiting: Vec<Waiting>,
    spent: HashMap<OutPoint, Txid>,
    /// The number of changes.
    sequence: u64,
    /// Changes that nobody was told yet.
    notices: Vec<Notice>,
}

/// The mempool before a reorganisation.
pub(super) struct Before {
    waiting: HashSet<Txid>,
    notices: Vec<Notice>,
}

impl Mempool {
    pub(super) fn get(&self, txid: &Txid) -> Option<&Transaction> {
        self.waiting.iter().find(|waiting| waiting.txid == *txid).map(|waiting| &waiting.tx)
    }

    pub(super) fn txids(&self) -> Vec<Txid> {
        self.waiting.iter().map(|waiting| waiting.txid).collect()
    }

    pub(super) fn snapshot(&self) -> MempoolSnapshot {
        MempoolSnapshot { sequence: self.sequence, txids: self.txids().into() }
    }

    pub(super) fn entry(&self, txid: &Txid) -> Option<MempoolEntry> {
        let found = self.waiting.iter().find(|waiting| waiting.txid == *txid);
        found.map(|waiting| MempoolEntry {
            fee: waiting.fee,
            vsize: waiting.tx.weight().to_vbytes_ceil(),
            time: waiting.time,
            // There is nobody to broadcast it to.
            unbroadcast: false,
        })
    }

    pub(super) fn info(&self) -> MempoolInfo {
        let sum = |value: fn(&Waiting) -> u64| self.waiting.iter().map(value).fold(0, u64::saturating_add);
        MempoolInfo {
            transactions: sum(|_| 1),
            vsize: sum(|waiting| waiting.tx.weight().to_vbytes_ceil()),
            total_fee: Amount::from_sat(sum(|waiting| waiting.fee.to_sat())),
            min_fee_rate: FeeRate::default(),
            min_relay_fee_rate: FeeRate::default(),
            memory_bytes: sum(|waiting| waiting.tx.weight().to_wu()),
            memory_limit_bytes: MAX_TRANSACTION_WEIGHT * u64::try_from(MAX_TRANSACTIONS).unwrap_or(u64::MAX),
            loaded: true,
        }
    }

    /// What the next block takes, and the fees it earns.
    pub(super) fn for_block(&self) -> (&[Waiting], Amount) {
        let mut weight = 0;
        let mut fees = Amount::ZERO;
        let mut count = 0;
        for waiting in &self.waiting {
            weight += waiting.tx.weight().to_wu();
            let Some(sum) = fees.checked_add(waiting.fee).filter(|_| weight <= BLOCK_WEIGHT) else { break };
            fees = sum;
            count += 1;
        }
        (self.waiting.get(..count).unwrap_or_default(), fees)
    }

    /// The changes since this was last called, for those who follow.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Adds a transaction that [`check`] has passed.
    pub(super) fn insert(&mut self, new: Waiting) -> Result<(), String> {
        if self.waiting.len() >= MAX_TRANSACTIONS {
            return Err(format!("{MAX_TRANSACTIONS} transactions are waiting already"));
        }
        if let Some((outpoint, by)) =
            new.tx.input.iter().find_map(|i| self.spent.get_key_value(&i.previous_output))
        {
            return Err(format!("{outpoint} is spent by {by}, which is waiting"));
        }
        self.spent.extend(new.tx.input.iter().map(|input| (input.previous_output, new.txid)));
        let sequence = self.next_sequence();
        self.notices.push(Notice::Added { txid: new.txid, sequence });
        self.waiting.push(new);
        Ok(())
    }

    fn next_sequence(&mut self) -> u64 {
        let sequence = self.sequence;
        self.sequence = sequence.saturating_add(1);
        sequence
    }

    /// Forgets what a new block contains or makes impossible.
    pub(super) fn remove_confirmed(&mut self, block: &Block, hash: BlockHash) {
        self.notices.push(Notice::Connected(hash));
        let spends = block.txdata.iter().skip(1).flat_map(|tx| &tx.input);
        let gone: HashSet<Txid> =
            spends.filter_map(|i| self.spent.get(&i.previous_output).copied()).collect();
        if gone.is_empty() {
            return;
        }
        self.waiting.retain(|waiting| !gone.contains(&waiting.txid));
        self.spent.retain(|_, by| !gone.contains(by));
        let contained: HashSet<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
        for txid in gone {
            let sequence = self.next_sequence();
            // As from a real node: what a block contains is not told to have left.
            if !contained.contains(&txid) {
                self.notices.push(Notice::Removed { txid, sequence });
            }
        }
    }

    /// Notes that a block left the chain.
    pub(super) fn disconnected(&mut self, hash: BlockHash) {
        self.notices.push(Notice::Disconnected(hash));
    }

    /// Keeps the transactions of a block that left the chain, unjudged, ahead of all others.
    pub(super) fn give_back(&mut self, transactions: impl Iterator<Item = Transaction>, time: u64) {
        let back = transactions.map(|tx| Waiting { txid: tx.compute_txid(), tx, fee: Amount::ZERO, time });
        self.waiting.splice(0..0, back);
    }

    /// Remembers what waits, before blocks leave the chain.
    pub(super) fn begin_reorganisation(&mut self) -> Before {
        Before { waiting: self.txids().into_iter().collect(), notices: self.take_notices() }
    }

    /// Notes what a reorganisation changed, once everything that waits was judged anew: the blocks in their
    /// order, then the differences, as a real node does.
    pub(super) fn end_reorganisation(&mut self, before: Before) {
        let blocks = self.take_notices().into_iter();
        let blocks = blocks.filter(|notice| matches!(notice, Notice::Connected(_) | Notice::Disconnected(_)));
        self.notices = before.notices;
        self.notices.extend(blocks);
        let now: HashSet<Txid> = self.txids().into_iter().collect();
        for txid in before.waiting.difference(&now) {
            let sequence = self.next_sequence();
            self.notices.push(Notice::Removed { txid: *txid, sequence });
        }
        for txid in now.difference(&before.waiting) {
            let sequence = self.next_sequence();
            self.notices.push(Notice::Added { txid: *txid, sequence });
        }
    }

    /// Empties the mempool.
    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        self.spent.clear();
        std::mem::take(&mut self.waiting)
    }
}

/// Whether a transaction could go into the block after `height`; gives its fee.
pub(super) fn check<'a>(
    tx: &Transaction,
    coin: impl Fn(&OutPoint) -> Option<&'a Coin>,
    height: u32,
) -> Result<Amount, String> {
    if tx.is_coinbase() || tx.input.is_empty() || tx.output.is_empty() {
        return Err("it needs inputs and outputs and must not be a coinbase".to_owned());
    }
    if tx.weight().to_wu() > MAX_TRANSACTION_WEIGHT {
        return Err(format!("its weight is above {MAX_TRANSACTION_WEIGHT}"));
    }
    if tx.is_lock_time_enabled() && tx.lock_time.to_consensus_u32() != 0
        || tx.input.iter().any(|input| input.sequence.is_relative_lock_time())
    {
        return Err("the development chain does not evaluate time locks".to_owned());
    }
    let mut value = Amount::ZERO;
    let mut seen = std::collections::HashSet::new();
    for input in &tx.input {
        let outpoint = &input.previous_output;
        if !seen.insert(outpoint) {
            return Err(format!("it spends {outpoint} twice"));
        }
        let coin =
            coin(outpoint).ok_or_else(|| format!("{outpoint} does not exist in a block, or is spent"))?;
        if !is_mature(coin, height.saturating_add(1)) {
            return Err(format!("{outpoint} is an immature coinbase"));
        }
        let anyone = Payout::ALL.into_iter().find(|payout| payout.script() == coin.output.script_pubkey);
        if anyone.is_none_or(|payout| payout.witness() != input.witness || !input.script_sig.is_empty()) {
            return Err(format!(
                "{outpoint}: the development chain runs no scripts, and spends only OP_TRUE"
            ));
        }
        value = value.checked_add(coin.output.value).ok_or("amounts overflow")?;
    }
    total(&tx.output)
        .and_then(|out| value.checked_sub(out))
        .ok_or_else(|| "it pays out more than it takes".to_owned())
}
