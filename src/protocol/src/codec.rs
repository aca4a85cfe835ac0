//! Values to bytes and back: the one file that knows bincode.
//!
//! bincode 1.3 with fixed-width little-endian integers. Lengths of strings, lists and bytes are `u64`, tags
//! are `u32`. A body with bytes left over is refused.
//!
//! What a hostile body can make this allocate: bincode's slice reader compares the length of a string or byte
//! string with what is left of the body before it copies (`SliceReader::get_byte_buffer`), so these never take
//! more than the body has. Lists are [`crate::bounded::BoundedVec`], which refuse a length over their bound
//! and grow by what arrives. There is no recursive type, so there is no depth to exhaust. Decoding a body of
//! n bytes therefore allocates a small multiple of n, whatever lengths are in it; `tests/hostile.rs` checks
//! the error for each kind of length.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::calls::CallInfo;
use crate::frame::HEADER_BYTES;
use crate::message::{HostMessage, ModuleMessage, REQUEST_TAG, REQUEST_WITHIN_TAG};

/// The largest body the host sends. The largest reply is a block: at most 4 MB, and blocks of a list of
/// storage entries are paged; 40 MiB is the limit that modules of other hosts of this protocol family expect.
pub const MAX_TO_MODULE_BYTES: usize = 40 * 1024 * 1024;

/// The largest body a module may send: a block to submit, or a storage transaction, with what is around it. The host
/// lets only a few modules at a time send one this large.
pub const MAX_TO_HOST_BYTES: usize = 4 * 1024 * 1024 + 256 * 1024;

/// A message that travels as one frame.
pub trait Message: Serialize + DeserializeOwned {
    /// What it is called in errors.
    const NAME: &'static str;
    /// The largest body of a frame in its direction.
    const MAX_FRAME_BYTES: usize;
}

impl Message for HostMessage {
    const NAME: &'static str = "message to the host";
    const MAX_FRAME_BYTES: usize = MAX_TO_HOST_BYTES;
}

impl Message for ModuleMessage {
    const NAME: &'static str = "message to the module";
    const MAX_FRAME_BYTES: usize = MAX_TO_MODULE_BYTES;
}

/// Why a message cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It is larger than its direction allows.
    #[error("a {what} of {bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// The kind of message.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        max_bytes: usize,
    },
    /// The codec refuses it.
    #[error("a {what} cannot be encoded: {problem}")]
    Unencodable {
        /// The kind of message.
        what: &'static str,
        /// What the codec said.
        problem: String,
    },
}

/// Why a body is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is a well-formed request for a call this version does not have. It deserves an error reply.
    #[error("unknown call with tag {tag}")]
    UnknownCall {
        /// The id of the request, for the reply.
        correlation_id: u64,
        /// The tag of the call.
        tag: u32,
    },
    /// It is no message. The session must end.
    #[error("not a {what}: {problem}")]
    Malformed {
        /// What was expected.
        what: &'static str,
        /// What the codec said.
        problem: String,
    },
}

/// Encodes a message with its length in front, ready to be written. Bytes inside it (a block) are copied once.
///
/// # Errors
/// [`EncodeError`] if the message is too large for its direction.
pub fn encode_frame<M: Message>(message: &M) -> Result<Vec<u8>, EncodeError> {
    let unencodable =
        |problem: bincode::Error| EncodeError::Unencodable { what: M::NAME, problem: problem.to_string() };
    let bytes = options().serialized_size(message).map_err(unencodable)?;
    let too_large = || EncodeError::TooLarge { what: M::NAME, bytes, max_bytes: M::MAX_FRAME_BYTES };
    let length = u32::try_from(bytes).map_err(|_| too_large())?;
    let size =
        usize::try_from(bytes).ok().filter(|size| *size <= M::MAX_FRAME_BYTES).ok_or_else(too_large)?;
    let mut frame = Vec::with_capacity(HEADER_BYTES.saturating_add(size));
    frame.extend_from_slice(&length.to_be_bytes());
    options().serialize_into(&mut frame, message).map_err(unencodable)?;
    Ok(frame)
}

/// Decodes the body of a frame; every byte must be used.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn decode<M: Message>(body: &[u8]) -> Result<M, DecodeError> {
    let malformed = |problem: String| DecodeError::Malformed { what: M::NAME, problem };
    if body.len() > M::MAX_FRAME_BYTES {
        return Err(malformed(format!("{} bytes, at most {} are allowed", body.len(), M::MAX_FRAME_BYTES)));
    }
    let limit = u64::try_from(body.len()).map_err(|error| malformed(error.to_string()))?;
    options().with_limit(limit).deserialize(body).map_err(|error| malformed(error.to_string()))
}

/// Decodes a message to the host, and tells a call of a later version from nonsense.
///
/// # Errors
/// [`DecodeError::UnknownCall`], to be answered with an error; [`DecodeError::Malformed`], which ends a session.
pub fn decode_request(body: &[u8]) -> Result<HostMessage, DecodeError> {
    decode(body).map_err(|error| match unknown_call(body) {
        Some((correlation_id, tag)) => DecodeError::UnknownCall { correlation_id, tag },
        None => error,
    })
}

/// The correlation id and call tag of a body that is a request for a call not in the table.
fn unknown_call(body: &[u8]) -> Option<(u64, u32)> {
    let (message_tag, rest) = body.split_first_chunk::<4>()?;
    let rest = match u32::from_le_bytes(*message_tag) {
        REQUEST_TAG => rest,
        REQUEST_WITHIN_TAG => rest.split_first_chunk::<8>()?.1,
        _ => return None,
    };
    let (correlation_id, rest) = rest.split_first_chunk::<8>()?;
    let (call_tag, _) = rest.split_first_chunk::<4>()?;
    let tag = u32::from_le_bytes(*call_tag);
    CallInfo::by_tag(tag).is_none().then(|| (u64::from_le_bytes(*correlation_id), tag))
}

fn options() -> impl Options + Copy {
    bincode::options().with_fixint_encoding().with_little_endian().with_no_limit().reject_trailing_bytes()
}
