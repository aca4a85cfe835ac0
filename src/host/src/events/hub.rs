//! The host's sequence of events: gives each its cursor, encodes it once and hands it to every mailbox.
//!
//! Cursors grow by one per event. The first of a run of the core is above all that an earlier run can have
//! given, so that none means two events. The newest events are kept for modules that ask to resume, those of the
//! chain apart, so that no other event crowds them out. What is not kept any more is told as lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cofferdam_protocol::{EventMessage, EventPayload, EventType};
use tokio::sync::watch;

use super::mailbox::{Lost, QUEUE_BYTES, Waiting};
use super::ring::Ring;
use super::{CHAIN_TYPES, EVENT_QUEUE, EncodedEvent, Interest, Mailbox};
use crate::session::wire;

/// How many events of the chain are kept to be sent again: as many as one mailbox holds.
pub(super) const KEPT_OF_CHAIN: usize = EVENT_QUEUE;

/// How many of the other events are kept.
const KEPT_OF_OTHERS: usize = EVENT_QUEUE;

/// How many bytes of them: as many as one mailbox holds.
const KEPT_BYTES: usize = QUEUE_BYTES;

/// Events that wait while changes of the chain are being written, which is a moment unless the disk hangs.
const HELD: usize = EVENT_QUEUE;

/// How many bytes of them: modules publish up to 64 KiB at a time, and a disk can hang for long.
const HELD_BYTES: usize = 8 * QUEUE_BYTES;

/// Bits of a cursor that count events. The bits above hold milliseconds: a core would have to make a million
/// events in each millisecond of its life to reach a cursor of its successor.
const COUNT_BITS: u32 = 20;

/// The cursor before the first event of a core that starts at `now`.
pub(crate) fn first_cursor(now: SystemTime) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Beyond the year 2500 the time would not fit, and cursors would begin at the greatest time that does.
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).min(u64::MAX >> (COUNT_BITS + 1));
    millis << COUNT_BITS
}

/// What is known of the chain's events of earlier runs.
#[derive(Debug)]
pub(super) struct Past {
    /// Every event of the chain after this cursor is among `events`.
    pub(super) complete_after: u64,
    /// In the order of their cursors.
    pub(super) events: Vec<EncodedEvent>,
}

/// The sequence of events and everybody who listens. Shared by reference.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    interest: watch::Sender<Interest>,
}

#[derive(Debug)]
struct State {
    /// The cursor before the first event of this run.
    first: u64,
    /// The greatest cursor that was given to an event.
    newest: u64,
    /// The greatest cursor up to which events were delivered.
    delivered: u64,
    chain: Ring,
    others: Ring,
    sessions: HashMap<u64, Arc<Mailbox>>,
    next_session: u64,
    /// What everybody is told, also who comes later: that the node shuts down.
    farewell: Option<EncodedEvent>,
    /// Events that come after changes of the chain that are still being written.
    held: Option<Held>,
}

#[derive(Debug, Default)]
struct Held {
    events: Vec<EncodedEvent>,
    bytes: usize,
    /// Those for which there was no room.
    lost: Option<Lost>,
}

/// What happened to the chain, and has no cursor yet.
#[derive(Debug)]
pub(super) enum ChainNews {
    /// A change.
    Change(EventPayload),
    /// Changes that nobody can tell: the node does not know the chain any more that was followed.
    Gap,
}

/// A cursor that this host has never given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "event {cursor} has not happened: the newest is {newest}; subscribe without a cursor, or with one that this \
     host gave"
)]
pub(crate) struct UnknownCursor {
    cursor: u64,
    newest: u64,
}

/// A session's place in the hub; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Attachment {
    hub: Arc<Hub>,
    session: u64,
    mailbox: Arc<Mailbox>,
}

impl Attachment {
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.sessions.remove(&self.session);
        self.hub.tell_interest(&state);
    }
}

impl Hub {
    /// A hub whose first event follows `first` (see [`first_cursor`]) and that knows nothing of earlier runs.
    #[cfg(test)]
    pub(crate) fn new(first: u64) -> Arc<Self> {
        Self::with_past(first, Past { complete_after: first, events: Vec::new() })
    }

    /// A hub whose first event follows `first`, which is above every cursor of `past`.
    pub(super) fn with_past(first: u64, past: Past) -> Arc<Self> {
        let mut chain = Ring::new(past.complete_after, KEPT_OF_CHAIN, KEPT_BYTES);
        past.events.into_iter().for_each(|event| chain.push(event));
        let state = State {
            first,
            newest: first,
            delivered: first,
            chain,
            others: Ring::new(first, KEPT_OF_OTHERS, KEPT_BYTES),
            sessions: HashMap::new(),
            next_session: 0,
            farewell: None,
            held: None,
        };
        Arc::new(Self { state: Mutex::new(state), interest: watch::Sender::default() })
    }

