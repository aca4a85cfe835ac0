//! Results about mining. A template's transactions are checked against their ids.

use bitcoin::block::Version;
use bitcoin::consensus::deserialize;
use bitcoin::hex::FromHex;
use bitcoin::{BlockHash, CompactTarget, ScriptBuf, Transaction, Txid, Wtxid};
use serde::Deserialize;

use super::{Unusable, json, sats, words};
use crate::mining::{BlockTemplate, BlockVerdict, TemplateTransaction};

/// Names of rules that are passed on, of a node that may have any number.
const MAX_RULES: usize = 64;

#[derive(Deserialize)]
struct Template<'a> {
    version: i32,
    previousblockhash: BlockHash,
    height: u32,
    bits: &'a str,
    curtime: u32,
    mintime: u32,
    coinbasevalue: u64,
    #[serde(default)]
    default_witness_commitment: Option<&'a str>,
    #[serde(borrow)]
    transactions: Vec<Entry<'a>>,
    longpollid: String,
    #[serde(default)]
    rules: Vec<String>,
    #[serde(default)]
    sigoplimit: u64,
    sizelimit: u64,
    weightlimit: u64,
}

#[derive(Deserialize)]
struct Entry<'a> {
    data: &'a str,
    txid: Txid,
    hash: Wtxid,
    fee: u64,
    /// Places in the list, from 1.
    depends: Vec<u32>,
    sigops: u64,
    weight: u64,
}

/// `getblocktemplate`.
pub(crate) fn template(text: &str) -> Result<BlockTemplate, Unusable> {
    let answer: Template<'_> = json(text)?;
    let commitment = answer.default_witness_commitment.map(ScriptBuf::from_hex).transpose();
    let transactions = (0..).zip(answer.transactions).map(|(place, entry)| transaction(place, &entry));
    Ok(BlockTemplate {
        version: Version::from_consensus(answer.version),
        previous_block: answer.previousblockhash,
        height: answer.height,
        bits: CompactTarget::from_unprefixed_hex(answer.bits).map_err(|error| error.to_string())?,
        current_time: answer.curtime,
        min_time: answer.mintime,
        coinbase_value: sats(answer.coinbasevalue)?,
        default_witness_commitment: commitment.map_err(|error| error.to_string())?,
        transactions: transactions.collect::<Result<_, _>>()?,
        longpoll_id: words(&answer.longpollid),
        rules: answer.rules.iter().take(MAX_RULES).map(|rule| words(rule)).collect(),
        sigop_limit: answer.sigoplimit,
        size_limit: answer.sizelimit,
        weight_limit: answer.weightlimit,
    })
}

fn transaction(place: u32, entry: &Entry<'_>) -> Result<TemplateTransaction, Unusable> {
    let unusable = |reason: String| format!("transaction {}: {reason}", entry.txid);
    let bytes = Vec::from_hex(entry.data).map_err(|error| unusable(error.to_string()))?;
    let tx: Transaction = deserialize(&bytes).map_err(|error| unusable(error.to_string()))?;
    if (tx.compute_txid(), tx.compute_wtxid()) != (entry.txid, entry.hash) {
        return Err(unusable("its bytes have another id".to_owned()));
    }
    // A block must hold what is spent before what spends it.
    let depends = entry.depends.iter().map(|from_one| from_one.checked_sub(1).filter(|below| *below < place));
    let depends = depends.collect::<Option<_>>();
    Ok(TemplateTransaction {
        bytes: bytes.into(),
        txid: entry.txid,
        wtxid: entry.hash,
        fee: sats(entry.fee).map_err(unusable)?,
        depends: depends
            .ok_or_else(|| unusable("it depends on one that does not come before it".to_owned()))?,
        sigops: entry.sigops,
        weight: entry.weight,
    })
}

/// `submitblock`: nothing for a block that was accepted, otherwise one of the words of BIP 22 or the rule that
/// the block breaks.
pub(crate) fn verdict(text: &str) -> Result<BlockVerdict, Unusable> {
    let said: Option<String> = json(text)?;
    Ok(match said.as_deref() {
        None => BlockVerdict::Accepted,
        Some("duplicate") => BlockVerdict::Duplicate,
        Some("inconclusive" | "duplicate-inconclusive") => BlockVerdict::Inconclusive,
        Some(reason) => BlockVerdict::Rejected { reason: words(reason) },
    })
}
