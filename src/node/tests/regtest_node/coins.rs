//! Coins that anyone may spend, for tests without a wallet.

use bitcoin::absolute::LockTime;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, transaction,
};
use cofferdam_node::{Node, NodeError};
use cofferdam_regtest_node::RegtestNode;

/// Pays to the hash of `OP_TRUE`, which nodes relay, unlike `OP_TRUE` itself.
const ANYONE: &str = "addr(bcrt1qft5p2uhsdcdc3l2ua4ap5qqfg4pjaqlp250x7us7a8qqhrxrxfsqseac85)";

/// The script of [`ANYONE`].
pub fn anyone() -> ScriptBuf {
    ScriptBuf::new_p2wsh(&Builder::new().push_opcode(OP_TRUE).into_script().wscript_hash())
}

/// Mines until the rewards of the blocks 1 to `coins` can be spent.
pub fn mine_coins(node: &RegtestNode, coins: usize) {
    node.mine(100 + coins, ANYONE);
}

/// Spends the reward of the block at `height`, less this fee; another fee spends the same output.
pub async fn spend(client: &Node, height: u32, fee_sats: u64) -> Transaction {
    let block: Block = deserialize(&client.block_by_height(height).await.unwrap().unwrap()).unwrap();
    let coin = &block.txdata[0];
    spend_output(OutPoint { txid: coin.compute_txid(), vout: 0 }, coin.output[0].value, fee_sats)
}

pub fn spend_output(previous_output: OutPoint, value: Amount, fee_sats: u64) -> Transaction {
    let witness = Witness::from_slice(&[[OP_TRUE.to_u8()]]);
    let sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness }],
        output: vec![TxOut { value: value - Amount::from_sat(fee_sats), script_pubkey: anyone() }],
    }
}

pub async fn submit(client: &Node, tx: &Transaction) -> Result<Txid, NodeError> {
    client.submit_transaction(&serialize(tx)).await
}
