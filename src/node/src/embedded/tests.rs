//! The development chain as the core sees it: answers, events, restarts, reorganisations.

use bitcoin::absolute::LockTime;
use bitcoin::constants::genesis_block;
use bitcoin::{Network, OutPoint, ScriptBuf, Sequence, TxIn, TxOut, Witness, transaction};

use super::*;
use crate::{ChainEvent, Node, NodeStatus};

mod services;

async fn open(dir: &std::path::Path, payout: Payout) -> Embedded {
    let settings = EmbeddedSettings { dir: dir.to_owned(), block_interval: None, payout };
    Embedded::open(settings).await.unwrap()
}

async fn new_chain(payout: Payout) -> (tempfile::TempDir, Embedded) {
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), payout).await;
    (dir, chain)
}

async fn block_at(chain: &Embedded, height: u32) -> Block {
    deserialize(&chain.block_by_height(height).await.unwrap().unwrap()).unwrap()
}

/// Spends a block's reward and leaves a fee of 1000 sats.
async fn spend(chain: &Embedded, height: u32, payout: Payout) -> Transaction {
    let coinbase = &block_at(chain, height).await.txdata[0];
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: coinbase.compute_txid(), vout: 0 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: payout.witness(),
        }],
        output: vec![TxOut {
            value: coinbase.output[0].value - Amount::from_sat(1000),
            script_pubkey: payout.script(),
        }],
    }
}

async fn take(following: &mut Following, count: usize) -> Vec<ChainEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(following.events.recv().await.unwrap());
    }
    events
}

#[tokio::test]
async fn development_chain_shares_its_genesis_with_no_bitcoin_network_and_says_so() {
    let (_dir, chain) = new_chain(Payout::OpTrue).await;
    let genesis = chain.chain_info().await.unwrap().tip.hash;
    for network in [Network::Bitcoin, Network::Testnet, Network::Testnet4, Network::Signet, Network::Regtest]
    {
        assert_ne!(genesis, genesis_block(network).block_hash());
    }
    assert_eq!(Node::Embedded(chain.clone()).label(), "development chain, not Bitcoin");
    assert_eq!(chain.chain_info().await.unwrap().warnings, ["development chain, not Bitcoin"]);
    assert_eq!(block_at(&chain, 0).await.block_hash(), genesis);
}

#[tokio::test]
async fn mined_blocks_are_valid_and_answer_by_hash_height_and_transaction() {
    let (_dir, chain) = new_chain(Payout::OpTrue).await;
    let tip = chain.mine(20).await.unwrap();
    assert_eq!(tip.height, 20);
    let block = block_at(&chain, 20).await;
    assert_eq!(block.block_hash(), tip.hash);
    assert_eq!(block.bip34_block_height(), Ok(20));
    block.header.validate_pow(block.header.target()).unwrap();
    assert!(block.check_merkle_root());
    assert_eq!(chain.block_header(tip.hash).await, Ok(Some(block.header)));
    let coinbase = &block.txdata[0];
    let found = chain.transaction(coinbase.compute_txid()).await.unwrap().unwrap();
    assert_eq!(found, serialize(coinbase));
    assert_eq!(chain.block_by_height(21).await, Ok(None));
    let info = chain.chain_info().await.unwrap();
    let work = (1..=20).fold(block.header.work(), |sum, _| sum + block.header.work());
    assert_eq!((info.chain_work, info.tip), (work.to_be_bytes(), tip));
}

#[tokio::test]
async fn events_are_delivered_in_order_and_resume_after_a_restart() {
    let (dir, chain) = new_chain(Payout::OpTrue).await;
    let mut following = chain.follow(None);
    following.status.wait_for(|status| matches!(status, NodeStatus::Ready { .. })).await.unwrap();
    chain.mine(3).await.unwrap();
    let told = take(&mut following, 3).await;
    for (height, event) in (1..).zip(&told) {
        assert!(matches!(event, ChainEvent::Connected { height: h, .. } if *h == height), "{event:?}");
    }
    let seen = chain.chain_info().await.unwrap().tip;
    let hash = chain.mine(1).await.unwrap().hash;
    drop(following);
    reopened(&dir, chain).await.follow(Some(seen)).events.recv().await.map_or_else(
        || panic!("no event after the restart"),
        |event| assert!(matches!(event, ChainEvent::Connected { hash: h, height: 4, .. } if h == hash)),
    );
}

