//! Mining, the network and the state of a real node.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use bitcoin::absolute::LockTime;
use bitcoin::block::Header;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, OutPoint, Sequence, Target, Transaction, TxIn, TxMerkleNode, TxOut, Txid, Witness,
    transaction,
};
use cofferdam_node::bitcoind::RPC_METHODS;
use cofferdam_node::{
    BanTarget, BlockTemplate, BlockVerdict, DeploymentStatus, NetworkState, NodeError, PeerDirection,
    PeerNetwork, Subnet, SyncPhase,
};
use cofferdam_regtest_node::{BRANCH_A, RegtestNode};

use crate::coins::{anyone, mine_coins, spend, submit};
use crate::harness::{Clients, Notify};

/// The block that a template asks for, paying `reward`, with proof of work.
fn mined(template: &BlockTemplate, reward: Amount) -> Block {
    let mut output = vec![TxOut { value: reward, script_pubkey: anyone() }];
    let commitment = template.default_witness_commitment.clone().unwrap();
    output.push(TxOut { value: Amount::ZERO, script_pubkey: commitment });
    let coinbase = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::new().push_int(i64::from(template.height)).push_int(7).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[[0; 32]]),
        }],
        output,
    };
    let rest = template.transactions.iter().map(|tx| deserialize(&tx.bytes).unwrap());
    let header = Header {
        version: template.version,
        prev_blockhash: template.previous_block,
        merkle_root: TxMerkleNode::all_zeros(),
        time: template.current_time,
        bits: template.bits,
        nonce: 0,
    };
    let mut block = Block { header, txdata: std::iter::once(coinbase).chain(rest).collect() };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while !Target::from_compact(template.bits).is_met_by(block.block_hash()) {
        block.header.nonce += 1;
    }
    block
}

#[tokio::test]
async fn block_made_from_a_template_is_accepted_and_confirms_its_transactions() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Polling);
    let txid = submit(&client, &spend(&client, 1, 5000).await).await.unwrap();
    let template = client.block_template().await.unwrap();
    assert_eq!((template.height, template.previous_block), (102, client.chain_tip().await.unwrap().hash));
    assert_eq!(template.coinbase_value, Amount::from_int_btc(50) + Amount::from_sat(5000));
    let entry = &template.transactions[0];
    assert_eq!((entry.txid, entry.fee, template.transactions.len()), (txid, Amount::from_sat(5000), 1));
    assert!(template.min_time <= template.current_time && template.weight_limit == 4_000_000);

    let block = mined(&template, template.coinbase_value);
    let submitted = client.submit_block(&serialize(&block)).await.unwrap();
    assert_eq!((submitted.hash, &submitted.verdict), (block.block_hash(), &BlockVerdict::Accepted));
    assert_eq!(client.chain_tip().await.unwrap().hash, block.block_hash());
    assert_eq!(client.mempool_contains(txid).await, Ok(false));
    let again = client.submit_block(&serialize(&block)).await.unwrap();
    assert_eq!(again.verdict, BlockVerdict::Duplicate);
    assert_ne!(client.block_template().await.unwrap().longpoll_id, template.longpoll_id);
}

#[tokio::test]
async fn blocks_that_break_a_rule_are_rejected_with_the_nodes_reason_and_change_nothing() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Polling);
    let tip = client.chain_tip().await.unwrap();
    let template = client.block_template().await.unwrap();
    let greedy = mined(&template, Amount::from_int_btc(51));
    let mut unsolved = mined(&template, template.coinbase_value);
    while Target::from_compact(template.bits).is_met_by(unsolved.block_hash()) {
        unsolved.header.nonce += 1;
    }
    for (block, rule) in [(greedy, "bad-cb-amount"), (unsolved, "high-hash")] {
        let verdict = client.submit_block(&serialize(&block)).await.unwrap().verdict;
        assert_eq!(verdict, BlockVerdict::Rejected { reason: rule.to_owned() });
    }
    let good = serialize(&mined(&template, template.coinbase_value));
    for bytes in [&[][..], &[0; 80], &[&good[..], &[0]].concat(), &vec![0; 4_000_001]] {
        let error = client.submit_block(bytes).await.unwrap_err();
        assert!(matches!(error, NodeError::InvalidArgument { argument: "block", .. }), "{error}");
    }
    assert_eq!(client.chain_tip().await, Ok(tip));
}

