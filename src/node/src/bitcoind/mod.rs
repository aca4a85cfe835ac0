//! Bitcoin Core, or a node compatible with it, over JSON-RPC; ZMQ `sequence` or polling tells when to look.
//!
//! Needs a user that may call [`RPC_METHODS`], and nothing else. What the node answers is untrusted: bounded in
//! size, compared with what was asked. Opens TCP connections to two numeric addresses and nothing else.

mod credentials;
pub(crate) mod decode;
mod http;
mod identity;
mod methods;
mod queue;
pub(crate) mod reply;
pub(crate) mod requests;
mod rpc;
pub(crate) mod zmq;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::block::Header;
use bitcoin::hex::FromHex;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Txid};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};

pub use credentials::{CookieFile, Credentials, Secret, SecretFuture};
pub use methods::{RPC_METHODS, RpcMethod, RpcUse};

use self::http::Limit;
use self::queue::Lane;
use self::reply::{NOT_FOUND, OUT_OF_RANGE, Reply, amount, quoted};
use self::rpc::{CallError, Rpc};
use super::error::NodeError;
use super::feed::{self, Following, Pace};
use super::follower::{Best, ChainView};
use super::mempool::MempoolFollowing;
use super::mempool_feed::{self, Notices};
use super::types::{Chain, ChainInfo, ChainPoint, Utxo};

const LABEL: &str = "bitcoind";
/// How often a block's height is asked for again while the chain changes under the question.
const MAX_RACES: u32 = 3;
/// The mempool is compared once in so many looks at the chain: a full one is 20 MB of JSON.
pub const MEMPOOL_POLL_FACTOR: u32 = 5;
/// Warnings passed on, of a node that may have any number.
const MAX_WARNINGS: usize = 16;

/// How the node is reached.
#[derive(Debug, Clone)]
pub struct BitcoindSettings {
    /// Its RPC port.
    pub rpc: SocketAddr,
    /// Where it publishes `sequence`; without it, it is polled.
    pub zmq: Option<SocketAddr>,
    /// The chain it must be on.
    pub chain: Chain,
    /// The pause between two looks where nothing tells of new blocks.
    pub poll_interval: Duration,
}

/// A node behind JSON-RPC. All clones share its connections, and are one caller to it.
#[derive(Debug, Clone)]
pub struct Bitcoind {
    rpc: Arc<Rpc>,
    lane: Lane,
    settings: BitcoindSettings,
}

#[derive(Deserialize)]
struct InfoAnswer<'a> {
    blocks: u32,
    headers: u32,
    bestblockhash: BlockHash,
    difficulty: f64,
    mediantime: u32,
    verificationprogress: f64,
    initialblockdownload: bool,
    chainwork: &'a str,
    pruneheight: Option<u32>,
    #[serde(borrow)]
    warnings: &'a RawValue,
}

#[derive(Deserialize)]
struct OutputAnswer<'a> {
    bestblock: BlockHash,
    confirmations: u32,
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(rename = "scriptPubKey")]
    script: ScriptAnswer<'a>,
    coinbase: bool,
}

#[derive(Deserialize)]
struct ScriptAnswer<'a> {
    hex: &'a str,
}

#[derive(Deserialize)]
struct HeightAnswer {
    height: u32,
}

#[derive(Deserialize)]
struct IndexesAnswer {
    txindex: Option<IndexAnswer>,
}

#[derive(Deserialize)]
struct IndexAnswer {
    synced: bool,
}

impl Bitcoind {
    /// Prepares to talk to a node; nothing is sent before the first question.
    #[must_use]
    pub fn new(settings: BitcoindSettings, credentials: Arc<dyn Credentials>) -> Self {
        let rpc = Arc::new(Rpc::new(settings.rpc, settings.chain, credentials));
        Self { rpc, lane: Lane::caller(), settings }
    }

    /// The same node for another caller: neither waits for what the other has asked.
    #[must_use]
    pub fn for_caller(&self) -> Self {
        Self { lane: Lane::caller(), ..self.clone() }
    }

