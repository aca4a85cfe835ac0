//! What the host knows, changed by the test on one side and by the module on the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use cofferdam_manifest::{Capability, CapabilitySet};
use cofferdam_protocol::codec::MAX_TO_HOST_BYTES;
use cofferdam_protocol::metrics::Sample;
use cofferdam_protocol::{
    EventMessage, EventPayload, EventType, Hello, InvocationMessage, InvocationPayload, Limits, ModuleFault,
    ModuleMessage, Refusal,
};
use tokio::sync::{mpsc, oneshot};

use super::chain::{Chain, Mempool};
use super::files::Files;
use super::offers::Offers;
use super::session::mismatch;
use super::storage::Storage;
use super::{LogLine, Published};

/// The limits of a session: those of the real host, but for its policy's smaller ones.
#[expect(clippy::as_conversions, reason = "four megabytes fit, and `try_from` is not const")]
pub(super) const LIMITS: Limits =
    Limits { max_frame_bytes: MAX_TO_HOST_BYTES as u32, max_in_flight: 64, event_queue: 1024 };

/// How long the caller of a module waits, as in the real host.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// A module's answer to an invocation, to whoever waits for it.
type Waiting = oneshot::Sender<Result<Bytes, ModuleFault>>;

pub(super) struct State {
    name: String,
    pub(super) version: Option<String>,
    pub(super) granted: CapabilitySet,
    pub(super) publishes: BTreeSet<EventType>,
    /// The other modules there are.
    pub(super) modules: BTreeSet<String>,
    pub(super) log: Vec<LogLine>,
    pub(super) published: Vec<Published>,
    pub(super) samples: Vec<Sample>,
    pub(super) chain: Chain,
    pub(super) mempool: Mempool,
    pub(super) storage: Storage,
    pub(super) files: Files,
    pub(super) offers: Offers,
    sessions: BTreeMap<u64, Session>,
    events: Vec<EventMessage>,
    /// The cursor of the newest event, and of the newest one that is not kept.
    cursor: u64,
    forgotten: u64,
    waiting: BTreeMap<u64, Waiting>,
    last_id: u64,
}

struct Session {
    outbound: mpsc::Sender<ModuleMessage>,
    subscribed: BTreeSet<EventType>,
}

