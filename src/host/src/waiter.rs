//! The one task that waits for something to come into a queue; kept beside the queue, under its lock.
//!
//! A task is never lost: whoever looks and finds nothing registers in the same turn of the lock. It may be woken for
//! nothing.

use std::task::{Context, Waker};

/// Whom to wake.
#[derive(Debug, Default)]
pub(crate) struct Waiter(Option<Waker>);

impl Waiter {
    /// From now on the task of `context` is the one.
    pub(crate) fn register(&mut self, context: &Context<'_>) {
        match &mut self.0 {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.0 = Some(context.waker().clone()),
        }
    }

    /// Wakes the task that waits, or that waited last.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &self.0 {
            waker.wake_by_ref();
        }
    }
}
