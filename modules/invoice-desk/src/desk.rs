//! The invoices: all of them in memory, each on the disk before anybody is told of it.
//!
//! A payment that is settled stays settled: output-watch tells of none before it has the confirmations that the operator
//! asked for. That it is settled is published at least once, and twice if the process dies in between.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound;

use cofferdam_sdk::{Bytes, EventType, LogLevel, NodeApi, PublishedEvent, SdkError};

use crate::error::DeskError;
use crate::invoice::{Invoice, Payment};
use crate::watcher;

const TREE: &str = "invoices";

/// The most invoices that are kept. Each is a script to watch, of which output-watch takes 1000.
const MAX_INVOICES: usize = 1000;

/// The longest memo, in bytes.
const MAX_MEMO_BYTES: usize = 500;

/// All the money there will be, in satoshis.
const MAX_SATS: u64 = 2_100_000_000_000_000;

/// The invoices and where they are kept.
#[derive(Debug)]
pub(crate) struct Desk {
    node: NodeApi,
    tree: u32,
    invoices: BTreeMap<u64, Invoice>,
    by_script: BTreeMap<String, u64>,
}

/// Why there is no new invoice.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The caller can mend it.
    Wrong(String),
    /// output-watch does not watch it.
    Unwatched(SdkError),
}

impl Desk {
    /// Takes the invoices over from an earlier run.
    pub(crate) async fn open(node: NodeApi) -> Result<Self, DeskError> {
        let tree = node.storage_open_tree(TREE.to_owned()).await?;
        let mut desk = Self { node, tree, invoices: BTreeMap::new(), by_script: BTreeMap::new() };
        for entry in desk.node.storage_entries(tree, Bytes::new()).await? {
            let wrong = |problem: String| DeskError::Invoice { id: format!("{:?}", entry.key), problem };
            let id = entry.key.as_ref().try_into().map(u64::from_be_bytes);
            let id = id.map_err(|_| wrong("its key is not a number of 8 bytes".to_owned()))?;
            let invoice: Invoice =
                serde_json::from_slice(&entry.value).map_err(|error| wrong(error.to_string()))?;
            desk.by_script.insert(invoice.script.clone(), id);
            desk.invoices.insert(id, invoice);
        }
        Ok(desk)
    }

    pub(crate) fn len(&self) -> usize {
        self.invoices.len()
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Invoice> {
        self.invoices.get(&id)
    }

    /// The invoices after this id, in their order.
    pub(crate) fn after(&self, id: u64) -> Range<'_, u64, Invoice> {
        self.invoices.range((Bound::Excluded(id), Bound::Unbounded))
    }

    /// The invoice that is to be paid to this script.
    pub(crate) fn of_script(&self, script: &str) -> Option<(u64, &Invoice)> {
        let id = *self.by_script.get(script)?;
        Some((id, self.invoices.get(&id)?))
    }

    /// Makes an invoice, once its script is watched. `node` is for whom that is done.
    pub(crate) async fn create(
        &mut self,
        node: &NodeApi,
        address: &str,
        sats: u64,
        memo: String,
    ) -> Result<Result<u64, Refused>, DeskError> {
        if let Err(problem) = self.may_create(sats, &memo) {
            return Ok(Err(Refused::Wrong(problem)));
        }
        let script = match watcher::watch(node, address).await {
            Ok(script) => script,
            Err(error @ SdkError::Closed { .. }) => return Err(error.into()),
            Err(error) => return Ok(Err(Refused::Unwatched(error))),
        };
        if let Some((id, _)) = self.of_script(&script) {
            let problem = format!("invoice {id} is paid to {script}; give each its own address");
            return Ok(Err(Refused::Wrong(problem)));
        }
        let id = self.invoices.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let invoice = Invoice::new(script.clone(), sats, memo);
        self.write(id, &invoice).await?;
        self.by_script.insert(script, id);
        self.invoices.insert(id, invoice);
        Ok(Ok(id))
    }

