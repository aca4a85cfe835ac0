//! Every event type there is, with its number on the wire and who may make it.
//!
//! Tags are append-only: a name keeps its number for ever, and no number is used twice. Types that no node can
//! supply today are listed too, so that a module asking for one gets an honest "unavailable" and its reason.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Who makes the events of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventOrigin {
    /// The host, from the node or from itself. No module can publish such an event, whatever it is granted.
    Core,
    /// A module that was granted this type, by publishing it.
    Module,
}

macro_rules! event_types {
    ($( $tag:literal => $Name:ident, $Origin:ident, $doc:literal; )+) => {
        /// What an event is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventType {
            $( #[doc = $doc] $Name, )+
            /// A type of a later protocol, by its tag; a host answers that it is unavailable.
            Unknown(u32),
        }

        impl EventType {
            /// Every type this version knows, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$Name ),+ ];

            /// The number on the wire.
            #[must_use]
            pub const fn tag(self) -> u32 {
                match self {
                    $( Self::$Name => $tag, )+
                    Self::Unknown(tag) => tag,
                }
            }

            /// The type with this number, [`EventType::Unknown`] if this version has none.
            #[must_use]
            pub const fn from_tag(tag: u32) -> Self {
                match tag {
                    $( $tag => Self::$Name, )+
                    unknown => Self::Unknown(unknown),
                }
            }

            /// The name, as manifests and docs write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$Name => stringify!($Name), )+
                    Self::Unknown(_) => "Unknown",
                }
            }

            /// What the type means, in a sentence.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self {
                    $( Self::$Name => $doc, )+
                    Self::Unknown(_) => "An event type of a later protocol.",
                }
            }

            /// Who makes events of this type. A type this version does not know is nobody's to publish.
            #[must_use]
            pub const fn origin(self) -> EventOrigin {
                match self {
                    $( Self::$Name => EventOrigin::$Origin, )+
                    Self::Unknown(_) => EventOrigin::Core,
                }
            }
        }
    };
}