#[tokio::test]
async fn block_that_extends_another_branch_is_inconclusive() {
    let node = RegtestNode::start(&[]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Polling);
    let template = client.block_template().await.unwrap();
    node.mine(2, BRANCH_A);
    let late = mined(&template, template.coinbase_value);
    let verdict = client.submit_block(&serialize(&late)).await.unwrap().verdict;
    assert_eq!(verdict, BlockVerdict::Inconclusive);
}

#[tokio::test]
async fn state_of_the_node_is_told() {
    let node = RegtestNode::start(&["-txindex=1"]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Polling);
    let status = client.sync_status().await.unwrap();
    assert_eq!((status.phase, status.blocks, status.headers), (SyncPhase::Synced, 101, 101));
    assert!(!status.initial_block_download && !status.unverified_snapshot && status.progress <= 1.0);

    let deployments = client.deployments().await.unwrap();
    let segwit = deployments.iter().find(|deployment| deployment.name == "segwit").unwrap();
    assert_eq!((segwit.status, segwit.height), (DeploymentStatus::Active, Some(0)));
    let dummy = deployments.iter().find(|deployment| deployment.name == "testdummy").unwrap();
    assert_eq!((dummy.status, dummy.height), (DeploymentStatus::Defined, None));

    while !node.cli(&["getindexinfo", "txindex"]).contains("\"synced\": true") {}
    let indexes = client.indexes().await.unwrap();
    assert_eq!((indexes[0].name.as_str(), indexes[0].synced, indexes[0].best_height), ("txindex", true, 101));
}

#[tokio::test]
async fn node_without_indexes_lists_none() {
    let node = RegtestNode::start(&[]);
    assert_eq!(node.client(Notify::Polling).indexes().await, Ok(Vec::new()));
}

/// A node that listens, and another that has connected to it.
fn connected_nodes() -> (RegtestNode, RegtestNode) {
    // An address of its own: whatever port is free there, no other node of the tests is about to take it.
    let free = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    // Options must live as long as any node; a test has two.
    let bind: &'static str = format!("-bind={address}").leak();
    let one = RegtestNode::start(&["-listen=1", "-listenonion=0", bind]);
    let two = RegtestNode::start(&[]);
    two.cli(&["addnode", &address, "onetry"]);
    while !one.cli(&["getpeerinfo"]).contains("70016") {}
    (one, two)
}

#[tokio::test]
async fn peers_are_told_from_both_ends_of_their_connection() {
    let (one, two) = connected_nodes();
    let client = one.client(Notify::Polling);
    let peers = client.peers().await.unwrap();
    assert_eq!((peers.len(), peers[0].direction, peers[0].version), (1, PeerDirection::Inbound, 70016));
    assert!(peers[0].address.starts_with("127.0.0.1:") && peers[0].user_agent.starts_with("/Satoshi:"));
    assert!(peers[0].services & 1 == 1 && peers[0].connected_at > 0, "{peers:?}");
    let theirs = two.client(Notify::Polling).peers().await.unwrap();
    assert_eq!((theirs.len(), theirs[0].direction), (1, PeerDirection::Outbound));
    assert_eq!(theirs[0].network, PeerNetwork::NotPubliclyRoutable);

    let stats = client.network_stats().await.unwrap();
    assert_eq!((stats.state, stats.peers_inbound, stats.peers_outbound), (NetworkState::Active, 1, 0));
    assert!(stats.bytes_received > 0 && stats.bytes_sent > 0);
}

