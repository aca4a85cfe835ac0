//! An invoice and what was paid of it. Payments are only ever added: one that is told twice counts once.

use std::collections::BTreeMap;

use cofferdam_sdk::OutPoint;
use cofferdam_sdk::lightning::{PaymentState, PaymentStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most payments that one invoice counts: the largest, so that dust keeps no real payment out.
const MAX_PAYMENTS: usize = 100;

/// An invoice, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invoice {
    /// In hexadecimal, as output-watch writes it.
    pub(crate) script: String,
    pub(crate) sats: u64,
    pub(crate) memo: String,
    /// The outputs that paid, as `<txid>:<index>`, with their satoshis.
    payments: BTreeMap<String, u64>,
}

/// An output that paid to a script and is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) outpoint: OutPoint,
    pub(crate) sats: u64,
}

impl Invoice {
    pub(crate) fn new(script: String, sats: u64, memo: String) -> Self {
        Self { script, sats, memo, payments: BTreeMap::new() }
    }

    /// Counts a payment, and says whether that changed anything.
    pub(crate) fn pay(&mut self, payment: Payment) -> bool {
        let outpoint = payment.outpoint.to_string();
        if self.payments.contains_key(&outpoint) {
            return false;
        }
        if self.payments.len() >= MAX_PAYMENTS {
            let smallest = self.payments.iter().min_by_key(|(_, sats)| **sats);
            let smaller =
                smallest.filter(|(_, sats)| **sats < payment.sats).map(|(outpoint, _)| outpoint.clone());
            let Some(smaller) = smaller else { return false };
            self.payments.remove(&smaller);
        }
        self.payments.insert(outpoint, payment.sats);
        true
    }

    pub(crate) fn paid_sats(&self) -> u64 {
        self.payments.values().fold(0, |sum, sats| sum.saturating_add(*sats))
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.paid_sats() >= self.sats
    }

    fn status(&self) -> PaymentStatus {
        match self.paid_sats() {
            0 => PaymentStatus::Requested,
            _ if self.is_settled() => PaymentStatus::Settled,
            _ => PaymentStatus::Pending,
        }
    }

    /// For callers of the operator's interface.
    pub(crate) fn to_json(&self, id: u64) -> Value {
        json!({
            "id": id.to_string(),
            "script": self.script,
            "sats": self.sats,
            "paid_sats": self.paid_sats(),
            "memo": self.memo,
            "status": self.status(),
        })
    }

    /// For the host. What was paid on the chain cost its receiver no fee.
    pub(crate) fn state(&self, id: u64) -> PaymentState {
        PaymentState {
            payment_id: id.to_string(),
            status: self.status(),
            amount_msats: self.sats.checked_mul(1000),
            fee_msats: None,
            failure: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_sdk::Txid;

    fn payment(vout: u32, sats: u64) -> Payment {
        Payment { outpoint: OutPoint { txid: Txid::from_bytes([7; 32]), vout }, sats }
    }

    #[test]
    fn an_invoice_is_settled_by_its_amount_in_any_number_of_parts() {
        let mut invoice = Invoice::new("51".to_owned(), 100, String::new());
        assert_eq!(invoice.state(1).status, PaymentStatus::Requested);
        assert!(invoice.pay(payment(0, 60)));
        assert_eq!(invoice.state(1).status, PaymentStatus::Pending);
        assert!(invoice.pay(payment(1, 40)));
        assert_eq!(invoice.state(1).status, PaymentStatus::Settled);
        assert_eq!(invoice.state(1).amount_msats, Some(100_000));
    }

    #[test]
    fn a_payment_that_is_told_twice_counts_once() {
        let mut invoice = Invoice::new("51".to_owned(), 100, String::new());
        assert_eq!([invoice.pay(payment(0, 60)), invoice.pay(payment(0, 60))], [true, false]);
        assert_eq!(invoice.paid_sats(), 60);
    }

    #[test]
    fn dust_neither_makes_an_invoice_grow_without_end_nor_keeps_a_payment_out() {
        let mut invoice = Invoice::new("51".to_owned(), 1000, String::new());
        let taken = (0..1000).filter(|vout| invoice.pay(payment(*vout, 1))).count();
        assert_eq!((taken, invoice.paid_sats()), (100, 100));
        assert!(invoice.pay(payment(1000, 1000)));
        assert_eq!((invoice.payments.len(), invoice.is_settled()), (100, true));
    }

    #[test]
    fn it_is_read_back_as_it_was_written() {
        let mut invoice = Invoice::new("51".to_owned(), 100, "two coffees".to_owned());
        invoice.pay(payment(3, 60));
        let written = serde_json::to_vec(&invoice).unwrap();
        assert_eq!(serde_json::from_slice::<Invoice>(&written).unwrap(), invoice);
    }
}