event_types! {
    1 => NewBlock, Core, "A block was connected to the best chain.";
    2 => NewTransaction, Core, "A transaction entered the mempool.";
    3 => BlockDisconnected, Core, "A block was disconnected from the best chain.";
    4 => ChainReorg, Core, "The best chain changed to another branch.";
    100 => PaymentRequestCreated, Module, "A payment was asked for.";
    101 => PaymentSettled, Module, "A payment arrived.";
    102 => PaymentFailed, Module, "A payment failed.";
    103 => PaymentVerified, Module, "A payment was verified.";
    104 => PaymentRouteFound, Module, "A route for a payment was found.";
    105 => PaymentRouteFailed, Module, "No route for a payment was found.";
    106 => ChannelOpened, Module, "A payment channel was opened.";
    107 => ChannelClosed, Module, "A payment channel was closed.";
    200 => BlockMined, Core, "A block of this node was mined.";
    201 => BlockTemplateUpdated, Core, "There is a new block template.";
    202 => MiningDifficultyChanged, Core, "The difficulty of mining changed.";
    203 => MiningJobCreated, Module, "A mining job was made.";
    204 => ShareSubmitted, Module, "A miner submitted a share.";
    205 => MergeMiningReward, Module, "Merge mining paid a reward.";
    206 => MiningPoolConnected, Module, "A mining pool was connected.";
    207 => MiningPoolDisconnected, Module, "A mining pool was disconnected.";
    300 => PeerConnected, Core, "A peer connected.";
    301 => PeerDisconnected, Core, "A peer disconnected.";
    302 => PeerBanned, Core, "A peer was banned.";
    303 => MessageReceived, Core, "A message of a peer arrived.";
    304 => MessageSent, Core, "A message was sent to a peer.";
    305 => BroadcastStarted, Core, "A broadcast began.";
    306 => BroadcastCompleted, Core, "A broadcast ended.";
    307 => RouteDiscovered, Module, "A route was discovered.";
    308 => RouteFailed, Module, "A route failed.";
    309 => PeerUnbanned, Core, "The ban of a peer ended.";
    310 => BanListShared, Core, "The ban list was shared.";
    311 => BanListReceived, Core, "A ban list arrived.";
    312 => AddressDiscovered, Core, "The address of a peer was learned.";
    313 => AddressExpired, Core, "The address of a peer expired.";
    314 => ConnectionAttempt, Core, "A connection to a peer was tried.";
    315 => DoSAttackDetected, Core, "A denial of service by a peer was detected.";
    400 => ModuleLoaded, Core, "A module is loaded and connected.";
    401 => ModuleUnloaded, Core, "A module was unloaded.";
    402 => ModuleCrashed, Core, "A module ended without being asked to.";
    403 => ModuleDiscovered, Core, "A module was found on disk.";
    404 => ModuleInstalled, Core, "A module was installed.";
    405 => ModuleUpdated, Core, "A module was updated.";
    406 => ModuleRemoved, Core, "A module was removed.";
    407 => ModuleStarted, Core, "A module was started.";
    408 => ModuleStopped, Core, "A module was stopped.";
    409 => ModuleReloaded, Core, "A module was reloaded.";
    410 => ModuleHealthChanged, Core, "The health of a module changed.";
    411 => ModuleStateChanged, Core, "The state of a module changed.";
    500 => ConfigLoaded, Core, "The configuration was loaded.";
    501 => NodeStartupCompleted, Core, "The node has started.";
    502 => NodeShutdown, Core, "The node shuts down; the module has its grace period to end.";
    503 => NodeShutdownCompleted, Core, "The node has shut down.";
    600 => DataMaintenance, Core, "Data is about to be tidied.";
    601 => MaintenanceStarted, Core, "Maintenance began.";
    602 => MaintenanceCompleted, Core, "Maintenance ended.";
    603 => HealthCheck, Core, "The health was checked.";
    604 => DiskSpaceLow, Core, "The disk is filling up.";
    605 => ResourceLimitWarning, Core, "A module is near one of its limits.";
    700 => GovernanceProposalCreated, Module, "A governance proposal was made.";
    701 => GovernanceProposalVoted, Module, "A governance proposal was voted on.";
    702 => GovernanceProposalMerged, Module, "A governance proposal was merged.";
    703 => EconomicNodeRegistered, Module, "An economic node registered.";
    704 => EconomicNodeVeto, Module, "An economic node cast a veto.";
    705 => VetoThresholdReached, Module, "The threshold of vetoes was reached.";
    800 => BlockValidationStarted, Core, "The validation of a block began.";
    801 => BlockValidationCompleted, Core, "The validation of a block ended.";
    802 => ScriptVerificationStarted, Core, "The verification of scripts began.";
    803 => ScriptVerificationCompleted, Core, "The verification of scripts ended.";
    804 => DifficultyAdjusted, Core, "The difficulty was adjusted.";
    805 => SoftForkActivated, Core, "A soft fork was activated.";
    806 => SoftForkLockedIn, Core, "A soft fork was locked in.";
    900 => MempoolTransactionAdded, Core, "A transaction was added to the mempool.";
    901 => MempoolTransactionRemoved, Core, "A transaction left the mempool.";
    902 => FeeRateChanged, Core, "The estimated fee rate changed.";
    1000 => SyncStateChanged, Core, "The state of synchronisation changed.";
    1001 => HeadersSyncStarted, Core, "The synchronisation of headers began.";
    1002 => HeadersSyncProgress, Core, "The synchronisation of headers went on.";
    1003 => HeadersSyncCompleted, Core, "The synchronisation of headers ended.";
    1004 => BlockSyncStarted, Core, "The synchronisation of blocks began.";
    1005 => BlockSyncProgress, Core, "The synchronisation of blocks went on.";
    1006 => BlockSyncCompleted, Core, "The synchronisation of blocks ended.";
    1100 => DandelionStemStarted, Core, "A transaction entered its stem phase.";
    1101 => DandelionStemAdvanced, Core, "A transaction went on in its stem phase.";
    1102 => DandelionFluffed, Core, "A transaction left its stem phase.";
    1103 => DandelionStemPathExpired, Core, "The path of a stem expired.";
    1104 => CompactBlockReceived, Core, "A compact block arrived.";
    1105 => BlockReconstructionStarted, Core, "The reconstruction of a compact block began.";
    1106 => BlockReconstructionCompleted, Core, "The reconstruction of a compact block ended.";
    1107 => FibreBlockEncoded, Core, "A block was encoded for FIBRE.";
    1108 => FibreBlockSent, Core, "A block was sent by FIBRE.";
    1109 => FibrePeerRegistered, Core, "A FIBRE peer registered.";
    1110 => UtxoCommitmentReceived, Core, "A UTXO commitment arrived.";
    1111 => UtxoCommitmentVerified, Core, "A UTXO commitment was verified.";
    1112 => PackageReceived, Core, "A package of transactions arrived.";
    1113 => PackageRejected, Core, "A package of transactions was rejected.";
    2000 => EventsDropped, Core, "Events were lost because this module read too slowly.";
}

impl fmt::Display for EventType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Unknown(tag) = self {
            return write!(out, "Unknown({tag})");
        }
        out.write_str(self.as_str())
    }
}

/// A word that is not the name of an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an event type; names are written as in NewBlock, with these capitals")]
pub struct UnknownEventType(pub String);

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|event_type| event_type.as_str() == name);
        known.copied().ok_or_else(|| UnknownEventType(name.to_owned()))
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.tag())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(Self::from_tag)
    }
}
