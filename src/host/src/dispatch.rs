//! From a request to its answer: the check, the handler, the deadline.
//!
//! The code is made from the table of calls. A row without a [`Handle`] does not compile, and there is no way
//! past [`authorize`] to a handler.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cofferdam_protocol::{ApiError, Call, RequestPayload, ResponsePayload, for_each_call};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::api::{Host, LogLines};
use crate::authorize::{Authorized, Denied, authorize};
use crate::events::Mailbox;
use crate::metrics::{Counts, Reporting};
use crate::modules::Chain;
use crate::session::Module;
use crate::session::outbox::Outbox;
use crate::timers::Timers;
use crate::watch::Said;

/// Replies of the size of a block that one module may have in the making or waiting to be read.
const MAX_LARGE: usize = 4;

/// The same for all modules together. A block is at most 4 MB, so that modules that ask and never read make the
/// core hold 256 MB of its 1 GiB, however many they are.
pub(crate) const MAX_LARGE_IN_ALL: usize = 64;

/// How long the node may take to answer a call. A node that verifies a block can be silent
/// for tens of seconds; a module that has waited a minute would rather know.
const CALL_DEADLINE: Duration = Duration::from_secs(60);

/// Calls of other modules that one module may have under way.
pub(crate) const MAX_RELAYED: usize = 16;

/// Of those, calls for which a module needs no place that others could have taken: modules that call each other and
/// do not answer leave everybody this one.
pub(crate) const MAX_RELAYED_OWN: usize = 1;

/// Calls beyond that of all modules together. Parameters and answers are at most 256 KiB each, so that 128 modules that
/// call and never read make the core hold 128 MiB.
pub(crate) const MAX_RELAYED_IN_ALL: usize = 128;

/// An answer of another module up to this size gives up its place before it is read: there are 64 at most.
const SMALL_ANSWER_BYTES: usize = 4096;

/// When a call of another module may be tried again that found no place.
const RETRY_MS: u64 = 10;

/// Who calls, and what the host keeps about it for the length of its session.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) module: Arc<Module>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) reporting: Arc<Reporting>,
    /// The calls of modules that this call belongs to, if the module says that it does.
    pub(crate) chain: Option<Arc<Chain>>,
    pub(crate) log_lines: Arc<Mutex<LogLines>>,
    large: Arc<Semaphore>,
    relayed: Arc<Semaphore>,
    relayed_own: Arc<Semaphore>,
}

/// The outcome of a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: Result<ResponsePayload, ApiError>,
    /// To be kept until a large reply is written.
    pub(crate) large: Option<LargePlace>,
}

/// The right to hold one large reply, among the caller's and among everybody's (or those that the caller shares with
/// nobody).
#[derive(Debug)]
pub(crate) struct LargePlace {
    _of_caller: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// How much memory the reply to a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplySize {
    /// Some kilobytes at most.
    Small,
    /// Up to a block. The call waits for its place.
    Large,
    /// Up to two: the ids of a mempool, or a block with what is known of its transactions. It takes two places.
    TwiceLarge,
    /// What another module answers. A call without a place is refused: waiting for a place that a call holds which
    /// waits for this module would never end.
    Relayed,
}

/// The handler of one call.
pub(crate) trait Handle<C: Call> {
    /// How large its reply may be.
    const REPLY: ReplySize = ReplySize::Small;

    /// Answers the call.
    fn handle(
        &self,
        caller: &Caller,
        call: Authorized<C>,
    ) -> impl Future<Output = Result<C::Reply, ApiError>> + Send;
}

impl Caller {
    /// A caller whose limits are all untouched.
    pub(crate) fn new(
        module: Arc<Module>,
        mailbox: Arc<Mailbox>,
        outbox: Arc<Outbox>,
        reporting: Reporting,
    ) -> Self {
        mailbox.count_in(Arc::clone(&reporting.counts));
        Self {
            module,
            mailbox,
            timers: Arc::new(Timers::new(Arc::clone(&outbox))),
            outbox,
            reporting: Arc::new(reporting),
            chain: None,
            log_lines: Arc::default(),
            large: Arc::new(Semaphore::new(MAX_LARGE)),
            relayed: Arc::new(Semaphore::new(MAX_RELAYED)),
            relayed_own: Arc::new(Semaphore::new(MAX_RELAYED_OWN)),
        }
    }

    /// The same caller, in the course of `chain`.
    pub(crate) fn within(&self, chain: Arc<Chain>) -> Self {
        Self {
            module: Arc::clone(&self.module),
            mailbox: Arc::clone(&self.mailbox),
            outbox: Arc::clone(&self.outbox),
            timers: Arc::clone(&self.timers),
            reporting: Arc::clone(&self.reporting),
            chain: Some(chain),
            log_lines: Arc::clone(&self.log_lines),
            large: Arc::clone(&self.large),
            relayed: Arc::clone(&self.relayed),
            relayed_own: Arc::clone(&self.relayed_own),
        }
    }
}

