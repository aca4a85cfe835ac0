//! What calls about unconfirmed transactions answer.
//!
//! Amounts are whole satoshis, rates are millisatoshis per virtual byte: no float, and nothing invented.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::hash::Txid;

/// The most transaction ids in one reply: 8 MB.
pub const MAX_TXIDS: usize = 250_000;

/// The size of a transaction id.
const TXID_BYTES: usize = 32;

/// Ids of transactions in the mempool, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MempoolTransactions {
    /// The node's count of changes to its mempool at that moment, where it counts them.
    pub mempool_sequence: Option<u64>,
    /// The ids, in the order of their bytes.
    pub txids: Txids,
    /// Whether the mempool holds more, above the last one.
    pub more: bool,
}

/// At most [`MAX_TXIDS`] transaction ids, which travel as one byte string: a quarter of a million ids as a list
/// would take a hundred times as long.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Txids(Bytes);

impl Txids {
    /// The first [`MAX_TXIDS`] of these.
    #[must_use]
    pub fn truncated(txids: impl IntoIterator<Item = Txid>) -> Self {
        let bytes: Vec<u8> = txids.into_iter().take(MAX_TXIDS).flat_map(Txid::to_bytes).collect();
        Self(bytes.into())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / TXID_BYTES
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids.
    pub fn iter(&self) -> impl Iterator<Item = Txid> + '_ {
        self.0.as_chunks::<TXID_BYTES>().0.iter().map(|bytes| Txid::from_bytes(*bytes))
    }
}

impl fmt::Debug for Txids {
    /// Names the number, never the content.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Txids({} ids)", self.len())
    }
}

impl<'de> Deserialize<'de> for Txids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        let whole = bytes.len().is_multiple_of(TXID_BYTES);
        if !whole || bytes.len() / TXID_BYTES > MAX_TXIDS {
            return Err(D::Error::custom(format!("{} bytes are no list of transaction ids", bytes.len())));
        }
        Ok(Self(bytes))
    }
}

/// How full the mempool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MempoolSize {
    /// How many transactions it holds.
    pub transactions: u64,
    /// Their virtual size together, in bytes (BIP 141).
    pub virtual_bytes: u64,
    /// Their fees together, in satoshis.
    pub total_fee_sats: u64,
    /// The lowest fee rate it takes at present, in millisatoshis per virtual byte.
    pub min_fee_msats_per_vbyte: u64,
}

/// A fee rate and what it was estimated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeEstimate {
    /// Satoshis per virtual byte, rounded up.
    pub sats_per_vbyte: u64,
    /// Millisatoshis per virtual byte: the estimate itself.
    pub msats_per_vbyte: u64,
    /// For how many blocks the node made the estimate; it may be more than was asked for.
    pub target_blocks: u32,
    /// Whether the number comes from a development chain, where fees have no meaning.
    pub simulated: bool,
}
