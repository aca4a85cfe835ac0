//! The calls that wait for an answer.
//!
//! Every one of them ends: by its answer, by its deadline, or because the connection ended, which closes the table for
//! ever. It never keeps a call whose waiter is gone.
//!
//! One task looks after all deadlines: a timer for each call, which hardly ever fires, would cost more than the rest
//! of the call.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cofferdam_protocol::{ApiError, ResponseMessage, ResponsePayload};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

type Answer = Result<ResponsePayload, ApiError>;

/// The table of waiting calls.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    table: Mutex<Table>,
    /// A deadline comes before the one that [`Pending::expire`] waits for.
    sooner: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// Why the connection is closed, if it is.
    closed: Option<String>,
    last_id: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// When deadlines are looked at next; not after the earliest of them.
    next_look: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Result<Answer, Missed>>,
    deadline: Instant,
}

/// The deadline of a call has passed.
#[derive(Debug)]
struct Missed;

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// None came in time.
    Late,
    /// The connection was closed, for this reason.
    Closed(String),
}

/// A place in the table; dropping it gives the place up.
pub(crate) struct Waiter<'a> {
    pending: &'a Pending,
    id: u64,
    answer: oneshot::Receiver<Result<Answer, Missed>>,
}

impl Pending {
    /// Takes a place in the table until `deadline`.
    ///
    /// # Errors
    /// The reason why the connection is closed.
    pub(crate) fn register(&self, deadline: Instant) -> Result<Waiter<'_>, String> {
        let mut table = self.lock();
        if let Some(reason) = &table.closed {
            return Err(reason.clone());
        }
        table.last_id = table.last_id.wrapping_add(1);
        let id = table.last_id;
        let (sender, answer) = oneshot::channel();
        table.waiting.insert(id, Waiting { answer: sender, deadline });
        if table.next_look.is_none_or(|next_look| deadline < next_look) {
            table.next_look = Some(deadline);
            self.sooner.notify_one();
        }
        Ok(Waiter { pending: self, id, answer })
    }

    /// Hands an answer to its waiter. An answer nobody waits for any more is dropped.
    pub(crate) fn answer(&self, response: ResponseMessage) {
        if let Some(waiting) = self.lock().waiting.remove(&response.correlation_id) {
            // A waiter that went away in this moment loses nothing by not being told.
            let _gone = waiting.answer.send(Ok(response.result));
        }
    }

    /// Ends calls at their deadlines, for ever.
    pub(crate) async fn expire(&self) {
        loop {
            let next_look = self.end_overdue(Instant::now());
            let sooner = self.sooner.notified();
            match next_look {
                None => sooner.await,
                Some(next_look) => tokio::select! {
                    () = sleep_until(next_look) => {}
                    () = sooner => {}
                },
            }
        }
    }

    /// Ends the calls whose deadline has passed, and answers when to look again.
    fn end_overdue(&self, now: Instant) -> Option<Instant> {
        let mut table = self.lock();
        let is_overdue = |(id, waiting): (&u64, &Waiting)| (waiting.deadline <= now).then_some(*id);
        let overdue: Vec<u64> = table.waiting.iter().filter_map(is_overdue).collect();
        for waiting in overdue.iter().filter_map(|id| table.waiting.remove(id)) {
            let _gone = waiting.answer.send(Err(Missed));
        }
        table.next_look = table.waiting.values().map(|waiting| waiting.deadline).min();
        table.next_look
    }

    /// Closes the table: every waiter fails, and so does everyone who comes later. The first reason stays.
    pub(crate) fn close(&self, reason: String) {
        let mut table = self.lock();
        table.closed.get_or_insert(reason);
        table.waiting.clear();
    }

    /// How many calls wait.
    pub(crate) fn count(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Why the connection is closed, if it is.
    pub(crate) fn closed_reason(&self) -> Option<String> {
        self.lock().closed.clone()
    }

    /// No code panics while it holds the lock, so a poisoned table is still whole.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// [`NoAnswer`].
    pub(crate) async fn wait(&mut self) -> Result<Answer, NoAnswer> {
        match (&mut self.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Missed)) => Err(NoAnswer::Late),
            Err(_sender_dropped) => Err(NoAnswer::Closed(self.pending.closed_reason().unwrap_or_default())),
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.pending.lock().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after(ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_ends_at_its_own_deadline_in_whatever_order_they_were_made() {
        let pending = Pending::default();
        let begun = Instant::now();
        let ends_after = async |ms| {
            let mut waiter = pending.register(after(ms)).unwrap();
            assert!(matches!(waiter.wait().await, Err(NoAnswer::Late)));
            assert_eq!(begun.elapsed().as_millis(), u128::from(ms));
        };
        tokio::select! {
            () = pending.expire() => {}
            _ = async { tokio::join!(ends_after(300), ends_after(100), ends_after(200), ends_after(400)) } => {}
        }
        assert_eq!(pending.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_answered_does_not_end_again_and_the_next_one_has_its_whole_time() {
        let pending = Pending::default();
        let two_calls = async {
            let mut first = pending.register(after(100)).unwrap();
            pending.answer(ResponseMessage {
                correlation_id: first.id(),
                result: Err(ApiError::RateLimited { retry_after_ms: 1 }),
            });
            assert!(matches!(first.wait().await, Ok(Err(ApiError::RateLimited { .. }))));
            drop(first);
            let begun = Instant::now();
            let mut second = pending.register(after(150)).unwrap();
            assert!(matches!(second.wait().await, Err(NoAnswer::Late)));
            assert_eq!(begun.elapsed().as_millis(), 150);
        };
        tokio::select! {
            () = pending.expire() => {}
            () = two_calls => {}
        }
    }

    #[tokio::test]
    async fn when_the_connection_closes_every_call_ends_with_the_first_reason_and_so_does_a_later_one() {
        let pending = Pending::default();
        let mut waiter = pending.register(after(60_000)).unwrap();
        pending.close("first".to_owned());
        pending.close("second".to_owned());
        assert!(matches!(waiter.wait().await, Err(NoAnswer::Closed(reason)) if reason == "first"));
        assert_eq!(pending.register(after(1)).err().as_deref(), Some("first"));
    }
}
