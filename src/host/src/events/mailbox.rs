//! The events that wait for one module: a bounded queue that nobody ever waits for.
//!
//! If the module reads too slowly the oldest event gives way, and the module is told from where to where it
//! missed events before it gets the next one. What it hears last is always what happened last.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use cofferdam_protocol::{EventMessage, EventPayload, EventType};

use super::{CHAIN_TYPES, EncodedEvent};
use crate::metrics::Counts;
use crate::session::wire;
use crate::waiter::Waiter;

/// How many events wait for one module at most; in blocks it is a week of them.
pub(crate) const EVENT_QUEUE: usize = 1024;

/// How many bytes wait for one module at most. The host's own events are below 3 KiB and modules' are up to
/// 64 KiB; what waits is shared with the other modules' queues where they want the same.
pub(crate) const QUEUE_BYTES: usize = 1024 * 1024;

/// The queue of one session.
#[derive(Debug, Default)]
pub(crate) struct Mailbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    reader: Waiter,
    wanted: HashSet<EventType>,
    queue: VecDeque<Waiting>,
    /// The frames in the queue together.
    bytes: usize,
    /// What was dropped from the front of the queue.
    lost: Option<Lost>,
    /// Where events that are lost are counted.
    counts: Option<Arc<Counts>>,
}

/// One thing to tell the module.
#[derive(Debug, Clone)]
pub(super) enum Waiting {
    Event(EncodedEvent),
    /// Events are missing here.
    Lost(Lost),
}

/// A span of events that the module will not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    /// The cursor of the first.
    pub(super) from: u64,
    /// The cursor of the last.
    pub(super) to: u64,
    /// How many; 0 if that is not known.
    pub(super) count: u64,
}

impl Lost {
    fn encode(self) -> Option<Bytes> {
        let Self { from, to, count } = self;
        wire::encode_event(EventMessage::new(to, EventPayload::EventsDropped { from, to, count }))
    }

    /// Both spans, this one being the earlier. If the number of one is not known, that of both is not.
    fn and(self, later: Self) -> Self {
        let known = self.count > 0 && later.count > 0;
        let count = if known { self.count.saturating_add(later.count) } else { 0 };
        Self { from: self.from, to: later.to, count }
    }
}

impl Waiting {
    /// Its place in the sequence.
    pub(super) fn cursor(&self) -> u64 {
        match self {
            Self::Event(event) => event.cursor,
            Self::Lost(lost) => lost.to,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Event(event) => event.frame.len(),
            Self::Lost(_) => 0,
        }
    }

    /// What the module misses if it does not get this.
    fn as_lost(&self) -> Lost {
        match self {
            // An event that tells of lost ones stands for an unknown number.
            Self::Event(event) if event.event_type == EventType::EventsDropped => {
                Lost { from: event.cursor, to: event.cursor, count: 0 }
            }
            Self::Event(event) => Lost { from: event.cursor, to: event.cursor, count: 1 },
            Self::Lost(lost) => *lost,
        }
    }
}

impl Mailbox {
    /// Adds event types to what is taken. Those that this version does not know are not kept: a module can name
    /// four billion of them. Says whether there was a new one.
    pub(super) fn want(&self, types: &[EventType]) -> bool {
        let known = types.iter().copied().filter(|event_type| !matches!(event_type, EventType::Unknown(_)));
        let mut state = self.lock();
        let before = state.wanted.len();
        state.wanted.extend(known);
        state.wanted.len() > before
    }

    /// From now on lost events are counted in `counts`.
    pub(crate) fn count_in(&self, counts: Arc<Counts>) {
        self.lock().counts = Some(counts);
    }

    /// The types that are taken.
    pub(super) fn wanted(&self) -> HashSet<EventType> {
        self.lock().wanted.clone()
    }

    /// Takes the event if its type is wanted.
    pub(super) fn offer(&self, event: &EncodedEvent) {
        let mut state = self.lock();
        if state.wants(event.event_type) {
            state.push(Waiting::Event(event.clone()));
            state.reader.wake();
        }
    }

    /// Takes the event whether or not its type is wanted.
    pub(super) fn deliver(&self, event: EncodedEvent) {
        let mut state = self.lock();
        state.push(Waiting::Event(event));
        state.reader.wake();
    }

    /// Takes note that events are missing here, unless nothing at all is wanted.
    pub(super) fn miss(&self, lost: Lost) {
        let mut state = self.lock();
        if !state.wanted.is_empty() {
            state.push(Waiting::Lost(lost));
            state.reader.wake();
        }
    }

    /// Puts what had been sent since some cursor, in its order, in the place of what waits. Events of types that
    /// are not wanted are left out, but for the farewell: that is not a matter of subscriptions or cursors. If
    /// there was one it is said again, in its place among the events or else before them.
    pub(super) fn rewind(&self, sent: Vec<Waiting>, farewell: Option<&EncodedEvent>) {
        let is_farewell = |waiting: &Waiting| matches!(waiting, Waiting::Event(event) if event.event_type == EventType::NodeShutdown);
        let mut state = self.lock();
        state.queue.clear();
        state.bytes = 0;
        state.lost = None;
        if let Some(farewell) = farewell.filter(|_| !sent.iter().any(is_farewell)) {
            state.push(Waiting::Event(farewell.clone()));
        }
        for waiting in sent {
            let wanted = match &waiting {
                Waiting::Event(event) => state.wants(event.event_type) || is_farewell(&waiting),
                Waiting::Lost(_) => true,
            };
            if wanted {
                state.push(waiting);
            }
        }
        state.reader.wake();
    }

