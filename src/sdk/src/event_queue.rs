//! The events that wait to be received, at most [`CAPACITY`] of them.
//!
//! Events have a queue of their own so that a module that is slow with them still gets its replies. If the
//! queue is full the oldest event is dropped and counted, and the module is told by an `EventsDropped` event
//! in its place: what it hears last is always what happened last. Nothing here ever waits for the module.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_protocol::{EventMessage, EventPayload, ModuleMessage};
use tokio::sync::Notify;

use crate::connection::Handle;

/// How many events wait at most. At a block every few seconds, as during a catch-up, it is an hour's worth;
/// at some 200 bytes an event it is a fifth of a megabyte.
pub(crate) const CAPACITY: usize = 1024;

/// The queue between the connection and the receivers.
#[derive(Debug)]
pub(crate) struct EventQueue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    events: VecDeque<EventMessage>,
    lost: Option<Lost>,
    closed: bool,
}

/// The span of events lost before the oldest in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lost {
    from: u64,
    to: u64,
    count: u64,
}

impl EventQueue {
    pub(crate) fn new() -> Self {
        let state = State { events: VecDeque::new(), lost: None, closed: false };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Adds an event, at the price of the oldest one if there is no room.
    pub(crate) fn push(&self, event: EventMessage) {
        let mut state = self.lock();
        if state.events.len() >= CAPACITY
            && let Some(oldest) = state.events.pop_front()
        {
            state.lost = Some(Lost::of(&oldest).after(state.lost));
        }
        state.events.push_back(event);
        drop(state);
        self.changed.notify_one();
    }

    /// No event will be added any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// The next event, or `None` when the queue is closed and empty.
    async fn next(&self) -> Option<EventMessage> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listens before it looks: what is added in between wakes it up.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(lost) = state.lost.take() {
                    return Some(lost.into_event());
                }
                if let Some(event) = state.events.pop_front() {
                    return Some(event);
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// No code panics while it holds the lock, so a poisoned queue is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lost {
    /// What is lost with this event; a marker of the host stands for the events it speaks of.
    fn of(event: &EventMessage) -> Self {
        if let EventPayload::EventsDropped { from, to, count } = event.payload {
            return Self { from, to, count };
        }
        Self { from: event.cursor, to: event.cursor, count: 1 }
    }

    fn after(self, earlier: Option<Self>) -> Self {
        earlier.map_or(self, |earlier| Self {
            from: earlier.from.min(self.from),
            to: earlier.to.max(self.to),
            count: earlier.count.saturating_add(self.count),
        })
    }

    fn into_event(self) -> EventMessage {
        let Self { from, to, count } = self;
        EventMessage::new(to, EventPayload::EventsDropped { from, to, count })
    }
}

/// Receives the events a module subscribed to, and `NodeShutdown`, which every module gets.
///
/// All receivers of a connection take from the same queue: each event goes to one of them.
///
/// ```no_run
/// # use cofferdam_sdk::{EventReceiver, ModuleMessage};
/// # async fn example(mut events: EventReceiver) {
/// while let Some(message) = events.recv().await {
///     if let ModuleMessage::Event(event) = message {
///         println!("{}: {}", event.cursor, event.event_type);
///     }
/// }
/// // The host has closed the connection: time to end.
/// # }
/// ```
#[derive(Debug)]
pub struct EventReceiver {
    handle: Arc<Handle>,
}

impl EventReceiver {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    /// The next event, always a [`ModuleMessage::Event`]; `None` when the connection is closed and every event
    /// was received.
    ///
    /// If the module does not keep up, events are dropped and an
    /// [`EventsDropped`](EventPayload::EventsDropped) event comes in their place. It is safe to drop the
    /// future, as `select!` does: no event is lost by that.
    pub async fn recv(&mut self) -> Option<ModuleMessage> {
        self.handle.events().next().await.map(ModuleMessage::Event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(cursor: u64) -> EventMessage {
        EventMessage::new(cursor, EventPayload::ModuleUnloaded { name: "m".to_owned() })
    }

    fn capacity() -> u64 {
        CAPACITY.try_into().unwrap()
    }

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_and_says_so_in_their_place() {
        let queue = EventQueue::new();
        (1..=capacity() + 2).for_each(|cursor| queue.push(event(cursor)));

        let marker = queue.next().await.unwrap();
        assert_eq!(marker.payload, EventPayload::EventsDropped { from: 1, to: 2, count: 2 });
        assert_eq!(marker.cursor, 2);
        assert_eq!(queue.next().await.unwrap().cursor, 3);
    }

    #[tokio::test]
    async fn a_marker_of_the_host_that_is_dropped_is_counted_for_what_it_stands_for() {
        let queue = EventQueue::new();
        queue.push(EventMessage::new(9, EventPayload::EventsDropped { from: 5, to: 9, count: 5 }));
        (10..=10 + capacity()).for_each(|cursor| queue.push(event(cursor)));

        let marker = queue.next().await.unwrap();
        assert_eq!(marker.payload, EventPayload::EventsDropped { from: 5, to: 10, count: 6 });
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_has_and_then_ends() {
        let queue = EventQueue::new();
        queue.push(event(1));
        queue.close();
        assert_eq!(queue.next().await.map(|event| event.cursor), Some(1));
        assert_eq!(queue.next().await, None);
    }

    #[tokio::test]
    async fn a_receiver_that_waits_is_woken_by_the_close() {
        let queue = Arc::new(EventQueue::new());
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.next().await }
        });
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(waiting.await.unwrap(), None);
    }
}