    fn may_create(&self, sats: u64, memo: &str) -> Result<(), String> {
        if !(1..=MAX_SATS).contains(&sats) {
            return Err(format!("{sats} satoshis cannot be asked for, only 1 to {MAX_SATS}"));
        }
        if memo.len() > MAX_MEMO_BYTES {
            return Err(format!("a memo of {} bytes, at most {MAX_MEMO_BYTES}", memo.len()));
        }
        if self.invoices.len() >= MAX_INVOICES {
            return Err(format!("{MAX_INVOICES} invoices are kept already, which is the most"));
        }
        Ok(())
    }

    /// Takes an event. One of another publisher than output-watch is no payment.
    pub(crate) async fn hear(&mut self, event: &PublishedEvent) -> Result<(), DeskError> {
        match watcher::verified(event) {
            Some((script, payment)) => self.settle(&script, payment).await,
            None => {
                let line = format!("a PaymentVerified of {} settles nothing", event.publisher);
                Ok(self.node.log(LogLevel::Warn, line).await?)
            }
        }
    }

    /// Has every script that is not paid in full watched, and asks for payments whose event was lost.
    pub(crate) async fn reconcile(&mut self) -> Result<(), DeskError> {
        let open = self.invoices.values().filter(|invoice| !invoice.is_settled());
        let open: Vec<String> = open.map(|invoice| invoice.script.clone()).collect();
        for script in open {
            match self.payments(&script).await {
                Ok(payments) => {
                    for payment in payments {
                        self.settle(&script, payment).await?;
                    }
                }
                Err(error @ SdkError::Closed { .. }) => return Err(error.into()),
                Err(error) => {
                    let line = format!("output-watch was not asked for all payments, later it is: {error}");
                    return Ok(self.node.log(LogLevel::Warn, line).await?);
                }
            }
        }
        Ok(())
    }

    async fn payments(&self, script: &str) -> Result<Vec<Payment>, SdkError> {
        watcher::watch(&self.node, script).await?;
        watcher::payments(&self.node, script).await
    }

    async fn settle(&mut self, script: &str, payment: Payment) -> Result<(), DeskError> {
        // Output-watch watches for others too.
        let Some(id) = self.by_script.get(script).copied() else { return Ok(()) };
        let Some(mut invoice) = self.invoices.get(&id).cloned() else { return Ok(()) };
        let was_settled = invoice.is_settled();
        if !invoice.pay(payment) {
            return Ok(());
        }
        if invoice.is_settled() && !was_settled {
            self.tell_settled(id, &invoice).await?;
        }
        self.write(id, &invoice).await?;
        self.invoices.insert(id, invoice);
        Ok(())
    }

    async fn tell_settled(&self, id: u64, invoice: &Invoice) -> Result<(), DeskError> {
        let payload = invoice.to_json(id).to_string();
        match self.node.publish_event(EventType::PaymentSettled, payload.into()).await {
            Ok(_) => {}
            Err(error @ SdkError::Closed { .. }) => return Err(error.into()),
            Err(error) => {
                let line = format!("invoice {id} is settled, but nobody was told: {error}");
                self.node.log(LogLevel::Warn, line).await?;
            }
        }
        let line = format!("invoice {id} is settled: {} of {} sats", invoice.paid_sats(), invoice.sats);
        Ok(self.node.log(LogLevel::Info, line).await?)
    }

    async fn write(&self, id: u64, invoice: &Invoice) -> Result<(), DeskError> {
        let wrong =
            |error: serde_json::Error| DeskError::Invoice { id: id.to_string(), problem: error.to_string() };
        let value = serde_json::to_vec(invoice).map_err(wrong)?;
        let key = Bytes::copy_from_slice(&id.to_be_bytes());
        Ok(self.node.storage_insert(self.tree, key, value.into()).await?)
    }
}
