//! What the consumer was told the mempool holds, and what is remembered to tell why something left it. Pure.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use bitcoin::{OutPoint, Txid};

/// Inputs remembered, 8 bytes each. Of transactions beyond that it cannot be told that they were replaced.
const MAX_INPUTS: usize = 1_000_000;

/// A set of transactions, some with what they spend.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    waiting: HashMap<Txid, Spends>,
    inputs: usize,
    /// Its keys are secret: nobody can make two outputs look like one.
    hasher: RandomState,
}

/// The outputs that a transaction spends, each as a number; nothing where that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spends(Box<[u64]>);

impl Spends {
    pub(super) fn are_known(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Who spends which output, of transactions that came.
#[derive(Debug, Default)]
pub(super) struct Spenders(HashMap<u64, Txid>);

impl Spenders {
    pub(super) fn note(&mut self, txid: Txid, spends: &Spends) {
        self.0.extend(spends.0.iter().map(|spent| (*spent, txid)));
    }

    /// A transaction that spends one of the same outputs: only one of the two can ever confirm.
    pub(super) fn rival_of(&self, spends: &Spends) -> Option<Txid> {
        spends.0.iter().find_map(|spent| self.0.get(spent).copied())
    }
}

/// What one set has and the other has not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) added: Vec<Txid>,
    pub(super) removed: Vec<Txid>,
}

impl Mirror {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn contains(&self, txid: &Txid) -> bool {
        self.waiting.contains_key(txid)
    }

    pub(super) fn spends(&self, inputs: &[OutPoint]) -> Spends {
        Spends(inputs.iter().map(|outpoint| self.hasher.hash_one(outpoint)).collect())
    }

    /// Adds a transaction; what it spends is kept while there is room for it.
    pub(super) fn insert(&mut self, txid: Txid, spends: Spends) {
        let room = spends.0.len() <= MAX_INPUTS.saturating_sub(self.inputs);
        let spends = if room { spends } else { Spends::default() };
        self.inputs += spends.0.len();
        if let Some(before) = self.waiting.insert(txid, spends) {
            self.inputs -= before.0.len();
        }
    }

    /// Removes a transaction; whether it was there.
    pub(super) fn remove(&mut self, txid: &Txid) -> bool {
        let removed = self.waiting.remove(txid);
        self.inputs -= removed.as_ref().map_or(0, |spends| spends.0.len());
        removed.is_some()
    }

    /// What is remembered of a transaction that is there.
    pub(super) fn get(&self, txid: &Txid) -> Option<&Spends> {
        self.waiting.get(txid)
    }

    /// How `txids` differ from what is here.
    pub(super) fn difference(&self, txids: &[Txid]) -> Difference {
        let now: HashSet<&Txid> = txids.iter().collect();
        Difference {
            added: txids.iter().filter(|txid| !self.waiting.contains_key(*txid)).copied().collect(),
            removed: self.waiting.keys().filter(|txid| !now.contains(txid)).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash;
    use proptest::prelude::*;

    use super::*;

    fn txid(number: u8) -> Txid {
        Txid::from_byte_array([number; 32])
    }

    fn output(number: u32) -> OutPoint {
        OutPoint { txid: txid(1), vout: number }
    }

    #[test]
    fn transactions_are_rivals_where_they_share_an_output_and_only_there() {
        let mirror = Mirror::default();
        let mut spenders = Spenders::default();
        spenders.note(txid(9), &mirror.spends(&[output(2), output(3)]));
        assert_eq!(spenders.rival_of(&mirror.spends(&[output(1), output(2)])), Some(txid(9)));
        assert_eq!(spenders.rival_of(&mirror.spends(&[output(1)])), None);
        assert_eq!(spenders.rival_of(&Spends::default()), None);
        assert!(!Spends::default().are_known());
    }

    #[test]
    fn inputs_are_remembered_up_to_the_bound_and_no_further() {
        let mut mirror = Mirror::default();
        let many = Spends(vec![7; MAX_INPUTS].into());
        mirror.insert(txid(1), many.clone());
        mirror.insert(txid(2), Spends(vec![8].into()));
        assert!(mirror.get(&txid(1)).unwrap().are_known() && !mirror.get(&txid(2)).unwrap().are_known());
        assert!(mirror.remove(&txid(1)) && !mirror.remove(&txid(1)));
        mirror.insert(txid(3), many);
        assert!(mirror.get(&txid(3)).unwrap().are_known(), "the room was not given back");
    }

    proptest! {
        #[test]
        fn difference_applied_gives_the_other_set(before: HashSet<u8>, after: HashSet<u8>) {
            let mut mirror = Mirror::default();
            before.iter().for_each(|number| mirror.insert(txid(*number), Spends::default()));
            let now: Vec<Txid> = after.iter().map(|number| txid(*number)).collect();
            let Difference { added, removed } = mirror.difference(&now);
            removed.iter().for_each(|gone| { mirror.remove(gone); });
            added.iter().for_each(|new| mirror.insert(*new, Spends::default()));
            prop_assert_eq!(mirror.len(), after.len());
            prop_assert_eq!(mirror.difference(&now), Difference::default());
            prop_assert_eq!(mirror.inputs, 0);
        }
    }
}
