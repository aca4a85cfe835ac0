//! Where the events of each type come from on this host, or why none will come.
//!
//! It promises nothing: a type is named here as one that comes only if some code of this crate publishes it.

use std::time::Duration;

use cofferdam_control::NodeSettings;
use cofferdam_node::MEMPOOL_POLL_FACTOR;
use cofferdam_protocol::{Availability, BoundedVec, EventAvailability, EventOrigin, EventType};

use crate::samples::every;

/// What decides where events come from: which node answers, and whether it tells of changes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origins {
    /// The development chain inside the core.
    Embedded,
    /// A node that notifies over ZMQ.
    Notified,
    /// A node that has to be asked.
    Polled {
        /// How often it is asked for its chain.
        interval: Duration,
    },
}

impl From<&NodeSettings> for Origins {
    fn from(settings: &NodeSettings) -> Self {
        match settings {
            NodeSettings::Embedded { .. } => Self::Embedded,
            NodeSettings::Bitcoind { zmq: Some(_), .. } => Self::Notified,
            NodeSettings::Bitcoind { zmq: None, poll_interval_ms, .. } => {
                Self::Polled { interval: Duration::from_millis(*poll_interval_ms) }
            }
        }
    }
}

/// Where the events of every type come from with this node, in the order of the table of types. `publishers` are
/// the modules that are granted to publish a type.
#[must_use]
pub fn event_matrix(
    origins: Origins,
    publishers: impl Fn(EventType) -> Vec<String>,
) -> Vec<EventAvailability> {
    let row = |event_type: &EventType| EventAvailability {
        event_type: *event_type,
        availability: origins.availability(*event_type, &publishers),
    };
    EventType::ALL.iter().map(row).collect()
}

impl Origins {
    /// What can be expected of `event_type`.
    pub(crate) fn availability(
        self,
        event_type: EventType,
        publishers: impl Fn(EventType) -> Vec<String>,
    ) -> Availability {
        match event_type.origin() {
            EventOrigin::Module => match publishers(event_type) {
                by if by.is_empty() => unavailable("no module of this host is granted to publish it"),
                by => Availability::Published { by: BoundedVec::truncated(by) },
            },
            EventOrigin::Core => self.of_core(event_type),
        }
    }

    fn of_core(self, event_type: EventType) -> Availability {
        use EventType as T;
        #[allow(clippy::wildcard_enum_match_arm, reason = "the others are those that never come")]
        match event_type {
            T::NewBlock | T::BlockDisconnected => self.told(1),
            T::ChainReorg
            | T::BlockValidationCompleted
            | T::DifficultyAdjusted
            | T::MiningDifficultyChanged => Availability::Derived,
            T::NewTransaction | T::MempoolTransactionAdded | T::MempoolTransactionRemoved => {
                self.told(MEMPOOL_POLL_FACTOR)
            }
            T::BlockMined
            | T::BroadcastStarted
            | T::ModuleLoaded
            | T::ModuleUnloaded
            | T::ModuleCrashed
            | T::ModuleDiscovered
            | T::ModuleInstalled
            | T::ModuleUpdated
            | T::ModuleRemoved
            | T::ModuleStarted
            | T::ModuleStopped
            | T::ModuleStateChanged
            | T::ConfigLoaded
            | T::NodeStartupCompleted
            | T::NodeShutdown
            | T::EventsDropped => Availability::Live,
            T::PeerConnected | T::PeerDisconnected => {
                self.looked_for(every::PEERS, "a development chain has no peers")
            }
            T::PeerBanned | T::PeerUnbanned => {
                self.looked_for(every::BANS, "a development chain has no peers")
            }
            T::BroadcastCompleted => self.looked_for(
                every::BROADCASTS,
                "a development chain has no peers that could ask for a transaction",
            ),
            T::FeeRateChanged => {
                self.looked_for(every::FEES, "a development chain has one fee rate, which is made up")
            }
            T::SoftForkActivated | T::SoftForkLockedIn => match self {
                Self::Embedded => unavailable("the rules of a development chain do not change"),
                Self::Notified | Self::Polled { .. } => Availability::Derived,
            },
            T::SyncStateChanged | T::BlockSyncStarted | T::BlockSyncProgress | T::BlockSyncCompleted => {
                self.looked_for(every::SYNC, "a development chain is made here and never behind")
            }
            T::BlockTemplateUpdated => sampled(every::TEMPLATE),
            T::DiskSpaceLow => sampled(every::DISK),
            T::HealthCheck => sampled(every::HEALTH),
            T::ResourceLimitWarning => sampled(every::USAGE),
            other => unavailable(why_not(other)),
        }
    }

    /// What the node tells of by itself, or else is asked for at `factor` times its interval.
    fn told(self, factor: u32) -> Availability {
        match self {
            Self::Embedded | Self::Notified => Availability::Live,
            Self::Polled { interval } => sampled(interval.saturating_mul(factor)),
        }
    }

