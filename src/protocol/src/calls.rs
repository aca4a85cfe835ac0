//! The one table of calls. Everything that must know a call is made from its row: the request and response
//! enums, the typed [`Call`]s, the capability check, the client's methods, the audit pages and the docs.
//!
//! To add a call: append one row with the next unused tag, and write its handler in the host. Never change or
//! reuse a tag, and never change the fields of a row that was released: a module built last year must still
//! be understood. It never decides who may call: it says which capability a call needs.

use cofferdam_manifest::Capability;

use self::types::*;
use crate::bounded::BoundedVec;

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
            12 => get_sync_status: GetSyncStatus -> SyncStatus, [ReadChainState],
                "How far the node is with fetching and checking the chain.";
            20 => get_mempool_transactions: GetMempoolTransactions -> MempoolTransactions, [ReadMempool],
                "The ids of the transactions in the mempool, in the order of their bytes: the first 250 000, and whether there are more.";
            21 => get_mempool_transactions_after: GetMempoolTransactionsAfter { after: Txid } -> MempoolTransactions, [ReadMempool],
                "As get_mempool_transactions, from the first id above `after`: for a mempool that does not fit one reply.";
            22 => get_mempool_transaction: GetMempoolTransaction { txid: Txid } -> Option<RawTransaction>, [ReadMempool],
                "The transaction with this id if it is in the mempool, or nothing. Needs no index.";
            23 => get_mempool_size: GetMempoolSize -> MempoolSize, [ReadMempool],
                "How many transactions are in the mempool, their virtual size, their fees and the lowest fee rate it takes.";
            24 => check_transaction_in_mempool: CheckTransactionInMempool { txid: Txid } -> bool, [ReadMempool],
                "Whether the transaction with this id is in the mempool.";
            25 => get_fee_estimate: GetFeeEstimate { target_blocks: u32 } -> FeeEstimate, [ReadMempool],
                "The fee rate at which a transaction is likely to be confirmed within `target_blocks` (1 to 1008). A node that has seen too little says so by an error; no number is invented.";
            26 => send_transaction: SendTransaction { transaction: RawTransaction } -> Txid, [SendTransactions],
                "Submits a transaction to the node, which relays it if it accepts it. A refusal is the error Rejected with the node's reason.";
            30 => get_network_stats: GetNetworkStats -> NetworkStats, [ReadNetwork],
                "Connections, bytes sent and received, and the network's estimated hash rate.";
            31 => get_network_peers: GetNetworkPeers -> Peers, [ReadNetwork],
                "The peers the node is connected to. Addresses are left out where the operator has them redacted.";
            32 => ban_peer: BanPeer { address: String, seconds: Option<u64> } -> (), [ManagePeers],
                "Disconnects and bans an address (an IP, without a port, or a subnet) for a time; without one for ten years.";
            40 => get_block_template: GetBlockTemplate -> BlockTemplate, [SubmitBlock],
                "What a block on top of the best one may hold: transactions with their fees, the target and the limits (BIP 22, BIP 145).";
            41 => submit_block: SubmitBlock { block: RawBlock } -> BlockHash, [SubmitBlock],
                "Submits a block that was mined. A refusal is the error Rejected with the node's reason.";
            50 => storage_open_tree: StorageOpenTree { name: String } -> u32, [ManageStorage],
                "Opens a tree of this module's own database, which is made if it is new, and answers its id for the other calls. Names have up to 64 of the characters a-z, A-Z, 0-9, '.', '_' and '-'.";
            51 => storage_insert: StorageInsert { tree_id: u32, key: Bytes, value: Bytes } -> (), [WriteStorage],
                "Puts a value (up to 1 MiB) under a key (up to 4 KiB). It is on the disk when the call has answered.";
            52 => storage_get: StorageGet { tree_id: u32, key: Bytes } -> Option<Bytes>, [ReadStorage],
                "The value under a key, or nothing.";
            53 => storage_remove: StorageRemove { tree_id: u32, key: Bytes } -> bool, [WriteStorage],
                "Removes a key and says whether it was there. It is gone from the disk when the call has answered.";
            54 => storage_contains_key: StorageContainsKey { tree_id: u32, key: Bytes } -> bool, [ReadStorage],
                "Whether there is a value under a key.";
            55 => storage_iter: StorageIter { tree_id: u32, prefix: Bytes, after: Option<Bytes>, limit: u32 } -> StoragePage, [ReadStorage],
                "Keys that begin with `prefix`, with their values, in the order of their bytes: those after `after`, up to `limit` (1 to 4096) or 1 MiB, and whether there are more.";
            56 => storage_transaction: StorageTransaction { tree_id: u32, operations: StorageOperations } -> (), [WriteStorage],
                "Applies up to 4096 operations (up to 4 MiB) together or not at all. They are on the disk when the call has answered.";
            57 => get_storage_usage: GetStorageUsage -> StorageUsage, [ReadStorage],
                "How much of its quota this module's database takes.";
            60 => read_file: ReadFile { path: String } -> Bytes, [ReadFilesystem],
                "The content of a file (up to 4 MiB) below this module's data directory. Paths are relative, with '/' between names, without '..' and without links on the way.";
            61 => read_file_range: ReadFileRange { path: String, offset: u64, length: u32 } -> FileRange, [ReadFilesystem],
                "A part of a file (up to 1 MiB) and the size of the whole.";
            62 => write_file: WriteFile { path: String, data: Bytes } -> (), [WriteFilesystem],
                "Makes a file with this content (up to 4 MiB) or replaces it, wholly or not at all. It is on the disk when the call has answered.";
            63 => delete_file: DeleteFile { path: String } -> (), [ManageFilesystem],
                "Deletes a file or an empty directory.";
            64 => list_directory: ListDirectory { path: String, after: Option<String> } -> DirectoryPage, [ReadFilesystem],
                "The names in a directory (\"\" or \".\" is the data directory) in the order of their bytes: those after `after`, and whether there are more.";
            65 => create_directory: CreateDirectory { path: String } -> (), [ManageFilesystem],
                "Makes a directory. Its parent must be there.";
            66 => get_file_metadata: GetFileMetadata { path: String } -> Option<FileMetadata>, [ReadFilesystem],
                "Size, kind and time of the last change of a file or directory, or nothing if there is none.";
            70 => call_module: CallModule { target_module_id: String, method: String, params: Bytes } -> Bytes, [CallModule],
                "Calls what another module offers. That module learns who calls, from the host. Up to 256 KiB each way; the answer comes within ten seconds or is the error Timeout.";
            71 => publish_event: PublishEvent { event_type: EventType, payload: Bytes } -> u64, [PublishEvents],
                "Sends an event (up to 64 KiB) to the modules that subscribed to its type, and answers its cursor. The type must be one that modules publish and that this module's manifest names in publish_events.";
            72 => register_module_api: RegisterModuleApi { api: ModuleApi } -> (), [RegisterModuleApi],
                "Offers methods to other modules, instead of those offered before. Calls arrive as invocations.";
            73 => unregister_module_api: UnregisterModuleApi -> (), [RegisterModuleApi],
                "Offers nothing to other modules any more.";
            74 => discover_modules: DiscoverModules -> ModuleInfos, [DiscoverModules],
                "The modules that are installed: version, state, and what each offers.";
            75 => get_module_info: GetModuleInfo { module_id: String } -> Option<ModuleInfo>, [DiscoverModules],
                "One module: version, state, and what it offers; or nothing if it is not installed.";
            76 => is_module_available: IsModuleAvailable { module_id: String } -> bool, [DiscoverModules],
                "Whether a module is installed, running and connected.";
            77 => send_mesh_packet_to_module: SendMeshPacketToModule { module_id: String, packet_data: Bytes, peer_addr: String } -> (), [NetworkAccess],
                "Hands a packet (up to 64 KiB) of a mesh peer to another module, which is told who handed it over.";
            80 => register_rpc_endpoint: RegisterRpcEndpoint { method: String, description: String } -> String, [RegisterRpcEndpoint],
                "Offers a JSON-RPC method to the operator's tools and answers its full name, <module>_<method>. Calls arrive as invocations.";
            81 => unregister_rpc_endpoint: UnregisterRpcEndpoint { method: String } -> bool, [RegisterRpcEndpoint],
                "Withdraws a JSON-RPC method and says whether it was offered.";
            90 => register_timer: RegisterTimer { interval_ms: u64, label: String } -> u64, [ManageTimers],
                "Wakes this module at every interval (100 ms to 31 days) with an invocation that carries the label, and answers the timer's id. Ticks that were missed are counted, not made up for.";
            91 => cancel_timer: CancelTimer { timer_id: u64 } -> bool, [ManageTimers],
                "Cancels a timer or a task and says whether it was still to fire. Nothing of it arrives after the answer but what was sent before.";
            92 => schedule_task: ScheduleTask { delay_ms: u64, label: String } -> u64, [ManageTimers],
                "Wakes this module once, after a delay (up to 31 days), with an invocation that carries the label, and answers its id.";
            100 => report_metric: ReportMetric { metric: Metric } -> (), [ReportMetrics],
                "Reports a counter's increment, a gauge's value or an observation of a histogram. The operator reads it in Prometheus' format.";
            101 => get_module_metrics: GetModuleMetrics { module_id: String } -> Samples, [ReadMetrics],
                "The metrics that a module reported.";
            102 => get_all_metrics: GetAllMetrics -> AllMetrics, [ReadMetrics],
                "The metrics of every module.";
            110 => get_lightning_node_url: GetLightningNodeUrl -> String, [ReadLightning],
                "Where the Lightning node is, from the module that the operator named as the source. Without one it is an error.";
            111 => get_lightning_info: GetLightningInfo -> LightningInfo, [ReadLightning],
                "What the Lightning node says about itself, from the module that the operator named as the source.";
            112 => get_payment_state: GetPaymentState { payment_id: String } -> Option<PaymentState>, [ReadPayment],
                "The state of a payment, from the module that the operator named as the source, or nothing if that knows no such payment.";
        }
    };
}