    /// Adds a session, which has subscribed to nothing yet.
    pub(crate) fn attach(self: &Arc<Self>) -> Attachment {
        let mailbox = Arc::new(Mailbox::default());
        let mut state = self.lock();
        let session = state.next_session;
        state.next_session = session.wrapping_add(1);
        state.sessions.insert(session, Arc::clone(&mailbox));
        if let Some(farewell) = &state.farewell {
            mailbox.deliver(farewell.clone());
        }
        drop(state);
        Attachment { hub: Arc::clone(self), session, mailbox }
    }

    /// Which types somebody wants, now and later.
    pub(crate) fn interest(&self) -> watch::Receiver<Interest> {
        self.interest.subscribe()
    }

    /// Hands an event to whoever subscribed to its type, and answers its cursor; nothing if it cannot be encoded,
    /// which is logged.
    ///
    /// Not for changes of the chain, which are to be written down first: see [`Hub::begin`].
    pub(crate) fn publish(&self, payload: EventPayload) -> Option<u64> {
        let mut state = self.lock();
        let event = state.encode(payload)?;
        let cursor = event.cursor;
        match &mut state.held {
            Some(held) => held.push(event),
            None => state.send(event),
        }
        Some(cursor)
    }

    /// Gives changes of the chain their cursors. They are published by [`Hub::commit`], and every event between
    /// the two is held until then: its cursor is greater, and a module that saw it first and died would resume
    /// behind the change without having heard of it.
    ///
    /// Each comes with what the caller wants to keep beside it.
    pub(super) fn begin<T>(&self, news: impl IntoIterator<Item = (ChainNews, T)>) -> Vec<(EncodedEvent, T)> {
        let mut state = self.lock();
        let events = news.into_iter().filter_map(|(news, beside)| Some((state.encode_news(news)?, beside)));
        let events = events.collect();
        state.held.get_or_insert_default();
        events
    }

    /// Publishes what [`Hub::begin`] gave, and what was held meanwhile.
    pub(super) fn commit(&self, events: impl IntoIterator<Item = EncodedEvent>) {
        let mut state = self.lock();
        for event in events {
            state.sessions.values().for_each(|mailbox| mailbox.offer(&event));
            state.delivered = event.cursor;
            state.chain.push(event);
        }
        let Held { events, lost, .. } = state.held.take().unwrap_or_default();
        events.into_iter().for_each(|event| state.send(event));
        if let Some(lost) = lost {
            state.sessions.values().for_each(|mailbox| mailbox.miss(lost));
            state.others.forget_up_to(lost.to);
            state.delivered = state.delivered.max(lost.to);
        }
    }

    /// How many events there were since this run began.
    pub(crate) fn published(&self) -> u64 {
        let state = self.lock();
        state.newest.saturating_sub(state.first)
    }

    /// Tells everybody that the node shuts down, whatever they subscribed to: stopping cleanly concerns all.
    pub(crate) fn say_farewell(&self, grace_ms: u64) {
        let mut state = self.lock();
        if let Some(event) = state.encode_at_once(|_| EventPayload::NodeShutdown { grace_ms }) {
            state.sessions.values().for_each(|mailbox| mailbox.deliver(event.clone()));
            state.farewell = Some(event);
        }
    }

    /// Tells those who want one of these types that an unknown number of them was missed.
    pub(crate) fn tell_missing(&self, types: &[EventType]) {
        let mut state = self.lock();
        let event =
            state.encode_at_once(|cursor| EventPayload::EventsDropped { from: cursor, to: cursor, count: 0 });
        let Some(event) = event else { return };
        let wants = |mailbox: &&Arc<Mailbox>| {
            let wanted = mailbox.wanted();
            types.iter().any(|event_type| wanted.contains(event_type))
        };
        state.sessions.values().filter(wants).for_each(|mailbox| mailbox.deliver(event.clone()));
    }

    /// Subscribes to more event types, and with a cursor sends again what came after it. Answers the cursor
    /// of the newest event that was delivered; every later one reaches the mailbox.
    ///
    /// # Errors
    /// [`UnknownCursor`], in which case nothing is subscribed.
    pub(crate) fn subscribe(
        &self,
        mailbox: &Mailbox,
        types: &[EventType],
        resume_after: Option<u64>,
    ) -> Result<u64, UnknownCursor> {
        let state = self.lock();
        if let Some(cursor) = resume_after.filter(|cursor| *cursor > state.newest) {
            return Err(UnknownCursor { cursor, newest: state.newest });
        }
        let wants_more = mailbox.want(types);
        if let Some(cursor) = resume_after {
            let wants_chain = |event_type: &EventType| CHAIN_TYPES.contains(event_type);
            let wanted = mailbox.wanted();
            let chain = wanted.iter().any(wants_chain);
            let others = wanted.iter().any(|event_type| !wants_chain(event_type));
            mailbox.rewind(state.sent_after(cursor, chain, others), state.farewell.as_ref());
        }
        // It looks at all sessions, and a module may subscribe to the same as often as it may call.
        if wants_more {
            self.tell_interest(&state);
        }
        Ok(state.delivered)
    }

