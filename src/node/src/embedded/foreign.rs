//! Judges blocks that others made, before anything of them reaches the file.
//!
//! What this process mines is right by its making. What is handed over may break any rule, and once in the
//! file it would break the chain at the next start: so everything is checked first, without changing anything.
//! Scripts are not run here, so a block may spend only what the mempool would.

use std::collections::HashMap;

use bitcoin::script::Builder;
use bitcoin::{Block, OutPoint, Transaction};

use super::mempool;
use super::state::{Coin, State};

/// The most a block may weigh.
const MAX_WEIGHT: u64 = 4_000_000;
/// How far a block's time may lie ahead of the clock, in seconds.
const MAX_AHEAD: u32 = 2 * 60 * 60;
/// The bytes that a coinbase's input may have.
const COINBASE_SCRIPT: std::ops::RangeInclusive<usize> = 2..=100;

/// What becomes of a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It goes on top of the chain.
    Fits,
    /// It is there already.
    Known,
    /// It breaks this rule.
    Breaks(String),
}

impl State {
    /// Whether a block may go on top of the chain. `now` is in seconds since 1970.
    pub(super) fn judge(&self, block: &Block, now: u32) -> Judgement {
        if self.entry(&block.block_hash()).is_some() {
            return Judgement::Known;
        }
        match self.check_foreign(block, now) {
            Ok(()) => Judgement::Fits,
            Err(reason) => Judgement::Breaks(reason),
        }
    }

    fn check_foreign(&self, block: &Block, now: u32) -> Result<(), String> {
        let tip = self.tip();
        if block.header.prev_blockhash != tip.hash {
            return Err(format!(
                "its parent is not the tip, {tip}: blocks are taken only on top of the chain"
            ));
        }
        let height = self.check_block(block, &block.block_hash())?;
        if block.weight().to_wu() > MAX_WEIGHT {
            return Err(format!("its weight is above {MAX_WEIGHT}"));
        }
        let median = self.median_time(tip.hash);
        if block.header.time <= median {
            return Err(format!("its time is not above {median}, the median of the blocks below"));
        }
        if block.header.time > now.saturating_add(MAX_AHEAD) {
            return Err("its time is more than two hours ahead".to_owned());
        }
        check_coinbase(block, height)?;
        self.check_scripts(block, tip.height)?;
        self.spends(block, height).map(|_undo| ())
    }

    /// Whether each input needs no script to be run, and no transaction is there already.
    fn check_scripts(&self, block: &Block, tip_height: u32) -> Result<(), String> {
        let mut made: HashMap<OutPoint, Coin> = HashMap::new();
        for tx in &block.txdata {
            let txid = tx.compute_txid();
            let coin = |outpoint: &OutPoint| made.get(outpoint).or_else(|| self.coin(outpoint));
            if !tx.is_coinbase() {
                mempool::check(tx, coin, tip_height)
                    .map_err(|reason| format!("transaction {txid}: {reason}"))?;
            }
            if self.block_of(&txid).is_some() {
                return Err(format!("transaction {txid} is in the chain already"));
            }
            made.extend(outputs(tx, tip_height.saturating_add(1)));
        }
        Ok(())
    }
}

fn outputs(tx: &Transaction, height: u32) -> impl Iterator<Item = (OutPoint, Coin)> {
    let (txid, coinbase) = (tx.compute_txid(), tx.is_coinbase());
    (0..).zip(&tx.output).map(move |(vout, output)| {
        (OutPoint { txid, vout }, Coin { output: output.clone(), height, coinbase })
    })
}

fn check_coinbase(block: &Block, height: u32) -> Result<(), String> {
    let input = block.txdata.first().and_then(|coinbase| coinbase.input.first());
    let script = input.map(|input| input.script_sig.as_bytes()).unwrap_or_default();
    if !COINBASE_SCRIPT.contains(&script.len()) {
        return Err("its coinbase's input script has not 2 to 100 bytes".to_owned());
    }
    let begin = Builder::new().push_int(i64::from(height)).into_script();
    if !script.starts_with(begin.as_bytes()) {
        return Err(format!("its coinbase does not begin with its height, {height}"));
    }
    Ok(())
}