/// Drops a chain, and opens it again once the last task has let go of it.
async fn reopened(dir: &tempfile::TempDir, chain: Embedded) -> Embedded {
    let gone = Arc::downgrade(&chain.inner);
    drop(chain);
    while gone.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    open(dir.path(), Payout::OpTrue).await
}

#[tokio::test]
async fn reorganisation_on_demand_gives_disconnected_connected_reorg_and_survives_a_restart() {
    let (dir, chain) = new_chain(Payout::OpTrue).await;
    let old = chain.mine(5).await.unwrap();
    let mut following = chain.follow(Some(old));
    let new = chain.reorganise(2).await.unwrap();
    let told = take(&mut following, 6).await;
    assert!(matches!(told[0], ChainEvent::Disconnected { hash, height: 5 } if hash == old.hash));
    assert!(matches!(told[1], ChainEvent::Disconnected { height: 4, .. }));
    for (height, event) in (4..).zip(&told[2..5]) {
        assert!(matches!(event, ChainEvent::Connected { height: h, .. } if *h == height), "{event:?}");
    }
    let reorg = ChainEvent::Reorg { old_tip: old.hash, new_tip: new.hash, fork_height: 3, depth: 2 };
    assert_eq!(told[5], reorg);
    // A replaced block is stale, not gone.
    assert!(chain.block(old.hash).await.unwrap().is_some());
    drop(following);
    assert_eq!(reopened(&dir, chain).await.chain_info().await.unwrap().tip, new);
}

#[tokio::test]
async fn following_resumes_after_a_restart_where_the_last_block_told_has_left_the_chain() {
    let (dir, chain) = new_chain(Payout::OpTrue).await;
    let seen = chain.mine(5).await.unwrap();
    let new = chain.reorganise(2).await.unwrap();
    let told = take(&mut reopened(&dir, chain).await.follow(Some(seen)), 6).await;
    assert_eq!(told[0], ChainEvent::Disconnected { hash: seen.hash, height: 5 });
    assert!(matches!(told[4], ChainEvent::Connected { hash, height: 6, .. } if hash == new.hash));
    let reorg = ChainEvent::Reorg { old_tip: seen.hash, new_tip: new.hash, fork_height: 3, depth: 2 };
    assert_eq!(told[5], reorg);
}

#[tokio::test]
async fn reorganisation_deeper_than_the_chain_or_the_limit_is_refused() {
    let (_dir, chain) = new_chain(Payout::OpTrue).await;
    chain.mine(3).await.unwrap();
    for depth in [0, 4, 101, u32::MAX] {
        let error = chain.reorganise(depth).await.unwrap_err();
        assert!(matches!(error, NodeError::Rejected { .. }), "{error}");
    }
}

