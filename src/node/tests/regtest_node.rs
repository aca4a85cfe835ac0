//! Follows and questions a real node on its regression-test chain.
//!
//! Needs `COFFERDAM_REGTEST_NODE`, the directory that `scripts/install-regtest-node.sh` fills; fails without
//! it. Each test has a node of its own.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

#[path = "regtest_node/coins.rs"]
mod coins;
#[path = "regtest_node/harness.rs"]
mod harness;
#[path = "regtest_node/mempool.rs"]
mod mempool;
#[path = "regtest_node/services.rs"]
mod services;

use std::sync::Arc;

use bitcoin::consensus::deserialize;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, BlockHash, OutPoint, Txid};
use cofferdam_node::{Chain, ChainEvent, NodeError, NodeStatus, Secret};
use cofferdam_regtest_node::{BRANCH_A, BRANCH_B, RegtestNode};
use harness::{Clients, Notify, connected, events, ready};

async fn mined_blocks_arrive(notify: Notify) {
    let node = RegtestNode::start(&[]);
    node.mine(3, BRANCH_A);
    let mut following = node.client(notify).follow(None);
    ready(&mut following).await;
    let mut mined = node.mine(2, BRANCH_A);
    mined.extend(node.mine(40, BRANCH_A));
    assert_eq!(connected(&events(&mut following, 42).await, 4), mined);
}

#[tokio::test]
async fn mined_blocks_arrive_in_order_with_zmq() {
    mined_blocks_arrive(Notify::Zmq).await;
}

#[tokio::test]
async fn mined_blocks_arrive_in_order_with_polling() {
    mined_blocks_arrive(Notify::Polling).await;
}

async fn reorganisation_is_told_in_full(notify: Notify) {
    let node = RegtestNode::start(&[]);
    let shared = node.mine(3, BRANCH_A);
    let old = node.mine(2, BRANCH_A);
    node.cli(&["invalidateblock", &old[0].to_string()]);
    let new = node.mine(4, BRANCH_B);
    node.cli(&["invalidateblock", &new[0].to_string()]);
    node.cli(&["reconsiderblock", &old[0].to_string()]);
    let mut following = node.client(notify).follow(None);
    ready(&mut following).await;
    // The longer branch becomes valid again, and the node goes over to it in one step.
    node.cli(&["reconsiderblock", &new[0].to_string()]);

    let told = events(&mut following, 7).await;
    assert_eq!(told[0], ChainEvent::Disconnected { hash: old[1], height: 5 });
    assert_eq!(told[1], ChainEvent::Disconnected { hash: old[0], height: 4 });
    assert_eq!(connected(&told[2..6], 4), new);
    let reorg = ChainEvent::Reorg { old_tip: old[1], new_tip: new[3], fork_height: 3, depth: 2 };
    assert_eq!(told[6], reorg);
    assert_eq!(shared.len(), 3);
}

#[tokio::test]
async fn reorganisation_is_told_in_full_with_zmq() {
    reorganisation_is_told_in_full(Notify::Zmq).await;
}

#[tokio::test]
async fn reorganisation_is_told_in_full_with_polling() {
    reorganisation_is_told_in_full(Notify::Polling).await;
}

#[tokio::test]
async fn invalidated_blocks_are_disconnected_at_once_and_the_reorganisation_follows() {
    let node = RegtestNode::start(&[]);
    let old = node.mine(4, BRANCH_A);
    let mut following = node.client(Notify::Zmq).follow(None);
    ready(&mut following).await;
    node.cli(&["invalidateblock", &old[2].to_string()]);
    assert_eq!(
        events(&mut following, 2).await,
        [
            ChainEvent::Disconnected { hash: old[3], height: 4 },
            ChainEvent::Disconnected { hash: old[2], height: 3 },
        ]
    );
    let new = node.mine(1, BRANCH_B);
    let told = events(&mut following, 2).await;
    assert_eq!(connected(&told[..1], 3), new);
    assert_eq!(told[1], ChainEvent::Reorg { old_tip: old[3], new_tip: new[0], fork_height: 2, depth: 2 });
}

async fn restart_loses_nothing(notify: Notify, end: fn(&mut RegtestNode)) {
    let mut node = RegtestNode::start(&[]);
    let client = node.client(notify);
    let mut following = client.follow(None);
    ready(&mut following).await;
    let mut mined = node.mine(3, BRANCH_A);
    let mut told = events(&mut following, 3).await;
    end(&mut node);
    // A new cookie, a new counter, and blocks before anybody listens again.
    node.launch();
    let height: usize = node.cli(&["getblockcount"]).parse().unwrap();
    assert_eq!(height, 3);
    mined.extend(node.mine(5, BRANCH_A));
    told.extend(events(&mut following, 5).await);
    assert_eq!(connected(&told, 1), mined);
    ready(&mut following).await;
    mined.extend(node.mine(1, BRANCH_A));
    told.extend(events(&mut following, 1).await);
    assert_eq!(connected(&told, 1), mined);
}

