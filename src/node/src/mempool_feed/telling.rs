//! What a feed tells its consumer: each change once, with the reason as far as the node lets it be known.

use std::collections::{HashMap, HashSet};

use bitcoin::{BlockHash, Txid};

use super::MempoolView;
use super::feed::{Feed, Halt};
use super::mirror::{Difference, Mirror, Spenders, Spends};
use crate::error::NodeError;
use crate::mempool::{MAX_MEMPOOL_TXIDS, MempoolEntry, MempoolEvent, RemovalReason, ResyncCause};

/// Transactions found by one comparison whose fee and inputs are asked for: each is two questions to the node.
const MAX_LOOKUPS: usize = 1000;
/// Blocks of which it is asked, after a comparison, whether they contain what left.
const MAX_BLOCKS_BACK: usize = 24;

/// A transaction that left, and may have been replaced by the next that comes.
pub(super) struct Evicted {
    pub(super) txid: Txid,
    pub(super) sequence: u64,
    pub(super) spends: Spends,
}

/// A transaction that came.
pub(super) struct Arrival {
    pub(super) txid: Txid,
    pub(super) sequence: Option<u64>,
    pub(super) entry: Option<MempoolEntry>,
    pub(super) spends: Spends,
}

impl<V: MempoolView> Feed<V> {
    /// Tells why transactions left, once it is known what came next.
    pub(super) async fn flush(&mut self, next: Option<&Arrival>) -> Result<(), Halt> {
        let mut spenders = Spenders::default();
        if let Some(next) = next {
            spenders.note(next.txid, &next.spends);
        }
        for Evicted { txid, sequence, spends } in std::mem::take(&mut self.evicted) {
            let reason = replaced(&spenders, &spends);
            self.tell_removed(txid, Some(sequence), reason).await?;
        }
        Ok(())
    }

    pub(super) async fn tell_difference(&mut self, difference: Difference) -> Result<(), Halt> {
        let Difference { added, removed } = difference;
        let confirmed = match removed.is_empty() {
            true => HashMap::new(),
            false => self.confirmed(&removed).await?,
        };
        let mut arrivals = Vec::new();
        let mut spenders = Spenders::default();
        for txid in added.iter().take(MAX_LOOKUPS) {
            let arrival = self.look_up(*txid, None).await?;
            spenders.note(arrival.txid, &arrival.spends);
            arrivals.push(arrival);
        }
        for txid in removed {
            let reason = match (confirmed.get(&txid), self.told.as_ref().and_then(|told| told.get(&txid))) {
                (Some(block), _) => RemovalReason::Confirmed { block: *block },
                (None, Some(spends)) => replaced(&spenders, spends),
                (None, None) => RemovalReason::Unknown,
            };
            self.tell_removed(txid, None, reason).await?;
        }
        for arrival in arrivals {
            self.tell_added(arrival).await?;
        }
        for txid in added.into_iter().skip(MAX_LOOKUPS) {
            let unknown = Arrival { txid, sequence: None, entry: None, spends: Spends::default() };
            self.tell_added(unknown).await?;
        }
        Ok(())
    }

    /// Which of `txids` the blocks above the one of the last comparison contain, as far as they are looked through.
    pub(super) async fn confirmed(&self, txids: &[Txid]) -> Result<HashMap<Txid, BlockHash>, NodeError> {
        let wanted: HashSet<&Txid> = txids.iter().collect();
        let mut confirmed = HashMap::new();
        // After the snapshot: nothing that left it before is in a higher block.
        let mut next = Some(self.view.tip().await?).filter(|_| self.tip.is_some());
        for _ in 0..MAX_BLOCKS_BACK {
            let Some(hash) = next.filter(|hash| Some(*hash) != self.tip) else { break };
            let Some(block) = self.view.block_txids(hash).await? else { break };
            let found = block.txids.into_iter().filter(|txid| wanted.contains(txid));
            confirmed.extend(found.map(|txid| (txid, hash)));
            next = block.previous;
        }
        Ok(confirmed)
    }

    pub(super) async fn look_up(&self, txid: Txid, sequence: Option<u64>) -> Result<Arrival, NodeError> {
        let (entry, inputs) = tokio::try_join!(self.view.entry(txid), self.view.inputs(txid))?;
        let spends = self.told.as_ref().zip(inputs).map(|(told, inputs)| told.spends(&inputs));
        Ok(Arrival { txid, sequence, entry, spends: spends.unwrap_or_default() })
    }

    pub(super) async fn tell_added(&mut self, arrival: Arrival) -> Result<(), Halt> {
        let Some(told) = self.told.as_mut().filter(|told| !told.contains(&arrival.txid)) else {
            return Ok(());
        };
        if told.len() >= MAX_MEMPOOL_TXIDS {
            let reason = format!("its mempool has more than {MAX_MEMPOOL_TXIDS} transactions");
            return Err(NodeError::malformed("sequence", reason).into());
        }
        told.insert(arrival.txid, arrival.spends);
        let transactions = count(told);
        let Arrival { txid, sequence, entry, .. } = arrival;
        self.tell(MempoolEvent::Added { txid, sequence, entry, transactions }).await
    }

    pub(super) async fn tell_removed(
        &mut self,
        txid: Txid,
        sequence: Option<u64>,
        reason: RemovalReason,
    ) -> Result<(), Halt> {
        let Some(told) = &mut self.told else { return Ok(()) };
        if !told.remove(&txid) {
            return Ok(());
        }
        let transactions = count(told);
        self.tell(MempoolEvent::Removed { txid, sequence, reason, transactions }).await
    }

    pub(super) async fn tell_resynced(&self, cause: ResyncCause) -> Result<(), Halt> {
        self.tell(MempoolEvent::Resynced { cause, sequence: self.next }).await
    }

    pub(super) async fn tell(&self, event: MempoolEvent) -> Result<(), Halt> {
        self.events.send(event).await.map_err(|_closed| Halt::Abandoned)
    }
}

fn replaced(spenders: &Spenders, spends: &Spends) -> RemovalReason {
    spenders.rival_of(spends).map_or(RemovalReason::Unknown, |by| RemovalReason::Replaced { by })
}

fn count(told: &Mirror) -> u32 {
    u32::try_from(told.len()).unwrap_or(u32::MAX)
}