    /// The next frame to write; one reader at a time.
    pub(crate) fn poll_next(&self, context: &Context<'_>) -> Poll<Bytes> {
        let mut state = self.lock();
        if let Some(frame) = state.pop() {
            return Poll::Ready(frame);
        }
        state.reader.register(context);
        Poll::Pending
    }

    /// Waits for the next frame.
    #[cfg(test)]
    pub(crate) async fn next(&self) -> Bytes {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// No code panics while it holds the lock, so a poisoned queue is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// That events of the chain are missing concerns whoever wants them.
    fn wants(&self, event_type: EventType) -> bool {
        self.wanted.contains(&event_type)
            || event_type == EventType::EventsDropped
                && CHAIN_TYPES.iter().any(|of_chain| self.wanted.contains(of_chain))
    }

    fn push(&mut self, waiting: Waiting) {
        self.bytes = self.bytes.saturating_add(waiting.bytes());
        self.queue.push_back(waiting);
        while self.queue.len() > EVENT_QUEUE || self.bytes > QUEUE_BYTES {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
            let lost = oldest.as_lost();
            if let Some(counts) = &self.counts {
                counts.events_dropped.fetch_add(lost.count.max(1), Ordering::Relaxed);
            }
            self.lost = Some(self.lost.map_or(lost, |earlier| earlier.and(lost)));
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.lost.take().and_then(Lost::encode) {
                return Some(frame);
            }
            let next = self.queue.pop_front()?;
            self.bytes = self.bytes.saturating_sub(next.bytes());
            match next {
                Waiting::Event(event) => return Some(event.frame),
                Waiting::Lost(lost) => self.lost = Some(lost),
            }
        }
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
    fn types_that_nobody_knows_are_not_kept_however_many_are_named() {
        let mailbox = Mailbox::default();
        for first in (0..10_000).step_by(100) {
            let unknown: Vec<_> =
                (first..first + 100).map(|tag| EventType::from_tag(1_000_000 + tag)).collect();
            mailbox.want(&unknown);
        }
        mailbox.want(EventType::ALL);
        let wanted = mailbox.lock().wanted.clone();
        assert!(wanted.len() <= EventType::ALL.len(), "{}", wanted.len());
        assert!(wanted.contains(&EventType::NewBlock) && wanted.contains(&EventType::PeerConnected));
    }

    #[test]
    fn a_type_that_is_wanted_already_or_unknown_is_no_news() {
        let mailbox = Mailbox::default();
        let wanted = [EventType::ModuleUnloaded, EventType::from_tag(1_000_000)];
        assert!(mailbox.want(&wanted));
        assert!(!mailbox.want(&wanted));
        assert!(mailbox.want(&[EventType::NewBlock]), "the control");
    }

    #[test]
    fn large_events_are_bounded_by_their_bytes_and_the_newest_is_what_stays() {
        let mailbox = Mailbox::default();
        mailbox.want(&[EventType::ModuleUnloaded]);
        let name = "n".repeat(60_000);
        let large = |cursor| {
            let payload = EventPayload::ModuleUnloaded { name: name.clone() };
            let message = EventMessage::new(cursor, payload);
            let event_type = message.event_type;
            EncodedEvent { cursor, event_type, frame: wire::encode_event(message).unwrap() }
        };
        for cursor in 1..=200 {
            mailbox.offer(&large(cursor));
            assert!(mailbox.lock().bytes <= QUEUE_BYTES);
        }
        let told = drain(&mailbox);
        let kept = u64::try_from(told.len() - 1).unwrap();
        let count = 200 - kept;
        assert_eq!(told[0].payload, EventPayload::EventsDropped { from: 1, to: count, count });
        assert_eq!((told[1].cursor, told.last().unwrap().cursor), (count + 1, 200));
    }

    #[test]
    fn events_that_give_way_are_counted_for_the_operator() {
        let (mailbox, counts) = (Mailbox::default(), Arc::<Counts>::default());
        mailbox.count_in(Arc::clone(&counts));
        mailbox.want(&[EventType::ModuleUnloaded]);
        let room = u64::try_from(EVENT_QUEUE).unwrap();
        (1..=room).for_each(|cursor| mailbox.offer(&event(cursor)));
        assert_eq!(counts.events_dropped.load(Ordering::Relaxed), 0, "the control");
        (room + 1..=room + 7).for_each(|cursor| mailbox.offer(&event(cursor)));
        assert_eq!(counts.events_dropped.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn an_unknown_number_of_lost_events_stays_unknown_when_more_are_lost() {
        let mailbox = Mailbox::default();
        mailbox.want(&[EventType::ModuleUnloaded]);
        mailbox.miss(Lost { from: 1, to: 9, count: 0 });
        for cursor in 10..20 + u64::try_from(EVENT_QUEUE).unwrap() {
            mailbox.offer(&event(cursor));
        }
        let first = drain(&mailbox).swap_remove(0);
        assert_eq!(first.payload, EventPayload::EventsDropped { from: 1, to: 19, count: 0 });
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
