//! The outputs that pay to what is watched, and up to which block they are known. It never asks the node or the disk.
//!
//! Every output carries the heights at which it was made and spent. To undo a block is to drop what was made at its
//! height and to unspend what was spent there: nothing else has to be remembered.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_sdk::bitcoin::{Block, ScriptBuf};
use cofferdam_sdk::{BlockHash, OutPoint};
use serde::{Deserialize, Serialize};

use crate::error::WatchError;

/// The most scripts that are watched.
pub(crate) const MAX_SCRIPTS: usize = 1000;
/// The most outputs that are kept: some 40 MB in memory.
const MAX_OUTPUTS: usize = 50_000;

/// A block, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tip {
    pub(crate) height: u32,
    pub(crate) hash: BlockHash,
}

/// An output that pays to something watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) script: ScriptBuf,
    pub(crate) sats: u64,
    /// The height of the block that made it.
    pub(crate) height: u32,
    /// The height of the block that spent it.
    pub(crate) spent: Option<u32>,
}

/// What is watched and what was found.
#[derive(Debug, Default)]
pub(crate) struct Index {
    scripts: BTreeSet<ScriptBuf>,
    outputs: BTreeMap<OutPoint, Output>,
}

/// What a block changes: outputs as they are afterwards, or nothing where they are gone.
pub(crate) type Changes = BTreeMap<OutPoint, Option<Output>>;

impl Index {
    /// Watches a script, and says whether that is new. Nothing is watched beyond the limit.
    pub(crate) fn watch(&mut self, script: ScriptBuf) -> Result<bool, String> {
        if self.scripts.len() >= MAX_SCRIPTS && !self.scripts.contains(&script) {
            return Err(format!("{MAX_SCRIPTS} scripts are watched already, which is the most"));
        }
        Ok(self.scripts.insert(script))
    }

    pub(crate) fn watches(&self, script: &ScriptBuf) -> bool {
        self.scripts.contains(script)
    }

    /// Takes an output over from an earlier run.
    pub(crate) fn restore(&mut self, outpoint: OutPoint, output: Output) -> Result<(), WatchError> {
        self.apply(Changes::from([(outpoint, Some(output))]))
    }

    /// What connecting this block changes.
    pub(crate) fn connecting(&self, block: &Block, height: u32) -> Changes {
        let mut changes = Changes::new();
        for tx in &block.txdata {
            for input in &tx.input {
                let outpoint = OutPoint::from(input.previous_output);
                let known = changes.get(&outpoint).cloned().flatten();
                if let Some(output) = known.or_else(|| self.outputs.get(&outpoint).cloned()) {
                    changes.insert(outpoint, Some(Output { spent: Some(height), ..output }));
                }
            }
            let paying = || {
                tx.output
                    .iter()
                    .zip(0_u32..)
                    .filter(|(output, _)| self.scripts.contains(&output.script_pubkey))
            };
            if paying().next().is_none() {
                continue;
            }
            let txid = tx.compute_txid().into();
            for (output, vout) in paying() {
                let (script, sats) = (output.script_pubkey.clone(), output.value.to_sat());
                changes.insert(OutPoint { txid, vout }, Some(Output { script, sats, height, spent: None }));
            }
        }
        changes
    }

    /// What undoing all blocks above `height` changes.
    pub(crate) fn undoing_above(&self, height: u32) -> Changes {
        let touched = self.outputs.iter().filter_map(|(outpoint, output)| {
            if output.height > height {
                return Some((*outpoint, None));
            }
            output.spent.filter(|spent| *spent > height)?;
            Some((*outpoint, Some(Output { spent: None, ..output.clone() })))
        });
        touched.collect()
    }

    /// # Errors
    /// [`WatchError::Full`]; nothing is changed then.
    pub(crate) fn apply(&mut self, changes: Changes) -> Result<(), WatchError> {
        let new =
            changes.iter().filter(|(key, value)| value.is_some() && !self.outputs.contains_key(key)).count();
        if self.outputs.len().saturating_add(new) > MAX_OUTPUTS {
            return Err(WatchError::Full { max: MAX_OUTPUTS });
        }
        for (outpoint, output) in changes {
            match output {
                Some(output) => self.outputs.insert(outpoint, output),
                None => self.outputs.remove(&outpoint),
            };
        }
        Ok(())
    }

    /// The outputs that were made at this height.
    pub(crate) fn made_at(&self, height: u32) -> impl Iterator<Item = (&OutPoint, &Output)> {
        self.outputs.iter().filter(move |(_, output)| output.height == height)
    }

    /// The outputs of a script, after another one, in the order of their outpoints.
    pub(crate) fn of<'i>(
        &'i self,
        script: &'i ScriptBuf,
        after: Option<OutPoint>,
    ) -> impl Iterator<Item = (&'i OutPoint, &'i Output)> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.outputs
            .range((from, std::ops::Bound::Unbounded))
            .filter(move |(_, output)| output.script == *script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_sdk::testing::{TestHost, transaction};

    fn script(byte: u8) -> ScriptBuf {
        ScriptBuf::from_bytes(vec![byte])
    }

    fn unspent(index: &Index, script: &ScriptBuf) -> u64 {
        index
            .of(script, None)
            .filter(|(_, output)| output.spent.is_none())
            .map(|(_, output)| output.sats)
            .sum()
    }

    #[test]
    fn undoing_blocks_gives_exactly_the_index_before_them() {
        let host = TestHost::granting([]);
        let mut index = Index::default();
        index.watch(script(0x52)).unwrap();
        let first = host.mine([transaction(&[], &[(script(0x52), 5), (script(0x53), 9)])]);
        index.apply(index.connecting(&first, 1)).unwrap();
        let before = index.outputs.clone();

        let paid = OutPoint { txid: first.txdata[1].compute_txid().into(), vout: 0 };
        let second = host.mine([transaction(&[paid], &[(script(0x52), 3)])]);
        index.apply(index.connecting(&second, 2)).unwrap();
        assert_eq!(unspent(&index, &script(0x52)), 3);

        index.apply(index.undoing_above(1)).unwrap();
        assert_eq!(index.outputs, before);
        assert_eq!(unspent(&index, &script(0x52)), 5);
    }

    #[test]
    fn an_output_that_is_made_and_spent_in_one_block_is_both() {
        let host = TestHost::granting([]);
        let mut index = Index::default();
        index.watch(script(0x52)).unwrap();
        let making = transaction(&[], &[(script(0x52), 5)]);
        let spending = transaction(&[OutPoint { txid: making.compute_txid().into(), vout: 0 }], &[]);
        let block = host.mine([making, spending]);
        index.apply(index.connecting(&block, 1)).unwrap();
        assert_eq!((index.outputs.len(), unspent(&index, &script(0x52))), (1, 0));
    }

    #[test]
    fn no_more_scripts_are_watched_than_the_limit() {
        let mut index = Index::default();
        for number in 0..MAX_SCRIPTS {
            index.watch(ScriptBuf::from_bytes(number.to_le_bytes().to_vec())).unwrap();
        }
        assert!(index.watch(script(0x52)).is_err());
        assert_eq!(index.watch(ScriptBuf::from_bytes(0_usize.to_le_bytes().to_vec())), Ok(false));
    }
}
