//! Transactions that modules submitted and that no peer has asked for yet. When one leaves the mempool before that
//! was seen, what became of its broadcast is not known, and nothing is told.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::Txid;
use cofferdam_node::{MempoolEntry, Node};
use cofferdam_protocol::EventPayload;

use super::{every, ticks};
use crate::events::Hub;

/// Transactions that are looked after, each by a call to the node; the oldest give way.
const MAX_WATCHED: usize = 256;

/// The transactions that are looked after.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts(Mutex<VecDeque<Txid>>);

impl Broadcasts {
    /// Looks after a transaction that the node has taken.
    pub(crate) fn watch(&self, txid: Txid) {
        let mut watched = self.lock();
        if watched.contains(&txid) {
            return;
        }
        if watched.len() >= MAX_WATCHED {
            watched.pop_front();
        }
        watched.push_back(txid);
    }

    fn forget(&self, txid: Txid) {
        self.lock().retain(|watched| *watched != txid);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Txid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of those that a peer has asked for.
pub(super) async fn look(node: &Node, hub: &Hub, broadcasts: &Broadcasts) {
    let mut ticks = ticks(every::BROADCASTS);
    loop {
        ticks.tick().await;
        let watched: Vec<Txid> = broadcasts.lock().iter().copied().collect();
        for txid in watched {
            match node.mempool_entry(txid).await {
                Ok(Some(MempoolEntry { unbroadcast: true, .. })) | Err(_) => {}
                Ok(Some(_)) => {
                    broadcasts.forget(txid);
                    hub.publish(EventPayload::BroadcastCompleted { txid: txid.into() });
                }
                Ok(None) => broadcasts.forget(txid),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;

    #[test]
    fn a_module_that_submits_without_end_is_looked_after_no_further_than_the_bound() {
        let broadcasts = Broadcasts::default();
        for number in 0..=u8::MAX {
            broadcasts.watch(Txid::from_byte_array([number; 32]));
            broadcasts.watch(Txid::from_byte_array([number; 32]));
        }
        assert_eq!(broadcasts.lock().len(), MAX_WATCHED);
        broadcasts.watch(Txid::from_byte_array(
            [7; 31].iter().copied().chain([1]).collect::<Vec<_>>().try_into().unwrap(),
        ));
        assert_eq!(broadcasts.lock().len(), MAX_WATCHED);
        assert!(!broadcasts.lock().contains(&Txid::from_byte_array([0; 32])));
    }
}