    fn tell_interest(&self, state: &State) {
        let now: Interest = state.sessions.values().flat_map(|mailbox| mailbox.wanted()).collect();
        self.interest.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn push(&mut self, event: EncodedEvent) {
        self.bytes = self.bytes.saturating_add(event.frame.len());
        // Once one is lost so are all behind it: what is lost is one span.
        if self.lost.is_none() && self.events.len() < HELD && self.bytes <= HELD_BYTES {
            self.events.push(event);
            return;
        }
        let lost = self.lost.get_or_insert(Lost { from: event.cursor, to: event.cursor, count: 0 });
        lost.to = event.cursor;
        lost.count = lost.count.saturating_add(1);
    }
}

impl State {
    fn encode_news(&mut self, news: ChainNews) -> Option<EncodedEvent> {
        match news {
            ChainNews::Change(payload) => self.encode(payload),
            ChainNews::Gap => {
                let cursor = self.newest.checked_add(1)?;
                // How many were missed, nobody knows.
                self.encode(EventPayload::EventsDropped { from: cursor, to: cursor, count: 0 })
            }
        }
    }

    fn encode(&mut self, payload: EventPayload) -> Option<EncodedEvent> {
        let cursor = self.newest.checked_add(1)?;
        let message = EventMessage::new(cursor, payload);
        let event_type = message.event_type;
        let event = EncodedEvent { cursor, event_type, frame: wire::encode_event(message)? };
        self.newest = cursor;
        Some(event)
    }

    /// An event that is delivered now, whatever is being written. If something is, it has the cursor of what was
    /// delivered before it: a module that resumes after it still hears of what is being written.
    fn encode_at_once(&mut self, payload: impl FnOnce(u64) -> EventPayload) -> Option<EncodedEvent> {
        if self.held.is_none() {
            let event = self.encode(payload(self.newest.checked_add(1)?))?;
            self.delivered = event.cursor;
            self.others.push(event.clone());
            return Some(event);
        }
        let message = EventMessage::new(self.delivered, payload(self.delivered));
        let event_type = message.event_type;
        Some(EncodedEvent { cursor: self.delivered, event_type, frame: wire::encode_event(message)? })
    }

    fn send(&mut self, event: EncodedEvent) {
        self.sessions.values().for_each(|mailbox| mailbox.offer(&event));
        self.delivered = event.cursor;
        self.others.push(event);
    }

    /// All that was delivered after `cursor` and is kept, and where something is missing, in the order of
    /// cursors.
    fn sent_after(&self, cursor: u64, chain: bool, others: bool) -> Vec<Waiting> {
        let mut sent: Vec<_> = self
            .chain
            .after(cursor)
            .chain(self.others.after(cursor))
            .cloned()
            .map(Waiting::Event)
            .chain(self.lost_after(cursor, chain, others).into_iter().map(Waiting::Lost))
            .collect();
        sent.sort_by_key(Waiting::cursor);
        sent
    }

    /// What is not kept any more. Up to where it is missing differs for the two kinds.
    fn lost_after(&self, cursor: u64, chain: bool, others: bool) -> Vec<Lost> {
        let kinds = [(chain, &self.chain), (others, &self.others)];
        let ends = kinds.into_iter().filter(|(wanted, _)| *wanted).map(|(_, ring)| ring.complete_after());
        let mut ends: Vec<u64> = ends.filter(|end| *end > cursor).collect();
        ends.sort_unstable();
        ends.dedup();
        let mut from = cursor.saturating_add(1);
        let mut spans = Vec::new();
        for to in ends {
            spans.push(Lost { from, to, count: self.count_missing(from, to) });
            from = to.saturating_add(1);
        }
        spans
    }

    /// How many events are missing from `from` to `to`; 0, which stands for an unknown number, where some are of
    /// an earlier run. Of which types they were is forgotten with them, so all are counted.
    fn count_missing(&self, from: u64, to: u64) -> u64 {
        if from <= self.first {
            return 0;
        }
        let kept = self.chain.count(from, to).saturating_add(self.others.count(from, to));
        let all = to.saturating_sub(from).saturating_add(1);
        all.saturating_sub(u64::try_from(kept).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
