//! What nodes answer beyond the chain when they are not ready, forbid it, or answer something else.

use bitcoin::consensus::serialize;

use super::*;
use crate::{MAX_MEMPOOL_TXIDS, SyncPhase};

/// A node that answers one method with an error of this code.
async fn failing(failing: &'static str, code: i64, message: &'static str) -> Bitcoind {
    let address = play(move |method, params, _| match method == failing {
        true => Say::Body(json!({ "error": { "code": code, "message": message }, "id": 0 }).to_string()),
        false => honest(method, params),
    });
    client(address.await, secret("a:b"))
}

/// A node that answers one method with this result.
async fn answering(asked: &'static str, result: Value) -> Bitcoind {
    let address = play(move |method, params, _| match method == asked {
        true => Say::Result(result.clone()),
        false => honest(method, params),
    });
    client(address.await, secret("a:b"))
}

fn coinbase() -> (Vec<u8>, Txid) {
    let tx = &genesis_block(Network::Regtest).txdata[0];
    (serialize(tx), tx.compute_txid())
}

#[tokio::test]
async fn template_of_a_node_without_peers_or_blocks_is_not_ready() {
    for code in [-9, -10] {
        let error = failing("getblocktemplate", code, "not yet").await.block_template().await.unwrap_err();
        assert_eq!(error, NodeError::not_ready("not yet"));
    }
}

#[tokio::test]
async fn refusals_of_a_transaction_are_told_in_the_nodes_words() {
    let (bytes, txid) = coinbase();
    for code in [-25, -26, -27] {
        let node = failing("sendrawtransaction", code, "min relay fee not met").await;
        let error = node.submit_transaction(&bytes).await.unwrap_err();
        assert_eq!(error, NodeError::Rejected { reason: "min relay fee not met".to_owned() });
    }
    let warming_up = failing("sendrawtransaction", -28, "loading").await;
    assert_eq!(warming_up.submit_transaction(&bytes).await, Err(NodeError::not_ready("loading")));
    assert_eq!(answering("sendrawtransaction", json!(txid)).await.submit_transaction(&bytes).await, Ok(txid));
    let another = answering("sendrawtransaction", json!(Txid::all_zeros())).await;
    let error = another.submit_transaction(&bytes).await.unwrap_err();
    assert!(matches!(error, NodeError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_transaction_or_block_is_not_sent_to_the_node() {
    let silent = client(play(|_, _, _| Say::Never).await, secret("a:b"));
    for bytes in [Vec::new(), vec![0; 5_000_000]] {
        let transaction = silent.submit_transaction(&bytes).await.unwrap_err();
        assert!(
            matches!(transaction, NodeError::InvalidArgument { argument: "transaction", .. }),
            "{transaction}"
        );
        let block = silent.submit_block(&bytes).await.unwrap_err();
        assert!(matches!(block, NodeError::InvalidArgument { argument: "block", .. }), "{block}");
    }
}

#[tokio::test]
async fn block_whose_first_submission_was_cut_off_is_a_duplicate() {
    let block = serialize(&genesis_block(Network::Regtest));
    let attempts = AtomicUsize::new(0);
    let address = play(move |method, params, _| match method {
        "submitblock" if attempts.fetch_add(1, Ordering::SeqCst) == 0 => Say::HangUp,
        "submitblock" => Say::Result(json!("duplicate")),
        _ => honest(method, params),
    });
    let submitted = client(address.await, secret("a:b")).submit_block(&block).await.unwrap();
    assert_eq!(submitted.verdict, crate::BlockVerdict::Duplicate);
}

#[tokio::test]
async fn node_that_estimates_no_fees_is_told_apart_from_one_that_has_seen_too_little() {
    let disabled = failing("estimatesmartfee", -32603, "Fee estimation disabled").await;
    let error = disabled.fee_estimate(6).await.unwrap_err();
    assert!(
        matches!(error, NodeError::Unsupported { .. }) && error.to_string().contains("blocksonly"),
        "{error}"
    );
}

#[tokio::test]
async fn mempool_larger_than_the_bound_is_an_error_that_names_it() {
    let address = play(|method, params, _| match method {
        "getrawmempool" => Say::Body(" ".repeat(MAX_MEMPOOL_TXIDS * 67 + 4097)),
        _ => honest(method, params),
    });
    let error = client(address.await, secret("a:b")).mempool_txids().await.unwrap_err();
    assert!(matches!(error, NodeError::TooLarge { method: "getrawmempool", .. }), "{error}");
}

#[tokio::test]
async fn full_mempool_of_a_busy_network_is_read() {
    let txids: Vec<String> = (0..300_000).map(|number| format!("{number:064x}")).collect();
    let body = json!({ "txids": txids, "mempool_sequence": 7 });
    let snapshot = answering("getrawmempool", body).await.mempool_txids().await.unwrap();
    assert_eq!((snapshot.txids.len(), snapshot.sequence), (300_000, 7));
}

#[tokio::test]
async fn forbidden_methods_are_named() {
    let address = play(|method, params, _| match method {
        "setban" | "submitblock" => Say::Status(403),
        _ => honest(method, params),
    });
    let node = client(address.await, secret("a:b"));
    let subnet = crate::BanTarget::Subnet("192.0.2.7".parse().unwrap());
    assert_eq!(node.ban_peer(subnet, None).await, Err(NodeError::Forbidden { method: "setban" }));
    let block = serialize(&genesis_block(Network::Regtest));
    assert_eq!(node.submit_block(&block).await, Err(NodeError::Forbidden { method: "submitblock" }));
}

#[tokio::test]
async fn peers_that_are_not_reached_over_ip_cannot_be_banned() {
    let peers = json!([
        { "id": 1, "addr": "abc.onion:8333", "inbound": false, "network": "onion" },
        { "id": 2, "addr": "127.0.0.1:50000", "inbound": true, "network": "onion" },
        { "id": 3, "addr": "127.0.0.1:50001", "inbound": true, "network": "not_publicly_routable" },
    ]);
    let node = answering("getpeerinfo", peers).await;
    for id in 1..=4 {
        let error = node.ban_peer(crate::BanTarget::Peer(id), None).await.unwrap_err();
        assert!(matches!(error, NodeError::InvalidArgument { argument: "peer", .. }), "{error}");
    }
}

#[tokio::test]
async fn phases_of_catching_up_are_told_apart_and_old_nodes_have_no_snapshot() {
    for (blocks, headers, initial, phase) in [
        (0, 0, true, SyncPhase::Headers),
        (0, 5, true, SyncPhase::Blocks),
        (0, 5, false, SyncPhase::Blocks),
        (0, 0, false, SyncPhase::Synced),
    ] {
        let mut said = info(genesis_block(Network::Regtest).block_hash(), blocks, headers);
        said["initialblockdownload"] = json!(initial);
        said["verificationprogress"] = json!(1.5);
        let address = play(move |method, params, _| match method {
            "getblockchaininfo" => Say::Result(said.clone()),
            "getchainstates" => Say::Body(json!({ "error": { "code": -32601 }, "id": 0 }).to_string()),
            _ => honest(method, params),
        });
        let status = client(address.await, secret("a:b")).sync_status().await.unwrap();
        assert_eq!((status.phase, status.unverified_snapshot, status.progress), (phase, false, 1.0));
    }
}
