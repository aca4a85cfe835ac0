//! What the host asks of one module or hands to it, until it is written, answered or given up.
//!
//! Nobody waits for room here: what does not fit is refused, and whoever waits for an answer has a deadline of its
//! own. It never decides who may ask what of whom.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::modules::MAX_CALL_BYTES;
use cofferdam_protocol::{InvocationMessage, InvocationPayload, ModuleFault};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::wire;
use crate::modules::Chain;
use crate::waiter::Waiter;

/// Invocations of one module that wait for an answer at once, besides the first of each who asks: that one always has
/// room, whatever others ask, and there are no more who ask than modules. Of the others each may have as many as are
/// left, so that one alone has half of them.
pub(crate) const MAX_SHARED: usize = 128;

/// Packets that wait for being read by one module, and their bytes. They have no deadline, so that these are few.
const MAX_PACKETS: usize = 64;
pub(super) const MAX_WAITING_PACKET_BYTES: usize = 256 * 1024;

/// How much of a module's own error message arrives, in bytes.
const MAX_FAULT_BYTES: usize = 1024;

/// A module's answer.
pub(crate) type Outcome = Result<Bytes, ModuleFault>;

/// Why nothing was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The session is over.
    Closed,
    /// The module has as much to do as it may have, or as it may have of this asker.
    Full,
}

/// Why an invocation has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The session ended.
    Gone,
    /// It did not come in time.
    Late,
}

/// The invocations of one session.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    reader: Waiter,
    closed: bool,
    last_id: u64,
    queue: VecDeque<Queued>,
    outstanding: HashMap<u64, Outstanding>,
    packets: usize,
    packet_bytes: usize,
    /// Timers that fired and were not written yet, each of which is in `queue` once.
    due: HashMap<u64, Due>,
}

#[derive(Debug)]
enum Queued {
    Asked { id: u64, payload: InvocationPayload },
    Packet(InvocationPayload),
    Timer(u64),
}

#[derive(Debug)]
struct Outstanding {
    answer: oneshot::Sender<Outcome>,
    deadline: Instant,
    chain: Arc<Chain>,
}

#[derive(Debug)]
struct Due {
    label: String,
    missed: u64,
}

/// An invocation on its way. Dropping it gives it up: it is not sent any more, and an answer is late.
#[derive(Debug)]
pub(crate) struct Pending {
    outbox: Arc<Outbox>,
    id: u64,
    deadline: Instant,
    answer: oneshot::Receiver<Outcome>,
}

impl Pending {
    /// The answer.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(crate) async fn answered(mut self) -> Result<Outcome, NoAnswer> {
        match timeout_at(self.deadline, &mut self.answer).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_dropped)) => Err(NoAnswer::Gone),
            Err(_elapsed) => Err(NoAnswer::Late),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.outbox.give_up(self.id);
    }
}

