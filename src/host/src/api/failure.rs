//! The one place where what went wrong with the node becomes what a module is told.
//!
//! A module is told what it can act on. Addresses, paths, credentials and the node's own words are the
//! operator's: they go to the log under a reference, or stay in the line that the node's status gave already.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cofferdam_protocol::ApiError;

use super::Host;
use cofferdam_log::{Throttle, and_more};
use cofferdam_node::NodeError;

/// Faults that are logged: modules can cause them as fast as they may call.
const LOGGED_FAULTS: (Duration, u32) = (Duration::from_secs(10), 20);

/// Numbers and logs the faults of the host.
#[derive(Debug)]
pub(super) struct Faults {
    count: AtomicU64,
    throttle: Mutex<Throttle>,
}

impl Faults {
    pub(super) fn new() -> Self {
        let throttle = Mutex::new(Throttle::new(LOGGED_FAULTS.0, LOGGED_FAULTS.1));
        Self { count: AtomicU64::new(1), throttle }
    }

    fn report(&self, error: &dyn std::fmt::Display) -> ApiError {
        let reference = format!("fault-{}", self.count.fetch_add(1, Ordering::Relaxed));
        let passed = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).pass();
        if let Some(swallowed) = passed {
            tracing::error!("{reference}: {error}{}", and_more(swallowed));
        }
        ApiError::Internal { reference }
    }
}

/// An argument that cannot be right.
pub(super) fn invalid(argument: &str, problem: impl Into<String>) -> ApiError {
    ApiError::InvalidArgument { argument: argument.to_owned(), problem: problem.into() }
}

impl Host {
    /// A fault of the host: the log gets it in full, the module a reference.
    pub(super) fn fault(&self, error: &dyn std::fmt::Display) -> ApiError {
        self.faults().report(error)
    }

    /// What a module is told of `error`.
    pub(super) fn failure(&self, error: NodeError) -> ApiError {
        let backend = || self.node.label().to_owned();
        match error {
            NodeError::NotReady { reason } => ApiError::NotReady { reason },
            NodeError::Pruned { hash: _ } => ApiError::Pruned { height: None },
            NodeError::IndexRequired { index: _, hint } => ApiError::IndexRequired { hint: hint.to_owned() },
            NodeError::Unsupported { backend, reason } => {
                ApiError::Unsupported { backend: backend.to_owned(), reason }
            }
            NodeError::Forbidden { method } => {
                let reason = format!("the node does not let the host call `{method}`");
                ApiError::Unsupported { backend: backend(), reason }
            }
            NodeError::Unreachable { .. } => not_ready("the node cannot be reached"),
            NodeError::WrongChain { .. } | NodeError::Credentials { .. } => {
                not_ready("the node cannot be used as it is configured; the operator's log says why")
            }
            NodeError::Rejected { reason } => ApiError::Rejected { reason },
            NodeError::InvalidArgument { argument, problem } => {
                ApiError::InvalidArgument { argument: argument.to_owned(), problem }
            }
            NodeError::InsufficientData { reason } => ApiError::InsufficientData { reason },
            error @ NodeError::TooLarge { .. } => {
                ApiError::Unsupported { backend: backend(), reason: error.to_string() }
            }
            error @ (NodeError::Malformed { .. }
            | NodeError::Rpc { .. }
            | NodeError::LostTrack { .. }
            | NodeError::Storage { .. }) => self.fault(&error),
        }
    }
}

fn not_ready(reason: &str) -> ApiError {
    ApiError::NotReady { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;

    use super::*;
    use crate::events::Hub;
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash;
    use cofferdam_log::captured::Captured;
    use cofferdam_node::{Bitcoind, BitcoindSettings, Chain, Node, Secret};

    const SECRET_ADDRESS: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 9, 8, 7)), 8332);

    fn host() -> Host {
        let settings = BitcoindSettings {
            rpc: SECRET_ADDRESS,
            zmq: None,
            chain: Chain::Regtest,
            poll_interval: Duration::from_secs(1),
        };
        let credentials = Arc::new(Secret::new("user:hunter2").unwrap());
        Host::new(Node::Bitcoind(Bitcoind::new(settings, credentials)), Hub::new(0))
    }

    #[tokio::test]
    async fn what_a_node_cannot_know_is_told_apart_from_what_does_not_exist() {
        let host = host();
        let pruned = NodeError::Pruned { hash: BlockHash::all_zeros() };
        assert_eq!(host.failure(pruned), ApiError::Pruned { height: None });
        let unindexed = NodeError::IndexRequired { index: "txindex", hint: "-txindex=1" };
        assert_eq!(host.failure(unindexed), ApiError::IndexRequired { hint: "-txindex=1".to_owned() });
        let warming_up = NodeError::NotReady { reason: "loading blocks".to_owned() };
        assert_eq!(host.failure(warming_up), ApiError::NotReady { reason: "loading blocks".to_owned() });
        let forbidden = NodeError::Forbidden { method: "getblock" };
        assert!(matches!(host.failure(forbidden), ApiError::Unsupported { .. }));
    }

    #[tokio::test]
    async fn a_module_does_not_learn_where_the_node_is() {
        let unreachable =
            NodeError::Unreachable { address: SECRET_ADDRESS, reason: "10.9.8.7 refused".to_owned() };
        let told = host().failure(unreachable);
        assert!(matches!(&told, ApiError::NotReady { .. }) && !told.to_string().contains("10.9"), "{told}");
    }

    #[tokio::test]
    async fn a_fault_reaches_the_log_in_full_and_the_module_as_a_reference() {
        let (log, _guard) = Captured::start();
        let fault = NodeError::Malformed { request: "getblock".to_owned(), reason: "not hex".to_owned() };
        let ApiError::Internal { reference } = host().failure(fault) else { panic!("no reference") };
        assert!(log.text().contains(&format!("{reference}: ")) && log.text().contains("not hex"));
    }
}
