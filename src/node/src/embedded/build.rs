//! Makes blocks of the development chain: real proof of work at the difficulty of regtest, a coinbase that
//! commits to its height, a witness commitment where a transaction has a witness. Pure: time is an argument.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::Params;
use bitcoin::hashes::Hash;
use bitcoin::opcodes::OP_TRUE;
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness, transaction,
};

/// What says, in every coinbase and in the genesis block, that this is not Bitcoin.
const LABEL: &[u8] = b"Cofferdam development chain, not Bitcoin";
/// 22 November 2025, 00:00:00 UTC.
const GENESIS_TIME: u32 = 1_763_769_600;
const SUBSIDY: Amount = Amount::from_int_btc(50);
/// Blocks until the subsidy halves.
const HALVING_INTERVAL: u32 = 210_000;
/// Hashes that a block takes on average, at the one difficulty there is.
pub(super) const WORK_PER_BLOCK: u64 = 2;
/// The version of every block: no change of the rules is signalled.
pub(super) const VERSION: Version = Version::NO_SOFT_FORK_SIGNALLING;
/// Begins the output that commits to the witnesses (BIP 141).
const COMMITMENT_TAG: [u8; 4] = [0xaa, 0x21, 0xa9, 0xed];
/// The coinbase's witness beside that output; reserved for what may come.
const RESERVED: [u8; 32] = [0; 32];

/// Who may spend what a block pays: anyone, in one of two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payout {
    /// Bare `OP_TRUE`; spent with an empty input.
    #[default]
    OpTrue,
    /// The hash of `OP_TRUE` (P2WSH); spent with the witness `[OP_TRUE]`.
    WitnessOpTrue,
}

impl Payout {
    /// Both ways, for telling whether an output is one that anyone may spend.
    pub(super) const ALL: [Self; 2] = [Self::OpTrue, Self::WitnessOpTrue];

    /// The output script.
    #[must_use]
    pub fn script(self) -> ScriptBuf {
        let anyone = Builder::new().push_opcode(OP_TRUE).into_script();
        match self {
            Self::OpTrue => anyone,
            Self::WitnessOpTrue => ScriptBuf::new_p2wsh(&anyone.wscript_hash()),
        }
    }

    /// The witness that spends it.
    #[must_use]
    pub fn witness(self) -> Witness {
        match self {
            Self::OpTrue => Witness::new(),
            Self::WitnessOpTrue => Witness::from_slice(&[[OP_TRUE.to_u8()]]),
        }
    }
}

/// What goes into a block beside what follows from it.
pub(super) struct Recipe {
    pub(super) parent: BlockHash,
    pub(super) height: u32,
    pub(super) time: u32,
    /// Makes blocks of the same height and second differ.
    pub(super) salt: u64,
    pub(super) payout: Payout,
    pub(super) fees: Amount,
    pub(super) transactions: Vec<Transaction>,
}

impl Recipe {
    /// The block, solved.
    pub(super) fn build(self) -> Block {
        let with_witness = self.transactions.iter().any(|tx| tx.input.iter().any(|i| !i.witness.is_empty()));
        let mut txdata = vec![self.coinbase()];
        txdata.extend(self.transactions);
        let mut block = Block { header: unsolved(self.parent, self.time), txdata };
        if with_witness {
            commit_to_witnesses(&mut block);
        }
        solve(block)
    }

    fn coinbase(&self) -> Transaction {
        let label = PushBytesBuf::try_from(LABEL.to_vec()).unwrap_or_default();
        let script = Builder::new()
            .push_int(i64::from(self.height))
            .push_slice(self.salt.to_le_bytes())
            .push_slice(label);
        let value = subsidy(self.height).checked_add(self.fees).unwrap_or(Amount::MAX_MONEY);
        coinbase(script.into_script(), TxOut { value, script_pubkey: self.payout.script() })
    }
}

/// The block every development chain begins with; no real Bitcoin network has it.
pub(super) fn genesis() -> Block {
    let label = PushBytesBuf::try_from(LABEL.to_vec()).unwrap_or_default();
    let unspendable = Builder::new().push_opcode(OP_RETURN).into_script();
    let script = Builder::new().push_int(0).push_slice(label).into_script();
    let coinbase = coinbase(script, TxOut { value: Amount::ZERO, script_pubkey: unspendable });
    solve(Block { header: unsolved(BlockHash::all_zeros(), GENESIS_TIME), txdata: vec![coinbase] })
}

/// The new coins a block may make.
pub(super) fn subsidy(height: u32) -> Amount {
    let sats = SUBSIDY.to_sat().checked_shr(height / HALVING_INTERVAL).unwrap_or(0);
    Amount::from_sat(sats)
}

/// The one difficulty of the chain.
pub(super) fn bits() -> CompactTarget {
    Params::REGTEST.max_attainable_target.to_compact_lossy()
}

fn coinbase(script_sig: ScriptBuf, output: TxOut) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![output],
    }
}

fn unsolved(parent: BlockHash, time: u32) -> Header {
    Header {
        version: VERSION,
        prev_blockhash: parent,
        merkle_root: TxMerkleNode::all_zeros(),
        time,
        bits: bits(),
        nonce: 0,
    }
}

/// The output with which a coinbase commits to these transactions and their witnesses.
pub(super) fn witness_commitment(transactions: &[Transaction]) -> Option<ScriptBuf> {
    // Whatever the coinbase is, its own witness counts as zero.
    let unknown = coinbase(ScriptBuf::new(), TxOut::NULL);
    let txdata = std::iter::once(unknown).chain(transactions.iter().cloned()).collect();
    let root = Block { header: unsolved(BlockHash::all_zeros(), 0), txdata }.witness_root()?;
    let commitment = Block::compute_witness_commitment(&root, &RESERVED);
    let mut data = COMMITMENT_TAG.to_vec();
    data.extend_from_slice(&commitment.to_byte_array());
    let data = PushBytesBuf::try_from(data).unwrap_or_default();
    Some(Builder::new().push_opcode(OP_RETURN).push_slice(data).into_script())
}

fn commit_to_witnesses(block: &mut Block) {
    let Some((coinbase, transactions)) = block.txdata.split_first_mut() else { return };
    let Some(script_pubkey) = witness_commitment(transactions) else { return };
    coinbase.output.push(TxOut { value: Amount::ZERO, script_pubkey });
    if let Some(input) = coinbase.input.first_mut() {
        input.witness.push(RESERVED);
    }
}

/// Every second hash is good enough, so a nonce is found long before it runs out; the time moves on if not.
fn solve(mut block: Block) -> Block {
    block.header.merkle_root = block.compute_merkle_root().unwrap_or(TxMerkleNode::all_zeros());
    let target = block.header.target();
    while !target.is_met_by(block.block_hash()) {
        let (nonce, wrapped) = block.header.nonce.overflowing_add(1);
        block.header.nonce = nonce;
        if wrapped {
            block.header.time = block.header.time.wrapping_add(1);
        }
    }
    block
}
