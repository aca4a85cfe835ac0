//! Peers and bans, by comparing what the node lists with what it listed before. Why a peer left is not known, but
//! for whether it is banned.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use cofferdam_node::{Ban, Node, Peer, PeerDirection};
use cofferdam_protocol::EventPayload;
use cofferdam_protocol::network::MAX_PEERS;

use super::{every, ticks};
use crate::api::Addresses;
use crate::events::Hub;

/// Bans that are compared; each is some 60 bytes.
const MAX_BANS: usize = 10_000;

/// A connection as it was seen: its number can come again when the node starts again, with another time.
type Seen = BTreeMap<(u64, u64), (String, PeerDirection)>;

/// Tells of peers that come and go. Those of the first look were there.
pub(super) async fn look(node: &Node, hub: &Hub, addresses: Addresses) {
    let mut ticks = ticks(every::PEERS);
    let mut before: Option<Seen> = None;
    loop {
        ticks.tick().await;
        let Ok(peers) = node.peers().await else { continue };
        let now = seen(peers);
        if let Some(before) = before.replace(now.clone()) {
            let bans = match before.keys().any(|peer| !now.contains_key(peer)) {
                true => node.banned().await.unwrap_or_default(),
                false => Vec::new(),
            };
            changes(&before, &now, &bans, addresses).into_iter().for_each(|event| {
                hub.publish(event);
            });
        }
    }
}

fn seen(peers: Vec<Peer>) -> Seen {
    let peers = peers.into_iter().take(MAX_PEERS);
    peers.map(|peer| ((peer.id, peer.connected_at), (peer.address, peer.direction))).collect()
}

fn changes(before: &Seen, now: &Seen, bans: &[Ban], addresses: Addresses) -> Vec<EventPayload> {
    let left = before.iter().filter(|(peer, _)| !now.contains_key(peer)).map(|((id, _), (address, _))| {
        let banned = bans.iter().any(|ban| covers(&ban.subnet, address));
        EventPayload::PeerDisconnected { id: *id, address: addresses.of(address.clone()), banned }
    });
    let came =
        now.iter().filter(|(peer, _)| !before.contains_key(peer)).map(|((id, _), (address, direction))| {
            let inbound = match direction {
                PeerDirection::Inbound => true,
                PeerDirection::Outbound => false,
            };
            EventPayload::PeerConnected { id: *id, address: addresses.of(address.clone()), inbound }
        });
    left.chain(came).collect()
}

/// Whether a ban, as the node writes it, covers a peer's address with its port.
fn covers(subnet: &str, address: &str) -> bool {
    let Ok(peer) = address.parse::<SocketAddr>().map(|peer| peer.ip().to_canonical()) else {
        // A hidden service has no range: it is banned by its own name.
        return address.rsplit_once(':').is_some_and(|(host, _)| host == subnet);
    };
    let Some((network, prefix)) = subnet.split_once('/') else { return false };
    let (Ok(network), Ok(prefix)) = (network.parse::<IpAddr>(), prefix.parse::<u32>()) else { return false };
    match (network, peer) {
        (IpAddr::V4(network), IpAddr::V4(peer)) => {
            share_prefix(u128::from(network.to_bits()) << 96, u128::from(peer.to_bits()) << 96, prefix)
        }
        (IpAddr::V6(network), IpAddr::V6(peer)) => share_prefix(network.to_bits(), peer.to_bits(), prefix),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn share_prefix(one: u128, other: u128, prefix: u32) -> bool {
    u128::BITS.checked_sub(prefix).is_some_and(|rest| (one ^ other).checked_shr(rest).unwrap_or(0) == 0)
}

/// Tells of bans that begin and end. Those of the first look were there.
pub(super) async fn look_at_bans(node: &Node, hub: &Hub, addresses: Addresses) {
    let mut ticks = ticks(every::BANS);
    let mut before: Option<BTreeMap<String, u64>> = None;
    loop {
        ticks.tick().await;
        let Ok(bans) = node.banned().await else { continue };
        let now: BTreeMap<_, _> =
            bans.into_iter().take(MAX_BANS).map(|ban| (ban.subnet, ban.until)).collect();
        if let Some(before) = before.replace(now.clone()) {
            for subnet in before.keys().filter(|subnet| !now.contains_key(*subnet)) {
                hub.publish(EventPayload::PeerUnbanned { address: addresses.of(subnet.clone()) });
            }
            for (subnet, until) in now.iter().filter(|(subnet, _)| !before.contains_key(*subnet)) {
                let address = addresses.of(subnet.clone());
                hub.publish(EventPayload::PeerBanned { address, until: *until });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected(peers: &[(u64, u64, &str)]) -> Seen {
        let peer = |(id, since, address): &(u64, u64, &str)| {
            ((*id, *since), ((*address).to_owned(), PeerDirection::Inbound))
        };
        peers.iter().map(peer).collect()
    }

    #[test]
    fn peers_that_came_and_went_are_told_and_those_that_stayed_are_not() {
        let before = connected(&[(1, 5, "192.0.2.1:8333"), (2, 5, "192.0.2.2:8333")]);
        let now = connected(&[(2, 5, "192.0.2.2:8333"), (3, 9, "192.0.2.3:8333")]);
        let ban = Ban { subnet: "192.0.2.1/32".to_owned(), created_at: 0, until: 1 };
        let shown = |address: &str| Some(address.to_owned());
        assert_eq!(
            changes(&before, &now, &[ban], Addresses::Shown),
            [
                EventPayload::PeerDisconnected { id: 1, address: shown("192.0.2.1:8333"), banned: true },
                EventPayload::PeerConnected { id: 3, address: shown("192.0.2.3:8333"), inbound: true },
            ]
        );
        let redacted = changes(&before, &now, &[], Addresses::Redacted);
        assert!(!format!("{redacted:?}").contains("192.0"), "{redacted:?}");
        assert_eq!(changes(&now, &now, &[], Addresses::Shown), []);
    }

    #[test]
    fn a_number_that_is_used_again_by_a_node_that_started_again_is_another_peer() {
        let (before, now) = (connected(&[(0, 5, "192.0.2.1:1")]), connected(&[(0, 9, "192.0.2.9:1")]));
        assert_eq!(changes(&before, &now, &[], Addresses::Shown).len(), 2);
    }

    #[test]
    fn a_ban_covers_the_addresses_of_its_range_only() {
        for (subnet, address, covered) in [
            ("192.0.2.0/24", "192.0.2.7:8333", true),
            ("192.0.2.0/24", "192.0.3.7:8333", false),
            ("0.0.0.0/0", "192.0.3.7:8333", true),
            ("2001:db8::/32", "[2001:db8::1]:8333", true),
            ("2001:db8::/32", "[2001:db9::1]:8333", false),
            ("192.0.2.0/24", "[2001:db8::1]:8333", false),
            ("abc.onion", "abc.onion:8333", true),
            ("abc.onion", "abd.onion:8333", false),
            ("192.0.2.0/999", "192.0.2.7:8333", false),
            ("nonsense", "192.0.2.7:8333", false),
        ] {
            assert_eq!(covers(subnet, address), covered, "{subnet} and {address}");
        }
    }
}
