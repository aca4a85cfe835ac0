use bitcoin::consensus::deserialize;
use bitcoin::transaction::Version;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, absolute::LockTime};
use cofferdam_node::embedded::Payout;
use cofferdam_protocol::calls::{
    BanPeer, CheckTransactionInMempool, GetBlockTemplate, GetFeeEstimate, GetMempoolSize,
    GetMempoolTransaction, GetMempoolTransactions, GetNetworkPeers, GetNetworkStats, GetSyncStatus,
    SendTransaction, SubmitBlock, SubscribeEvents,
};
use cofferdam_protocol::{
    BlockHash, BoundedVec, EventPayload, EventType, RawBlock, RawTransaction, SyncPhase, Txid,
};

use super::*;

async fn place() -> (TempDir, Place, Peer) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(&dir, limits()).await;
    let wallet = place.open("wallet").await;
    (dir, place, wallet)
}

/// Spends the reward of a block, with a fee of 1000 sats.
pub(crate) async fn spend(node: &cofferdam_node::Embedded, height: u32) -> Transaction {
    let first = Node::Embedded(node.clone()).block_by_height(height).await.unwrap().unwrap();
    let first: Block = deserialize(&first).unwrap();
    let payout = Payout::default();
    let input = TxIn {
        previous_output: OutPoint { txid: first.txdata[0].compute_txid(), vout: 0 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: payout.witness(),
    };
    let value = first.txdata[0].output[0].value - Amount::from_sat(1000);
    let output = TxOut { value, script_pubkey: payout.script() };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
}

async fn subscribe(peer: &mut Peer, types: &[EventType]) {
    let event_types = BoundedVec::new(types.to_vec()).unwrap();
    ask(peer, SubscribeEvents { event_types, resume_after: None }).await.unwrap();
}

#[tokio::test]
async fn a_submitted_transaction_is_in_the_mempool_and_its_broadcast_is_told() {
    let (_dir, place, mut wallet) = place().await;
    let mut watcher = place.open("other").await;
    subscribe(&mut watcher, &[EventType::BroadcastStarted]).await;
    place.stage.node.mine(101).await.unwrap();
    let transaction = spend(&place.stage.node, 1).await;
    let txid = Txid::from(transaction.compute_txid());
    let raw = RawTransaction::encode(&transaction);
    assert_eq!(ask(&mut wallet, CheckTransactionInMempool { txid }).await, Ok(false), "the control");
    assert_eq!(ask(&mut wallet, SendTransaction { transaction: raw.clone() }).await, Ok(txid));
    assert_eq!(watcher.event().await.payload, EventPayload::BroadcastStarted { txid });
    assert_eq!(ask(&mut wallet, CheckTransactionInMempool { txid }).await, Ok(true));
    assert_eq!(ask(&mut wallet, GetMempoolTransaction { txid }).await, Ok(Some(raw)));
    let listed = ask(&mut wallet, GetMempoolTransactions {}).await.unwrap();
    assert_eq!((listed.txids.iter().collect::<Vec<_>>(), listed.more), (vec![txid], false));
    let size = ask(&mut wallet, GetMempoolSize {}).await.unwrap();
    assert_eq!((size.transactions, size.total_fee_sats), (1, 1000));
    let template = ask(&mut wallet, GetBlockTemplate {}).await.unwrap();
    assert_eq!((template.transactions.len(), template.transactions[0].txid, template.height), (1, txid, 102));
}

#[tokio::test]
async fn what_a_module_submits_is_judged_and_the_refusal_has_its_reason() {
    let (_dir, place, mut wallet) = place().await;
    let garbage = RawTransaction::new(vec![1, 2, 3]);
    let refused = ask(&mut wallet, SendTransaction { transaction: garbage }).await;
    assert_eq!(argument(refused), "transaction");
    assert_eq!(argument(ask(&mut wallet, SubmitBlock { block: RawBlock::new(vec![0; 90]) }).await), "block");
    place.stage.node.mine(101).await.unwrap();
    let mut thief = spend(&place.stage.node, 1).await;
    thief.output[0].value = Amount::from_sat(21_000_000 * 100_000_000);
    let refused = ask(&mut wallet, SendTransaction { transaction: RawTransaction::encode(&thief) }).await;
    assert!(matches!(&refused, Err(ApiError::Rejected { reason }) if !reason.is_empty()), "{refused:?}");
}

#[tokio::test]
async fn a_block_that_a_module_mined_becomes_the_tip_and_is_told_with_the_module() {
    let (_dir, place, mut miner) = place().await;
    let mut watcher = place.open("other").await;
    subscribe(&mut watcher, &[EventType::BlockMined]).await;
    // Another chain with the same first block finds it.
    let elsewhere = Stage::new().await;
    let found = elsewhere.node.mine(1).await.unwrap();
    let block = Node::Embedded(elsewhere.node.clone()).block(found.hash).await.unwrap().unwrap();
    let hash = BlockHash::from(found.hash);
    assert_eq!(ask(&mut miner, SubmitBlock { block: RawBlock::new(block.clone()) }).await, Ok(hash));
    let mined = EventPayload::BlockMined { hash, height: 1, module: "wallet".to_owned() };
    assert_eq!(watcher.event().await.payload, mined);
    assert_eq!(place.stage.node.mine(0).await.unwrap().hash, found.hash);
    // Again, it is no refusal and no second event.
    assert_eq!(ask(&mut miner, SubmitBlock { block: RawBlock::new(block) }).await, Ok(hash));
}

#[tokio::test]
async fn estimates_are_for_targets_that_a_node_knows_and_say_that_they_are_made_up() {
    let (_dir, _place, mut wallet) = place().await;
    for target_blocks in [0, 1009, u32::MAX] {
        assert_eq!(argument(ask(&mut wallet, GetFeeEstimate { target_blocks }).await), "target_blocks");
    }
    for target_blocks in [1, 1008] {
        assert!(ask(&mut wallet, GetFeeEstimate { target_blocks }).await.unwrap().simulated);
    }
}

#[tokio::test]
async fn a_chain_without_a_network_says_so_and_bans_nobody() {
    let (_dir, _place, mut wallet) = place().await;
    assert!(!ask(&mut wallet, GetNetworkStats {}).await.unwrap().has_network);
    assert!(ask(&mut wallet, GetNetworkPeers {}).await.unwrap().is_empty());
    let ban = |address: &str, seconds| BanPeer { address: address.to_owned(), seconds };
    for address in ["", "example.com", "0.0.0.0/0", "127.0.0.1", "192.0.2.1:8333"] {
        assert_eq!(argument(ask(&mut wallet, ban(address, None)).await), "address", "{address}");
    }
    for seconds in [0, u64::MAX] {
        assert_eq!(argument(ask(&mut wallet, ban("192.0.2.1", Some(seconds))).await), "seconds");
    }
    let banned = ask(&mut wallet, ban("192.0.2.1", None)).await;
    assert!(matches!(banned, Err(ApiError::Unsupported { .. })), "{banned:?}");
    assert_eq!(ask(&mut wallet, GetSyncStatus {}).await.unwrap().phase, SyncPhase::Synced);
}
