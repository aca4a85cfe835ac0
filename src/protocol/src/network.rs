//! What calls about the node's network answer.
//!
//! Whoever a node is connected to is personal data: the host leaves addresses out where the operator says so.

use serde::{Deserialize, Serialize};

use crate::bounded::BoundedVec;

/// The most peers of one reply; a node takes 125 unless its operator raised that.
pub const MAX_PEERS: usize = 2048;

/// The peers of the node.
pub type Peers = BoundedVec<Peer, MAX_PEERS>;

/// The node's connections and traffic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NetworkStats {
    /// Connections, of both directions.
    pub connections: u32,
    /// Connections that others made.
    pub inbound: u32,
    /// Connections that the node made.
    pub outbound: u32,
    /// Bytes sent since the node started.
    pub bytes_sent: u64,
    /// Bytes received since the node started.
    pub bytes_received: u64,
    /// Estimated hashes per second of the whole network, over the last 120 blocks.
    pub hashes_per_second: f64,
    /// Whether the node takes part in a network at all; a development chain does not, and its numbers are 0.
    pub has_network: bool,
}

/// One peer of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The node's number for the connection; it is never used again while the node runs.
    pub id: u64,
    /// Its address with the port; nothing where the operator has addresses redacted.
    pub address: Option<String>,
    /// The kind of network: `ipv4`, `ipv6`, `onion`, `i2p`, `cjdns`, `not_publicly_routable`.
    pub network: String,
    /// Whether the peer made the connection.
    pub inbound: bool,
    /// Its protocol version; 0 during the handshake.
    pub version: u32,
    /// What it calls itself (BIP 14), as it says.
    pub user_agent: String,
    /// The services it offers, as the bits of the version message.
    pub services: u64,
    /// When the connection was made, in seconds since 1970.
    pub connected_at: u64,
    /// How the connection is encrypted: `v1` is not, `v2` is (BIP 324), `detecting`.
    pub transport: String,
    /// Bytes sent to it.
    pub bytes_sent: u64,
    /// Bytes received from it.
    pub bytes_received: u64,
    /// The last time of a ping in microseconds, if there was one.
    pub ping_us: Option<u64>,
    /// The last height that it and the node have in common, if known.
    pub synced_blocks: Option<u32>,
}
