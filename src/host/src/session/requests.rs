//! Takes calls and answers from a module's connection, starts the calls, and queues their replies.
//!
//! A request that was read waits until there is a place for it, and nothing is read meanwhile. That is the only
//! brake: it works on the module that sends too much, and on nobody else. Answers to invocations need no place. A
//! module whose places are all taken is read again when one of its own calls ends, and no call waits for the module
//! itself: calls of other modules are refused, and do not wait, beyond a part of the places (`dispatch::MAX_RELAYED`).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cofferdam_protocol::{AnswerMessage, ApiError, RequestMessage, RequestPayload};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::admission::{Admission, Admitted, Held};
use super::input::{Frame, Input};
use super::outbox::Outbox;
use super::replies::{Replies, Reply, ReplySender, replies};
use super::unread::Unread;
use super::wire::{self, Incoming};
use super::{Module, SessionEnd};
use crate::api::Host;
use crate::dispatch::{Answer, Caller, ReplySize, dispatch, reply_size};
use crate::events::{EVENT_QUEUE, Mailbox};
use cofferdam_log::{RetryAfter, TokenBucket};

/// Calls of one module that may wait for an answer, or answers for being read, at once: enough to keep a node
/// behind a network busy, few enough that all of them together hold little (large replies have their own,
/// narrower bound).
pub(super) const MAX_IN_FLIGHT: usize = 64;

/// Types subscribed to, or events sent again, that count as one call more.
const SUBSCRIPTION_STEP: usize = 16;

/// Bytes that are handed on to other modules and count as one call more. An event may have a hundred readers.
const HANDED_ON_STEP: usize = 1024;

/// How long reading pauses when a call came too early. A module that goes on regardless gets at most two
/// hundred such answers per second out of the host, and pays for them with its own time.
const TOO_EARLY_PAUSE: Duration = Duration::from_millis(5);

/// Bytes of a request that count as one call more. They are decoded by the thread that all sessions share, whether or not
/// the call is granted, and may be thousands of values.
const DECODED_STEP: usize = 4096;

/// When a call that found its bytes in use may be tried again: when one of its module's calls has ended.
const RETRY_MS: u64 = 10;

/// Frames that are taken in one turn. After so many the other sessions have theirs: a module that sends all it may
/// costs them little more than one that sends nothing.
const FRAMES_A_TURN: u32 = 8;

/// Requests up to this size are decoded at once; larger ones where no other session waits for it.
const DECODED_AT_ONCE: usize = 64 * 1024;

/// The calls of one session.
#[derive(Debug)]
pub(super) struct Requests {
    caller: Arc<Caller>,
    host: Arc<Host>,
    admission: Admission,
    rate: TokenBucket,
    running: JoinSet<Result<(), String>>,
    replies: ReplySender,
    unread: Arc<Unread>,
}

/// A call that has its place.
struct Placed {
    request: RequestMessage,
    /// The invocation in whose course it is made, as the module says.
    within: Option<u64>,
    place: OwnedSemaphorePermit,
    held: Held,
}

impl Requests {
    /// The calls of `module`, and where their replies come out.
    pub(super) fn new(
        module: Arc<Module>,
        host: &Host,
        mailbox: Arc<Mailbox>,
        outbox: Arc<Outbox>,
    ) -> (Self, Arc<Replies>) {
        let (replies, replies_out) = replies();
        let reporting = host.metrics().begin(&module.name);
        let rate = module.rate();
        let caller = Caller::new(module, mailbox, outbox, reporting);
        let requests = Self {
            host: Arc::new(host.for_session()),
            admission: Admission::new(MAX_IN_FLIGHT, Arc::clone(host.large_requests())),
            rate,
            caller: Arc::new(caller),
            running: JoinSet::new(),
            replies,
            unread: Arc::default(),
        };
        (requests, replies_out)
    }

