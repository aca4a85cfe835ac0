//! The replies of one session that wait to be written, in the order in which they were made.
//!
//! It never waits and never refuses: each reply holds a place of its session's calls in flight, which bounds them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::unread::Waiting;
use crate::waiter::Waiter;

/// A reply on its way to the socket. It holds what it occupies until it is written.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) frame: Bytes,
    pub(super) _place: OwnedSemaphorePermit,
    pub(super) _large: Option<Waiting>,
}

/// Where replies come out, for the one who writes them.
#[derive(Debug, Default)]
pub(super) struct Replies(Mutex<State>);

/// Where replies go in. When the last one is dropped no more can come.
#[derive(Debug)]
pub(super) struct ReplySender(Arc<Replies>);

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Reply>,
    senders: usize,
    writer: Waiter,
}

/// An empty queue's two ends.
pub(super) fn replies() -> (ReplySender, Arc<Replies>) {
    let replies = Arc::new(Replies::default());
    (ReplySender::new(&replies), replies)
}

impl Replies {
    /// The next reply to write; `None` when no more can come.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Reply>> {
        let mut state = self.lock();
        match state.queue.pop_front() {
            Some(reply) => Poll::Ready(Some(reply)),
            None if state.senders == 0 => Poll::Ready(None),
            None => {
                state.writer.register(context);
                Poll::Pending
            }
        }
    }

    /// The next reply, if there is one.
    pub(super) fn pop(&self) -> Option<Reply> {
        self.lock().queue.pop_front()
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplySender {
    fn new(replies: &Arc<Replies>) -> Self {
        let mut state = replies.lock();
        state.senders = state.senders.saturating_add(1);
        drop(state);
        Self(Arc::clone(replies))
    }

    /// Adds a reply and wakes who writes it.
    pub(super) fn send(&self, reply: Reply) {
        let mut state = self.0.lock();
        state.queue.push_back(reply);
        state.writer.wake();
    }

    /// Adds a reply in the course of the task that writes it too, and looks for replies before it waits: waking it would
    /// cost another turn.
    pub(super) fn put(&self, reply: Reply) {
        self.0.lock().queue.push_back(reply);
    }
}

impl Clone for ReplySender {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for ReplySender {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders = state.senders.saturating_sub(1);
        if state.senders == 0 {
            state.writer.wake();
        }
    }
}