#[tokio::test]
async fn restart_of_the_node_loses_no_block_with_zmq() {
    restart_loses_nothing(Notify::Zmq, RegtestNode::stop).await;
}

#[tokio::test]
async fn restart_of_the_node_loses_no_block_with_polling() {
    restart_loses_nothing(Notify::Polling, RegtestNode::stop).await;
}

#[tokio::test]
async fn restart_of_the_node_fails_no_call_although_all_kept_connections_died() {
    let mut node = RegtestNode::start(&[]);
    let client = node.client(Notify::Polling);
    let all = tokio::join!(client.chain_tip(), client.chain_tip(), client.chain_tip(), client.chain_tip());
    assert!(matches!(all, (Ok(_), Ok(_), Ok(_), Ok(_))), "{all:?}");
    node.stop();
    node.launch();
    assert_eq!(client.block_height().await, Ok(0));
}

#[tokio::test]
async fn node_that_forgets_its_blocks_in_a_crash_is_followed_to_where_it_stands() {
    let mut node = RegtestNode::start(&[]);
    let mut following = node.client(Notify::Zmq).follow(None);
    ready(&mut following).await;
    node.mine(3, BRANCH_A);
    let mut chain: Vec<BlockHash> = Vec::new();
    play(&mut chain, &events(&mut following, 3).await);
    node.kill();
    node.launch();
    let top = node.mine(4, BRANCH_B)[3];
    while chain.last() != Some(&top) {
        play(&mut chain, &events(&mut following, 1).await);
    }
    let last = chain.len().to_string();
    assert_eq!(node.cli(&["getblockcount"]), last);
    assert_eq!(node.cli(&["getblockhash", "1"]), chain[0].to_string());
}

/// Applies events to the hashes above the genesis block; each must fit.
fn play(chain: &mut Vec<BlockHash>, events: &[ChainEvent]) {
    for event in events {
        match event {
            ChainEvent::Connected { hash, height, .. } => {
                chain.push(*hash);
                assert_eq!(chain.len(), usize::try_from(*height).unwrap());
            }
            ChainEvent::Disconnected { hash, .. } => assert_eq!(chain.pop(), Some(*hash)),
            ChainEvent::Reorg { new_tip, .. } => assert_eq!(chain.last(), Some(new_tip)),
        }
    }
}

#[tokio::test]
async fn following_resumes_after_a_block_that_has_since_left_the_chain() {
    let node = RegtestNode::start(&[]);
    let old = node.mine(3, BRANCH_A);
    let client = node.client(Notify::Polling);
    let seen = client.chain_tip().await.unwrap();
    node.cli(&["invalidateblock", &old[1].to_string()]);
    let new = node.mine(3, BRANCH_B);
    let told = events(&mut client.follow(Some(seen)), 6).await;
    assert_eq!(told[0], ChainEvent::Disconnected { hash: old[2], height: 3 });
    assert_eq!(told[1], ChainEvent::Disconnected { hash: old[1], height: 2 });
    assert_eq!(connected(&told[2..5], 2), new);
    assert!(matches!(told[5], ChainEvent::Reorg { depth: 2, fork_height: 1, .. }), "{:?}", told[5]);
}

#[tokio::test]
async fn answers_agree_with_the_node_and_with_each_other() {
    let node = RegtestNode::start(&["-txindex=1"]);
    let mined = node.mine(5, BRANCH_A);
    let client = node.client(Notify::Polling);
    let info = client.chain_info().await.unwrap();
    assert_eq!((info.chain, info.tip.hash, info.tip.height), (Chain::Regtest, mined[4], 5));
    assert_eq!((client.block_height().await, client.chain_tip().await), (Ok(5), Ok(info.tip)));

    let bytes = client.block(mined[2]).await.unwrap().unwrap();
    let block: Block = deserialize(&bytes).unwrap();
    assert_eq!(block.block_hash(), mined[2]);
    assert!(block.check_merkle_root() && block.check_witness_commitment());
    assert_eq!(client.block_by_height(3).await.unwrap().unwrap(), bytes);
    assert_eq!(client.block_header(mined[2]).await, Ok(Some(block.header)));

    let txid = block.txdata[0].compute_txid();
    let found = client.utxo(OutPoint { txid, vout: 0 }).await.unwrap().unwrap();
    assert_eq!((found.value, found.height, found.coinbase), (Amount::from_int_btc(50), 3, true));
    assert_eq!((found.script_pubkey.to_hex_string(), found.best_block), ("51".to_owned(), mined[4]));

    // The index runs behind the chain; the client says "not ready" until it has caught up.
    while !node.cli(&["getindexinfo", "txindex"]).contains("\"synced\": true") {}
    let transaction = client.transaction(txid).await.unwrap().unwrap();
    assert_eq!(transaction, bitcoin::consensus::serialize(&block.txdata[0]));
    assert_eq!(client.has_transaction(txid).await, Ok(true));
}

