//! The wire between a module and the host core: calls, events, errors, messages, codec and limits.
//!
//! Pure: bytes and values in, values and bytes out. It never opens, reads, waits, asks the time, spawns or
//! logs, so that the same input always gives the same bytes and the whole crate can be tested without a kernel.
//!
//! | module | what it holds |
//! |---|---|
//! | [`calls`] | the one table of calls: tag, wire name, arguments, reply, capability, documentation |
//! | [`events`], [`event`], [`published`], [`payload`] | event types, what each event carries, and what a subscription is answered |
//! | [`message`] | the messages of both directions and the handshake |
//! | [`error`] | the typed errors a call may end with |
//! | [`codec`], [`frame`] | values to bytes and bytes to frames, with every limit |
//! | [`chain`], [`mempool`], [`mining`], [`network`] | what calls about the node carry |
//! | [`storage`], [`files`], [`modules`], [`metrics`], [`lightning`] | what calls about the host and other modules carry |
//! | [`bounded`], [`hash`], [`raw`] | the types that all of it is made of |

#[macro_use]
mod tagged;

pub mod bounded;
pub mod calls;
pub mod chain;
pub mod codec;
pub mod error;
pub mod event;
pub mod events;
pub mod files;
pub mod frame;
pub mod hash;
pub mod lightning;
pub mod mempool;
pub mod message;
pub mod metrics;
pub mod mining;
pub mod modules;
pub mod network;
pub mod payload;
pub mod published;
pub mod raw;
pub mod storage;

pub use bounded::BoundedVec;
pub use calls::{CATALOG, Call, CallInfo, RequestPayload, ResponsePayload};
pub use chain::{ChainInfo, Development, LogLevel, SyncPhase, SyncStatus, Utxo};
pub use codec::{DecodeError, EncodeError, Message, decode, decode_request, encode_frame};
pub use error::ApiError;
pub use event::EventPayload;
pub use events::{EventOrigin, EventType};
pub use frame::{FrameDecoder, FrameError};
pub use hash::{BlockHash, OutPoint, Txid};
pub use message::{
    Hello, HostMessage, Limits, ModuleMessage, Refusal, RequestMessage, RequestWithin, ResponseMessage,
    VersionRange, Welcome, negotiate,
};
pub use modules::{AnswerMessage, InvocationMessage, InvocationPayload, ModuleFault};
pub use payload::{Availability, EventAvailability, EventMessage, Subscribed};
pub use published::{PublishedEvent, RemovalReason};
pub use raw::{RawBlock, RawHeader, RawTransaction};
