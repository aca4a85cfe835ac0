//! What a module may ask to be allowed.

use crate::error::{ValueError, text_form};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::collections::btree_set;
use std::fmt;

/// Writes the capabilities down once: variant, name in `module.toml`, what it lets a module do.
macro_rules! capabilities {
    ($($variant:ident $name:literal $summary:literal)*) => {
        /// Something a module may ask for in its manifest, by the names of the specification.
        ///
        /// Asking is not having: what is granted is the operator's decision.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Capability {
            $(#[doc = concat!("`", $name, "`: ", $summary, ".")] $variant,)*
        }

        impl Capability {
            /// Every capability, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in `module.toml`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it lets a module do, in one line, for an auditor.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)* }
            }
        }
    };
}

capabilities! {
    ReadBlockchain "read_blockchain" "read blocks, block headers and confirmed transactions"
    ReadUtxo "read_utxo" "look up unspent transaction outputs"
    ReadChainState "read_chain_state" "read the height, the tip and the state of the chain"
    SubscribeEvents "subscribe_events" "receive the node's events"
    SendTransactions "send_transactions" "submit transactions to the node, which may relay them to the network"
    SubmitBlock "submit_block" "get templates for blocks and submit blocks to the node"
    ReadMempool "read_mempool" "read unconfirmed transactions and fee estimates"
    ReadNetwork "read_network" "read the node's peers, their addresses and traffic statistics"
    ManagePeers "manage_peers" "disconnect and ban the node's peers"
    NetworkAccess "network_access" "have the core send packets to peers on its behalf; it gets no socket"
    ReadLightning "read_lightning" "read where the Lightning node is and what it reports"
    ReadPayment "read_payment" "read the state of payments"
    ReadStorage "read_storage" "read its own database"
    WriteStorage "write_storage" "write and delete in its own database"
    ManageStorage "manage_storage" "create and remove trees of its own database"
    ReadFilesystem "read_filesystem" "read files in its own data directory through the core"
    WriteFilesystem "write_filesystem" "write files in its own data directory, by itself and through the core"
    ManageFilesystem "manage_filesystem" "create directories and delete files in its own data directory through the core"
    RegisterRpcEndpoint "register_rpc_endpoint" "answer JSON-RPC methods under its own name on the operator's interface"
    ManageTimers "manage_timers" "have the core wake it after a delay or at an interval"
    ReportMetrics "report_metrics" "report metrics under its own name"
    ReadMetrics "read_metrics" "read the metrics of every module"
    DiscoverModules "discover_modules" "see which modules are installed and what they offer"
    PublishEvents "publish_events" "send events to other modules under its own name"
    CallModule "call_module" "call what other modules offer"
    RegisterModuleApi "register_module_api" "offer methods that other modules may call"
}

impl Capability {
    fn new(text: &str) -> Result<Self, ValueError> {
        Self::ALL.iter().copied().find(|capability| capability.as_str() == text).ok_or_else(|| {
            let known: Vec<&'static str> = Self::ALL.iter().map(|capability| capability.as_str()).collect();
            ValueError::Capability {
                found: text.to_owned(),
                meant: cofferdam_document::closest(text, &known),
            }
        })
    }
}

text_form!(Capability);

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A set of capabilities, in the order of the specification.
///
/// It is a value like any other: holding one does not prove that anything was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CapabilitySet(BTreeSet<Capability>);

impl CapabilitySet {
    /// The set of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Adds a capability, and says whether it was new.
    pub fn insert(&mut self, capability: Capability) -> bool {
        self.0.insert(capability)
    }

    /// Whether the capability is in the set.
    #[must_use]
    pub fn contains(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// The capabilities, in the order of the specification.
    pub fn iter(&self) -> std::iter::Copied<btree_set::Iter<'_, Capability>> {
        self.0.iter().copied()
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.0.intersection(&other.0).copied().collect()
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.0.difference(&other.0).copied().collect()
    }

    /// Whether everything in this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// How many capabilities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().collect())
    }
}

impl<'s> IntoIterator for &'s CapabilitySet {
    type Item = Capability;
    type IntoIter = std::iter::Copied<btree_set::Iter<'s, Capability>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names as the specification lists them, and the two for calls that it leaves open: to mine and to ban
    /// peers. The enum must not lose one.
    const SPECIFICATION: &str = "read_blockchain read_utxo read_chain_state subscribe_events send_transactions \
        submit_block read_mempool read_network manage_peers network_access read_lightning read_payment read_storage write_storage \
        manage_storage read_filesystem write_filesystem manage_filesystem register_rpc_endpoint manage_timers \
        report_metrics read_metrics discover_modules publish_events call_module register_module_api";

    #[test]
    fn every_capability_of_the_specification_exists_and_no_other() {
        let names: Vec<&str> = Capability::ALL.iter().map(|capability| capability.as_str()).collect();
        assert_eq!(names.join(" "), SPECIFICATION);
    }

    #[test]
    fn every_capability_is_found_by_its_name() {
        for capability in Capability::ALL {
            assert_eq!(capability.as_str().parse(), Ok(*capability));
        }
    }

    #[test]
    fn a_summary_is_one_plain_short_line() {
        for capability in Capability::ALL {
            let summary = capability.summary();
            assert!(summary.is_ascii() && summary.len() <= 90 && !summary.ends_with('.'), "{summary}");
        }
    }

    #[test]
    fn a_misspelt_capability_gets_the_one_that_was_meant() {
        let error = "read_blokchain".parse::<Capability>().expect_err("misspelt");
        assert_eq!(
            error.to_string(),
            "`read_blokchain` is not a capability; did you mean `read_blockchain`?"
        );
    }
}
