//! The mempool of a real node, asked and followed.

use std::time::Duration;

use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, OutPoint, Txid};
use cofferdam_node::{MempoolEvent, MempoolFollowing, MempoolSource, NodeError, RemovalReason, ResyncCause};
use cofferdam_regtest_node::{BRANCH_A, RegtestNode};

use crate::coins::{mine_coins, spend, spend_output, submit};
use crate::harness::{Clients, Notify, PATIENCE};

async fn begun(following: &mut MempoolFollowing, wanted: fn(&MempoolSource) -> bool) {
    let seen =
        tokio::time::timeout(PATIENCE, following.source.wait_for(wanted)).await.map(|seen| seen.is_ok());
    assert_eq!(seen, Ok(true), "{:?}", following.source.borrow());
}

fn live(source: &MempoolSource) -> bool {
    *source == MempoolSource::Live
}

fn sampled(source: &MempoolSource) -> bool {
    *source == MempoolSource::Sampled { interval: Duration::from_millis(250) }
}

async fn next(following: &mut MempoolFollowing) -> MempoolEvent {
    let event = tokio::time::timeout(PATIENCE, following.events.recv()).await;
    event.unwrap_or_else(|_| panic!("no event; {:?}", following.source.borrow())).unwrap()
}

/// The transaction that came, its number, and the fee it pays.
fn added(event: MempoolEvent) -> (Txid, Option<u64>, u64) {
    match event {
        MempoolEvent::Added { txid, sequence, entry, .. } => (txid, sequence, entry.unwrap().fee.to_sat()),
        other => panic!("{other:?}"),
    }
}

/// The transaction that left, and why.
fn removed(event: MempoolEvent) -> (Txid, RemovalReason) {
    match event {
        MempoolEvent::Removed { txid, reason, .. } => (txid, reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn transactions_are_told_as_they_come_are_replaced_and_confirm_with_zmq() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 2);
    let client = node.client(Notify::Zmq);
    let mut following = client.follow_mempool();
    begun(&mut following, live).await;
    let first = client.mempool_txids().await.unwrap().sequence;

    let tx = spend(&client, 1, 1000).await;
    let txid = submit(&client, &tx).await.unwrap();
    assert_eq!(added(next(&mut following).await), (txid, Some(first), 1000));
    let better = submit(&client, &spend(&client, 1, 5000).await).await.unwrap();
    assert_eq!(removed(next(&mut following).await), (txid, RemovalReason::Replaced { by: better }));
    assert_eq!(added(next(&mut following).await), (better, Some(first + 2), 5000));
    let block = node.mine(1, BRANCH_A)[0];
    assert_eq!(removed(next(&mut following).await), (better, RemovalReason::Confirmed { block }));
    // The block used numbers that were told to nobody; nothing was missed for all that.
    let after = submit(&client, &spend(&client, 2, 2000).await).await.unwrap();
    assert_eq!(added(next(&mut following).await).0, after);
    assert!(live(&following.source.borrow()));
}

#[tokio::test]
async fn transactions_are_told_as_they_come_are_replaced_and_confirm_with_polling() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Polling);
    let mut following = client.follow_mempool();
    begun(&mut following, sampled).await;

    let txid = submit(&client, &spend(&client, 1, 1000).await).await.unwrap();
    assert_eq!(added(next(&mut following).await), (txid, None, 1000));
    let better = submit(&client, &spend(&client, 1, 5000).await).await.unwrap();
    assert_eq!(removed(next(&mut following).await), (txid, RemovalReason::Replaced { by: better }));
    assert_eq!(added(next(&mut following).await), (better, None, 5000));
    let blocks = node.mine(3, BRANCH_A);
    assert_eq!(removed(next(&mut following).await), (better, RemovalReason::Confirmed { block: blocks[0] }));
}

#[tokio::test]
async fn many_transactions_at_once_are_told_once_each_and_in_the_nodes_order() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 60);
    let client = node.client(Notify::Zmq);
    let mut following = client.follow_mempool();
    begun(&mut following, live).await;
    let mut sent = Vec::new();
    for height in 1..=60 {
        sent.push(submit(&client, &spend(&client, height, 1000).await).await.unwrap());
    }
    let mut told = Vec::new();
    while told.len() < sent.len() {
        told.push(added(next(&mut following).await).0);
    }
    assert_eq!(told, sent);
}

#[tokio::test]
async fn descendant_of_a_replaced_transaction_left_for_no_known_reason() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Zmq);
    let mut following = client.follow_mempool();
    begun(&mut following, live).await;
    let parent = spend(&client, 1, 1000).await;
    let txid = submit(&client, &parent).await.unwrap();
    let child = spend_output(OutPoint { txid, vout: 0 }, parent.output[0].value, 1000);
    let child = submit(&client, &child).await.unwrap();
    // What has gone again before it could be looked up has left for no known reason either.
    for came in [txid, child] {
        assert_eq!(added(next(&mut following).await).0, came);
    }
    let by = submit(&client, &spend(&client, 1, 50_000).await).await.unwrap();
    let mut reasons = [removed(next(&mut following).await), removed(next(&mut following).await)];
    reasons.sort_by_key(|(gone, _)| *gone == child);
    assert_eq!(reasons, [(txid, RemovalReason::Replaced { by }), (child, RemovalReason::Unknown)]);
    assert_eq!(added(next(&mut following).await).0, by);
}