#[tokio::test]
async fn transaction_is_mined_returns_to_the_mempool_in_a_reorganisation_and_is_mined_again() {
    let (dir, chain) = new_chain(Payout::WitnessOpTrue).await;
    chain.mine(101).await.unwrap();
    let tx = spend(&chain, 1, Payout::WitnessOpTrue).await;
    let txid = chain.submit(tx.clone()).unwrap();
    assert_eq!((chain.mempool(), tx.compute_txid()), (vec![txid], txid));
    assert_eq!(chain.transaction(txid).await.unwrap().unwrap(), serialize(&tx));

    chain.mine(1).await.unwrap();
    let block = block_at(&chain, 102).await;
    assert_eq!(block.txdata[1], tx);
    assert!(block.check_witness_commitment());
    assert!(block.txdata[0].output.iter().any(|output| output.script_pubkey.is_op_return()));
    assert_eq!(block.txdata[0].output[0].value, Amount::from_int_btc(50) + Amount::from_sat(1000));
    let made = OutPoint { txid, vout: 0 };
    assert_eq!(chain.utxo(tx.input[0].previous_output).await, Ok(None));
    assert_eq!(chain.utxo(made).await.unwrap().unwrap().height, 102);
    assert!(chain.mempool().is_empty());

    chain.reorganise(1).await.unwrap();
    assert_eq!(chain.mempool(), [txid]);
    assert_eq!(chain.utxo(made).await, Ok(None));
    assert!(chain.utxo(tx.input[0].previous_output).await.unwrap().unwrap().coinbase);
    // It is judged like any other that waits: a rival is refused, and its fee is earned again.
    let mut rival = tx.clone();
    rival.output[0].value = Amount::from_int_btc(1);
    assert!(chain.submit(rival).unwrap_err().to_string().contains("is waiting"));
    chain.mine(1).await.unwrap();
    let earned = block_at(&chain, 104).await.txdata[0].output[0].value;
    assert_eq!(earned, Amount::from_int_btc(50) + Amount::from_sat(1000));
    assert_eq!(chain.utxo(made).await.unwrap().unwrap().height, 104);
    assert_eq!(reopened(&dir, chain).await.utxo(made).await.unwrap().unwrap().height, 104);
}

#[tokio::test]
async fn transactions_that_break_a_rule_are_refused_with_the_rule() {
    let (_dir, chain) = new_chain(Payout::OpTrue).await;
    chain.mine(102).await.unwrap();
    let good = spend(&chain, 1, Payout::OpTrue).await;
    let spoil = |change: fn(&mut Transaction)| {
        let mut tx = good.clone();
        change(&mut tx);
        tx
    };
    let cases = [
        (spend(&chain, 102, Payout::OpTrue).await, "immature"),
        (spoil(|tx| tx.output[0].value = Amount::from_int_btc(51)), "pays out more"),
        (spoil(|tx| tx.output[0].value = Amount::MAX), "pays out more"),
        (spoil(|tx| tx.input[0].previous_output.vout = 9), "does not exist"),
        (spoil(|tx| tx.input.push(tx.input[0].clone())), "twice"),
        (spoil(|tx| tx.input[0].witness = Witness::from_slice(&[[1]])), "runs no scripts"),
        (spoil(|tx| tx.input[0].sequence = Sequence::from_height(1)), "time locks"),
        (spoil(|tx| tx.output.clear()), "inputs and outputs"),
        (spoil(|tx| tx.output = vec![tx.output[0].clone(); 2000]), "weight"),
    ];
    for (tx, reason) in cases {
        let error = chain.submit(tx).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    chain.submit(good.clone()).unwrap();
    let rival = spoil(|tx| tx.output[0].value = Amount::from_int_btc(1));
    assert!(chain.submit(rival).unwrap_err().to_string().contains("is waiting"));
    assert_eq!(chain.mempool().len(), 1);
}

#[tokio::test]
async fn crash_in_the_middle_of_a_reorganisation_leaves_a_chain_that_works() {
    let (dir, chain) = new_chain(Payout::OpTrue).await;
    let old = chain.mine(4).await.unwrap();
    chain.reorganise(2).await.unwrap();
    drop(chain);
    let path = dir.path().join("blocks.dat");
    let bytes = std::fs::read(&path).unwrap();
    // The last record, which made the new branch the longer one, is cut short.
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let chain = open(dir.path(), Payout::OpTrue).await;
    assert_eq!(chain.chain_info().await.unwrap().tip, old);
    assert_eq!(chain.mine(1).await.unwrap().height, 5);
}

#[tokio::test]
async fn timer_mines_until_the_chain_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let settings = EmbeddedSettings {
        dir: dir.path().to_owned(),
        block_interval: Some(Duration::from_millis(1)),
        payout: Payout::OpTrue,
    };
    let chain = Embedded::open(settings).await.unwrap();
    let mut following = chain.follow(Some(ChainPoint { hash: chain.inner.genesis.block_hash(), height: 0 }));
    take(&mut following, 5).await;
    drop(following);
    let reached = chain.chain_info().await.unwrap().tip.height;
    assert!(reopened(&dir, chain).await.chain_info().await.unwrap().tip.height >= reached);
}