    /// The large replies that are made and not yet written.
    pub(super) fn unread(&self) -> Arc<Unread> {
        Arc::clone(&self.unread)
    }

    /// What this session may send.
    pub(super) fn admission(&self) -> Admission {
        self.admission.clone()
    }

    /// Reads and starts calls until the connection ends or breaks the protocol.
    pub(super) async fn read(mut self, mut input: Input) -> SessionEnd {
        let mut taken: u32 = 0;
        let end = loop {
            if let Err(end) = self.read_one(&mut input).await {
                break end;
            }
            taken = taken.wrapping_add(1);
            if taken.is_multiple_of(FRAMES_A_TURN) {
                tokio::task::yield_now().await;
            }
        };
        // It answers nothing any more.
        self.caller.outbox.close();
        if matches!(end, SessionEnd::Closed) {
            // What a module says last, and why it ends, matters most.
            while self.running.join_next().await.is_some() {}
        }
        end
    }

    async fn read_one(&mut self, input: &mut Input) -> Result<(), SessionEnd> {
        let Frame { body, admitted } = self.next_frame(input).await?;
        let bytes = body.len();
        let incoming = self.decode(body).await?.map_err(SessionEnd::Violation)?;
        match incoming {
            Incoming::Answer(answer) => {
                self.take_answer(answer).await;
                Ok(())
            }
            Incoming::UnknownCall { correlation_id, tag } => {
                let reason = format!("it has no call with tag {tag}; the module was built for a later host");
                let error = ApiError::Unsupported { backend: HOST.to_owned(), reason };
                let error = self.too_early(1).await.err().unwrap_or(error);
                let place = self.admission.place().await?;
                self.refuse(correlation_id, error, place)
            }
            Incoming::Request(request, within) => self.take_request(request, within, bytes, admitted).await,
        }
    }

    async fn decode(&self, body: Vec<u8>) -> Result<Result<Incoming, String>, SessionEnd> {
        if body.len() <= DECODED_AT_ONCE {
            return Ok(wire::decode_incoming(&body));
        }
        let decoded = self.host.work().spawn(async move { wire::decode_incoming(&body) }).await;
        decoded.map_err(|error| SessionEnd::HostFault(error.to_string()))
    }

    async fn take_request(
        &mut self,
        request: RequestMessage,
        within: Option<u64>,
        bytes: usize,
        admitted: Option<Admitted>,
    ) -> Result<(), SessionEnd> {
        let id = request.correlation_id;
        if let Err(error) = self.too_early(cost(&request.payload, bytes)).await {
            let place = self.admission.place().await?;
            return self.refuse(id, error, place);
        }
        let (place, held) = match admitted {
            Some(Admitted { place, held }) => (place, Some(held)),
            None => {
                let place = self.admission.place().await?;
                // All others end by themselves, whatever modules do.
                let held = if matches!(request.payload, RequestPayload::CallModule { .. }) {
                    self.admission.hold_call(bytes)
                } else {
                    Some(self.admission.hold(bytes).await?)
                };
                (place, held)
            }
        };
        let Some(held) = held else {
            return self.refuse(id, ApiError::RateLimited { retry_after_ms: RETRY_MS }, place);
        };
        self.start(Placed { request, within, place, held }).await
    }

    /// Passes an answer on. One that nobody waits for counts as a call: late ones are normal, a flood of them costs
    /// the time of whoever sends it.
    async fn take_answer(&mut self, answer: AnswerMessage) {
        let AnswerMessage { invocation_id, result } = answer;
        if !self.caller.outbox.answer(invocation_id, result) {
            let _ = self.too_early(1).await;
        }
    }

    /// Takes `count` calls from the rate.
    ///
    /// # Errors
    /// The module is too early; reading has paused.
    async fn too_early(&mut self, count: u32) -> Result<(), ApiError> {
        let Err(RetryAfter(retry)) = self.rate.take_many(count) else { return Ok(()) };
        tokio::time::sleep(TOO_EARLY_PAUSE).await;
        Err(ApiError::RateLimited { retry_after_ms: RetryAfter(retry).as_millis_ceil() })
    }