macro_rules! dispatcher {
    ($(
        $tag:literal => $name:ident : $Call:ident $( { $( $field:ident : $field_type:ty ),+ $(,)? } )?
            -> $Reply:ty, [ $( $Capability:ident )? ], $doc:literal;
    )+) => {
        /// Checks a call and answers it.
        pub(crate) async fn dispatch(host: &Host, caller: &Caller, payload: RequestPayload) -> Answer {
            match payload {
                $( RequestPayload::$Call { $( $( $field ),+ )? } => {
                    answer(host, caller, cofferdam_protocol::calls::$Call { $( $( $field ),+ )? }).await
                } )+
                // The enum is open for module authors only: the arms above are all the rows there are.
                other => Answer { result: Err(unlisted(&other)), large: None },
            }
        }

        /// How much memory the reply to a call may take.
        pub(crate) const fn reply_size(payload: &RequestPayload) -> ReplySize {
            match payload {
                $( RequestPayload::$Call { .. } => <Host as Handle<cofferdam_protocol::calls::$Call>>::REPLY, )+
                _ => ReplySize::Small,
            }
        }
    };
}

for_each_call!(dispatcher);

async fn answer<C: Call>(host: &Host, caller: &Caller, call: C) -> Answer
where
    Host: Handle<C>,
{
    let mut counted = Counted::begin(&caller.reporting.counts);
    let answer = decide(host, caller, call).await;
    counted.failed = answer.result.is_err();
    answer
}

async fn decide<C: Call>(host: &Host, caller: &Caller, call: C) -> Answer
where
    Host: Handle<C>,
{
    let module = &caller.module.name;
    let call = match authorize(call, &caller.module.granted) {
        Ok(call) => {
            host.watch().call(module, C::NAME, Said::Yes);
            call
        }
        Err(denied) => {
            host.watch().call(module, C::NAME, Said::No);
            let Denied { call, capability } = denied;
            host.denials().refused(module, call, capability.as_str());
            return Answer { result: Err(denied.into()), large: None };
        }
    };
    let large = match <Host as Handle<C>>::REPLY {
        ReplySize::Small => None,
        ReplySize::Large => large_place(host, caller, 1).await,
        ReplySize::TwiceLarge => large_place(host, caller, 2).await,
        ReplySize::Relayed => match relayed_place(host, caller) {
            Some(place) => Some(place),
            None => {
                return Answer {
                    result: Err(ApiError::RateLimited { retry_after_ms: RETRY_MS }),
                    large: None,
                };
            }
        },
    };
    let result = match timeout(CALL_DEADLINE, host.handle(caller, call)).await {
        Ok(result) => result.map(C::respond),
        Err(_elapsed) => Err(too_slow::<C>(host)),
    };
    let large = large.filter(|_| !is_small(&result));
    Answer { result, large }
}

/// A call in the metrics, from its beginning to its end, which may be the session's.
struct Counted<'c> {
    counts: &'c Counts,
    failed: bool,
}

impl<'c> Counted<'c> {
    fn begin(counts: &'c Counts) -> Self {
        counts.calls.fetch_add(1, Ordering::Relaxed);
        counts.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { counts, failed: false }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.counts.errors.fetch_add(u64::from(self.failed), Ordering::Relaxed);
    }
}

/// Whether a reply that could have been large takes so little that its place is free before it is read.
#[allow(clippy::wildcard_enum_match_arm, reason = "the others are as large as they say")]
fn is_small(result: &Result<ResponsePayload, ApiError>) -> bool {
    match result {
        Ok(ResponsePayload::CallModule(answer)) => answer.len() <= SMALL_ANSWER_BYTES,
        Ok(
            ResponsePayload::GetLightningNodeUrl(_)
            | ResponsePayload::GetLightningInfo(_)
            | ResponsePayload::GetPaymentState(_),
        )
        | Err(_) => true,
        Ok(_) => false,
    }
}

fn relayed_place(host: &Host, caller: &Caller) -> Option<LargePlace> {
    let of_caller = Arc::clone(&caller.relayed).try_acquire_owned().ok()?;
    let own = Arc::clone(&caller.relayed_own).try_acquire_owned();
    let of_all = own.or_else(|_taken| Arc::clone(host.relayed_calls()).try_acquire_owned()).ok()?;
    Some(LargePlace { _of_caller: of_caller, _of_all: of_all })
}

/// Waits for so many places, which is waiting for modules to read what they asked for: they have a deadline for that,
/// so that this needs none. The caller's own comes first, so that nobody queues for the others' more than a few.
async fn large_place(host: &Host, caller: &Caller, places: u32) -> Option<LargePlace> {
    let of_caller = Arc::clone(&caller.large).acquire_many_owned(places).await.ok()?;
    let of_all = Arc::clone(host.large_replies()).acquire_many_owned(places).await.ok()?;
    Some(LargePlace { _of_caller: of_caller, _of_all: of_all })
}

fn too_slow<C: Call>(host: &Host) -> ApiError {
    let after_ms = u64::try_from(CALL_DEADLINE.as_millis()).unwrap_or(u64::MAX);
    ApiError::Timeout { what: format!("{} ({})", host.node_label(), C::NAME), after_ms }
}

fn unlisted(payload: &RequestPayload) -> ApiError {
    let reason = format!("this host has no handler for {}", payload.info().name);
    ApiError::Unsupported { backend: "cofferdam".to_owned(), reason }
}
