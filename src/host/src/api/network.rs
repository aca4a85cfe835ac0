//! Calls about the node's peers. Addresses leave the host only where the operator does not have them redacted,
//! and nothing here changes the network but a ban that was granted.

use std::time::Duration;

use cofferdam_control::CoreSettings;
use cofferdam_protocol::calls::{BanPeer, GetNetworkPeers, GetNetworkStats};
use cofferdam_protocol::network::{NetworkStats, Peer, Peers};
use cofferdam_protocol::{ApiError, BoundedVec};

use super::Host;
use super::failure::invalid;
use crate::authorize::Authorized;
use crate::dispatch::{Caller, Handle, ReplySize};
use cofferdam_node::{BanTarget, NetworkState, PeerDirection, PeerNetwork, PeerTransport, Subnet};

/// How long a ban lasts that no time was given for: ten years, in seconds.
const LONGEST_BAN: u64 = 10 * 365 * 24 * 3600;

impl Handle<GetNetworkStats> for Host {
    async fn handle(&self, _: &Caller, _: Authorized<GetNetworkStats>) -> Result<NetworkStats, ApiError> {
        let stats = self.node.network_stats().await.map_err(|error| self.failure(error))?;
        Ok(NetworkStats {
            connections: stats.peers_inbound.saturating_add(stats.peers_outbound),
            inbound: stats.peers_inbound,
            outbound: stats.peers_outbound,
            bytes_sent: stats.bytes_sent,
            bytes_received: stats.bytes_received,
            hashes_per_second: stats.hashes_per_second,
            has_network: match stats.state {
                NetworkState::Active | NetworkState::Disabled => true,
                NetworkState::None => false,
            },
        })
    }
}

impl Handle<GetNetworkPeers> for Host {
    // A thousand peers with the longest names they may give themselves come near a megabyte.
    const REPLY: ReplySize = ReplySize::Large;

    async fn handle(&self, _: &Caller, _: Authorized<GetNetworkPeers>) -> Result<Peers, ApiError> {
        let peers = self.node.peers().await.map_err(|error| self.failure(error))?;
        let addresses = self.local().addresses;
        Ok(BoundedVec::truncated(peers.into_iter().map(|peer| peer_as_it_travels(peer, addresses))))
    }
}

impl Handle<BanPeer> for Host {
    async fn handle(&self, caller: &Caller, call: Authorized<BanPeer>) -> Result<(), ApiError> {
        let BanPeer { address, seconds } = call.into_call();
        let subnet: Subnet = address.parse().map_err(|error| invalid("address", format!("{error}")))?;
        let seconds = seconds.unwrap_or(LONGEST_BAN);
        if !(1..=LONGEST_BAN).contains(&seconds) {
            return Err(invalid(
                "seconds",
                format!("{seconds}; it must be 1 to {LONGEST_BAN}, which is ten years"),
            ));
        }
        let ban = self.node.ban_peer(BanTarget::Subnet(subnet), Some(Duration::from_secs(seconds))).await;
        let ban = ban.map_err(|error| self.failure(error))?;
        // Who is let into the network is the operator's business: each ban has its line, whoever asked for it.
        tracing::info!(subject = %caller.module.name, "had {} banned until {}", ban.subnet, ban.until);
        Ok(())
    }
}

/// What of the node's peers a module may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// All of it.
    Shown,
    /// All but addresses.
    Redacted,
}

impl Addresses {
    /// What the operator says.
    pub(super) fn new(settings: &CoreSettings) -> Self {
        if settings.redact_peers { Self::Redacted } else { Self::Shown }
    }

    /// The address, if it may be seen.
    pub(crate) fn of(self, address: String) -> Option<String> {
        match self {
            Self::Shown => Some(address),
            Self::Redacted => None,
        }
    }
}

fn peer_as_it_travels(peer: cofferdam_node::Peer, addresses: Addresses) -> Peer {
    Peer {
        id: peer.id,
        address: addresses.of(peer.address),
        network: network_name(peer.network).to_owned(),
        inbound: match peer.direction {
            PeerDirection::Inbound => true,
            PeerDirection::Outbound => false,
        },
        version: peer.version,
        user_agent: peer.user_agent,
        services: peer.services,
        connected_at: peer.connected_at,
        transport: transport_name(peer.transport).to_owned(),
        bytes_sent: peer.bytes_sent,
        bytes_received: peer.bytes_received,
        ping_us: peer.ping.map(|ping| u64::try_from(ping.as_micros()).unwrap_or(u64::MAX)),
        synced_blocks: peer.synced_blocks,
    }
}

fn network_name(network: PeerNetwork) -> &'static str {
    match network {
        PeerNetwork::Ipv4 => "ipv4",
        PeerNetwork::Ipv6 => "ipv6",
        PeerNetwork::Onion => "onion",
        PeerNetwork::I2p => "i2p",
        PeerNetwork::Cjdns => "cjdns",
        PeerNetwork::NotPubliclyRoutable => "not_publicly_routable",
        PeerNetwork::Unknown => "unknown",
    }
}

fn transport_name(transport: PeerTransport) -> &'static str {
    match transport {
        PeerTransport::V1 => "v1",
        PeerTransport::V2 => "v2",
        PeerTransport::Unknown => "detecting",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> cofferdam_node::Peer {
        cofferdam_node::Peer {
            id: 7,
            address: "203.0.113.9:8333".to_owned(),
            network: PeerNetwork::Ipv4,
            direction: PeerDirection::Inbound,
            connection_type: "inbound".to_owned(),
            transport: PeerTransport::V2,
            version: 70016,
            user_agent: "/Satoshi:29.0.0/".to_owned(),
            services: 0x409,
            relays_transactions: true,
            connected_at: 1_800_000_000,
            last_received_at: 0,
            last_sent_at: 0,
            bytes_received: 2,
            bytes_sent: 1,
            ping: Some(Duration::from_micros(1500)),
            time_offset_seconds: 0,
            starting_height: None,
            synced_headers: None,
            synced_blocks: Some(9),
            min_fee_rate: cofferdam_node::FeeRate::default(),
        }
    }

    #[test]
    fn an_address_is_shown_or_left_out_and_nothing_else_of_a_peer_changes() {
        let shown = peer_as_it_travels(peer(), Addresses::Shown);
        let redacted = peer_as_it_travels(peer(), Addresses::Redacted);
        assert_eq!(shown.address.as_deref(), Some("203.0.113.9:8333"));
        assert!(!format!("{redacted:?}").contains("203.0.113"));
        assert_eq!(Peer { address: None, ..shown }, redacted);
        assert_eq!(
            (redacted.ping_us, redacted.transport.as_str(), redacted.inbound),
            (Some(1500), "v2", true)
        );
    }
}