#[tokio::test]
async fn peer_that_shares_its_address_with_others_cannot_be_banned() {
    let (one, _two) = connected_nodes();
    let client = one.client(Notify::Polling);
    let id = client.peers().await.unwrap()[0].id;
    for target in [id, id + 100] {
        let error = client.ban_peer(BanTarget::Peer(target), None).await.unwrap_err();
        assert!(matches!(error, NodeError::InvalidArgument { argument: "peer", .. }), "{error}");
    }
    assert_eq!((client.banned().await, client.peers().await.unwrap().len()), (Ok(Vec::new()), 1));
}

#[tokio::test]
async fn banned_addresses_are_listed_and_a_ban_that_is_there_stays_as_it_is() {
    let node = RegtestNode::start(&[]);
    let client = node.client(Notify::Polling);
    assert_eq!(client.banned().await, Ok(Vec::new()));
    let subnet = |text: &str| BanTarget::Subnet(text.parse::<Subnet>().unwrap());
    let hour = Some(Duration::from_secs(3600));
    let ban = client.ban_peer(subnet("192.0.2.7"), hour).await.unwrap();
    assert_eq!((ban.subnet.as_str(), ban.until - ban.created_at), ("192.0.2.7/32", 3600));
    assert_eq!(client.ban_peer(subnet("192.0.2.7"), None).await, Ok(ban.clone()));
    let for_ever = client.ban_peer(subnet("2001:db8:0:1::/64"), None).await.unwrap();
    assert_eq!(for_ever.until, 253_402_300_799);
    let mut listed = client.banned().await.unwrap();
    listed.sort_by(|one, other| one.subnet.cmp(&other.subnet));
    assert_eq!(listed, [ban, for_ever]);
    let error = client.ban_peer(subnet("192.0.2.8"), Some(Duration::from_millis(5))).await.unwrap_err();
    assert!(matches!(error, NodeError::InvalidArgument { argument: "duration", .. }), "{error}");
}

#[tokio::test]
async fn listed_methods_are_all_that_any_answer_takes() {
    // What the test itself calls comes on top.
    let own = ["generatetodescriptor", "getblockcount"];
    let listed: Vec<&str> = RPC_METHODS.iter().map(|method| method.name).chain(own).collect();
    let whitelist: &'static str = format!("-rpcwhitelist=__cookie__:{}", listed.join(",")).leak();
    let node = RegtestNode::start(&[whitelist, "-rpcwhitelistdefault=0", "-txindex=1"]);
    mine_coins(&node, 1);
    let client = node.client(Notify::Polling);
    let unknown = Txid::from_byte_array([7; 32]);
    let tx = spend(&client, 1, 1000).await;
    let outpoint = tx.input[0].previous_output;
    let template = client.block_template().await.unwrap();
    let block = serialize(&mined(&template, template.coinbase_value));
    let subnet = BanTarget::Subnet("192.0.2.7".parse().unwrap());
    let failures = [
        submit(&client, &tx).await.err(),
        client.utxo(outpoint).await.err(),
        client.mempool_transaction(tx.compute_txid()).await.err(),
        client.mempool_info().await.err(),
        client.mempool_txids().await.err(),
        client.block_header(template.previous_block).await.err(),
        client.submit_block(&block).await.err(),
        client.sync_status().await.err(),
        client.deployments().await.err(),
        client.indexes().await.err(),
        client.network_stats().await.err(),
        client.peers().await.err(),
        client.ban_peer(subnet, None).await.err(),
    ];
    assert_eq!(failures, [const { None }; 13]);
    let error = client.fee_estimate(6).await.unwrap_err();
    assert!(matches!(error, NodeError::InsufficientData { .. }), "{error}");
    let known = client.transaction(unknown).await;
    assert!(matches!(known, Ok(None) | Err(NodeError::NotReady { .. })), "{known:?}");
}
