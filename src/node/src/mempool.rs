//! What the core learns of a node's mempool: plain values, the same whichever backend gives them. No value here
//! is a guess: what the node did not say is `None`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Amount, BlockHash, Txid};
use tokio::sync::{mpsc, watch};

use crate::error::NodeError;

/// The most txids a mempool may have here: a third more than a full mempool of a node with default settings
/// had at its worst, and 20 MiB in memory.
pub const MAX_MEMPOOL_TXIDS: usize = 400_000;

/// Every transaction of the mempool at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MempoolSnapshot {
    /// The number that the node's next change of the mempool gets.
    pub sequence: u64,
    /// The transactions, in no particular order.
    pub txids: Arc<[Txid]>,
}

/// A fee rate, exact: the node's BTC per 1000 virtual bytes is a whole number of thousandths of a sat per one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeeRate {
    msat_per_vb: u64,
}

impl FeeRate {
    /// From thousandths of a sat per virtual byte, which are sats per 1000 virtual bytes.
    #[must_use]
    pub const fn from_msat_per_vb(msat_per_vb: u64) -> Self {
        Self { msat_per_vb }
    }

    /// Thousandths of a sat per virtual byte, exact.
    #[must_use]
    pub const fn msat_per_vb(self) -> u64 {
        self.msat_per_vb
    }

    /// Whole sats per virtual byte, rounded up: a rate rounded down could be below what is needed.
    #[must_use]
    pub const fn sat_per_vb_ceil(self) -> u64 {
        self.msat_per_vb.div_ceil(1000)
    }
}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} sat/vB", self.msat_per_vb / 1000, self.msat_per_vb % 1000)
    }
}

/// The mempool in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MempoolInfo {
    /// How many transactions wait.
    pub transactions: u64,
    /// Their size together, in virtual bytes.
    pub vsize: u64,
    /// What they pay together.
    pub total_fee: Amount,
    /// The lowest rate the node takes now: the relay minimum, or more while the mempool is full.
    pub min_fee_rate: FeeRate,
    /// The lowest rate the node relays at any time.
    pub min_relay_fee_rate: FeeRate,
    /// The memory the mempool uses, in bytes.
    pub memory_bytes: u64,
    /// The memory it may use, in bytes.
    pub memory_limit_bytes: u64,
    /// Whether the node has finished reading the mempool of its last run.
    pub loaded: bool,
}

/// What a node knows of one waiting transaction beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MempoolEntry {
    /// The fee it pays itself.
    pub fee: Amount,
    /// Its size in virtual bytes; at least 1.
    pub vsize: u64,
    /// When it came, in seconds since 1970.
    pub time: u64,
    /// Whether it was submitted here and no peer has asked for it yet.
    pub unbroadcast: bool,
}

impl MempoolEntry {
    /// The rate it pays, rounded down to a thousandth of a sat per virtual byte.
    #[must_use]
    pub fn fee_rate(&self) -> FeeRate {
        let msat = u128::from(self.fee.to_sat()) * 1000 / u128::from(self.vsize.max(1));
        FeeRate::from_msat_per_vb(u64::try_from(msat).unwrap_or(u64::MAX))
    }
}

/// Where an estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EstimateBasis {
    /// The node watched blocks and its mempool.
    Observed,
    /// The development chain has no market for fees: a fixed figure, good for trying out programs only.
    Simulated,
}

/// The rate at which a transaction probably confirms in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeEstimate {
    /// The rate.
    pub rate: FeeRate,
    /// The number of blocks it is for; a node may answer for more than it was asked for.
    pub target_blocks: u16,
    /// Where it comes from.
    pub basis: EstimateBasis,
}

/// Why a transaction is in the mempool no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// A block contains it.
    Confirmed {
        /// The block.
        block: BlockHash,
    },
    /// Another transaction that spends the same output took its place.
    Replaced {
        /// That transaction.
        by: Txid,
    },
    /// The node does not say: expired, pushed out by better ones, in conflict with a block, or a descendant of
    /// one that was replaced.
    Unknown,
}

/// Why something may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResyncCause {
    /// The connection to the node's notifications was made anew, or lost.
    Connection,
    /// The node's numbers show that notifications were lost on their way; a slow consumer is one cause.
    Gap,
}

/// What changed in the mempool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MempoolEvent {
    /// A transaction came.
    Added {
        /// The transaction.
        txid: Txid,
        /// The node's number of this change; `None` where the change was found by comparison.
        sequence: Option<u64>,
        /// Fee and size; `None` where it was gone again before they could be asked for, or where more came at
        /// once than are looked up one by one.
        entry: Option<MempoolEntry>,
        /// How many transactions wait now.
        transactions: u32,
    },
    /// A transaction left.
    Removed {
        /// The transaction.
        txid: Txid,
        /// The node's number of this change; `None` where it gives none: for confirmed ones and where the
        /// change was found by comparison.
        sequence: Option<u64>,
        /// Why, as far as it can be known.
        reason: RemovalReason,
        /// How many transactions wait now.
        transactions: u32,
    },
    /// Changes may have been missed: what came and left again in between is told to nobody. The events that
    /// follow make up the difference.
    Resynced {
        /// Why.
        cause: ResyncCause,
        /// The node's number of the state that the following events lead to.
        sequence: u64,
    },
}

/// How a [`MempoolFollowing`] learns what it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MempoolSource {
    /// Nothing has been heard yet. Events tell what changes after this state ends.
    Starting,
    /// The node tells of each change.
    Live,
    /// The mempool is compared with itself at this interval: what comes and goes between is missed.
    Sampled {
        /// The time between two looks.
        interval: Duration,
    },
    /// The node does not answer; what it does meanwhile is told by comparison when it does.
    Lost {
        /// The last failure.
        error: NodeError,
    },
}

/// What following the mempool delivers. Dropping `events` ends it.
#[derive(Debug)]
pub struct MempoolFollowing {
    /// Every change, in order.
    pub events: mpsc::Receiver<MempoolEvent>,
    /// How it is learned.
    pub source: watch::Receiver<MempoolSource>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_exact_in_thousandths_and_whole_sats_are_rounded_up() {
        let rate = FeeRate::from_msat_per_vb(1001);
        assert_eq!((rate.msat_per_vb(), rate.sat_per_vb_ceil()), (1001, 2));
        assert_eq!(
            (FeeRate::from_msat_per_vb(1000).sat_per_vb_ceil(), rate.to_string().as_str()),
            (1, "1.001 sat/vB")
        );
    }

    #[test]
    fn rate_of_a_transaction_never_overflows_or_divides_by_zero() {
        let entry = MempoolEntry { fee: Amount::MAX_MONEY, vsize: 0, time: 0, unbroadcast: false };
        assert_eq!(entry.fee_rate().msat_per_vb(), 2_100_000_000_000_000_000);
        let usual = MempoolEntry { fee: Amount::from_sat(1000), vsize: 96, ..entry };
        assert_eq!(usual.fee_rate().msat_per_vb(), 10_416);
    }
}
