//! What a summary says about a block. Pure: a block in, text out.

use std::fmt;

use cofferdam_sdk::BlockHash;
use cofferdam_sdk::bitcoin::{Amount, Block};

/// A few numbers about one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) height: u32,
    pub(crate) hash: BlockHash,
    /// The time in the header, in seconds since 1970.
    time: u32,
    transactions: usize,
    output_sats: u64,
    size_bytes: usize,
}

impl Summary {
    pub(crate) fn of(block: &Block, height: u32) -> Self {
        let values =
            block.txdata.iter().flat_map(|transaction| &transaction.output).map(|output| output.value);
        Self {
            height,
            hash: block.block_hash().into(),
            time: block.header.time,
            transactions: block.txdata.len(),
            output_sats: values.map(Amount::to_sat).fold(0, u64::saturating_add),
            size_bytes: block.total_size(),
        }
    }

    /// The summary on one line, for the log.
    pub(crate) fn to_line(&self) -> String {
        format!(
            "block {} {}: {} transactions, {} sats, {} bytes",
            self.height, self.hash, self.transactions, self.output_sats, self.size_bytes
        )
    }
}

impl fmt::Display for Summary {
    /// The content of a summary file.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "hash: {}", self.hash)?;
        writeln!(out, "height: {}", self.height)?;
        writeln!(out, "time: {}", self.time)?;
        writeln!(out, "transactions: {}", self.transactions)?;
        writeln!(out, "output_sats: {}", self.output_sats)?;
        writeln!(out, "size_bytes: {}", self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_sdk::bitcoin::{Network, constants::genesis_block};

    #[test]
    fn the_summary_of_the_first_block_is_what_is_known_of_it() {
        let summary = Summary::of(&genesis_block(Network::Bitcoin), 0);
        let text = "hash: 000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f\n\
            height: 0\ntime: 1231006505\ntransactions: 1\noutput_sats: 5000000000\nsize_bytes: 285\n";
        assert_eq!(summary.to_string(), text);
    }
}