    /// What a real node is asked for, and the development chain does not have.
    fn looked_for(self, interval: Duration, why_not_embedded: &str) -> Availability {
        match self {
            Self::Embedded => unavailable(why_not_embedded),
            Self::Notified | Self::Polled { .. } => sampled(interval),
        }
    }
}

fn sampled(interval: Duration) -> Availability {
    Availability::Sampled { interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX) }
}

fn unavailable(reason: impl Into<String>) -> Availability {
    Availability::Unavailable { reason: reason.into() }
}

/// Why no event of this type comes from any node or from the host.
fn why_not(event_type: EventType) -> String {
    use EventType as T;
    #[allow(clippy::wildcard_enum_match_arm, reason = "a test looks that none is left")]
    let reason = match event_type {
        T::Unknown(tag) => return format!("event type {tag} is of a later protocol than this host's"),
        T::BlockValidationStarted
        | T::ScriptVerificationStarted
        | T::ScriptVerificationCompleted
        | T::MessageReceived
        | T::MessageSent
        | T::ConnectionAttempt
        | T::DoSAttackDetected
        | T::AddressDiscovered
        | T::AddressExpired
        | T::CompactBlockReceived
        | T::BlockReconstructionStarted
        | T::BlockReconstructionCompleted
        | T::PackageReceived
        | T::PackageRejected => return format!("no node tells {event_type} over RPC or ZMQ"),
        T::HeadersSyncStarted | T::HeadersSyncProgress | T::HeadersSyncCompleted => {
            "no node tells how far it is with headers alone; SyncStateChanged says when it fetches them"
        }
        T::NodeShutdownCompleted => "modules have been stopped by then: it could never be delivered",
        T::ModuleReloaded => "a module is stopped and started, never reloaded; see ModuleStarted",
        T::ModuleHealthChanged => {
            "the host knows a module's state and no other health; see ModuleStateChanged"
        }
        T::DataMaintenance | T::MaintenanceStarted | T::MaintenanceCompleted => {
            "the host keeps its data in order as it goes, and has no maintenance to announce"
        }
        T::BanListShared | T::BanListReceived => "no node of this host shares its bans with others",
        T::DandelionStemStarted
        | T::DandelionStemAdvanced
        | T::DandelionFluffed
        | T::DandelionStemPathExpired => "no node of this host speaks Dandelion",
        T::FibreBlockEncoded | T::FibreBlockSent | T::FibrePeerRegistered => {
            "no node of this host speaks FIBRE"
        }
        T::UtxoCommitmentReceived | T::UtxoCommitmentVerified => "no node of this host has UTXO commitments",
        other => return format!("this version of the host has no source for {other}"),
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLLED: Origins = Origins::Polled { interval: Duration::from_secs(1) };

    fn nobody(_: EventType) -> Vec<String> {
        Vec::new()
    }

    #[test]
    fn every_type_is_either_available_or_has_a_reason_that_is_about_it() {
        for origins in [Origins::Embedded, Origins::Notified, POLLED] {
            let matrix = event_matrix(origins, nobody);
            assert_eq!(matrix.len(), EventType::ALL.len());
            for EventAvailability { event_type, availability } in matrix {
                if let Availability::Unavailable { reason } = availability {
                    assert!(reason.len() > 20, "{event_type}: {reason}");
                    assert!(!reason.contains("this version of the host"), "{event_type}: {reason}");
                }
            }
        }
    }

    #[test]
    fn a_node_that_has_to_be_asked_is_said_to_be_sampled() {
        let at = |origins: Origins, event_type| origins.availability(event_type, nobody);
        assert_eq!(at(Origins::Notified, EventType::NewBlock), Availability::Live);
        assert_eq!(at(POLLED, EventType::NewBlock), Availability::Sampled { interval_ms: 1000 });
        assert_eq!(at(POLLED, EventType::NewTransaction), Availability::Sampled { interval_ms: 5000 });
        assert_eq!(at(POLLED, EventType::ChainReorg), Availability::Derived);
        let peers = at(Origins::Embedded, EventType::PeerConnected);
        assert!(matches!(peers, Availability::Unavailable { .. }), "{peers:?}");
    }

    #[test]
    fn what_modules_publish_is_available_where_a_module_may() {
        let publishers = |event_type| {
            let by = (event_type == EventType::PaymentSettled).then(|| "wallet".to_owned());
            by.into_iter().collect()
        };
        let published = Origins::Embedded.availability(EventType::PaymentSettled, publishers);
        let by = BoundedVec::truncated(["wallet".to_owned()]);
        assert_eq!(published, Availability::Published { by });
        let other = Origins::Embedded.availability(EventType::ChannelOpened, publishers);
        assert!(matches!(other, Availability::Unavailable { .. }), "{other:?}");
    }

    #[test]
    fn a_type_of_a_later_protocol_is_unavailable_and_named_by_its_tag() {
        let Availability::Unavailable { reason } =
            Origins::Embedded.availability(EventType::Unknown(4711), nobody)
        else {
            panic!("available")
        };
        assert!(reason.contains("4711"));
    }
}