    /// The next frame, while calls that end are looked after.
    async fn next_frame(&mut self, input: &mut Input) -> Result<Frame, SessionEnd> {
        let mut frame = pin!(input.next_frame());
        loop {
            tokio::select! {
                frame = &mut frame => return frame,
                Some(ended) = self.running.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(problem)) => return Err(SessionEnd::HostFault(problem)),
                    // A call that panicked has no reply, and its caller would wait for ever.
                    Err(error) => return Err(SessionEnd::HostFault(error.to_string())),
                },
            }
        }
    }

    /// Starts a call, and ends it too if it has to wait for nothing.
    async fn start(&mut self, placed: Placed) -> Result<(), SessionEnd> {
        let Placed { request, within, place, held } = placed;
        let chain = within.and_then(|invocation_id| self.caller.outbox.chain(invocation_id));
        let caller = match chain {
            Some(chain) => Arc::new(self.caller.within(chain)),
            None => Arc::clone(&self.caller),
        };
        let host = Arc::clone(&self.host);
        let unread = self.unread();
        let size = reply_size(&request.payload);
        let mut call = Box::pin(async move {
            let RequestMessage { correlation_id, payload } = request;
            let Answer { result, large } = dispatch(&host, &caller, payload).await;
            drop(held);
            let frame = wire::encode_reply(correlation_id, result).map_err(|error| error.to_string())?;
            Ok(Reply { frame, _place: place, _large: large.map(|large| unread.wait(large)) })
        });
        if matches!(size, ReplySize::Large | ReplySize::TwiceLarge) {
            let replies = self.replies.clone();
            self.running.spawn_on(send(call, replies), self.host.work());
            return Ok(());
        }
        // Most calls are answered from memory: a task of their own would cost more than the answer.
        match poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await {
            Poll::Ready(reply) => self.replies.put(reply.map_err(SessionEnd::HostFault)?),
            Poll::Pending => {
                self.running.spawn(send(call, self.replies.clone()));
            }
        }
        Ok(())
    }

    fn refuse(
        &self,
        correlation_id: u64,
        error: ApiError,
        place: OwnedSemaphorePermit,
    ) -> Result<(), SessionEnd> {
        let frame = wire::encode_reply(correlation_id, Err(error));
        let frame = frame.map_err(|error| SessionEnd::HostFault(error.to_string()))?;
        self.replies.put(Reply { frame, _place: place, _large: None });
        Ok(())
    }
}

/// Makes a call in a task of its own.
async fn send(call: impl Future<Output = Result<Reply, String>>, replies: ReplySender) -> Result<(), String> {
    replies.send(call.await?);
    Ok(())
}

/// What a call of so many bytes takes from the rate: one, and more for work that grows with it.
fn cost(payload: &RequestPayload, bytes: usize) -> u32 {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the others cost one")]
    let more = match payload {
        RequestPayload::SubscribeEvents { event_types, resume_after } => {
            let repeated = resume_after.map_or(0, |_| EVENT_QUEUE);
            event_types.as_slice().len().saturating_add(repeated) / SUBSCRIPTION_STEP
        }
        RequestPayload::CallModule { params, .. } => params.len() / HANDED_ON_STEP,
        RequestPayload::PublishEvent { payload, .. } => payload.len() / HANDED_ON_STEP,
        RequestPayload::SendMeshPacketToModule { packet_data, .. } => packet_data.len() / HANDED_ON_STEP,
        _ => 0,
    };
    let decoding = bytes.min(DECODED_AT_ONCE) / DECODED_STEP;
    u32::try_from(more.max(decoding)).unwrap_or(u32::MAX).saturating_add(1)
}

/// What answers where no node is asked.
const HOST: &str = concat!("cofferdam ", env!("CARGO_PKG_VERSION"));
