//! Calls about unconfirmed transactions, and the one that submits them. Lists come in the order of their bytes,
//! so that a page is found again by its last id. No number is invented: what the node cannot say is an error.

use std::sync::Arc;

use cofferdam_protocol::calls::{
    CheckTransactionInMempool, GetFeeEstimate, GetMempoolSize, GetMempoolTransaction, GetMempoolTransactions,
    GetMempoolTransactionsAfter, SendTransaction,
};
use cofferdam_protocol::mempool::{FeeEstimate, MAX_TXIDS, MempoolSize, MempoolTransactions, Txids};
use cofferdam_protocol::{ApiError, EventPayload, RawTransaction, Txid};

use super::Host;
use super::failure::invalid;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};
use cofferdam_node::{EstimateBasis, MempoolSnapshot};

/// The largest transaction that is passed on: one that fills a block has 4 MB.
const MAX_TRANSACTION_BYTES: usize = 4_000_000;

/// What a node can be asked an estimate for, in blocks.
const FEE_TARGETS: std::ops::RangeInclusive<u32> = 1..=1008;

impl Handle<GetMempoolTransactions> for Host {
    const REPLY: ReplySize = ReplySize::TwiceLarge;

    async fn handle(
        &self,
        _: &Caller,
        _: Authorized<GetMempoolTransactions>,
    ) -> Result<MempoolTransactions, ApiError> {
        self.mempool_page(None).await
    }
}

impl Handle<GetMempoolTransactionsAfter> for Host {
    const REPLY: ReplySize = ReplySize::TwiceLarge;

    async fn handle(
        &self,
        _: &Caller,
        call: Authorized<GetMempoolTransactionsAfter>,
    ) -> Result<MempoolTransactions, ApiError> {
        self.mempool_page(Some(call.into_call().after)).await
    }
}

impl Handle<GetMempoolTransaction> for Host {
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(
        &self,
        _: &Caller,
        call: Authorized<GetMempoolTransaction>,
    ) -> Result<Option<RawTransaction>, ApiError> {
        let found = self.node.mempool_transaction(call.into_call().txid.into()).await;
        Ok(found.map_err(|error| self.failure(error))?.map(RawTransaction::new))
    }
}

impl Handle<GetMempoolSize> for Host {
    async fn handle(&self, _: &Caller, _: Authorized<GetMempoolSize>) -> Result<MempoolSize, ApiError> {
        let info = self.node.mempool_info().await.map_err(|error| self.failure(error))?;
        Ok(MempoolSize {
            transactions: info.transactions,
            virtual_bytes: info.vsize,
            total_fee_sats: info.total_fee.to_sat(),
            min_fee_msats_per_vbyte: info.min_fee_rate.msat_per_vb(),
        })
    }
}

impl Handle<CheckTransactionInMempool> for Host {
    async fn handle(
        &self,
        _: &Caller,
        call: Authorized<CheckTransactionInMempool>,
    ) -> Result<bool, ApiError> {
        let found = self.node.mempool_contains(call.into_call().txid.into()).await;
        found.map_err(|error| self.failure(error))
    }
}

impl Handle<GetFeeEstimate> for Host {
    async fn handle(&self, _: &Caller, call: Authorized<GetFeeEstimate>) -> Result<FeeEstimate, ApiError> {
        let GetFeeEstimate { target_blocks } = call.into_call();
        let asked = u16::try_from(target_blocks).ok().filter(|_| FEE_TARGETS.contains(&target_blocks));
        let asked = asked
            .ok_or_else(|| invalid("target_blocks", format!("{target_blocks}; it must be 1 to 1008")))?;
        let estimate = self.node.fee_estimate(asked).await.map_err(|error| self.failure(error))?;
        Ok(FeeEstimate {
            sats_per_vbyte: estimate.rate.sat_per_vb_ceil(),
            msats_per_vbyte: estimate.rate.msat_per_vb(),
            target_blocks: estimate.target_blocks.into(),
            simulated: match estimate.basis {
                EstimateBasis::Simulated => true,
                EstimateBasis::Observed => false,
            },
        })
    }
}

impl Handle<SendTransaction> for Host {
    async fn handle(&self, _: &Caller, call: Authorized<SendTransaction>) -> Result<Txid, ApiError> {
        let SendTransaction { transaction } = call.into_call();
        let bytes = transaction.as_bytes().len();
        if bytes > MAX_TRANSACTION_BYTES {
            let problem =
                format!("{bytes} bytes; no block takes a transaction of more than {MAX_TRANSACTION_BYTES}");
            return Err(invalid("transaction", problem));
        }
        // Decoded here too: what a node would make of other bytes is its own affair.
        transaction.decode().map_err(|error| invalid("transaction", error.to_string()))?;
        let txid = self.node.submit_transaction(transaction.as_bytes()).await;
        let txid = txid.map_err(|error| self.failure(error))?;
        self.hub().publish(EventPayload::BroadcastStarted { txid: txid.into() });
        self.local().broadcasts.watch(txid);
        Ok(txid.into())
    }
}

impl Host {
    async fn mempool_page(&self, after: Option<Txid>) -> Result<MempoolTransactions, ApiError> {
        let snapshot = self.node.mempool_txids().await.map_err(|error| self.failure(error))?;
        // A quarter of a million ids take tens of milliseconds to sort: not among what serves small calls.
        let page = tokio::task::spawn_blocking(move || page(&snapshot, after)).await;
        page.map_err(|error| self.fault(&format!("sort the mempool: {error}")))
    }
}

/// The ids above `after`, in the order of their bytes.
fn page(snapshot: &MempoolSnapshot, after: Option<Txid>) -> MempoolTransactions {
    let txids = Arc::clone(&snapshot.txids);
    let mut above: Vec<Txid> = txids
        .iter()
        .map(|txid| Txid::from(*txid))
        .filter(|txid| after.is_none_or(|after| *txid > after))
        .collect();
    above.sort_unstable();
    let more = above.len() > MAX_TXIDS;
    MempoolTransactions { mempool_sequence: Some(snapshot.sequence), txids: Txids::truncated(above), more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_hold_each_id_above_the_last_once_and_in_order(
            ids in proptest::collection::btree_set(any::<[u8; 32]>(), 0..60),
            shuffle in any::<u64>(),
            after in proptest::option::of(any::<[u8; 32]>()),
        ) {
            let mut unordered: Vec<_> = ids.iter().copied().map(bitcoin::Txid::from_byte_array).collect();
            let turn = usize::try_from(shuffle % 60).unwrap() % unordered.len().max(1);
            unordered.rotate_left(turn);
            let snapshot = MempoolSnapshot { sequence: 7, txids: unordered.into() };
            let found = page(&snapshot, after.map(Txid::from_bytes));
            let expected: Vec<_> = ids
                .iter()
                .filter(|id| after.is_none_or(|after| **id > after))
                .map(|id| Txid::from_bytes(*id))
                .collect();
            prop_assert_eq!(found.txids.iter().collect::<Vec<_>>(), expected);
            prop_assert!(!found.more);
        }
    }

    #[test]
    fn a_mempool_that_does_not_fit_a_reply_comes_in_two_pages() {
        let id = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
            bitcoin::Txid::from_byte_array(bytes)
        };
        let snapshot = MempoolSnapshot { sequence: 1, txids: (0..MAX_TXIDS + 2).rev().map(id).collect() };
        let first = page(&snapshot, None);
        let last = first.txids.iter().last();
        assert!(first.more && first.txids.len() == MAX_TXIDS);
        let second = page(&snapshot, last);
        assert!(!second.more && second.txids.len() == 2);
    }
}