/// The types that rows of [`for_each_call!`] name, for the modules that invoke it.
pub mod types {
    pub use super::EventTypes;
    pub use crate::chain::{ChainInfo, LogLevel, SyncStatus, Utxo};
    pub use crate::events::EventType;
    pub use crate::files::{DirectoryPage, FileMetadata, FileRange};
    pub use crate::hash::{BlockHash, OutPoint, Txid};
    pub use crate::lightning::{LightningInfo, PaymentState};
    pub use crate::mempool::{FeeEstimate, MempoolSize, MempoolTransactions};
    pub use crate::metrics::{AllMetrics, Metric, Samples};
    pub use crate::mining::BlockTemplate;
    pub use crate::modules::{ModuleApi, ModuleInfo, ModuleInfos};
    pub use crate::network::{NetworkStats, Peers};
    pub use crate::payload::Subscribed;
    pub use crate::raw::{RawBlock, RawHeader, RawTransaction};
    pub use crate::storage::{StorageOperations, StoragePage, StorageUsage};
    pub use bytes::Bytes;
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

    /// The call out of what travelled, or `None` if that is another call.
    fn from_payload(payload: RequestPayload) -> Option<Self>;

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

                fn from_payload(payload: RequestPayload) -> Option<Self> {
                    #[allow(clippy::wildcard_enum_match_arm, reason = "any other call is a wrong one")]
                    match payload {
                        RequestPayload::$Call { $( $( $field, )+ )? } => Some(Self { $( $( $field ),+ )? }),
                        _ => None,
                    }
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
