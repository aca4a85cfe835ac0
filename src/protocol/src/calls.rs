//! The one table of calls. Everything that must know a call is made from its row: the request and response
//! enums, the typed [`Call`]s, the capability check, the client's methods, the audit pages and the docs.
//!
//! To add a call: append one row with the next unused tag, and write its handler in the host. Never change or
//! reuse a tag, and never change the fields of a row that was released: a module built last year must still
//! be understood. It never decides who may call: it says which capability a call needs.

use cofferdam_manifest::Capability;

use crate::bounded::BoundedVec;
use crate::chain::{ChainInfo, LogLevel, Utxo};
use crate::events::EventType;
use crate::hash::{BlockHash, OutPoint, Txid};
use crate::payload::Subscribed;
use crate::raw::{RawBlock, RawHeader, RawTransaction};

/// The most event types one subscription may name; there are about a hundred.
pub const MAX_SUBSCRIBED_TYPES: usize = 512;

/// A list of event types to subscribe to.
pub type EventTypes = BoundedVec<EventType, MAX_SUBSCRIBED_TYPES>;

/// The table: invokes `$callback!` once with all rows.
///
/// A row is `tag => wire_name: Request { field: Type, .. } -> Reply, [Capability] | [], "documentation";`. The
/// module that invokes it must import the types that the rows name: `use cofferdam_protocol::calls::types::*`.
#[macro_export]
macro_rules! for_each_call {
    ($callback:path) => {
        $callback! {
            1 => get_block: GetBlock { hash: BlockHash } -> Option<RawBlock>, [ReadBlockchain],
                "The whole block with this hash, or nothing if the node has never seen it. A block that was deleted by pruning is an error.";
            2 => get_block_header: GetBlockHeader { hash: BlockHash } -> Option<RawHeader>, [ReadBlockchain],
                "The header of the block with this hash, or nothing. Works for pruned blocks too.";
            3 => get_block_by_height: GetBlockByHeight { height: u32 } -> Option<RawBlock>, [ReadBlockchain],
                "The block of the best chain at this height, or nothing if the chain is shorter.";
            4 => get_transaction: GetTransaction { txid: Txid } -> Option<RawTransaction>, [ReadBlockchain],
                "The transaction with this id, from the chain or the mempool, or nothing. Without a transaction index the node cannot know, which is an error.";
            5 => has_transaction: HasTransaction { txid: Txid } -> bool, [ReadBlockchain],
                "Whether the transaction with this id exists. Without a transaction index the node cannot know, which is an error.";
            6 => get_chain_tip: GetChainTip -> BlockHash, [ReadChainState],
                "The hash of the best block.";
            7 => get_block_height: GetBlockHeight -> u32, [ReadChainState],
                "The height of the best block; the first block has height 0.";
            8 => get_chain_info: GetChainInfo -> ChainInfo, [ReadChainState],
                "What the node knows about its chain: name, tip, height, difficulty, work, warnings.";
            9 => get_utxo: GetUtxo { outpoint: OutPoint } -> Option<Utxo>, [ReadUtxo],
                "The unspent output, or nothing if it was spent or never existed. The mempool is not looked at.";
            10 => subscribe_events: SubscribeEvents { event_types: EventTypes, resume_after: Option<u64> } -> Subscribed, [SubscribeEvents],
                "Adds event types to what this module receives and says where each comes from. With a cursor, events after it are sent again as far as the host still has them.";
            11 => log: Log { level: LogLevel, message: String } -> (), [],
                "Writes a line to the log of this module. Every module may.";
        }
    };
}

/// The types that rows of [`for_each_call!`] name, for the modules that invoke it.
pub mod types {
    pub use super::EventTypes;
    pub use crate::chain::{ChainInfo, LogLevel, Utxo};
    pub use crate::hash::{BlockHash, OutPoint, Txid};
    pub use crate::payload::Subscribed;
    pub use crate::raw::{RawBlock, RawHeader, RawTransaction};
}