#[tokio::test]
async fn what_does_not_exist_is_none() {
    let node = RegtestNode::start(&["-txindex=1"]);
    node.mine(2, BRANCH_A);
    let client = node.client(Notify::Polling);
    let nowhere = BlockHash::from_byte_array([7; 32]);
    assert_eq!(client.block(nowhere).await, Ok(None));
    assert_eq!(client.block_header(nowhere).await, Ok(None));
    assert_eq!(client.block_by_height(3).await, Ok(None));
    assert_eq!(client.block_by_height(u32::MAX).await, Err(out_of_the_nodes_range()));
    let txid = Txid::from_byte_array([7; 32]);
    assert_eq!(client.utxo(OutPoint { txid, vout: 0 }).await, Ok(None));
    while !node.cli(&["getindexinfo", "txindex"]).contains("\"synced\": true") {}
    assert_eq!(client.transaction(txid).await, Ok(None));
    assert_eq!(client.has_transaction(txid).await, Ok(false));
}

fn out_of_the_nodes_range() -> NodeError {
    NodeError::Rpc { method: "getblockhash", code: -1, message: "JSON integer out of range".to_owned() }
}

#[tokio::test]
async fn node_without_a_transaction_index_never_says_a_transaction_does_not_exist() {
    let node = RegtestNode::start(&[]);
    let mined = node.mine(1, BRANCH_A);
    let client = node.client(Notify::Polling);
    let block: Block = deserialize(&client.block(mined[0]).await.unwrap().unwrap()).unwrap();
    let error = client.has_transaction(block.txdata[0].compute_txid()).await.unwrap_err();
    assert!(matches!(error, NodeError::IndexRequired { index: "txindex", .. }), "{error}");
    assert!(error.to_string().contains("-txindex=1"));
}

#[tokio::test]
async fn pruned_block_is_an_error_and_not_a_missing_block() {
    let node = RegtestNode::start(&["-prune=1", "-fastprune"]);
    let mined = node.mine(1200, BRANCH_A);
    node.cli(&["pruneblockchain", "800"]);
    let client = node.client(Notify::Polling);
    assert_eq!(client.block(mined[0]).await, Err(NodeError::Pruned { hash: mined[0] }));
    assert!(client.block_header(mined[0]).await.unwrap().is_some());
    assert!(client.block(mined[1199]).await.unwrap().is_some());
    assert!(client.chain_info().await.unwrap().prune_height.is_some());
}

#[tokio::test]
async fn node_that_schedules_a_hard_fork_is_refused() {
    let node = RegtestNode::start(&["-testactivationheight=blake2b@10", "-blake2b_headline=x"]);
    let client = node.client(Notify::Polling);
    let error = client.chain_info().await.unwrap_err();
    assert!(matches!(error, NodeError::WrongChain { .. }), "{error}");
    assert!(error.to_string().contains("blake2b"), "{error}");
    let mut following = client.follow(None);
    let refused = following.status.wait_for(|status| *status != NodeStatus::Starting).await.unwrap().clone();
    assert_eq!(refused, NodeStatus::Refused { error });
}

#[tokio::test]
async fn node_on_another_chain_is_refused_and_both_chains_are_named() {
    let node = RegtestNode::start(&[]);
    let mut settings = node.settings(Notify::Polling);
    settings.chain = Chain::Signet;
    let client = node.client_with(settings, Arc::new(node.cookie()));
    let error = client.block_height().await.unwrap_err();
    assert!(matches!(error, NodeError::WrongChain { .. }), "{error}");
    assert!(error.to_string().contains("signet") && error.to_string().contains("regtest"), "{error}");
}

#[tokio::test]
async fn wrong_password_is_explained() {
    let node = RegtestNode::start(&[]);
    let secret = Secret::new("__cookie__:wrong").unwrap();
    let client = node.client_with(node.settings(Notify::Polling), Arc::new(secret));
    let error = client.block_height().await.unwrap_err();
    assert!(matches!(error, NodeError::Credentials { .. }), "{error}");
    assert!(error.to_string().contains("401") && error.to_string().contains("rpcauth"), "{error}");
}

#[tokio::test]
async fn method_missing_from_the_whitelist_is_named() {
    let node = RegtestNode::start(&[
        "-rpcwhitelist=__cookie__:getblockchaininfo,getblockhash,getblockheader,stop,getblockcount",
        "-rpcwhitelistdefault=0",
    ]);
    let error = node.client(Notify::Polling).block_height().await.unwrap_err();
    assert_eq!(error, NodeError::Forbidden { method: "getdeploymentinfo" });
}
