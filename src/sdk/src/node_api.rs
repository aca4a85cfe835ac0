//! The calls a module can make, one typed method each, made from the protocol's table.
//!
//! A method sends its request and waits for the reply with the same correlation id; others can do so at the
//! same time on the same socket. It never retries: whether to ask again is the module's decision.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_protocol::calls::{self, Call, types::*};
use cofferdam_protocol::{
    HostMessage, RequestMessage, RequestWithin, codec::MAX_TO_HOST_BYTES, encode_frame,
};

use tokio::time::{Instant, timeout_at};

use crate::connection::Handle;
use crate::error::SdkError;
use crate::pending::NoAnswer;

/// How long a call may take. The slowest honest answer is a block from a busy node; the host has shorter
/// deadlines of its own towards the node, so that this one tells of a host that is stuck.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Stands for a deadline that the clock cannot tell.
const FAR_OFF: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The node, as far as this module was granted access to it. Cheap to clone; clones share the connection.
///
/// A reply of `None` means that it does not exist; an error means that the host cannot say, and
/// [`SdkError::api`] has its typed reason.
///
/// ```no_run
/// # use cofferdam_sdk::{NodeApi, SdkError};
/// # async fn example(node: NodeApi) -> Result<(), Box<dyn std::error::Error>> {
/// let tip = node.get_chain_tip().await?;
/// if let Some(raw) = node.get_block(tip).await? {
///     let block = raw.decode()?;
///     println!("{} transactions", block.txdata.len());
/// }
/// # Ok(())
/// # }
/// ```
///
#[doc = include_str!("groups.md")]
#[derive(Debug, Clone)]
pub struct NodeApi {
    handle: Arc<Handle>,
    deadline: Duration,
    /// The invocation that the calls are made for.
    within: Option<u64>,
}

impl NodeApi {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self { handle, deadline: DEFAULT_DEADLINE, within: None }
    }

    /// For calls that are made to answer an invocation.
    pub(crate) fn within(handle: Arc<Handle>, invocation_id: u64) -> Self {
        Self { within: Some(invocation_id), ..Self::new(handle) }
    }

    /// The same connection with another deadline for each call (30 seconds if not set).
    ///
    /// ```no_run
    /// # async fn example(node: cofferdam_sdk::NodeApi) -> Result<(), cofferdam_sdk::SdkError> {
    /// let impatient = node.with_deadline(std::time::Duration::from_millis(500));
    /// let height = impatient.get_block_height().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Makes a call and waits for its reply, at most until the deadline.
    async fn call<C: Call>(&self, call: C) -> Result<C::Reply, SdkError> {
        let closed = |reason| SdkError::Closed { reason };
        let late = || SdkError::Deadline { call: C::NAME, after: self.deadline };
        let now = Instant::now();
        let deadline = now.checked_add(self.deadline).unwrap_or_else(|| now + FAR_OFF);
        let in_flight = self.handle.in_flight();
        let place = match in_flight.try_acquire() {
            Ok(place) => Ok(place),
            Err(_none_or_closed) => {
                timeout_at(deadline, in_flight.acquire()).await.map_err(|_elapsed| late())?
            }
        };
        let Ok(_place) = place else {
            return Err(closed(self.handle.pending().closed_reason().unwrap_or_default()));
        };
        let mut waiter = self.handle.pending().register(deadline).map_err(closed)?;
        let request = RequestMessage { correlation_id: waiter.id(), payload: call.into_payload() };
        let message = match self.within {
            Some(invocation_id) => HostMessage::RequestWithin(RequestWithin { invocation_id, request }),
            None => HostMessage::Request(request),
        };
        let frame = encode_frame(&message)
            .map_err(|error| SdkError::Unsendable { call: C::NAME, problem: error.to_string() })?;
        self.check_size(C::NAME, frame.len())?;
        self.handle.send_call(frame).map_err(closed)?;
        let answer = waiter.wait().await.map_err(|no_answer| match no_answer {
            NoAnswer::Late => late(),
            NoAnswer::Closed(reason) => closed(reason),
        })?;
        let response = answer.map_err(|error| SdkError::Api { call: C::NAME, error })?;
        C::reply(response).ok_or(SdkError::WrongReply { call: C::NAME })
    }

    /// A frame over the host's limit would end the session: it is refused here instead.
    fn check_size(&self, call: &'static str, frame_bytes: usize) -> Result<(), SdkError> {
        let granted = self.handle.welcome().limits.max_frame_bytes;
        let max_bytes = usize::try_from(granted).unwrap_or(MAX_TO_HOST_BYTES);
        let bytes = frame_bytes.saturating_sub(cofferdam_protocol::frame::HEADER_BYTES);
        if bytes > max_bytes {
            let problem = format!("{bytes} bytes, the host takes at most {max_bytes}; send less at once");
            return Err(SdkError::Unsendable { call, problem });
        }
        Ok(())
    }
}

macro_rules! client_methods {
    ($(
        $tag:literal => $name:ident : $Call:ident $( { $( $field:ident : $field_type:ty ),+ $(,)? } )?
            -> $Reply:ty, [ $( $Capability:ident )? ], $doc:literal;
    )+) => {
        /// The calls of the protocol's table.
        impl NodeApi {
            $(
                #[doc = $doc]
                ///
                $( #[doc = concat!("Needs the capability `", stringify!($Capability), "`.")] )?
                ///
                /// # Errors
                /// [`SdkError`]: [`SdkError::Api`] with the host's reason, or why there is no answer.
                pub async fn $name(&self $( $( , $field: $field_type )+ )?) -> Result<$Reply, SdkError> {
                    self.call(calls::$Call { $( $( $field ),+ )? }).await
                }
            )+
        }
    };
}

cofferdam_protocol::for_each_call!(client_methods);
