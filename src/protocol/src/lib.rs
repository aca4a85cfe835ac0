//! The wire between a module and the host core: calls, events, errors, messages, codec and limits.
//!
//! Pure: bytes and values in, values and bytes out. It never opens, reads, waits, asks the time, spawns or
//! logs, so that the same input always gives the same bytes and the whole crate can be tested without a kernel.
//!
//! | module | what it holds |
//! |---|---|
//! | [`calls`] | the one table of calls: tag, wire name, arguments, reply, capability, documentation |
//! | [`events`], [`payload`] | event types and what an event carries |
//! | [`message`] | the messages of both directions and the handshake |
//! | [`error`] | the typed errors a call may end with |
//! | [`codec`], [`frame`] | values to bytes and bytes to frames, with every limit |
//! | [`bounded`], [`hash`], [`raw`], [`chain`] | the types that calls and events are made of |

#[macro_use]
mod tagged;

pub mod bounded;
pub mod calls;
pub mod chain;
pub mod codec;
pub mod error;
pub mod events;
pub mod frame;
pub mod hash;
pub mod message;
pub mod payload;
pub mod raw;

pub use bounded::BoundedVec;
pub use calls::{CATALOG, Call, CallInfo, RequestPayload, ResponsePayload};
pub use chain::{ChainInfo, Development, LogLevel, Utxo};
pub use codec::{DecodeError, EncodeError, Message, decode, decode_request, encode_frame};
pub use error::ApiError;
pub use events::{EventOrigin, EventType};
pub use frame::{FrameDecoder, FrameError};
pub use hash::{BlockHash, OutPoint, Txid};
pub use message::{
    Hello, HostMessage, Limits, ModuleMessage, Refusal, RequestMessage, ResponseMessage, VersionRange,
    Welcome, negotiate,
};
pub use payload::{Availability, EventAvailability, EventMessage, EventPayload, Subscribed};
pub use raw::{RawBlock, RawHeader, RawTransaction};
