//! From a request to its answer: the check, the handler, the deadline.
//!
//! The code is made from the table of calls. A row without a [`Handle`] does not compile, and there is no way
//! past [`authorize`] to a handler.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_protocol::{ApiError, Call, RequestPayload, ResponsePayload, for_each_call};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::api::Host;
use crate::authorize::{Authorized, Denied, authorize};
use crate::events::Mailbox;
use crate::session::Module;
use cofferdam_log::{Throttle, TokenBucket, and_more};

/// Replies of the size of a block that one module may have in the making or waiting to be read.
const MAX_LARGE: usize = 4;

/// The same for all modules together. A block is at most 4 MB, so that modules that ask and never read make the
/// core hold 256 MB of its 1 GiB, however many they are.
pub(crate) const MAX_LARGE_IN_ALL: usize = 64;

/// How long the node may take to answer a call. A node that verifies a block can be silent
/// for tens of seconds; a module that has waited a minute would rather know.
const CALL_DEADLINE: Duration = Duration::from_secs(60);

/// Refusals of one module that are logged: a few at once for the operator to see what it wants, then one in
/// ten seconds, with the number of the others.
const LOGGED_REFUSALS: (Duration, u32) = (Duration::from_secs(10), 8);

/// Lines a module may log: twenty per second in the long run, two hundred at once.
const LOG_LINES: (Duration, u32) = (Duration::from_millis(50), 200);

/// Who calls, and what the host keeps about it for the length of its session.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) module: Arc<Module>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) log_lines: Mutex<TokenBucket>,
    refusals: Mutex<Throttle>,
    large: Arc<Semaphore>,
}

/// The outcome of a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: Result<ResponsePayload, ApiError>,
    /// To be kept until a large reply is written.
    pub(crate) large: Option<LargePlace>,
}

/// The right to hold one large reply, among the caller's and among everybody's.
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
    /// Up to a block.
    Large,
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
    pub(crate) fn new(module: Arc<Module>, mailbox: Arc<Mailbox>) -> Self {
        Self {
            module,
            mailbox,
            log_lines: Mutex::new(TokenBucket::new(LOG_LINES.0, LOG_LINES.1)),
            refusals: Mutex::new(Throttle::new(LOGGED_REFUSALS.0, LOGGED_REFUSALS.1)),
            large: Arc::new(Semaphore::new(MAX_LARGE)),
        }
    }

    fn log_refusal(&self, denied: Denied) {
        let passed = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).pass();
        if let Some(swallowed) = passed {
            let Denied { call, capability } = denied;
            let more = and_more(swallowed);
            tracing::warn!(subject = %self.module.name, "refused {call}: needs {capability}{more}");
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
    };
}

for_each_call!(dispatcher);

async fn answer<C: Call>(host: &Host, caller: &Caller, call: C) -> Answer
where
    Host: Handle<C>,
{
    let call = match authorize(call, &caller.module.granted) {
        Ok(call) => call,
        Err(denied) => {
            caller.log_refusal(denied);
            return Answer { result: Err(denied.into()), large: None };
        }
    };
    let large = match <Host as Handle<C>>::REPLY {
        ReplySize::Small => None,
        ReplySize::Large => large_place(host, caller).await,
    };
    let result = match timeout(CALL_DEADLINE, host.handle(caller, call)).await {
        Ok(result) => result.map(C::respond),
        Err(_elapsed) => Err(too_slow::<C>(host)),
    };
    Answer { result, large }
}

/// Waits for a place, which is waiting for modules to read what they asked for: they have a deadline for that,
/// so that this needs none. The caller's own comes first, so that nobody queues for the others' more than a few.
async fn large_place(host: &Host, caller: &Caller) -> Option<LargePlace> {
    let of_caller = Arc::clone(&caller.large).acquire_owned().await.ok()?;
    let of_all = Arc::clone(host.large_replies()).acquire_owned().await.ok()?;
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
