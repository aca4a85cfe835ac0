//! The host's sequence of events: gives each its cursor, encodes it once and hands it to every mailbox.
//!
//! Cursors grow by one per event. The first of a run of the core holds the time at which it started, so that
//! a core that was restarted never gives a cursor a second time; a cursor of an earlier run is recognised as
//! unknown, never guessed at. The newest events are kept for modules that ask to resume.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cofferdam_protocol::{EventMessage, EventPayload, EventType};

use super::mailbox::Lost;
use super::{EVENT_QUEUE, EncodedEvent, Mailbox};
use crate::session::wire;

/// How many events are kept to be sent again: as many as one mailbox holds, so that a module can always be
/// given all there is.
const REPLAY: usize = EVENT_QUEUE;

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

/// The sequence of events and everybody who listens. Shared by reference.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The cursor before the first event of this run.
    first: u64,
    /// The cursor of the newest event.
    newest: u64,
    replay: VecDeque<EncodedEvent>,
    sessions: HashMap<u64, Arc<Mailbox>>,
    next_session: u64,
    /// What everybody is told, also who comes later: that the node shuts down.
    farewell: Option<EncodedEvent>,
}

/// A cursor that is not of this run of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "event {cursor} is not of this run of the host, which began after {first} and is at {newest}: subscribe \
     without a cursor, and ask the chain what happened since"
)]
pub(crate) struct UnknownCursor {
    cursor: u64,
    first: u64,
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
        self.hub.lock().sessions.remove(&self.session);
    }
}

impl Hub {
    /// A hub whose first event follows `first` (see [`first_cursor`]).
    pub(crate) fn new(first: u64) -> Arc<Self> {
        let state = State {
            first,
            newest: first,
            replay: VecDeque::new(),
            sessions: HashMap::new(),
            next_session: 0,
            farewell: None,
        };
        Arc::new(Self { state: Mutex::new(state) })
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

    /// Hands an event to whoever subscribed to its type.
    pub(crate) fn publish(&self, payload: EventPayload) {
        let mut state = self.lock();
        if let Some(event) = state.append(payload) {
            state.sessions.values().for_each(|mailbox| mailbox.offer(&event));
        }
    }

    /// Tells everybody that the node shuts down, whatever they subscribed to: stopping cleanly concerns all.
    pub(crate) fn say_farewell(&self, grace_ms: u64) {
        let mut state = self.lock();
        if let Some(event) = state.append(EventPayload::NodeShutdown { grace_ms }) {
            state.sessions.values().for_each(|mailbox| mailbox.deliver(event.clone()));
            state.farewell = Some(event);
        }
    }

    /// Subscribes to more event types, and with a cursor sends again what came after it. Answers the cursor
    /// of the newest event; every later one reaches the mailbox.
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
        let Some(cursor) = resume_after else {
            mailbox.want(types);
            return Ok(state.newest);
        };
        let (first, newest) = (state.first, state.newest);
        if cursor < first || cursor > newest {
            return Err(UnknownCursor { cursor, first, newest });
        }
        mailbox.want(types);
        let after = state.replay.partition_point(|event| event.cursor <= cursor);
        let lost = state.forgotten_since(cursor);
        mailbox.rewind(lost, state.replay.range(after..), state.farewell.as_ref());
        Ok(newest)
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, payload: EventPayload) -> Option<EncodedEvent> {
        let cursor = self.newest.checked_add(1)?;
        let message = EventMessage::new(cursor, payload);
        let event_type = message.event_type;
        let event = EncodedEvent { cursor, event_type, frame: wire::encode_event(message)? };
        self.newest = cursor;
        if self.replay.len() >= REPLAY {
            self.replay.pop_front();
        }
        self.replay.push_back(event.clone());
        Some(event)
    }

    /// The events after `cursor` that are not kept any more. Of which types they were is forgotten with them,
    /// so all are counted.
    fn forgotten_since(&self, cursor: u64) -> Option<Lost> {
        let oldest = self.replay.front()?.cursor;
        let from = cursor.checked_add(1)?;
        let count = oldest.checked_sub(from).filter(|count| *count > 0)?;
        Some(Lost { from, to: oldest.checked_sub(1)?, count })
    }
}

#[cfg(test)]
mod tests;
