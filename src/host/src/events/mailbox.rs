//! The events that wait for one module: a bounded queue that nobody ever waits for.
//!
//! If the module reads too slowly the oldest event gives way, and the module is told from where to where it
//! missed events before it gets the next one. What it hears last is always what happened last.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cofferdam_protocol::{EventMessage, EventPayload, EventType};
use tokio::sync::Notify;

use super::EncodedEvent;
use super::availability::is_published;
use crate::session::wire;

/// How many events wait for one module at most. Events are shared and below 3 KiB, so that even a full queue
/// that no other module shares holds 3 MiB; in blocks it is a week of them.
pub(crate) const EVENT_QUEUE: usize = 1024;

/// The queue of one session.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    wanted: HashSet<EventType>,
    queue: VecDeque<EncodedEvent>,
    /// What was dropped from the front of the queue.
    lost: Option<Lost>,
}

/// A span of events that the module will not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The cursor of the first.
    pub(crate) from: u64,
    /// The cursor of the last.
    pub(crate) to: u64,
    /// How many.
    pub(crate) count: u64,
}

impl Lost {
    fn of(event: &EncodedEvent) -> Self {
        Self { from: event.cursor, to: event.cursor, count: 1 }
    }

    fn encode(self) -> Option<Bytes> {
        let Self { from, to, count } = self;
        wire::encode_event(EventMessage::new(to, EventPayload::EventsDropped { from, to, count }))
    }

    /// Both spans, this one being the earlier.
    fn and(self, later: Self) -> Self {
        Self { from: self.from, to: later.to, count: self.count.saturating_add(later.count) }
    }
}

impl Mailbox {
    /// Adds event types to what is taken. Those that nobody publishes are not kept: a module can name four
    /// billion of them.
    pub(super) fn want(&self, types: &[EventType]) {
        self.lock().wanted.extend(types.iter().copied().filter(|event_type| is_published(*event_type)));
    }

    /// Takes the event if its type is wanted.
    pub(super) fn offer(&self, event: &EncodedEvent) {
        let mut state = self.lock();
        if state.wanted.contains(&event.event_type) {
            state.push(event.clone());
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Takes the event whether or not its type is wanted.
    pub(super) fn deliver(&self, event: EncodedEvent) {
        self.lock().push(event);
        self.arrived.notify_one();
    }

    /// Puts what had been sent since some cursor in the place of what waits; `lost` is what came before it.
    /// The farewell is not a matter of subscriptions or cursors: if there was one it is said again, in its
    /// place among the events or else before them.
    pub(super) fn rewind<'e>(
        &self,
        lost: Option<Lost>,
        events: impl Iterator<Item = &'e EncodedEvent> + Clone,
        farewell: Option<&EncodedEvent>,
    ) {
        let is_farewell = |event: &EncodedEvent| farewell.is_some_and(|said| said.cursor == event.cursor);
        let mut state = self.lock();
        state.queue.clear();
        state.lost = lost;
        if let Some(farewell) = farewell.filter(|_| !events.clone().any(is_farewell)) {
            state.push(farewell.clone());
        }
        for event in events {
            if state.wanted.contains(&event.event_type) || is_farewell(event) {
                state.push(event.clone());
            }
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// The next frame to write. Waits until there is one; one reader at a time.
    pub(crate) async fn next(&self) -> Bytes {
        loop {
            if let Some(frame) = self.lock().pop() {
                return frame;
            }
            self.arrived.notified().await;
        }
    }

    /// No code panics while it holds the lock, so a poisoned queue is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, event: EncodedEvent) {
        if self.queue.len() >= EVENT_QUEUE
            && let Some(oldest) = self.queue.pop_front()
        {
            let lost = Lost::of(&oldest);
            self.lost = Some(self.lost.map_or(lost, |earlier| earlier.and(lost)));
        }
        self.queue.push_back(event);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let dropped = self.lost.take().and_then(Lost::encode);
        dropped.or_else(|| self.queue.pop_front().map(|event| event.frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_protocol::ModuleMessage;
    use proptest::prelude::*;

    fn event(cursor: u64) -> EncodedEvent {
        let message = EventMessage::new(cursor, EventPayload::ModuleUnloaded { name: "a".to_owned() });
        let event_type = message.event_type;
        EncodedEvent { cursor, event_type, frame: wire::encode_event(message).unwrap() }
    }

    fn drain(mailbox: &Mailbox) -> Vec<EventMessage> {
        let mut frames = Vec::new();
        while let Some(frame) = mailbox.lock().pop() {
            frames.push(frame);
        }
        let decode = |frame: &Bytes| {
            let message = cofferdam_protocol::decode(&frame[4..]).unwrap();
            let ModuleMessage::Event(event) = message else { panic!("{message:?}") };
            event
        };
        frames.iter().map(decode).collect()
    }

    #[test]
    fn only_wanted_types_are_taken() {
        let mailbox = Mailbox::default();
        mailbox.offer(&event(1));
        mailbox.want(&[EventType::ModuleUnloaded]);
        mailbox.offer(&event(2));
        assert_eq!(drain(&mailbox).iter().map(|event| event.cursor).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn types_that_nobody_publishes_are_not_kept_however_many_are_named() {
        let mailbox = Mailbox::default();
        for first in (0..10_000).step_by(100) {
            let unknown: Vec<_> =
                (first..first + 100).map(|tag| EventType::from_tag(1_000_000 + tag)).collect();
            mailbox.want(&unknown);
        }
        mailbox.want(EventType::ALL);
        let wanted = mailbox.lock().wanted.clone();
        assert!(wanted.len() <= EventType::ALL.len(), "{}", wanted.len());
        assert!(wanted.contains(&EventType::NewBlock) && !wanted.contains(&EventType::PeerConnected));
    }

    proptest! {
        #[test]
        fn every_event_is_either_delivered_in_order_or_told_as_lost(
            reads in proptest::collection::vec((0_u64..700, 0_usize..900), 1..12)
        ) {
            let mailbox = Mailbox::default();
            mailbox.want(&[EventType::ModuleUnloaded]);
            let (mut published, mut seen) = (0, 0);
            for (publish, read) in reads {
                for _ in 0..publish {
                    published += 1;
                    mailbox.offer(&event(published));
                    prop_assert!(mailbox.lock().queue.len() <= EVENT_QUEUE);
                }
                for _ in 0..read {
                    let Some(frame) = mailbox.lock().pop() else { break };
                    let message = cofferdam_protocol::decode(&frame[4..]).unwrap();
                    let ModuleMessage::Event(message) = message else { panic!("{message:?}") };
                    if let EventPayload::EventsDropped { from, to, count } = message.payload {
                        prop_assert_eq!((from, count), (seen + 1, to - from + 1));
                        seen = to;
                    } else {
                        prop_assert_eq!(message.cursor, seen + 1);
                        seen = message.cursor;
                    }
                }
            }
            let rest = drain(&mailbox);
            prop_assert_eq!(rest.last().map_or(seen, |event| event.cursor), published);
        }
    }
}
