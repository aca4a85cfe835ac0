//! Takes calls from a module's connection, starts them, and queues their replies.
//!
//! The next request is read only when there is a place for it. That is the only brake: it works on the module
//! that sends too much, and on nobody else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_protocol::{ApiError, RequestMessage, RequestPayload};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::input::Input;
use super::unread::{Unread, Waiting};
use super::wire::{self, Incoming};
use super::{Module, SessionEnd};
use crate::api::Host;
use crate::dispatch::{Answer, Caller, dispatch};
use crate::events::{EVENT_QUEUE, Mailbox};
use cofferdam_log::TokenBucket;

/// Calls of one module that may wait for an answer, or answers for being read, at once: enough to keep a node
/// behind a network busy, few enough that all of them together hold little (large replies have their own,
/// narrower bound).
pub(super) const MAX_IN_FLIGHT: usize = 64;

/// Calls per second of one module in the long run. One core answers some 100 000 small calls per second, so a
/// module that calls as fast as it may takes a twentieth of one.
const CALLS_PER_SECOND: u32 = 5000;

/// Calls that may come at once after a pause: a second's worth.
const CALL_BURST: u32 = CALLS_PER_SECOND;

/// Types subscribed to, or events sent again, that count as one call more.
const SUBSCRIPTION_STEP: usize = 16;

/// How long reading pauses when a call came too early. A module that goes on regardless gets at most two
/// hundred such answers per second out of the host, and pays for them with its own time.
const TOO_EARLY_PAUSE: Duration = Duration::from_millis(5);

/// A reply on its way to the socket. It holds what it occupies until it is written.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) frame: Bytes,
    _place: OwnedSemaphorePermit,
    _large: Option<Waiting>,
}

/// The calls of one session.
#[derive(Debug)]
pub(super) struct Requests {
    caller: Arc<Caller>,
    host: Arc<Host>,
    places: Arc<Semaphore>,
    rate: TokenBucket,
    running: JoinSet<Result<(), String>>,
    replies: mpsc::Sender<Reply>,
    unread: Arc<Unread>,
}

impl Requests {
    /// The calls of `module`, and where their replies come out.
    pub(super) fn new(
        module: Arc<Module>,
        host: &Host,
        mailbox: Arc<Mailbox>,
    ) -> (Self, mpsc::Receiver<Reply>) {
        // Each reply holds a place, so that the channel has room for every one and sending never waits.
        let (replies, replies_out) = mpsc::channel(MAX_IN_FLIGHT);
        let requests = Self {
            caller: Arc::new(Caller::new(module, mailbox)),
            host: Arc::new(host.for_session()),
            places: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            rate: TokenBucket::new(Duration::from_secs(1) / CALLS_PER_SECOND, CALL_BURST),
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

    /// Reads and starts calls until the connection ends or breaks the protocol.
    pub(super) async fn read(mut self, mut input: Input) -> SessionEnd {
        let end = loop {
            if let Err(end) = self.read_one(&mut input).await {
                break end;
            }
        };
        if matches!(end, SessionEnd::Closed) {
            // What a module says last, and why it ends, matters most.
            while self.running.join_next().await.is_some() {}
        }
        end
    }

    async fn read_one(&mut self, input: &mut Input) -> Result<(), SessionEnd> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|error| SessionEnd::HostFault(error.to_string()))?;
        let body = self.next_body(input).await?;
        let incoming = wire::decode_incoming(&body).map_err(SessionEnd::Violation)?;
        drop(body);
        let too_early = self.rate.take_many(cost(&incoming));
        match (incoming, too_early) {
            (Incoming::Request(request), Ok(())) => {
                self.start(request, place);
                Ok(())
            }
            (Incoming::Request(RequestMessage { correlation_id, .. }), Err(retry))
            | (Incoming::UnknownCall { correlation_id, .. }, Err(retry)) => {
                tokio::time::sleep(TOO_EARLY_PAUSE).await;
                let error = ApiError::RateLimited { retry_after_ms: retry.as_millis_ceil() };
                self.refuse(correlation_id, error, place).await
            }
            (Incoming::UnknownCall { correlation_id, tag }, Ok(())) => {
                let reason = format!("it has no call with tag {tag}; the module was built for a later host");
                let error = ApiError::Unsupported { backend: HOST.to_owned(), reason };
                self.refuse(correlation_id, error, place).await
            }
        }
    }

    /// The next frame, while calls that end are looked after.
    async fn next_body(&mut self, input: &mut Input) -> Result<Vec<u8>, SessionEnd> {
        loop {
            tokio::select! {
                body = input.next_body() => return body,
                Some(ended) = self.running.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(problem)) => return Err(SessionEnd::HostFault(problem)),
                    // A call that panicked has no reply, and its caller would wait for ever.
                    Err(error) => return Err(SessionEnd::HostFault(error.to_string())),
                },
            }
        }
    }

    fn start(&mut self, request: RequestMessage, place: OwnedSemaphorePermit) {
        let (host, caller) = (Arc::clone(&self.host), Arc::clone(&self.caller));
        let (replies, unread) = (self.replies.clone(), self.unread());
        self.running.spawn(async move {
            let RequestMessage { correlation_id, payload } = request;
            let Answer { result, large } = dispatch(&host, &caller, payload).await;
            let frame = wire::encode_reply(correlation_id, result).map_err(|error| error.to_string())?;
            // Fails only if the session has ended, and then nobody waits for it.
            let large = large.map(|large| unread.wait(large));
            let _ = replies.send(Reply { frame, _place: place, _large: large }).await;
            Ok(())
        });
    }

    async fn refuse(
        &mut self,
        correlation_id: u64,
        error: ApiError,
        place: OwnedSemaphorePermit,
    ) -> Result<(), SessionEnd> {
        let fault = |error: String| SessionEnd::HostFault(error);
        let frame =
            wire::encode_reply(correlation_id, Err(error)).map_err(|error| fault(error.to_string()))?;
        let reply = Reply { frame, _place: place, _large: None };
        self.replies.send(reply).await.map_err(|error| fault(error.to_string()))
    }
}

/// What a call takes from the rate: one, and more for a subscription, which is work by the type and by the event
/// that is sent again.
fn cost(incoming: &Incoming) -> u32 {
    let Incoming::Request(RequestMessage { payload, .. }) = incoming else { return 1 };
    let RequestPayload::SubscribeEvents { event_types, resume_after } = payload else { return 1 };
    let repeated = resume_after.map_or(0, |_| EVENT_QUEUE);
    let work = event_types.as_slice().len().saturating_add(repeated) / SUBSCRIPTION_STEP;
    u32::try_from(work).unwrap_or(u32::MAX).saturating_add(1)
}

/// What answers where no node is asked.
const HOST: &str = concat!("cofferdam ", env!("CARGO_PKG_VERSION"));