impl State {
    pub(super) fn new(name: &str, granted: impl IntoIterator<Item = Capability>) -> Self {
        let mut capabilities = CapabilitySet::new();
        for capability in granted {
            capabilities.insert(capability);
        }
        Self {
            name: name.to_owned(),
            version: None,
            granted: capabilities,
            publishes: BTreeSet::new(),
            modules: BTreeSet::new(),
            log: Vec::new(),
            published: Vec::new(),
            samples: Vec::new(),
            chain: Chain::new(),
            mempool: Mempool::default(),
            storage: Storage::default(),
            files: Files::default(),
            offers: Offers::default(),
            sessions: BTreeMap::new(),
            events: Vec::new(),
            cursor: 0,
            forgotten: 0,
            waiting: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// The module's name and version.
    pub(super) fn identity(&self) -> (String, String) {
        (self.name.clone(), self.version.clone().unwrap_or_else(|| "0.1.0".to_owned()))
    }

    /// Whether the module is the one of the manifest, if there is a manifest.
    pub(super) fn check(&self, hello: &Hello) -> Result<(), Refusal> {
        let Some(version) = &self.version else { return Ok(()) };
        let claims = [("name", &hello.module_name, &self.name), ("version", &hello.module_version, version)];
        match claims.into_iter().find(|(_, claimed, expected)| claimed != expected) {
            Some((field, claimed, expected)) => Err(mismatch(field, claimed, expected)),
            None => Ok(()),
        }
    }

    /// What there is, for the message of a test that waited in vain.
    pub(super) fn summary(&self) -> String {
        let log: Vec<&str> = self.log.iter().rev().take(5).rev().map(|line| line.message.as_str()).collect();
        format!("{} connections, {}, end of the log: {log:?}", self.sessions.len(), self.offers.summary())
    }

    pub(super) fn open_session(&mut self, outbound: mpsc::Sender<ModuleMessage>) -> u64 {
        let id = self.next_id();
        self.sessions.insert(id, Session { outbound, subscribed: BTreeSet::new() });
        id
    }

    /// Forgets a session and what it offered. Whoever waits for its answers is told so by their senders' end.
    pub(super) fn close_session(&mut self, session: u64) {
        self.sessions.remove(&session);
        self.offers.end(session);
        if self.sessions.is_empty() {
            self.waiting.clear();
        }
    }

    /// Sends a message; `None` ends the session of a module that reads nothing.
    pub(super) fn send(&mut self, session: u64, message: ModuleMessage) -> Option<()> {
        self.sessions.get(&session)?.outbound.try_send(message).ok()
    }

    pub(super) fn publish(&mut self, payload: EventPayload) -> u64 {
        self.cursor = self.cursor.saturating_add(1);
        let event = EventMessage::new(self.cursor, payload);
        for session in self.sessions.values() {
            // Everybody is told of the end, and whoever wants events that it missed some.
            let unasked = event.event_type == EventType::NodeShutdown
                || event.event_type == EventType::EventsDropped && !session.subscribed.is_empty();
            if unasked || session.subscribed.contains(&event.event_type) {
                // A module that does not read is disconnected at its next call.
                let _full = session.outbound.try_send(ModuleMessage::Event(event.clone()));
            }
        }
        self.events.push(event);
        self.cursor
    }

    pub(super) fn forget_events(&mut self) {
        self.events.clear();
        self.forgotten = self.cursor;
    }

    /// Whether a session has subscribed to this type.
    pub(super) fn is_subscribed(&self, event_type: EventType) -> bool {
        self.sessions.values().any(|session| session.subscribed.contains(&event_type))
    }

    /// Subscribes, sends again what came after a cursor, and gives the newest cursor.
    pub(super) fn subscribe(&mut self, session: u64, types: &[EventType], after: Option<u64>) -> u64 {
        let mut again = Vec::new();
        if let Some(after) = after {
            if after < self.forgotten {
                let lost = EventPayload::EventsDropped {
                    from: after.saturating_add(1),
                    to: self.forgotten,
                    count: 0,
                };
                again.push(EventMessage::new(self.forgotten, lost));
            }
            let missed =
                self.events.iter().filter(|event| event.cursor > after && types.contains(&event.event_type));
            again.extend(missed.cloned());
        }
        for event in again {
            let _gone = self.send(session, ModuleMessage::Event(event));
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.subscribed.extend(types);
        }
        self.cursor
    }

    /// Sends an invocation, to be answered within the deadline, or not at all if there is none.
    pub(super) fn invoke(
        &mut self,
        session: u64,
        payload: InvocationPayload,
        deadline: Option<Duration>,
    ) -> oneshot::Receiver<Result<Bytes, ModuleFault>> {
        let invocation_id = self.next_id();
        let (sender, receiver) = oneshot::channel();
        let deadline_ms =
            deadline.map_or(0, |deadline| u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX));
        if deadline.is_some() {
            self.waiting.insert(invocation_id, sender);
        }
        let message = InvocationMessage { invocation_id, deadline_ms, payload };
        if self.send(session, ModuleMessage::Invocation(message)).is_none() {
            self.waiting.remove(&invocation_id);
        }
        receiver
    }

    pub(super) fn answered(&mut self, invocation_id: u64, result: Result<Bytes, ModuleFault>) {
        if let Some(waiting) = self.waiting.remove(&invocation_id) {
            // Whoever stopped waiting loses nothing by not being told.
            let _gone = waiting.send(result);
        }
    }

    /// The session of the module that connected first and is still there.
    pub(super) fn some_session(&self) -> Option<u64> {
        self.sessions.keys().next().copied()
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }
}
