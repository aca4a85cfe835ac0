//! Templates, submitted blocks, the mempool and what a chain without peers says.

use bitcoin::hashes::Hash;
use bitcoin::script::Builder;
use bitcoin::{Target, TxMerkleNode};

use super::*;
use crate::{
    BanTarget, BlockTemplate, BlockVerdict, EstimateBasis, MempoolEvent, MempoolSource, NetworkState,
    RemovalReason, SyncPhase,
};

/// What makes a block break a rule.
type Spoil = Box<dyn FnOnce(&mut Block)>;

/// The block that a template asks for, changed by `change` before it gets its proof of work.
fn mined(template: &BlockTemplate, change: impl FnOnce(&mut Block)) -> Block {
    let mut output = vec![TxOut { value: template.coinbase_value, script_pubkey: ScriptBuf::new() }];
    let script_pubkey = template.default_witness_commitment.clone().unwrap();
    output.push(TxOut { value: Amount::ZERO, script_pubkey });
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
    let header = Header {
        version: template.version,
        prev_blockhash: template.previous_block,
        merkle_root: TxMerkleNode::all_zeros(),
        time: template.current_time,
        bits: template.bits,
        nonce: 0,
    };
    let rest = template.transactions.iter().map(|tx| deserialize(&tx.bytes).unwrap());
    let mut block = Block { header, txdata: std::iter::once(coinbase).chain(rest).collect() };
    let asked_for = block.txdata[1..].to_vec();
    change(&mut block);
    if block.txdata[1..] != asked_for {
        block.txdata[0].output[1].script_pubkey = build::witness_commitment(&block.txdata[1..]).unwrap();
    }
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    while !Target::from_compact(template.bits).is_met_by(block.block_hash()) {
        block.header.nonce += 1;
    }
    block
}

async fn submitted(chain: &Embedded, block: &Block) -> BlockVerdict {
    chain.submit_block(&serialize(block)).await.unwrap().verdict
}

#[tokio::test]
async fn block_made_from_a_template_is_accepted_and_there_after_a_restart() {
    let (dir, chain) = new_chain(Payout::WitnessOpTrue).await;
    chain.mine(101).await.unwrap();
    let tx = spend(&chain, 1, Payout::WitnessOpTrue).await;
    let txid = chain.submit_transaction(&serialize(&tx)).await.unwrap();
    let template = chain.block_template().await.unwrap();
    assert_eq!((template.height, template.transactions.len()), (102, 1));
    assert_eq!(template.transactions[0].fee, Amount::from_sat(1000));
    let block = mined(&template, |_| {});
    assert_eq!(submitted(&chain, &block).await, BlockVerdict::Accepted);
    assert_eq!(submitted(&chain, &block).await, BlockVerdict::Duplicate);
    assert_eq!(chain.mempool_entry(txid).await, Ok(None));
    assert_ne!(chain.block_template().await.unwrap().longpoll_id, template.longpoll_id);
    let chain = reopened(&dir, chain).await;
    assert_eq!(chain.chain_info().await.unwrap().tip.hash, block.block_hash());
}

#[tokio::test]
async fn blocks_that_break_a_rule_leave_no_trace() {
    let (dir, chain) = new_chain(Payout::OpTrue).await;
    chain.mine(101).await.unwrap();
    let good = spend(&chain, 1, Payout::OpTrue).await;
    let template = chain.block_template().await.unwrap();
    let later = template.current_time + 3 * 60 * 60;
    let cases: [(&str, Spoil); 9] = [
        ("more than subsidy", Box::new(|b| b.txdata[0].output[0].value += Amount::from_sat(1))),
        (
            "begin with its height",
            Box::new(|b| b.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![1, 7])),
        ),
        (
            "2 to 100 bytes",
            Box::new(|b| b.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![1; 101])),
        ),
        (
            "commit to its transactions",
            Box::new(|b| b.txdata[0].output[1].script_pubkey.as_mut_bytes()[6] ^= 1),
        ),
        ("the median", Box::new(|b| b.header.time = 1)),
        ("two hours", Box::new(move |b| b.header.time = later)),
        ("the tip", Box::new(|b| b.header.prev_blockhash = BlockHash::all_zeros())),
        ("no scripts", {
            let mut thief = good.clone();
            thief.input[0].script_sig = ScriptBuf::from_bytes(vec![0x51]);
            Box::new(move |b| b.txdata.push(thief))
        }),
        ("does not exist", {
            let mut nothing = good.clone();
            nothing.input[0].previous_output.vout = 9;
            Box::new(move |b| b.txdata.push(nothing))
        }),
    ];
    for (rule, change) in cases {
        let verdict = submitted(&chain, &mined(&template, change)).await;
        assert!(
            matches!(&verdict, BlockVerdict::Rejected { reason } if reason.contains(rule)),
            "{rule}: {verdict:?}"
        );
    }
    let error = chain.submit_block(&[0; 80]).await.unwrap_err();
    assert!(matches!(error, NodeError::InvalidArgument { argument: "block", .. }), "{error}");
    // Nothing of them is in the file, and the chain goes on.
    let chain = reopened(&dir, chain).await;
    assert_eq!(chain.chain_info().await.unwrap().tip.hash, template.previous_block);
    assert_eq!(submitted(&chain, &mined(&template, |_| {})).await, BlockVerdict::Accepted);
}

