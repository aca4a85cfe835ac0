//! The messages of both directions, and the handshake that begins a session.
//!
//! The module speaks first: `Hello`, answered by `Welcome` or `Refused`. After that it sends requests and gets
//! responses, in any order, and events. The layout of `Hello` and `Refused` is the same in every version, so
//! that two ends that share no version can still tell each other so.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bounded::BoundedVec;
use crate::calls::{RequestPayload, ResponsePayload};
use crate::error::ApiError;
use crate::modules::{AnswerMessage, InvocationMessage};
use crate::payload::EventMessage;

/// The protocol versions this crate speaks.
pub const PROTOCOL: VersionRange = VersionRange { min: 1, max: 1 };

/// The most capabilities a `Welcome` names; there are about thirty.
pub const MAX_CAPABILITIES: usize = 128;

/// The tag of [`HostMessage::Request`], for [`crate::codec::decode_request`].
pub(crate) const REQUEST_TAG: u32 = 2;

/// The tag of [`HostMessage::RequestWithin`], likewise.
pub(crate) const REQUEST_WITHIN_TAG: u32 = 4;

tagged_enum! {
    /// What a module sends to the host.
    #[derive(Debug, Clone, PartialEq)]
    #[non_exhaustive]
    pub enum HostMessage {
        /// The first message of a session. Its tag is the letters `COFF`, by which the dialect is known.
        0x4646_4f43 => Hello(hello: Hello),
        /// A call.
        2 => Request(request: RequestMessage),
        /// The answer to an invocation.
        3 => Answer(answer: AnswerMessage),
        /// A call that the module makes in order to answer an invocation.
        4 => RequestWithin(request: RequestWithin),
    }
}

tagged_enum! {
    /// What the host sends to a module.
    #[derive(Debug, Clone, PartialEq)]
    #[non_exhaustive]
    pub enum ModuleMessage {
        /// The session is open.
        1 => Welcome(welcome: Welcome),
        /// There will be no session; the host closes the connection after it.
        2 => Refused(refusal: Refusal),
        /// The answer to a call.
        3 => Response(response: ResponseMessage),
        /// Something happened.
        4 => Event(event: EventMessage),
        /// The host asks something of the module, or hands it something.
        5 => Invocation(invocation: InvocationMessage),
    }
}

/// A span of protocol versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRange {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

impl fmt::Display for VersionRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(out, "{}", self.min)
        } else {
            write!(out, "{} to {}", self.min, self.max)
        }
    }
}

/// Who connects. All of it is a claim: the host knows the module by its connection and compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest protocol version the module speaks.
    pub protocol_min: u32,
    /// The newest protocol version the module speaks.
    pub protocol_max: u32,
    /// The id the module was started with (`--module-id`).
    pub module_id: String,
    /// The name in its manifest.
    pub module_name: String,
    /// The version in its manifest.
    pub module_version: String,
    /// Which library speaks, for logs.
    pub sdk: String,
}

/// The session is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol version of this session.
    pub protocol: u32,
    /// The id under which the host knows the module.
    pub module_id: String,
    /// The capabilities that were granted, as module.toml writes them.
    pub capabilities: BoundedVec<String, MAX_CAPABILITIES>,
    /// Which node answers, for people.
    pub node: String,
    /// The limits of this session.
    pub limits: Limits,
}

/// The limits of a session. Going over one is an error reply, except for the size of a frame, which ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The largest frame body the host reads from the module.
    pub max_frame_bytes: u32,
    /// How many calls may wait for an answer at once.
    pub max_in_flight: u32,
    /// How many events the host keeps for this module before it drops some and says so.
    pub event_queue: u32,
}

tagged_enum! {
    /// Why there is no session.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[non_exhaustive]
    pub enum Refusal {
        /// The two ends share no protocol version.
        #[error(
            "no common protocol version: the module speaks {module}, the host speaks {host}; build the module with an SDK that matches this Cofferdam"
        )]
        1 => NoCommonVersion {
            /// What the module speaks.
            module: VersionRange,
            /// What the host speaks.
            host: VersionRange,
        },
        /// The module says it is somebody else than the host started.
        #[error("{field} is `{claimed}` in the handshake but `{expected}` for the module that was started; correct the arguments of ModuleIntegration::connect or module.toml")]
        2 => IdentityMismatch {
            /// Which claim differs: `module_id`, `name` or `version`.
            field: String,
            /// What the module says.
            claimed: String,
            /// What the host started.
            expected: String,
        },
        /// The first message is not a handshake, or not now.
        #[error("the host refused the session: {reason}")]
        3 => Other {
            /// Why.
            reason: String,
        },
    }
}

/// A call on its way to the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestMessage {
    /// Chosen by the module; the response carries it. One that is still waiting must not be used again.
    pub correlation_id: u64,
    /// The call.
    pub payload: RequestPayload,
}

/// A call on its way to the host, and the invocation in whose course it is made.
///
/// With it the host knows the chain a call belongs to: it refuses circles at once, and nobody works on for a caller
/// that has stopped waiting. A module that leaves it out, or names an invocation that nobody waits for, makes a call of
/// its own, which ends by its own deadline; it can mislead nobody but itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestWithin {
    /// The id of the invocation, which is not answered yet.
    pub invocation_id: u64,
    /// The call.
    pub request: RequestMessage,
}

/// The answer to the call with the same correlation id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResponseMessage {
    /// That of the request.
    pub correlation_id: u64,
    /// The reply, or why there is none.
    pub result: Result<ResponsePayload, ApiError>,
}

/// The highest version both ends speak.
///
/// # Errors
/// [`Refusal::NoCommonVersion`], naming both ranges, if there is none.
pub fn negotiate(host: VersionRange, module: VersionRange) -> Result<u32, Refusal> {
    let highest = host.max.min(module.max);
    if highest < host.min || highest < module.min {
        return Err(Refusal::NoCommonVersion { module, host });
    }
    Ok(highest)
}