#[tokio::test]
async fn transactions_of_a_block_that_leaves_the_chain_come_back_and_confirm_again() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Zmq);
    let mut following = client.follow_mempool();
    begun(&mut following, live).await;
    let txid = submit(&client, &spend(&client, 1, 1000).await).await.unwrap();
    assert_eq!(added(next(&mut following).await).0, txid);
    let block = node.mine(1, BRANCH_A)[0];
    assert_eq!(removed(next(&mut following).await), (txid, RemovalReason::Confirmed { block }));
    node.cli(&["invalidateblock", &block.to_string()]);
    assert_eq!(added(next(&mut following).await).0, txid);
    node.cli(&["reconsiderblock", &block.to_string()]);
    assert_eq!(removed(next(&mut following).await), (txid, RemovalReason::Confirmed { block }));
}

/// Whether the restart was told as something that may have hidden changes.
async fn restart_is_made_up_for(notify: Notify, wanted: fn(&MempoolSource) -> bool) -> bool {
    let mut node = RegtestNode::start(&[]);
    mine_coins(&node, 2);
    let client = node.client(notify);
    let mut following = client.follow_mempool();
    begun(&mut following, wanted).await;
    let kept = submit(&client, &spend(&client, 1, 1000).await).await.unwrap();
    assert_eq!(added(next(&mut following).await).0, kept);
    let later = spend(&client, 2, 1000).await;
    node.stop();
    node.launch();
    let later = submit(&client, &later).await.unwrap();
    let mut resynced = false;
    loop {
        match next(&mut following).await {
            MempoolEvent::Resynced { cause: ResyncCause::Connection | ResyncCause::Gap, .. } => {
                resynced = true
            }
            MempoolEvent::Added { txid, .. } if txid == later => return resynced,
            // The node reads its old mempool again while it is looked at.
            MempoolEvent::Added { txid, .. } | MempoolEvent::Removed { txid, .. } => assert_eq!(txid, kept),
        }
    }
}

#[tokio::test]
async fn restart_of_the_node_is_told_as_a_gap_and_made_up_for_with_zmq() {
    assert!(restart_is_made_up_for(Notify::Zmq, live).await, "nothing said that something may be missing");
}

#[tokio::test]
async fn restart_of_the_node_is_made_up_for_with_polling() {
    // It may fall between two samples, which are known to miss what is between them.
    restart_is_made_up_for(Notify::Polling, sampled).await;
}

#[tokio::test]
async fn mempool_is_answered_for_without_an_index_and_not_mixed_up_with_blocks() {
    let node = RegtestNode::start(&["-txindex=1"]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Polling);
    let nothing = Txid::from_byte_array([7; 32]);
    assert_eq!(client.mempool_info().await.unwrap().transactions, 0);
    assert_eq!(client.mempool_transaction(nothing).await, Ok(None));
    assert_eq!(client.mempool_contains(nothing).await, Ok(false));

    let tx = spend(&client, 1, 1000).await;
    let before = client.mempool_txids().await.unwrap();
    let txid = submit(&client, &tx).await.unwrap();
    let after = client.mempool_txids().await.unwrap();
    assert_eq!((before.txids.len(), after.txids.to_vec()), (0, vec![txid]));
    assert_eq!(after.sequence, before.sequence + 1);
    assert_eq!(client.mempool_transaction(txid).await, Ok(Some(serialize(&tx).into())));
    let entry = client.mempool_entry(txid).await.unwrap().unwrap();
    assert_eq!((entry.fee, entry.vsize), (Amount::from_sat(1000), u64::try_from(tx.vsize()).unwrap()));
    assert!(entry.unbroadcast, "there is no peer that could have asked for it");
    let info = client.mempool_info().await.unwrap();
    assert_eq!((info.transactions, info.vsize, info.total_fee), (1, entry.vsize, entry.fee));
    assert_eq!(info.min_fee_rate.msat_per_vb(), 1000);

    node.mine(1, BRANCH_A);
    while !node.cli(&["getindexinfo", "txindex"]).contains("\"synced\": true") {}
    assert_eq!(client.mempool_transaction(txid).await, Ok(None));
    assert_eq!(client.mempool_contains(txid).await, Ok(false));
}

#[tokio::test]
async fn fee_that_nobody_can_know_is_not_made_up() {
    let node = RegtestNode::start(&[]);
    let client = node.client(Notify::Polling);
    let error = client.fee_estimate(6).await.unwrap_err();
    assert!(matches!(error, NodeError::InsufficientData { .. }), "{error}");
    assert!(error.to_string().contains("1.000 sat/vB"), "{error}");
    for target in [0, 1009] {
        let error = client.fee_estimate(target).await.unwrap_err();
        assert!(matches!(error, NodeError::InvalidArgument { argument: "target_blocks", .. }), "{error}");
    }
}

#[tokio::test]
async fn transactions_that_a_node_refuses_are_refused_in_its_words() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Polling);
    let tx = spend(&client, 1, 5000).await;
    let txid = submit(&client, &tx).await.unwrap();
    // The node has it already: it is told to peers again, and that is no error.
    assert_eq!(submit(&client, &tx).await, Ok(txid));

    let refused = |answer: Result<Txid, NodeError>| match answer {
        Err(NodeError::Rejected { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refused(submit(&client, &spend(&client, 1, 1000).await).await).contains("insufficient fee"));
    let generous = spend(&client, 1, 100_000_000).await;
    assert!(refused(submit(&client, &generous).await).contains("maxfeerate"));
    node.mine(1, BRANCH_A);
    assert!(refused(submit(&client, &tx).await).contains("already in utxo set"));
    assert!(refused(submit(&client, &generous).await).contains("missingorspent"));

    for bytes in [&[][..], &[0; 10], &[&serialize(&tx)[..], &[0]].concat()] {
        let error = client.submit_transaction(bytes).await.unwrap_err();
        assert!(matches!(error, NodeError::InvalidArgument { argument: "transaction", .. }), "{error}");
    }
}
