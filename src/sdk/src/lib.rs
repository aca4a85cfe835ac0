//! What a module author links: connect to Cofferdam, call the node, receive its events.
//!
//! A module is a program that Cofferdam starts inside a sandbox. Its one way out is a socket that it inherits
//! as descriptor 3; this crate speaks the protocol on it and does nothing else: it opens no file, starts no
//! thread of its own and makes only the system calls that tokio needs for one socket and its timers.
//!
//! ```no_run
//! use cofferdam_sdk::{Args, EventPayload, EventType, LogLevel, ModuleIntegration, ModuleMessage};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let args = Args::parse();
//!     let mut integration = ModuleIntegration::connect(
//!         &args.socket_path,
//!         args.module_id.unwrap_or_else(|| "my-module".to_string()),
//!         "my-module".to_string(),
//!         env!("CARGO_PKG_VERSION").to_string(),
//!     )
//!     .await?;
//!     let node_api = integration.node_api();
//!     integration.subscribe_events(vec![EventType::NewBlock]).await?;
//!     let mut events = integration.event_receiver();
//!     while let Some(ModuleMessage::Event(event)) = events.recv().await {
//!         match event.payload {
//!             EventPayload::NewBlock { height, hash, .. } => {
//!                 node_api.log(LogLevel::Info, format!("block {height} {hash}")).await?;
//!             }
//!             EventPayload::NodeShutdown { .. } => break,
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//! ```

mod args;
mod connection;
mod error;
mod event_queue;
mod inherit;
mod integration;
mod invocation;
mod node_api;
mod paging;
mod pending;
#[cfg(feature = "testing")]
pub mod testing;

pub use args::{Args, ArgsError, module_config};
pub use error::SdkError;
pub use event_queue::EventReceiver;
pub use integration::ModuleIntegration;
pub use invocation::{INTERNAL_ERROR, INVALID_PARAMS, Invocation, InvocationReceiver, METHOD_NOT_FOUND};
pub use node_api::NodeApi;

pub use bitcoin;
pub use bytes::Bytes;
pub use cofferdam_protocol::BoundedVec;
pub use cofferdam_protocol::calls::{self, EventTypes};
pub use cofferdam_protocol::message::{Limits, Refusal, Welcome};
pub use cofferdam_protocol::payload::{Availability, EventAvailability, EventMessage, Subscribed};
pub use cofferdam_protocol::raw::{RawBlock, RawDecodeError, RawHeader, RawTransaction};
pub use cofferdam_protocol::{
    ApiError, BlockHash, ChainInfo, Development, EventOrigin, EventPayload, EventType, InvocationPayload,
    LogLevel, ModuleFault, ModuleMessage, OutPoint, PublishedEvent, RemovalReason, RequestPayload,
    ResponsePayload, SyncPhase, SyncStatus, Txid, Utxo,
};
pub use cofferdam_protocol::{files, lightning, mempool, metrics, mining, modules, network, storage};

/// The snippets of the guide for authors compile.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../../docs/modules.md")]
struct Guide;
