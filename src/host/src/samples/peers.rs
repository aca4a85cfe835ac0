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
                true => ranges(node.banned().await.unwrap_or_default()),
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

/// A ban, read once: every peer that left is compared with every ban.
#[derive(Debug)]
enum Range {
    V4(u128, u32),
    V6(u128, u32),
    /// A hidden service has no range: it is banned by its own name.
    Name(String),
}

/// As many bans as are compared.
fn ranges(bans: Vec<Ban>) -> Vec<Range> {
    bans.into_iter().take(MAX_BANS).map(|ban| range(ban.subnet)).collect()
}

/// A ban as the node writes it.
fn range(subnet: String) -> Range {
    let network = subnet
        .split_once('/')
        .and_then(|(network, prefix)| Some((network.parse::<IpAddr>().ok()?, prefix.parse::<u32>().ok()?)));
    match network {
        Some((IpAddr::V4(network), prefix)) => Range::V4(u128::from(network.to_bits()) << 96, prefix),
        Some((IpAddr::V6(network), prefix)) => Range::V6(network.to_bits(), prefix),
        None => Range::Name(subnet),
    }
}

fn changes(before: &Seen, now: &Seen, bans: &[Range], addresses: Addresses) -> Vec<EventPayload> {
    let left = before.iter().filter(|(peer, _)| !now.contains_key(peer)).map(|((id, _), (address, _))| {
        let banned = is_banned(bans, address);
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

/// Whether one of these bans covers a peer's address with its port.
fn is_banned(bans: &[Range], address: &str) -> bool {
    let peer = address.parse::<SocketAddr>().ok().map(|peer| peer.ip().to_canonical());
    let host = address.rsplit_once(':').map(|(host, _)| host);
    bans.iter().any(|ban| match (ban, &peer) {
        (Range::V4(network, prefix), Some(IpAddr::V4(peer))) => {
            share_prefix(*network, u128::from(peer.to_bits()) << 96, *prefix)
        }
        (Range::V6(network, prefix), Some(IpAddr::V6(peer))) => {
            share_prefix(*network, peer.to_bits(), *prefix)
        }
        (Range::Name(name), None) => host == Some(name.as_str()),
        (Range::V4(..) | Range::V6(..) | Range::Name(_), Some(_) | None) => false,
    })
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
            changes(&before, &now, &ranges(vec![ban]), Addresses::Shown),
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
            assert_eq!(is_banned(&[range(subnet.to_owned())], address), covered, "{subnet} and {address}");
        }
    }

    #[test]
    fn a_node_that_lists_bans_without_end_is_read_no_further_than_the_bound() {
        let ban = || Ban { subnet: "192.0.2.1/32".to_owned(), created_at: 0, until: 1 };
        let bans = ranges((0..MAX_BANS + 1).map(|_| ban()).collect());
        assert_eq!(bans.len(), MAX_BANS);
        let peer = |id: u64| ((id, 1), (format!("10.0.0.1:{id}"), PeerDirection::Inbound));
        let before: Seen = (0..2048).map(peer).collect();
        assert_eq!(changes(&before, &Seen::new(), &bans, Addresses::Shown).len(), 2048);
    }
}
