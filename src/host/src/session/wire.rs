//! The one place of the core that knows how messages look as bytes.
//!
//! Everything else of a session works on the messages themselves, so that a second dialect needs a second
//! file like this one and nothing more. It never reads, writes or decides.

use bytes::Bytes;
use cofferdam_protocol::{
    AnswerMessage, ApiError, DecodeError, EncodeError, EventMessage, Hello, HostMessage, InvocationMessage,
    ModuleMessage, Refusal, RequestMessage, RequestWithin, ResponseMessage, ResponsePayload, Welcome, decode,
    decode_request, encode_frame,
};

/// What a module may send once its session is open.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A call, and the invocation in whose course it is made, as the module says.
    Request(RequestMessage, Option<u64>),
    /// An answer to an invocation.
    Answer(AnswerMessage),
    /// A call of a later protocol. It deserves an answer.
    UnknownCall {
        /// The id of the request.
        correlation_id: u64,
        /// The tag of the call.
        tag: u32,
    },
}

/// Decodes the first message of a session.
///
/// # Errors
/// Why it is not a handshake, for the module's author.
pub(crate) fn decode_hello(body: &[u8]) -> Result<Hello, String> {
    match decode::<HostMessage>(body) {
        Ok(HostMessage::Hello(hello)) => Ok(hello),
        Ok(_) => Err("the first message must be the handshake (Hello)".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Decodes any later message.
///
/// # Errors
/// Why it may not come here; the session must end.
pub(crate) fn decode_incoming(body: &[u8]) -> Result<Incoming, String> {
    match decode_request(body) {
        Ok(HostMessage::Request(request)) => Ok(Incoming::Request(request, None)),
        Ok(HostMessage::RequestWithin(RequestWithin { invocation_id, request })) => {
            Ok(Incoming::Request(request, Some(invocation_id)))
        }
        Ok(HostMessage::Answer(answer)) => Ok(Incoming::Answer(answer)),
        Ok(HostMessage::Hello(_)) => Err("a second handshake".to_owned()),
        Ok(_) => Err("a message that only the host sends".to_owned()),
        Err(DecodeError::UnknownCall { correlation_id, tag }) => {
            Ok(Incoming::UnknownCall { correlation_id, tag })
        }
        Err(error @ DecodeError::Malformed { .. }) => Err(error.to_string()),
    }
}

/// The frame of an event; `None`, and a log line, if it cannot be encoded.
pub(crate) fn encode_event(event: EventMessage) -> Option<Bytes> {
    let event_type = event.event_type;
    encode(&ModuleMessage::Event(event))
        .inspect_err(|error| tracing::error!("an event {event_type} was not published: {error}"))
        .ok()
}

/// The frame of an invocation; `None`, and a log line, if it cannot be encoded.
pub(crate) fn encode_invocation(invocation: InvocationMessage) -> Option<Bytes> {
    encode(&ModuleMessage::Invocation(invocation))
        .inspect_err(|error| tracing::error!("an invocation was not sent: {error}"))
        .ok()
}

/// The frame of a reply; if the reply cannot be encoded, the frame of an error that says so.
pub(crate) fn encode_reply(
    correlation_id: u64,
    result: Result<ResponsePayload, ApiError>,
) -> Result<Bytes, EncodeError> {
    let reply = |result| ModuleMessage::Response(ResponseMessage { correlation_id, result });
    encode(&reply(result)).or_else(|error| {
        tracing::error!("a reply was not sent: {error}");
        encode(&reply(Err(ApiError::Internal { reference: format!("reply not sent: {error}") })))
    })
}

/// The frame that opens a session.
pub(crate) fn encode_welcome(welcome: Welcome) -> Result<Bytes, EncodeError> {
    encode(&ModuleMessage::Welcome(welcome))
}

/// The frame that refuses a session.
pub(crate) fn encode_refusal(refusal: Refusal) -> Result<Bytes, EncodeError> {
    encode(&ModuleMessage::Refused(refusal))
}

fn encode(message: &ModuleMessage) -> Result<Bytes, EncodeError> {
    encode_frame(message).map(Bytes::from)
}
