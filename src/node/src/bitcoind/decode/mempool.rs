//! Results about the mempool and fees.

use bitcoin::Txid;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Unusable, fee_rate, json};
use crate::bitcoind::reply::amount;
use crate::mempool::{MAX_MEMPOOL_TXIDS, MempoolEntry, MempoolInfo, MempoolSnapshot};
use crate::{EstimateBasis, FeeEstimate, FeeRate};

#[derive(Deserialize)]
struct Snapshot {
    txids: Vec<Txid>,
    mempool_sequence: u64,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(default = "yes")]
    loaded: bool,
    size: u64,
    bytes: u64,
    usage: u64,
    #[serde(borrow)]
    total_fee: &'a RawValue,
    maxmempool: u64,
    #[serde(borrow)]
    mempoolminfee: &'a RawValue,
    #[serde(borrow)]
    minrelaytxfee: &'a RawValue,
}

#[derive(Deserialize)]
struct Entry<'a> {
    vsize: u64,
    time: u64,
    #[serde(borrow)]
    fees: Fees<'a>,
    #[serde(default)]
    unbroadcast: bool,
}

#[derive(Deserialize)]
struct Fees<'a> {
    #[serde(borrow)]
    base: &'a RawValue,
}

#[derive(Deserialize)]
struct Estimate<'a> {
    #[serde(borrow, default)]
    feerate: Option<&'a RawValue>,
    blocks: u16,
}

/// Nodes that do not say have no mempool of their last run to read.
fn yes() -> bool {
    true
}

/// `getrawmempool false true`.
pub(crate) fn snapshot(text: &str) -> Result<MempoolSnapshot, Unusable> {
    let Snapshot { txids, mempool_sequence } = json(text)?;
    if txids.len() > MAX_MEMPOOL_TXIDS {
        return Err(format!("{} txids, more than {MAX_MEMPOOL_TXIDS}", txids.len()));
    }
    Ok(MempoolSnapshot { sequence: mempool_sequence, txids: txids.into() })
}

/// `getmempoolinfo`.
pub(crate) fn info(text: &str) -> Result<MempoolInfo, Unusable> {
    let info: Info<'_> = json(text)?;
    Ok(MempoolInfo {
        transactions: info.size,
        vsize: info.bytes,
        total_fee: amount(info.total_fee)?,
        min_fee_rate: fee_rate(info.mempoolminfee)?,
        min_relay_fee_rate: fee_rate(info.minrelaytxfee)?,
        memory_bytes: info.usage,
        memory_limit_bytes: info.maxmempool,
        loaded: info.loaded,
    })
}

/// `getmempoolentry`.
pub(crate) fn entry(text: &str) -> Result<MempoolEntry, Unusable> {
    let entry: Entry<'_> = json(text)?;
    if entry.vsize == 0 {
        return Err("a transaction without size".to_owned());
    }
    Ok(MempoolEntry {
        fee: amount(entry.fees.base)?,
        vsize: entry.vsize,
        time: entry.time,
        unbroadcast: entry.unbroadcast,
    })
}

/// `estimatesmartfee`; `None` where the node has seen too little.
pub(crate) fn estimate(text: &str) -> Result<Option<FeeEstimate>, Unusable> {
    let Estimate { feerate, blocks } = json(text)?;
    let Some(rate) = feerate.map(fee_rate).transpose()?.filter(|rate| *rate > FeeRate::default()) else {
        return Ok(None);
    };
    Ok(Some(FeeEstimate { rate, target_blocks: blocks, basis: EstimateBasis::Observed }))
}