/// One call as a type: its arguments are the fields, its reply is `Reply`.
pub trait Call: Sized {
    /// The number on the wire.
    const TAG: u32;
    /// The name on the wire, in logs and in docs.
    const NAME: &'static str;
    /// The capability a module needs; `None` if every module may.
    const CAPABILITY: Option<Capability>;
    /// What a successful call answers.
    type Reply;

    /// This call as it travels.
    fn into_payload(self) -> RequestPayload;

    /// The reply out of a response, or `None` if the response answers another call.
    fn reply(response: ResponsePayload) -> Option<Self::Reply>;

    /// The reply as it travels.
    fn respond(reply: Self::Reply) -> ResponsePayload;
}

/// One row of the table, for checks, pages and docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallInfo {
    /// The number on the wire.
    pub tag: u32,
    /// The name on the wire.
    pub name: &'static str,
    /// The capability a module needs; `None` if every module may.
    pub capability: Option<Capability>,
    /// What the call does, in a sentence or two.
    pub doc: &'static str,
}

impl CallInfo {
    /// The row with this tag.
    #[must_use]
    pub fn by_tag(tag: u32) -> Option<&'static Self> {
        CATALOG.iter().find(|row| row.tag == tag)
    }

    /// The row with this wire name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        CATALOG.iter().find(|row| row.name == name)
    }
}

macro_rules! capability {
    () => {
        None
    };
    ($Capability:ident) => {
        Some(Capability::$Capability)
    };
}

macro_rules! define_calls {
    ($(
        $tag:literal => $name:ident : $Call:ident $( { $( $field:ident : $field_type:ty ),+ $(,)? } )?
            -> $Reply:ty, [ $( $Capability:ident )? ], $doc:literal;
    )+) => {
        tagged_enum! {
            /// A call with its arguments, as it travels. The row's documentation says what each does.
            #[derive(Debug, Clone, PartialEq)]
            #[non_exhaustive]
            #[allow(missing_docs, reason = "arguments are described by the row's documentation")]
            pub enum RequestPayload {
                $( #[doc = $doc] $tag => $Call $( { $( $field : $field_type ),+ } )? ),+
            }
        }

        tagged_enum! {
            /// The reply to the call of the same name, as it travels.
            #[derive(Debug, Clone, PartialEq)]
            #[non_exhaustive]
            pub enum ResponsePayload {
                $( #[doc = concat!("The reply to `", stringify!($name), "`.")] $tag => $Call(reply: $Reply) ),+
            }
        }

        /// Every call there is, in the order of the table.
        pub const CATALOG: &[CallInfo] = &[ $( CallInfo {
            tag: $tag,
            name: stringify!($name),
            capability: capability!($( $Capability )?),
            doc: $doc,
        } ),+ ];

        impl RequestPayload {
            /// The row of this call.
            #[must_use]
            pub const fn info(&self) -> &'static CallInfo {
                match self {
                    $( Self::$Call { .. } => &CallInfo {
                        tag: $tag,
                        name: stringify!($name),
                        capability: capability!($( $Capability )?),
                        doc: $doc,
                    } ),+
                }
            }
        }

        $(
            #[doc = $doc]
            #[derive(Debug, Clone, PartialEq)]
            #[allow(missing_docs, reason = "arguments are described by the row's documentation")]
            pub struct $Call { $( $( pub $field : $field_type, )+ )? }

            impl Call for $Call {
                const TAG: u32 = $tag;
                const NAME: &'static str = stringify!($name);
                const CAPABILITY: Option<Capability> = capability!($( $Capability )?);
                type Reply = $Reply;

                fn into_payload(self) -> RequestPayload {
                    let Self { $( $( $field, )+ )? } = self;
                    RequestPayload::$Call { $( $( $field ),+ )? }
                }

                fn reply(response: ResponsePayload) -> Option<Self::Reply> {
                    #[allow(clippy::wildcard_enum_match_arm, reason = "any other answer is a wrong one")]
                    match response {
                        ResponsePayload::$Call(reply) => Some(reply),
                        _ => None,
                    }
                }

                fn respond(reply: Self::Reply) -> ResponsePayload {
                    ResponsePayload::$Call(reply)
                }
            }
        )+
    };
}

for_each_call!(define_calls);