impl Outbox {
    /// Asks something that is to be answered before `deadline`, in the course of `chain`.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub(crate) fn ask(
        self: &Arc<Self>,
        payload: InvocationPayload,
        deadline: Instant,
        chain: Arc<Chain>,
    ) -> Result<Pending, NotTaken> {
        let mut state = self.open()?;
        if !state.has_room_for(chain.asker()) {
            return Err(NotTaken::Full);
        }
        let id = state.next_id();
        let (sender, answer) = oneshot::channel();
        state.outstanding.insert(id, Outstanding { answer: sender, deadline, chain });
        state.queue.push_back(Queued::Asked { id, payload });
        state.reader.wake();
        Ok(Pending { outbox: Arc::clone(self), id, deadline, answer })
    }

    /// Hands over a packet of `bytes` bytes, which is not answered.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub(crate) fn hand_over(&self, payload: InvocationPayload, bytes: usize) -> Result<(), NotTaken> {
        let mut state = self.open()?;
        let waiting = state.packet_bytes.saturating_add(bytes);
        if state.packets >= MAX_PACKETS || waiting > MAX_WAITING_PACKET_BYTES {
            return Err(NotTaken::Full);
        }
        state.packets = state.packets.saturating_add(1);
        state.packet_bytes = waiting;
        state.queue.push_back(Queued::Packet(payload));
        state.reader.wake();
        Ok(())
    }

    /// A timer fires, after `missed` ticks that nobody saw. While one firing of it waits, another is only counted.
    /// One that was cancelled, and is not `alive` any more, does not fire.
    ///
    /// # Errors
    /// [`NotTaken::Closed`].
    pub(crate) fn fire(
        &self,
        timer_id: u64,
        label: &str,
        missed: u64,
        alive: &AtomicBool,
    ) -> Result<(), NotTaken> {
        let mut state = self.open()?;
        // Whoever cancels takes back under this lock what was fired, after it said so.
        if !alive.load(Ordering::Acquire) {
            return Err(NotTaken::Closed);
        }
        if let Some(due) = state.due.get_mut(&timer_id) {
            due.missed = due.missed.saturating_add(missed).saturating_add(1);
            return Ok(());
        }
        state.due.insert(timer_id, Due { label: label.to_owned(), missed });
        state.queue.push_back(Queued::Timer(timer_id));
        state.reader.wake();
        Ok(())
    }

    /// Whether a firing of this timer waits to be written.
    pub(crate) fn is_due(&self, timer_id: u64) -> bool {
        self.lock().due.contains_key(&timer_id)
    }

    /// Takes back what waits of this timer, and says whether something did.
    pub(crate) fn unfire(&self, timer_id: u64) -> bool {
        let mut state = self.lock();
        state.queue.retain(|queued| !matches!(queued, Queued::Timer(id) if *id == timer_id));
        state.due.remove(&timer_id).is_some()
    }

    /// The chain of an invocation that waits for its answer.
    pub(crate) fn chain(&self, invocation_id: u64) -> Option<Arc<Chain>> {
        self.lock().outstanding.get(&invocation_id).map(|outstanding| Arc::clone(&outstanding.chain))
    }

    /// How many invocations wait for an answer.
    pub(crate) fn outstanding(&self) -> usize {
        self.lock().outstanding.len()
    }

    /// Passes an answer on, or what is wrong with it. Says whether anybody waited for it.
    pub(super) fn answer(&self, invocation_id: u64, outcome: Outcome) -> bool {
        let outstanding = self.lock().outstanding.remove(&invocation_id);
        outstanding.is_some_and(|outstanding| outstanding.answer.send(bounded(outcome)).is_ok())
    }

    /// The session is over: whoever waits for an answer learns it at once.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        let last_id = state.last_id;
        *state = State { closed: true, last_id, ..State::default() };
    }

    /// The next frame to write; one reader at a time.
    pub(super) fn poll_next(&self, context: &Context<'_>) -> Poll<Bytes> {
        let mut state = self.lock();
        while let Some(message) = state.pop() {
            // One that cannot be encoded was logged; its caller gets no answer.
            if let Some(frame) = wire::encode_invocation(message) {
                return Poll::Ready(frame);
            }
        }
        state.reader.register(context);
        Poll::Pending
    }

    /// Waits for the next frame.
    #[cfg(test)]
    pub(super) async fn next(&self) -> Bytes {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn give_up(&self, id: u64) {
        let mut state = self.lock();
        state.outstanding.remove(&id);
        state.queue.retain(|queued| !matches!(queued, Queued::Asked { id: queued, .. } if *queued == id));
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, NotTaken> {
        let state = self.lock();
        if state.closed { Err(NotTaken::Closed) } else { Ok(state) }
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As much of an answer as may be passed on.
fn bounded(outcome: Outcome) -> Outcome {
    match outcome {
        Ok(answer) if answer.len() <= MAX_CALL_BYTES => Ok(answer),
        Ok(answer) => {
            let message =
                format!("its answer has {} bytes, at most {MAX_CALL_BYTES} are passed on", answer.len());
            Err(ModuleFault { code: 0, message })
        }
        Err(ModuleFault { code, message }) => {
            let end =
                (0..=MAX_FAULT_BYTES.min(message.len())).rev().find(|end| message.is_char_boundary(*end));
            // A copy, so that what was cut off is free.
            let message = message.get(..end.unwrap_or_default()).unwrap_or_default().to_owned();
            Err(ModuleFault { code, message })
        }
    }
}

impl State {
    fn has_room_for(&self, asker: Option<&ModuleName>) -> bool {
        let askers = self.outstanding.values().map(|outstanding| outstanding.chain.asker());
        let own = askers.clone().filter(|other| *other == asker).count();
        let firsts = askers.collect::<HashSet<_>>().len();
        let shared = self.outstanding.len().saturating_sub(firsts);
        own == 0 || shared < MAX_SHARED && own <= MAX_SHARED.saturating_sub(shared)
    }

    fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    fn pop(&mut self) -> Option<InvocationMessage> {
        let queued = self.queue.pop_front()?;
        let unanswered =
            |invocation_id, payload| InvocationMessage { invocation_id, deadline_ms: 0, payload };
        Some(match queued {
            Queued::Asked { id, payload } => {
                let deadline = self.outstanding.get(&id).map(|outstanding| outstanding.deadline);
                let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                let left_ms = left.and_then(|left| u32::try_from(left.as_millis()).ok()).unwrap_or(u32::MAX);
                // 0 would say that no answer is expected.
                InvocationMessage { invocation_id: id, deadline_ms: left_ms.max(1), payload }
            }
            Queued::Packet(payload) => {
                self.packets = self.packets.saturating_sub(1);
                if let InvocationPayload::MeshPacket { packet, .. } = &payload {
                    self.packet_bytes = self.packet_bytes.saturating_sub(packet.len());
                }
                unanswered(self.next_id(), payload)
            }
            Queued::Timer(timer_id) => {
                let Due { label, missed } = self.due.remove(&timer_id)?;
                unanswered(self.next_id(), InvocationPayload::TimerFired { timer_id, label, missed })
            }
        })
    }
}
