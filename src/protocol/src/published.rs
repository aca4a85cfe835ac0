//! What modules publish, and why a transaction left the mempool: the parts of events that are types of their own.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::event::EventPayload;
use crate::events::EventType;
use crate::hash::{BlockHash, Txid};

/// What a module published. Its meaning is between the publisher and those who subscribe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedEvent {
    /// The module that published it: the host's word, not the publisher's.
    pub publisher: String,
    /// What it carries.
    pub data: Bytes,
}

tagged_enum! {
    /// Why a transaction left the mempool.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum RemovalReason {
        /// It is in a block.
        1 => Confirmed {
            /// The block.
            block: BlockHash,
        },
        /// Another one spends the same output.
        2 => Replaced {
            /// That other one.
            by: Txid,
        },
        /// The node does not say: it may have expired, been evicted or conflicted with a block.
        3 => Unknown,
    }
}

impl EventPayload {
    /// What a module publishes under this type, or nothing if modules do not publish it.
    #[must_use]
    pub fn published(event_type: EventType, event: PublishedEvent) -> Option<Self> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the others are the host's")]
        match event_type {
            EventType::PaymentRequestCreated => Some(Self::PaymentRequestCreated(event)),
            EventType::PaymentSettled => Some(Self::PaymentSettled(event)),
            EventType::PaymentFailed => Some(Self::PaymentFailed(event)),
            EventType::PaymentVerified => Some(Self::PaymentVerified(event)),
            EventType::PaymentRouteFound => Some(Self::PaymentRouteFound(event)),
            EventType::PaymentRouteFailed => Some(Self::PaymentRouteFailed(event)),
            EventType::ChannelOpened => Some(Self::ChannelOpened(event)),
            EventType::ChannelClosed => Some(Self::ChannelClosed(event)),
            EventType::MiningJobCreated => Some(Self::MiningJobCreated(event)),
            EventType::ShareSubmitted => Some(Self::ShareSubmitted(event)),
            EventType::MergeMiningReward => Some(Self::MergeMiningReward(event)),
            EventType::MiningPoolConnected => Some(Self::MiningPoolConnected(event)),
            EventType::MiningPoolDisconnected => Some(Self::MiningPoolDisconnected(event)),
            EventType::RouteDiscovered => Some(Self::RouteDiscovered(event)),
            EventType::RouteFailed => Some(Self::RouteFailed(event)),
            EventType::GovernanceProposalCreated => Some(Self::GovernanceProposalCreated(event)),
            EventType::GovernanceProposalVoted => Some(Self::GovernanceProposalVoted(event)),
            EventType::GovernanceProposalMerged => Some(Self::GovernanceProposalMerged(event)),
            EventType::EconomicNodeRegistered => Some(Self::EconomicNodeRegistered(event)),
            EventType::EconomicNodeVeto => Some(Self::EconomicNodeVeto(event)),
            EventType::VetoThresholdReached => Some(Self::VetoThresholdReached(event)),
            _ => None,
        }
    }
}
