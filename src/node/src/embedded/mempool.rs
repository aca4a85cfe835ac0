//! Transactions that wait for the next block of the development chain.
//!
//! No script is run here, so only outputs that anyone may spend are spent: bare `OP_TRUE` and its witness
//! form. A transaction that needs more than that is refused with the reason, never let through.

use std::collections::HashMap;

use bitcoin::{Amount, Block, OutPoint, Transaction, Txid};

use super::build::Payout;
use super::state::{Coin, is_mature, total};

/// Transactions kept; one more is refused.
const MAX_TRANSACTIONS: usize = 1000;
/// The largest transaction taken; with the number above, a full mempool is ten blocks.
const MAX_TRANSACTION_WEIGHT: u64 = 40_000;
/// The weight of transactions that goes into one block, well below the limit of 4 000 000.
const BLOCK_WEIGHT: u64 = 3_900_000;

#[derive(Debug)]
struct Waiting {
    txid: Txid,
    tx: Transaction,
    fee: Amount,
}

/// In order of arrival, which is the order of mining.
#[derive(Debug, Default)]
pub(super) struct Mempool {
    waiting: Vec<Waiting>,
    spent: HashMap<OutPoint, Txid>,
}

impl Mempool {
    pub(super) fn get(&self, txid: &Txid) -> Option<&Transaction> {
        self.waiting.iter().find(|waiting| waiting.txid == *txid).map(|waiting| &waiting.tx)
    }

    pub(super) fn txids(&self) -> Vec<Txid> {
        self.waiting.iter().map(|waiting| waiting.txid).collect()
    }

    /// What the next block takes, and the fees it earns.
    pub(super) fn for_block(&self) -> (Vec<Transaction>, Amount) {
        let mut weight = 0;
        let mut fees = Amount::ZERO;
        let mut transactions = Vec::new();
        for waiting in &self.waiting {
            weight += waiting.tx.weight().to_wu();
            let Some(sum) = fees.checked_add(waiting.fee).filter(|_| weight <= BLOCK_WEIGHT) else { break };
            fees = sum;
            transactions.push(waiting.tx.clone());
        }
        (transactions, fees)
    }

    /// Adds a transaction that [`check`] has passed.
    pub(super) fn insert(&mut self, txid: Txid, tx: Transaction, fee: Amount) -> Result<(), String> {
        if self.waiting.len() >= MAX_TRANSACTIONS {
            return Err(format!("{MAX_TRANSACTIONS} transactions are waiting already"));
        }
        if let Some((outpoint, by)) =
            tx.input.iter().find_map(|i| self.spent.get_key_value(&i.previous_output))
        {
            return Err(format!("{outpoint} is spent by {by}, which is waiting"));
        }
        self.spent.extend(tx.input.iter().map(|input| (input.previous_output, txid)));
        self.waiting.push(Waiting { txid, tx, fee });
        Ok(())
    }

    /// Forgets what a new block contains or makes impossible.
    pub(super) fn remove_confirmed(&mut self, block: &Block) {
        let spends = block.txdata.iter().skip(1).flat_map(|tx| &tx.input);
        let gone: Vec<Txid> = spends.filter_map(|i| self.spent.get(&i.previous_output).copied()).collect();
        if !gone.is_empty() {
            self.waiting.retain(|waiting| !gone.contains(&waiting.txid));
            self.spent.retain(|_, by| !gone.contains(by));
        }
    }

    /// Keeps the transactions of a block that left the chain, unjudged, ahead of all others.
    pub(super) fn give_back(&mut self, transactions: impl Iterator<Item = Transaction>) {
        let back = transactions.map(|tx| Waiting { txid: tx.compute_txid(), tx, fee: Amount::ZERO });
        self.waiting.splice(0..0, back);
    }

    /// Empties the mempool.
    pub(super) fn take_all(&mut self) -> Vec<Transaction> {
        self.spent.clear();
        std::mem::take(&mut self.waiting).into_iter().map(|waiting| waiting.tx).collect()
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