#[tokio::test]
async fn block_may_spend_what_it_makes() {
    let (_dir, chain) = new_chain(Payout::OpTrue).await;
    chain.mine(101).await.unwrap();
    let parent = spend(&chain, 1, Payout::OpTrue).await;
    let mut child = parent.clone();
    child.input[0].previous_output = OutPoint { txid: parent.compute_txid(), vout: 0 };
    let template = chain.block_template().await.unwrap();
    let rest = [parent, child];
    let block = mined(&template, |block| block.txdata.extend(rest.clone()));
    assert_eq!(submitted(&chain, &block).await, BlockVerdict::Accepted);
    let made = OutPoint { txid: rest[1].compute_txid(), vout: 0 };
    assert!(chain.utxo(made).await.unwrap().is_some());
}

#[tokio::test]
async fn mempool_is_followed_through_blocks_and_reorganisations() {
    let (_dir, chain) = new_chain(Payout::OpTrue).await;
    chain.mine(102).await.unwrap();
    let mut following = chain.follow_mempool();
    following.source.wait_for(|source| *source == MempoolSource::Live).await.unwrap();
    let tx = spend(&chain, 1, Payout::OpTrue).await;
    let txid = chain.submit(tx.clone()).unwrap();
    let event = following.events.recv().await.unwrap();
    let MempoolEvent::Added { txid: came, sequence: Some(0), entry: Some(entry), transactions: 1 } = event
    else {
        panic!("{event:?}");
    };
    assert_eq!((came, entry.fee), (txid, Amount::from_sat(1000)));
    assert_eq!(chain.mempool_txids().await.unwrap().txids[..], [txid]);
    let info = chain.mempool_info().await.unwrap();
    assert_eq!((info.transactions, info.vsize, info.total_fee), (1, entry.vsize, entry.fee));

    let block = chain.mine(1).await.unwrap().hash;
    let confirmed = MempoolEvent::Removed {
        txid,
        sequence: None,
        reason: RemovalReason::Confirmed { block },
        transactions: 0,
    };
    assert_eq!(following.events.recv().await, Some(confirmed));
    chain.reorganise(1).await.unwrap();
    let event = following.events.recv().await.unwrap();
    assert!(matches!(event, MempoolEvent::Added { txid: back, .. } if back == txid), "{event:?}");
    // A block that spends the same output makes it impossible.
    let mut rival = tx;
    rival.output[0].value = Amount::from_int_btc(1);
    let template = chain.block_template().await.unwrap();
    let block = mined(&template, |block| {
        block.txdata[0].output[0].value = Amount::from_int_btc(50);
        block.txdata[1] = rival;
    });
    assert_eq!(submitted(&chain, &block).await, BlockVerdict::Accepted);
    let event = following.events.recv().await.unwrap();
    let gone = matches!(event, MempoolEvent::Removed { txid: gone, reason: RemovalReason::Unknown, .. } if gone == txid);
    assert!(gone, "{event:?}");
}

#[tokio::test]
async fn chain_without_peers_or_a_market_says_so() {
    let (_dir, chain) = new_chain(Payout::OpTrue).await;
    let tip = chain.mine(3).await.unwrap();
    let estimate = chain.fee_estimate(6).await.unwrap();
    assert_eq!((estimate.basis, estimate.rate.msat_per_vb()), (EstimateBasis::Simulated, 1000));
    assert!(matches!(chain.fee_estimate(0).await, Err(NodeError::InvalidArgument { .. })));
    let stats = chain.network_stats().await.unwrap();
    assert_eq!((stats.state, stats.peers_inbound), (NetworkState::None, 0));
    assert_eq!((chain.peers().await, chain.banned().await), (Ok(Vec::new()), Ok(Vec::new())));
    let error = chain.ban_peer(BanTarget::Peer(0), None).await.unwrap_err();
    assert!(matches!(error, NodeError::Unsupported { .. }), "{error}");
    let status = chain.sync_status().await.unwrap();
    assert_eq!((status.phase, status.blocks), (SyncPhase::Synced, tip.height));
    assert_eq!(chain.deployments().await, Ok(Vec::new()));
    assert_eq!(chain.indexes().await.unwrap()[0].best_height, tip.height);
}

#[tokio::test]
async fn transactions_are_submitted_as_bytes_and_twice_without_harm() {
    let (_dir, chain) = new_chain(Payout::OpTrue).await;
    chain.mine(101).await.unwrap();
    let tx = spend(&chain, 1, Payout::OpTrue).await;
    let txid = tx.compute_txid();
    assert_eq!(chain.submit_transaction(&serialize(&tx)).await, Ok(txid));
    assert_eq!(chain.submit_transaction(&serialize(&tx)).await, Ok(txid));
    assert_eq!(chain.mempool_transaction(txid).await, Ok(Some(serialize(&tx).into())));
    let error = chain.submit_transaction(&serialize(&tx)[1..]).await.unwrap_err();
    assert!(matches!(error, NodeError::InvalidArgument { argument: "transaction", .. }), "{error}");
    chain.mine(1).await.unwrap();
    let error = chain.submit_transaction(&serialize(&tx)).await.unwrap_err();
    assert!(matches!(error, NodeError::Rejected { .. }), "{error}");
}
