//! Calls that are measured, from the caller's side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cofferdam_sdk::bitcoin::blockdata::script::Builder;
use cofferdam_sdk::bitcoin::consensus::Encodable;
use cofferdam_sdk::bitcoin::hashes::Hash;
use cofferdam_sdk::bitcoin::opcodes::all::OP_RETURN;
use cofferdam_sdk::bitcoin::script::PushBytesBuf;
use cofferdam_sdk::bitcoin::{
    Amount, Block, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Witness, absolute, block, transaction,
};
use cofferdam_sdk::mining::BlockTemplate;
use cofferdam_sdk::{BlockHash, NodeApi, RawBlock, SdkError};

use crate::{connect, count, now_ns, print_times, setting};

/// Round trips before those that count: caches and the allocator settle.
const WARM_UP: usize = 200;

/// The whole of a module's start, up to its first answer.
pub(crate) async fn first() -> Result<(), SdkError> {
    let integration = connect().await?;
    integration.node_api().get_block_height().await?;
    println!("answered {}", now_ns());
    Ok(())
}

/// One small call after the other, each timed.
pub(crate) async fn one_by_one() -> Result<(), SdkError> {
    let integration = connect().await?;
    let node = integration.node_api();
    for _ in 0..WARM_UP {
        node.get_block_height().await?;
    }
    let mut times = Vec::with_capacity(count());
    while times.len() < count() {
        let before = now_ns();
        node.get_block_height().await?;
        times.push(now_ns() - before);
    }
    print_times(&times);
    Ok(())
}

/// Small calls, so many at once; the time that each took on the average.
pub(crate) async fn in_flight() -> Result<(), SdkError> {
    let integration = connect().await?;
    let node = integration.node_api();
    let at_once = setting("MODULE_CONFIG_AT_ONCE", 64);
    let mut times = Vec::new();
    for _ in 0..setting("MODULE_CONFIG_ROUNDS", 5) {
        let left = Arc::new(AtomicUsize::new(count()));
        let before = now_ns();
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..at_once {
            let (node, left) = (node.clone(), Arc::clone(&left));
            callers.spawn(async move {
                let one_less = |left: usize| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
                    node.get_block_height().await?;
                }
                Ok::<_, SdkError>(())
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended.map_err(|error| SdkError::Closed { reason: error.to_string() })??;
        }
        times.push((now_ns() - before) / i64::try_from(count()).unwrap_or(1));
    }
    print_times(&times);
    Ok(())
}

/// One large block after the other, each timed.
pub(crate) async fn blocks() -> Result<(), SdkError> {
    let integration = connect().await?;
    let node = integration.node_api();
    let hash = mine_large(&node, setting("MODULE_CONFIG_BYTES", 1_500_000)).await?;
    let mut times = Vec::new();
    for round in 0..count() + 3 {
        let before = now_ns();
        let block = node.get_block(hash).await?;
        let took = now_ns() - before;
        // The first ones fill caches and grow buffers.
        if round >= 3 && block.is_some() {
            times.push(took);
        }
    }
    print_times(&times);
    Ok(())
}

/// Mines a block of about so many bytes: its coinbase carries them, in an output that nobody can spend.
async fn mine_large(node: &NodeApi, bytes: usize) -> Result<BlockHash, SdkError> {
    let template = node.get_block_template().await?;
    let mut block = large_block(&template, bytes);
    let target = block.header.target();
    while block.header.validate_pow(target).is_err() {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
    let mut raw = Vec::new();
    block.consensus_encode(&mut raw).map_err(|error| SdkError::Closed { reason: error.to_string() })?;
    node.submit_block(RawBlock::new(raw)).await
}

fn large_block(template: &BlockTemplate, bytes: usize) -> Block {
    let filler = PushBytesBuf::try_from(vec![0; bytes]).unwrap_or_default();
    let output = |value, script_pubkey| TxOut { value, script_pubkey };
    let coinbase = Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            // BIP 34; a byte more, because a coinbase script has at least two.
            script_sig: Builder::new().push_int(i64::from(template.height)).push_int(0).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![
            output(Amount::from_sat(template.coinbase_value_sats), ScriptBuf::new()),
            output(Amount::ZERO, Builder::new().push_opcode(OP_RETURN).push_slice(filler).into_script()),
        ],
    };
    Block {
        header: block::Header {
            version: block::Version::from_consensus(template.version),
            prev_blockhash: template.previous_block.into(),
            merkle_root: TxMerkleNode::from_byte_array(coinbase.compute_txid().to_byte_array()),
            time: template.current_time,
            bits: CompactTarget::from_consensus(template.bits),
            nonce: 0,
        },
        txdata: vec![coinbase],
    }
}
