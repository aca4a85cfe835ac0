//! What each event carries. The tag of a payload is the tag of its event type.
//!
//! An event has no field that differs between subscribers, so that the host encodes it once and shares the bytes. It
//! never carries a guess: what the node does not say is an empty `Option` or a variant that says so.

use crate::chain::SyncStatus;
use crate::events::EventType;
use crate::hash::{BlockHash, Txid};
use crate::modules::ModuleState;
use crate::published::{PublishedEvent, RemovalReason};
use crate::raw::RawHeader;

tagged_enum! {
    /// What happened. A variant's tag is that of the event type with its name.
    #[derive(Debug, Clone, PartialEq)]
    #[non_exhaustive]
    pub enum EventPayload {
        /// A block was connected to the best chain.
        1 => NewBlock {
            /// Its hash.
            hash: BlockHash,
            /// Its height.
            height: u32,
            /// Its header.
            header: RawHeader,
        },
        /// A transaction came into the mempool.
        2 => NewTransaction {
            /// Its id.
            txid: Txid,
            /// Its fee in satoshis, if the node still had it when it was asked.
            fee_sats: Option<u64>,
            /// Its virtual size in bytes, likewise.
            virtual_bytes: Option<u64>,
        },
        /// A block was disconnected from the best chain.
        3 => BlockDisconnected {
            /// Its hash.
            hash: BlockHash,
            /// The height it had.
            height: u32,
        },
        /// The best chain changed to another branch; sent after the blocks of that change.
        4 => ChainReorg {
            /// The best block before.
            old_tip: BlockHash,
            /// The best block now.
            new_tip: BlockHash,
            /// The height of the last block that both branches share.
            fork_height: u32,
            /// How many blocks were disconnected.
            depth: u32,
        },
        /// A request for a payment was made. Modules publish it.
        100 => PaymentRequestCreated(event: PublishedEvent),
        /// A payment arrived. Modules publish it.
        101 => PaymentSettled(event: PublishedEvent),
        /// A payment failed. Modules publish it.
        102 => PaymentFailed(event: PublishedEvent),
        /// A payment was verified. Modules publish it.
        103 => PaymentVerified(event: PublishedEvent),
        /// A route for a payment was found. Modules publish it.
        104 => PaymentRouteFound(event: PublishedEvent),
        /// No route for a payment was found. Modules publish it.
        105 => PaymentRouteFailed(event: PublishedEvent),
        /// A channel was opened. Modules publish it.
        106 => ChannelOpened(event: PublishedEvent),
        /// A channel was closed. Modules publish it.
        107 => ChannelClosed(event: PublishedEvent),
        /// A block that a module submitted was accepted.
        200 => BlockMined {
            /// Its hash.
            hash: BlockHash,
            /// Its height.
            height: u32,
            /// The module that submitted it.
            module: String,
        },
        /// What the next block may hold has changed.
        201 => BlockTemplateUpdated {
            /// The height of the block to be made.
            height: u32,
            /// The block to build on.
            previous_block: BlockHash,
            /// How many transactions the template has, without the coinbase.
            transactions: u32,
            /// What its coinbase may pay out, in satoshis.
            coinbase_value_sats: u64,
        },
        /// Finding a block has become harder or easier.
        202 => MiningDifficultyChanged {
            /// The first height of the new difficulty.
            height: u32,
            /// The difficulty before.
            old_difficulty: f64,
            /// The difficulty now.
            new_difficulty: f64,
        },
        /// A job for miners was made. Modules publish it.
        203 => MiningJobCreated(event: PublishedEvent),
        /// A miner submitted a share. Modules publish it.
        204 => ShareSubmitted(event: PublishedEvent),
        /// Merge mining earned a reward. Modules publish it.
        205 => MergeMiningReward(event: PublishedEvent),
        /// A mining pool was connected. Modules publish it.
        206 => MiningPoolConnected(event: PublishedEvent),
        /// A mining pool was disconnected. Modules publish it.
        207 => MiningPoolDisconnected(event: PublishedEvent),
        /// A peer was connected.
        300 => PeerConnected {
            /// The node's number for the connection.
            id: u64,
            /// Its address with the port; nothing where the operator has addresses redacted.
            address: Option<String>,
            /// Whether the peer made the connection.
            inbound: bool,
        },
        /// A peer is not connected any more.
        301 => PeerDisconnected {
            /// The node's number for the connection.
            id: u64,
            /// Its address with the port; nothing where the operator has addresses redacted.
            address: Option<String>,
            /// Whether it is banned. Other reasons are not known.
            banned: bool,
        },
        /// An address or subnet was banned.
        302 => PeerBanned {
            /// The address or subnet; nothing where the operator has addresses redacted.
            address: Option<String>,
            /// When the ban ends, in seconds since 1970.
            until: u64,
        },
        /// The node took a transaction that a module submitted, and offers it to its peers.
        305 => BroadcastStarted {
            /// Its id.
            txid: Txid,
        },
        /// A peer has asked for a transaction that a module submitted.
        306 => BroadcastCompleted {
            /// Its id.
            txid: Txid,
        },
        /// A route was discovered. Modules publish it.
        307 => RouteDiscovered(event: PublishedEvent),
        /// A route failed. Modules publish it.
        308 => RouteFailed(event: PublishedEvent),
        /// The ban of an address or subnet has ended.
        309 => PeerUnbanned {
            /// The address or subnet; nothing where the operator has addresses redacted.
            address: Option<String>,
        },
        /// A module is loaded and connected.
        400 => ModuleLoaded {
            /// Its name.
            name: String,
            /// Its version.
            version: String,
        },
        /// A module was unloaded.
        401 => ModuleUnloaded {
            /// Its name.
            name: String,
        },
        /// A module ended without being asked to.
        402 => ModuleCrashed {
            /// Its name.
            name: String,
            /// How it ended.
            reason: String,
        },
        /// A module was found that the last run of the host did not have.
        403 => ModuleDiscovered {
            /// Its name.
            name: String,
            /// Its version.
            version: String,
        },
        /// A module was installed; it comes with `ModuleDiscovered`.
        404 => ModuleInstalled {
            /// Its name.
            name: String,
            /// Its version.
            version: String,
        },
        /// A module has another version than in the last run of the host.
        405 => ModuleUpdated {
            /// Its name.
            name: String,
            /// The version before.
            old_version: String,
            /// The version now.
            new_version: String,
        },
        /// A module that the last run of the host had is not installed any more.
        406 => ModuleRemoved {
            /// Its name.
            name: String,
        },
        /// A module's process was started.
        407 => ModuleStarted {
            /// Its name.
            name: String,
        },
        /// A module's process ended.
        408 => ModuleStopped {
            /// Its name.
            name: String,
        },
        /// A module does something else than before.
        411 => ModuleStateChanged {
            /// Its name.
            name: String,
            /// What it does now.
            state: ModuleState,
        },
        /// The host has read its configuration and begins.
        500 => ConfigLoaded {
            /// How many modules it runs.
            modules: u32,
        },
        /// The node answers and every change of its chain is announced up to here.
        501 => NodeStartupCompleted {
            /// The best block.
            tip: BlockHash,
            /// Its height.
            height: u32,
        },
        /// The node shuts down.
        502 => NodeShutdown {
            /// How long the module has before it is killed.
            grace_ms: u64,
        },
        /// How the host is; sent at intervals.
        603 => HealthCheck {
            /// Whether the node answers.
            node_ready: bool,
            /// Modules that run.
            modules_running: u32,
            /// Modules that should run and do not.
            modules_failed: u32,
        },
        /// The disk with the host's state is nearly full.
        604 => DiskSpaceLow {
            /// Bytes that are left.
            free_bytes: u64,
            /// The size of the disk.
            total_bytes: u64,
        },
        /// A module has come close to a limit, or met it.
        605 => ResourceLimitWarning {
            /// The module.
            module: String,
            /// `memory`, `tasks` or `processor`; or, when 80 % and 95 % of a quota are passed, `storage_bytes`,
            /// `storage_keys`, `file_bytes` or `file_count`.
            resource: String,
            /// What it uses, in the limit's unit: bytes, keys, files; or how often it met the limit; of the
            /// processor, how many microseconds it waited.
            used: u64,
            /// The limit; 0 where the use is a count of how often it was met.
            limit: u64,
        },
        /// A proposal was made. Modules publish it.
        700 => GovernanceProposalCreated(event: PublishedEvent),
        /// A proposal was voted on. Modules publish it.
        701 => GovernanceProposalVoted(event: PublishedEvent),
        /// A proposal was merged. Modules publish it.
        702 => GovernanceProposalMerged(event: PublishedEvent),
        /// An economic node registered. Modules publish it.
        703 => EconomicNodeRegistered(event: PublishedEvent),
        /// An economic node vetoed. Modules publish it.
        704 => EconomicNodeVeto(event: PublishedEvent),
        /// Enough vetoes came together. Modules publish it.
        705 => VetoThresholdReached(event: PublishedEvent),
        /// The node has checked a block and taken it. Derived from its connection: how long it took is not known.
        801 => BlockValidationCompleted {
            /// Its hash.
            hash: BlockHash,
            /// Its height.
            height: u32,
        },
        /// The chain's difficulty was adjusted.
        804 => DifficultyAdjusted {
            /// The first height of the new difficulty.
            height: u32,
            /// The target before, in its compact form.
            old_bits: u32,
            /// The target now, in its compact form.
            new_bits: u32,
        },
        /// The rules of a soft fork are in force.
        805 => SoftForkActivated {
            /// Its name, as the node has it.
            name: String,
            /// The first height at which they hold, where the node says.
            height: Option<u32>,
        },
        /// A soft fork will be activated.
        806 => SoftForkLockedIn {
            /// Its name, as the node has it.
            name: String,
        },
        /// A transaction came into the mempool; the same as `NewTransaction`.
        900 => MempoolTransactionAdded {
            /// Its id.
            txid: Txid,
            /// Its fee in satoshis, if the node still had it when it was asked.
            fee_sats: Option<u64>,
            /// Its virtual size in bytes, likewise.
            virtual_bytes: Option<u64>,
        },
        /// A transaction left the mempool.
        901 => MempoolTransactionRemoved {
            /// Its id.
            txid: Txid,
            /// Why.
            reason: RemovalReason,
        },
        /// The estimated fee rate has changed by more than a tenth.
        902 => FeeRateChanged {
            /// The target of the estimate, in blocks.
            target_blocks: u32,
            /// The estimate before, in millisatoshis per virtual byte; nothing if there was none.
            old_msats_per_vbyte: Option<u64>,
            /// The estimate now, likewise.
            new_msats_per_vbyte: Option<u64>,
        },
        /// The node does something else about the chain than before.
        1000 => SyncStateChanged {
            /// How far it is.
            status: SyncStatus,
        },
        /// The node begins to fetch blocks for the first time, or again.
        1004 => BlockSyncStarted {
            /// How far it is.
            status: SyncStatus,
        },
        /// The node has come further with fetching blocks.
        1005 => BlockSyncProgress {
            /// How far it is.
            status: SyncStatus,
        },
        /// The node has caught up with the chain.
        1006 => BlockSyncCompleted {
            /// How far it is.
            status: SyncStatus,
        },
        /// Events were lost because this module read too slowly, or are not kept any more. Its cursor is that of the
        /// last one lost.
        2000 => EventsDropped {
            /// The cursor of the first lost event.
            from: u64,
            /// The cursor of the last lost event.
            to: u64,
            /// How many were lost; 0 where that is not known.
            count: u64,
        },
    }
}

impl EventPayload {
    /// The event type this payload belongs to.
    #[must_use]
    pub const fn event_type(&self) -> EventType {
        EventType::from_tag(self.tag())
    }
}
