//! The one place where what went wrong with the node becomes what a module is told.
//!
//! A module is told what it can act on. Addresses, paths, credentials and the node's own words are the
//! operator's: they go to the log under a reference, or stay in the line that the node's status gave already.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cofferdam_protocol::ApiError;

use super::Host;
use crate::node::NodeError;
use crate::throttle::{Throttle, and_more};

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

    fn report(&self, error: &NodeError) -> ApiError {
        let reference = format!("fault-{}", self.count.fetch_add(1, Ordering::Relaxed));
        let passed = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).pass();
        if let Some(swallowed) = passed {
            tracing::error!("{reference}: {error}{}", and_more(swallowed));
        }
        ApiError::Internal { reference }
    }
}

impl Host {
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
            NodeError::Rejected { reason } => {
                ApiError::InvalidArgument { argument: "transaction".to_owned(), problem: reason }
            }
            error @ (NodeError::Malformed { .. }
            | NodeError::Rpc { .. }
            | NodeError::LostTrack { .. }
            | NodeError::Storage { .. }) => self.faults.report(&error),
        }
    }
}

fn not_ready(reason: &str) -> ApiError {
    ApiError::NotReady { reason: reason.to_owned() }
}