    pub(super) fn label(&self) -> &'static str {
        LABEL
    }

    pub(super) fn chain(&self) -> Chain {
        self.settings.chain
    }

    pub(super) async fn block(&self, hash: BlockHash) -> Result<Option<Bytes>, NodeError> {
        const METHOD: &str = "getblock";
        match self.rpc.call(&self.lane, METHOD, json!([hash, 0]), Limit::Block).await {
            Ok(reply) => reply.block(hash).map(Some),
            Err(CallError::Failure(failure)) if failure.code == NOT_FOUND => Ok(None),
            Err(CallError::Failure(failure)) => Err(failure.into_block_error(METHOD, hash)),
            Err(CallError::Node(error)) => Err(error),
        }
    }

    pub(super) async fn block_header(&self, hash: BlockHash) -> Result<Option<Header>, NodeError> {
        let reply = self.find("getblockheader", json!([hash, false]), NOT_FOUND, Limit::Small).await?;
        reply.map(|reply| reply.header(hash)).transpose()
    }

    pub(super) async fn block_by_height(&self, height: u32) -> Result<Option<Bytes>, NodeError> {
        let mut hash = self.hash_at(height).await?;
        for _ in 0..MAX_RACES {
            let Some(asked) = hash else { return Ok(None) };
            let block = self.block(asked).await?;
            hash = self.hash_at(height).await?;
            if hash == Some(asked) {
                return Ok(block);
            }
        }
        Err(NodeError::not_ready(format!("the chain is changing at height {height}")))
    }

    pub(super) async fn transaction(&self, txid: Txid) -> Result<Option<Bytes>, NodeError> {
        match self.raw_transaction(txid).await? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.require_synced_txindex().await.map(|()| None),
        }
    }

    /// "Not found" means something only to a node that has looked at every block.
    async fn require_synced_txindex(&self) -> Result<(), NodeError> {
        let answer: IndexesAnswer =
            self.rpc.ask(&self.lane, "getindexinfo", json!(["txindex"])).await?.read()?;
        match answer.txindex {
            Some(IndexAnswer { synced: true }) => Ok(()),
            Some(IndexAnswer { synced: false }) => {
                Err(NodeError::not_ready("its transaction index is still being built"))
            }
            None => Err(NodeError::IndexRequired { index: "txindex", hint: "run the node with -txindex=1" }),
        }
    }

    pub(super) async fn chain_info(&self) -> Result<ChainInfo, NodeError> {
        let reply = self.rpc.ask(&self.lane, "getblockchaininfo", json!([])).await?;
        let answer: InfoAnswer<'_> = reply.read()?;
        Ok(ChainInfo {
            chain: self.settings.chain,
            tip: ChainPoint { hash: answer.bestblockhash, height: answer.blocks },
            headers: answer.headers,
            difficulty: answer.difficulty,
            chain_work: <[u8; 32]>::from_hex(answer.chainwork).map_err(|error| reply.malformed(error))?,
            median_time: answer.mediantime,
            verification_progress: answer.verificationprogress,
            initial_block_download: answer.initialblockdownload,
            prune_height: answer.pruneheight,
            warnings: warnings(answer.warnings).map_err(|error| reply.malformed(error))?,
        })
    }

    pub(super) async fn utxo(&self, outpoint: OutPoint) -> Result<Option<Utxo>, NodeError> {
        let reply =
            self.rpc.ask(&self.lane, "gettxout", json!([outpoint.txid, outpoint.vout, false])).await?;
        let Some(answer) = reply.read::<Option<OutputAnswer<'_>>>()? else { return Ok(None) };
        // The answer counts confirmations from a tip that may have moved since: ask for that tip's height.
        let best = self.rpc.ask(&self.lane, "getblockheader", json!([answer.bestblock, true])).await?;
        let HeightAnswer { height: best } = best.read()?;
        let height = best.checked_add(1).and_then(|above| above.checked_sub(answer.confirmations));
        let height = height.filter(|height| *height <= best).ok_or_else(|| {
            reply.malformed(format!("{} confirmations at height {best}", answer.confirmations))
        })?;
        Ok(Some(Utxo {
            value: amount(answer.value).map_err(|error| reply.malformed(error))?,
            script_pubkey: ScriptBuf::from_hex(answer.script.hex).map_err(|error| reply.malformed(error))?,
            height,
            coinbase: answer.coinbase,
            best_block: answer.bestblock,
        }))
    }

    pub(super) fn follow(&self, from: Option<ChainPoint>) -> Following {
        let hint = Arc::new(Notify::new());
        let (pause_in, pause) = watch::channel(self.settings.poll_interval);
        if let Some(address) = self.settings.zmq {
            let hints =
                zmq::Hints { hint: Arc::clone(&hint), pause: pause_in, poll: self.settings.poll_interval };
            tokio::spawn(zmq::listen(address, hints));
        }
        let view = Self { lane: Lane::Follower, ..self.clone() };
        feed::spawn(view, from, Pace { hint, pause })
    }

    pub(super) fn follow_mempool(&self) -> MempoolFollowing {
        let heard = self.settings.zmq.map(|address| {
            let (notices, heard) = Notices::queue();
            tokio::spawn(zmq::listen(address, notices));
            heard
        });
        // One caller among the others: what it asks may be large, and must not hold up the follower.
        let view = self.for_caller();
        let interval = self.settings.poll_interval.saturating_mul(MEMPOOL_POLL_FACTOR);
        mempool_feed::spawn(view, heard, interval)
    }

    /// Calls a method for which one code means "there is none".
    async fn find(
        &self,
        method: &'static str,
        params: serde_json::Value,
        none: i64,
        limit: Limit,
    ) -> Result<Option<Reply>, NodeError> {
        match self.rpc.call(&self.lane, method, params, limit).await {
            Ok(reply) => Ok(Some(reply)),
            Err(CallError::Failure(failure)) if failure.code == none => Ok(None),
            Err(error) => Err(error.into_node_error(method)),
        }
    }
}

impl ChainView for Bitcoind {
    async fn best(&self) -> Result<Best, NodeError> {
        let info = self.chain_info().await?;
        // After a crash the node replays blocks whose headers it has: it is not at its tip until then.
        let catching_up = info.initial_block_download || info.headers > info.tip.height;
        Ok(Best { point: info.tip, catching_up })
    }

    async fn hash_at(&self, height: u32) -> Result<Option<BlockHash>, NodeError> {
        let reply = self.find("getblockhash", json!([height]), OUT_OF_RANGE, Limit::Small).await?;
        reply.map(|reply| reply.read()).transpose()
    }

    async fn header(&self, hash: BlockHash) -> Result<Option<Header>, NodeError> {
        self.block_header(hash).await
    }
}

/// A list since version 28, one string before.
fn warnings(answer: &RawValue) -> Result<Vec<String>, serde_json::Error> {
    let all: Vec<String> = match serde_json::from_str(answer.get()) {
        Ok(list) => list,
        Err(_not_a_list) => vec![serde_json::from_str(answer.get())?],
    };
    let said = all.iter().filter(|warning| !warning.is_empty());
    Ok(said.take(MAX_WARNINGS).map(|warning| quoted(warning.as_bytes())).collect())
}

#[cfg(test)]
mod tests;
