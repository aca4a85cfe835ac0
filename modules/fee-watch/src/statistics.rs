//! The fee rates of the latest transactions. It holds a window of numbers and never grows beyond it.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// Numbers about the mempool since the module started.
#[derive(Debug)]
pub(crate) struct Statistics {
    window: usize,
    /// Millisatoshis per virtual byte, oldest first.
    rates: VecDeque<u64>,
    height: Option<u32>,
    seen: u64,
    /// Transactions whose fee the node did not say, and events that were lost.
    unknown: u64,
}

impl Statistics {
    pub(crate) fn new(window: usize) -> Self {
        Self { window, rates: VecDeque::new(), height: None, seen: 0, unknown: 0 }
    }

    /// Counts a transaction, if fee and size are known.
    pub(crate) fn add(&mut self, fee_sats: Option<u64>, virtual_bytes: Option<u64>) {
        self.seen = self.seen.saturating_add(1);
        let msats = fee_sats.map(|fee| fee.saturating_mul(1000));
        match msats.and_then(|msats| msats.checked_div(virtual_bytes?)) {
            Some(rate) => {
                self.rates.push_back(rate);
                if self.rates.len() > self.window {
                    self.rates.pop_front();
                }
            }
            None => self.missed(1),
        }
    }

    /// Counts what was not seen.
    pub(crate) fn missed(&mut self, count: u64) {
        self.unknown = self.unknown.saturating_add(count.max(1));
    }

    pub(crate) fn connected(&mut self, height: u32) {
        self.height = Some(height);
    }

    /// The height of the last block that was seen.
    pub(crate) fn height(&self) -> Option<u32> {
        self.height
    }

    /// Transactions that were seen, known or not.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// The least rate that this share (0 to 100) of the window does not exceed; nothing without transactions.
    pub(crate) fn percentile(&self, percent: usize) -> Option<u64> {
        let mut sorted: Vec<u64> = self.rates.iter().copied().collect();
        sorted.sort_unstable();
        let rank = sorted.len().saturating_mul(percent).div_ceil(100);
        sorted.get(rank.max(1).checked_sub(1)?).copied()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "transactions": self.rates.len(),
            "without_known_fee": self.unknown,
            "p10_msats_per_vbyte": self.percentile(10),
            "p50_msats_per_vbyte": self.percentile(50),
            "p90_msats_per_vbyte": self.percentile(90),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_rates_that_were_paid() {
        let mut statistics = Statistics::new(100);
        (1..=10).rev().for_each(|fee| statistics.add(Some(fee), Some(1)));
        let percentiles = [0, 10, 50, 51, 90, 100].map(|percent| statistics.percentile(percent).unwrap());
        assert_eq!(percentiles, [1000, 1000, 5000, 6000, 9000, 10_000]);
    }

    #[test]
    fn without_transactions_there_is_no_percentile() {
        assert_eq!(Statistics::new(10).percentile(50), None);
    }

    #[test]
    fn only_the_window_counts_and_what_has_no_known_rate_is_counted_apart() {
        let mut statistics = Statistics::new(2);
        [7, 1, 3].iter().for_each(|fee| statistics.add(Some(*fee), Some(1)));
        statistics.add(None, Some(1));
        statistics.add(Some(1), Some(0));
        assert_eq!((statistics.percentile(0), statistics.percentile(100)), (Some(1000), Some(3000)));
        assert_eq!((statistics.seen(), statistics.to_json()["without_known_fee"].as_u64()), (5, Some(2)));
    }
}
