//! What the core is told at its start: the modules, the node, and what else the operator's configuration says.

use std::path::PathBuf;

use cofferdam_manifest::{Capability, ModuleName};
use serde::{Deserialize, Serialize};

/// One module of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterEntry {
    /// The module's name, also its identity on the wire.
    pub name: ModuleName,
    /// Its version, as its manifest states it.
    pub version: String,
    /// What the operator granted of what the manifest declares: the whole of what it may call.
    pub granted: Vec<Capability>,
    /// Modules that must run before this one starts.
    pub requires: Vec<ModuleName>,
    /// The names of the event types that it may publish, as the operator granted them.
    pub publishes: Vec<String>,
    /// Where its data directory is in the core's sandbox; none if it may not ask for files.
    pub files: Option<PathBuf>,
    /// How much of the core it may take.
    pub limits: CoreLimits,
}

/// How much of the core a module may take, from the policy and the operator's configuration. The default is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreLimits {
    /// Calls per second in the long run.
    pub calls_per_second: u32,
    /// Calls that may come at once after a pause.
    pub call_burst: u32,
    /// Bytes of keys and values in its database.
    pub storage_bytes: u64,
    /// Keys in its database.
    pub storage_keys: u64,
    /// Bytes of files in its data directory, as far as it asks the core to write them.
    pub file_bytes: u64,
    /// Files and directories in its data directory, likewise.
    pub file_count: u64,
}

/// What the operator's configuration says to the core, besides the modules and the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreSettings {
    /// The interface for operators' tools, if there is one.
    pub interface: Option<Interface>,
    /// The module that answers for Lightning and payments, if the operator named one.
    pub lightning: Option<ModuleName>,
    /// Whether modules are not told the addresses of the node's peers.
    pub redact_peers: bool,
    /// The module of which the core tells what it asks for (`cofferdam learn`). None in every other run.
    pub watched: Option<ModuleName>,
}

/// The interface for operators' tools: JSON-RPC and metrics over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Where it listens, for the log.
    pub address: std::net::SocketAddr,
    /// The cookie, which the launcher makes anew at every start.
    pub cookie: RpcCredentials,
    /// A token that is taken as well (`Authorization: Bearer`), if the operator made one.
    pub token: Option<Secret>,
}

/// Text that never shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// When the core asks for a dead module to be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// After a crash, with growing pauses; not after a clean exit.
    OnFailure,
    /// Never.
    Never,
}

/// Which node the core answers from. No secret is in here: credentials are asked for when needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "backend", rename_all = "snake_case", deny_unknown_fields)]
pub enum NodeSettings {
    /// A development chain inside the core, persisted in the core's state directory.
    Embedded {
        /// Milliseconds between blocks; 0 mines on demand only.
        block_interval_ms: u64,
    },
    /// Bitcoin Core or a compatible node.
    Bitcoind {
        /// Where its JSON-RPC listens.
        rpc: std::net::SocketAddr,
        /// Where its ZMQ `sequence` topic is published; without it the core polls.
        zmq: Option<std::net::SocketAddr>,
        /// The chain the operator expects, as `getblockchaininfo` names it.
        chain: String,
        /// Milliseconds between polls.
        poll_interval_ms: u64,
    },
}

/// User and password for the node's RPC.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpcCredentials {
    /// The user; `__cookie__` where a cookie file is used.
    pub user: String,
    /// The password or the cookie's secret half.
    pub password: String,
}

impl std::fmt::Debug for RpcCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcCredentials").field("user", &self.user).finish_non_exhaustive()
    }
}
