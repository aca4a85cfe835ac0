//! Results about the node's own state.

use std::collections::BTreeMap;

use bitcoin::{BlockHash, Txid};
use serde::Deserialize;

use super::{Unusable, json, known, words};
use crate::status::{Deployment, DeploymentStatus, IndexStatus};

#[derive(Deserialize)]
struct Deployments {
    deployments: BTreeMap<String, DeploymentAnswer>,
}

#[derive(Deserialize)]
struct DeploymentAnswer {
    active: bool,
    #[serde(default)]
    height: Option<i64>,
    #[serde(default)]
    bip9: Option<Bip9>,
}

#[derive(Deserialize)]
struct Bip9 {
    status: String,
}

#[derive(Deserialize)]
struct IndexAnswer {
    synced: bool,
    best_block_height: i64,
}

#[derive(Deserialize)]
struct Chainstates {
    chainstates: Vec<Chainstate>,
}

#[derive(Deserialize)]
struct Chainstate {
    validated: bool,
}

/// The txids of a block, in its order, with the block below.
#[derive(Debug, Deserialize)]
pub(crate) struct BlockTxids {
    /// The block below; the genesis block has none.
    #[serde(rename = "previousblockhash")]
    pub(crate) previous: Option<BlockHash>,
    #[serde(rename = "tx")]
    pub(crate) txids: Vec<Txid>,
}

/// `getdeploymentinfo`.
pub(crate) fn deployments(text: &str) -> Result<Vec<Deployment>, Unusable> {
    let Deployments { deployments } = json(text)?;
    let deployments = deployments.into_iter().map(|(name, answer)| {
        let bip9 = answer.bip9.as_ref().map(|bip9| bip9.status.as_str());
        let status = match (answer.active, bip9) {
            (true, _) => DeploymentStatus::Active,
            (false, None | Some("defined")) => DeploymentStatus::Defined,
            (false, Some("started")) => DeploymentStatus::Started,
            (false, Some("locked_in")) => DeploymentStatus::LockedIn,
            (false, Some("failed")) => DeploymentStatus::Failed,
            (false, Some(_)) => DeploymentStatus::Unknown,
        };
        Deployment { name: words(&name), status, height: answer.height.and_then(known) }
    });
    Ok(deployments.collect())
}

/// `getindexinfo`.
pub(crate) fn indexes(text: &str) -> Result<Vec<IndexStatus>, Unusable> {
    let indexes: BTreeMap<String, IndexAnswer> = json(text)?;
    let indexes = indexes.into_iter().map(|(name, answer)| IndexStatus {
        name: words(&name),
        synced: answer.synced,
        best_height: known(answer.best_block_height).unwrap_or(0),
    });
    Ok(indexes.collect())
}

/// `getchainstates`: whether one of them rests on a snapshot that was not verified.
pub(crate) fn unverified_snapshot(text: &str) -> Result<bool, Unusable> {
    let Chainstates { chainstates } = json(text)?;
    Ok(chainstates.iter().any(|chainstate| !chainstate.validated))
}

/// `getblock` with verbosity 1.
pub(crate) fn block_txids(text: &str) -> Result<BlockTxids, Unusable> {
    json(text)
}
