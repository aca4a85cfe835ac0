//! What the core answers: one handler per row of the table of calls.
//!
//! A handler gets a call that was authorised, asks the node or the host, and answers honestly: what cannot be
//! known is an error with its reason, never an empty reply or an invented number.

mod chain;
mod failure;
mod files;
mod lightning;
mod local;
mod log;
mod mempool;
mod metrics;
mod mining;
mod modules;
mod network;
mod rpc;
mod storage;
mod subscribe;
mod timers;

use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub(crate) use self::chain::sync_status_as_it_travels;
use self::failure::Faults;
pub(crate) use self::local::Local;
pub(crate) use self::log::LogLines;
use self::log::LogRoom;
pub(crate) use self::network::Addresses;
use crate::denials::Denials;
use crate::dispatch::{MAX_LARGE_IN_ALL, MAX_RELAYED_IN_ALL};
use crate::events::{Attachment, Hub};
use crate::metrics::Metrics;
use crate::modules::Modules;
use crate::quotas::Quotas;
use crate::session::MAX_LARGE_REQUESTS;
use crate::watch::Watch;
use cofferdam_node::Node;

/// What handlers answer from, for one session: the node as one caller of it, and what all sessions share.
#[derive(Debug)]
pub(crate) struct Host {
    node: Node,
    shared: Arc<Shared>,
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    /// Where what takes long is done.
    work: Handle,
    hub: Arc<Hub>,
    faults: Faults,
    large_replies: Arc<Semaphore>,
    large_requests: Arc<Semaphore>,
    relayed_calls: Arc<Semaphore>,
    denials: Denials,
    /// How much all modules together may log.
    log_room: Mutex<LogRoom>,
    modules: Arc<Modules>,
    metrics: Arc<Metrics>,
    local: Local,
}

impl Host {
    /// A host that answers from `node` and `hub`, and has no place on the disk.
    #[cfg(test)]
    pub(crate) fn new(node: Node, hub: Arc<Hub>) -> Self {
        Self::with_local(node, hub, Local::none())
    }

    /// A host that answers from `node`, `hub` and `local`. What takes long is done on the runtime of the caller.
    pub(crate) fn with_local(node: Node, hub: Arc<Hub>, local: Local) -> Self {
        let shared = Shared {
            work: Handle::current(),
            hub,
            faults: Faults::new(),
            large_replies: Arc::new(Semaphore::new(MAX_LARGE_IN_ALL)),
            large_requests: Arc::new(Semaphore::new(MAX_LARGE_REQUESTS)),
            relayed_calls: Arc::new(Semaphore::new(MAX_RELAYED_IN_ALL)),
            denials: Denials::new(),
            log_room: Mutex::default(),
            modules: Arc::default(),
            metrics: Arc::new(Metrics::new()),
            local,
        };
        Self { node, shared: Arc::new(shared) }
    }

    /// The same host for one session, whose calls wait for no other session's.
    pub(crate) fn for_session(&self) -> Self {
        Self { node: self.node.for_caller(), shared: Arc::clone(&self.shared) }
    }

    /// What stands behind the answers, for people.
    pub(crate) fn node_label(&self) -> &'static str {
        self.node.label()
    }

    /// A host with room for so many large replies.
    #[cfg(test)]
    pub(crate) fn with_large_replies(self, places: usize) -> Self {
        let mut shared = Arc::into_inner(self.shared).unwrap();
        shared.large_replies = Arc::new(Semaphore::new(places));
        Self { node: self.node, shared: Arc::new(shared) }
    }

    /// Where what takes long is done, so that no session waits for it.
    pub(crate) fn work(&self) -> &Handle {
        &self.shared.work
    }

    /// The places for large replies, of all sessions.
    pub(crate) fn large_replies(&self) -> &Arc<Semaphore> {
        &self.shared.large_replies
    }

    /// The places for large requests, of all sessions.
    pub(crate) fn large_requests(&self) -> &Arc<Semaphore> {
        &self.shared.large_requests
    }

    /// The places for calls between modules, of all sessions.
    pub(crate) fn relayed_calls(&self) -> &Arc<Semaphore> {
        &self.shared.relayed_calls
    }

    /// The height of the node's best block, if it answers.
    pub(crate) async fn node_height(&self) -> Option<u32> {
        self.node.block_height().await.ok()
    }

    /// Where refused calls are told.
    pub(crate) fn denials(&self) -> &Denials {
        &self.shared.denials
    }

    /// The modules as they see each other.
    pub(crate) fn modules(&self) -> &Arc<Modules> {
        &self.shared.modules
    }

    /// What modules report about themselves, and what the host counts.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// Where events are published.
    pub(crate) fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// What modules have on the disk, and what the operator says about it.
    fn local(&self) -> &Local {
        &self.shared.local
    }

    /// What the watched module asks for.
    pub(crate) fn watch(&self) -> &Watch {
        &self.shared.local.watch
    }

    /// How full the databases and data directories are.
    pub(crate) fn quotas(&self) -> &Quotas {
        &self.shared.local.quotas
    }

    /// What goes wrong, counted and logged.
    fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Adds a session to those that may subscribe.
    pub(crate) fn attach(&self) -> Attachment {
        self.shared.hub.attach()
    }
}

#[cfg(test)]
pub(crate) mod tests;
