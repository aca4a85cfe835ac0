//! The calls that wait for an answer.
//!
//! Every one of them ends: by its answer, by its deadline (the waiter is dropped), or because the connection
//! ended, which closes the table for ever. It never keeps a call whose waiter is gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cofferdam_protocol::{ApiError, ResponseMessage, ResponsePayload};
use tokio::sync::oneshot;

type Answer = Result<ResponsePayload, ApiError>;

/// The table of waiting calls.
#[derive(Debug)]
pub(crate) struct Pending(Mutex<Table>);

#[derive(Debug)]
enum Table {
    Open { next_id: u64, waiting: BTreeMap<u64, oneshot::Sender<Answer>> },
    Closed { reason: String },
}

/// A place in the table; dropping it gives the place up.
pub(crate) struct Waiter<'a> {
    pending: &'a Pending,
    id: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Pending {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Table::Open { next_id: 1, waiting: BTreeMap::new() }))
    }

    /// Takes a place in the table.
    ///
    /// # Errors
    /// The reason why the connection is closed.
    pub(crate) fn register(&self) -> Result<Waiter<'_>, String> {
        match &mut *self.lock() {
            Table::Closed { reason } => Err(reason.clone()),
            Table::Open { next_id, waiting } => {
                let id = *next_id;
                *next_id = id.wrapping_add(1);
                let (sender, answer) = oneshot::channel();
                waiting.insert(id, sender);
                Ok(Waiter { pending: self, id, answer })
            }
        }
    }

    /// Hands an answer to its waiter. An answer nobody waits for any more is dropped.
    pub(crate) fn answer(&self, response: ResponseMessage) {
        if let Table::Open { waiting, .. } = &mut *self.lock()
            && let Some(waiter) = waiting.remove(&response.correlation_id)
        {
            // A waiter that went away in this moment loses nothing by not being told.
            let _gone = waiter.send(response.result);
        }
    }

    /// Closes the table: every waiter fails, and so does everyone who comes later. The first reason stays.
    pub(crate) fn close(&self, reason: String) {
        let mut table = self.lock();
        if matches!(*table, Table::Open { .. }) {
            *table = Table::Closed { reason };
        }
    }

    /// How many calls wait.
    pub(crate) fn count(&self) -> usize {
        match &*self.lock() {
            Table::Open { waiting, .. } => waiting.len(),
            Table::Closed { .. } => 0,
        }
    }

    /// Why the connection is closed, if it is.
    pub(crate) fn closed_reason(&self) -> Option<String> {
        match &*self.lock() {
            Table::Open { .. } => None,
            Table::Closed { reason } => Some(reason.clone()),
        }
    }

    /// No code panics while it holds the lock, so a poisoned table is still whole.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// The correlation id to send.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// The reason why the connection was closed.
    pub(crate) async fn wait(&mut self) -> Result<Answer, String> {
        match (&mut self.answer).await {
            Ok(answer) => Ok(answer),
            Err(_sender_dropped) => Err(self.pending.closed_reason().unwrap_or_default()),
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Table::Open { waiting, .. } = &mut *self.pending.lock() {
            waiting.remove(&self.id);
        }
    }
}
