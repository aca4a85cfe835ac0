//! Whether the node at the other end follows the chain the operator configured, under the rules of Bitcoin.
//! Asked on every new connection: behind the same address there may be another node after a restart.

use std::collections::BTreeMap;

use bitcoin::BlockHash;
use bitcoin::constants::genesis_block;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::reply::{Reply, quoted};
use crate::error::NodeError;
use crate::types::Chain;

/// What is asked of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Chain,
    Genesis,
    Rules,
}

impl Question {
    /// All of them, in the order of asking.
    pub(super) const ALL: [Self; 3] = [Self::Chain, Self::Genesis, Self::Rules];

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Chain => "getblockchaininfo",
            Self::Genesis => "getblockhash",
            Self::Rules => "getdeploymentinfo",
        }
    }

    pub(super) fn params(self) -> Value {
        match self {
            Self::Genesis => json!([0]),
            Self::Chain | Self::Rules => json!([]),
        }
    }

    /// Judges the answer; where it names a tip, that block's header remains to be seen.
    pub(super) fn check(self, reply: &Reply, chain: Chain) -> Result<Option<BlockHash>, NodeError> {
        match self {
            Self::Chain => check_chain(reply.read()?, chain).map(Some),
            Self::Genesis => check_genesis(reply.read()?, chain).map(|()| None),
            Self::Rules => check_rules(reply).map(|()| None),
        }
    }
}

/// Kinds of rule change that old software can follow. Anything else may be a chain of its own.
const SOFT_FORK_KINDS: [&str; 2] = ["buried", "bip9"];
/// The hard fork of Bitcoin Knots; it stands beside the deployments, not among them.
const HARD_FORK: &str = "blake2b";

#[derive(Deserialize)]
struct ChainAnswer {
    chain: String,
    bestblockhash: BlockHash,
}

/// The answer's fields, unread: a node may fill what is not needed with whatever takes most memory.
type RulesAnswer<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Deserialize)]
struct Deployment {
    #[serde(rename = "type")]
    kind: Option<String>,
}

fn check_chain(answer: ChainAnswer, chain: Chain) -> Result<BlockHash, NodeError> {
    if chain.rpc_name() == Some(&answer.chain) {
        return Ok(answer.bestblockhash);
    }
    Err(wrong(format!("chain `{chain}`"), format!("chain `{}`", quoted(answer.chain.as_bytes()))))
}

fn check_genesis(found: BlockHash, chain: Chain) -> Result<(), NodeError> {
    let expected = chain.network().map(|network| genesis_block(network).block_hash());
    if expected == Some(found) {
        return Ok(());
    }
    let expected = expected.map_or("no Bitcoin chain".to_owned(), |hash| format!("genesis block {hash}"));
    Err(wrong(expected, format!("genesis block {found}")))
}

fn check_rules(reply: &Reply) -> Result<(), NodeError> {
    let mut answer: RulesAnswer<'_> = reply.read()?;
    let deployments = answer.remove("deployments").map_or("null", RawValue::get);
    let deployments: BTreeMap<String, Deployment> =
        serde_json::from_str(deployments).map_err(|error| reply.malformed(error))?;
    let listed = deployments.into_iter().map(|(name, deployment)| (name, deployment.kind));
    // What has an activation of its own beside the list is a change of rules as well.
    let beside = answer.into_iter().filter(|(name, value)| name == HARD_FORK || has_activation(value));
    let foreign = listed.chain(beside.map(|(name, _)| (name, None))).find(|(name, kind)| {
        name == HARD_FORK || !kind.as_deref().is_some_and(|kind| SOFT_FORK_KINDS.contains(&kind))
    });
    let Some((name, kind)) = foreign else { return Ok(()) };
    let name = quoted(name.as_bytes());
    let kind = kind.map_or("no kind".to_owned(), |kind| quoted(kind.as_bytes()));
    Err(wrong(
        "the rules of Bitcoin".to_owned(),
        format!("a node that schedules `{name}` ({kind}), a hard fork or a change unknown to this version"),
    ))
}

fn has_activation(value: &RawValue) -> bool {
    let fields: Result<BTreeMap<String, IgnoredAny>, _> = serde_json::from_str(value.get());
    fields.is_ok_and(|fields| fields.contains_key("active"))
}

fn wrong(expected: String, found: String) -> NodeError {
    NodeError::WrongChain { expected, found }
}
