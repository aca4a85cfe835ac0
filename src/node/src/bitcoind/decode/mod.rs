//! Reads the results of the node's methods: pure functions from JSON text to values or a reason.
//!
//! The text may be anything. What does not fit is refused, what is not needed is skipped, what the node merely
//! repeats of a peer is shortened and made safe to print. Newer and older nodes leave fields out, so only what
//! an answer is worthless without is demanded.

pub(crate) mod mempool;
pub(crate) mod mining;
pub(crate) mod network;
pub(crate) mod status;

use bitcoin::Amount;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::{amount, quoted};
use crate::mempool::FeeRate;

/// Why a result is not usable.
pub(crate) type Unusable = String;

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unusable> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A rate, which the node gives in BTC per 1000 virtual bytes.
fn fee_rate(number: &RawValue) -> Result<FeeRate, Unusable> {
    amount(number).map(|per_kvb| FeeRate::from_msat_per_vb(per_kvb.to_sat()))
}

/// An amount in sats that can exist.
fn sats(number: u64) -> Result<Amount, Unusable> {
    let amount = Amount::from_sat(number);
    (amount <= Amount::MAX_MONEY)
        .then_some(amount)
        .ok_or_else(|| format!("{number} sats are more than there can be"))
}

/// Words of the node or of a peer, short and safe to print.
fn words(text: &str) -> String {
    quoted(text.as_bytes())
}

/// A time or height of which nodes say "none" with a negative number.
fn known<T: TryFrom<i64>>(number: i64) -> Option<T> {
    T::try_from(number).ok()
}

#[cfg(test)]
mod tests;
