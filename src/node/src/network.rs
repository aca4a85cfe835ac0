//! What the core learns of a node's network: plain values. Addresses of peers are personal data: whether a
//! module may see them is for the caller to decide, never decided here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::mempool::FeeRate;

/// The widest networks that may be banned. One wider could cut the node off from all honest peers at once.
const WIDEST_IPV4: u8 = 16;
const WIDEST_IPV6: u8 = 32;
/// IPv6 addresses with nothing above these bits are IPv4 addresses in disguise, or of no use.
const IPV4_IN_IPV6_BITS: u32 = 48;

/// Whether a node takes part in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkState {
    /// It connects to peers.
    Active,
    /// It could, and was told not to.
    Disabled,
    /// There is no network: the development chain has no peers, and all figures are 0.
    None,
}

/// A node's network in figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkStats {
    /// Whether there is a network at all.
    pub state: NetworkState,
    /// Peers that connected to the node.
    pub peers_inbound: u32,
    /// Peers the node connected to.
    pub peers_outbound: u32,
    /// Bytes received since the node started.
    pub bytes_received: u64,
    /// Bytes sent since the node started.
    pub bytes_sent: u64,
    /// The node's estimate of all miners' work over the last 120 blocks, in hashes per second.
    pub hashes_per_second: f64,
}

/// The network over which a peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerNetwork {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Tor. Peers that come in over it all have the address of the local Tor process.
    Onion,
    /// I2P.
    I2p,
    /// CJDNS.
    Cjdns,
    /// An address that is not routed on the internet.
    NotPubliclyRoutable,
    /// A network this version does not know.
    Unknown,
}

/// Who made a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerDirection {
    /// The peer.
    Inbound,
    /// The node.
    Outbound,
}

/// How bytes travel between a node and its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerTransport {
    /// In the clear.
    V1,
    /// Encrypted (BIP 324).
    V2,
    /// Not settled yet, or not said.
    Unknown,
}

/// A peer of the node. Everything that the peer itself said is a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// The node's number for the connection, never used again while the node runs.
    pub id: u64,
    /// Address and port, or the name of a hidden service. Personal data.
    pub address: String,
    /// Over which network.
    pub network: PeerNetwork,
    /// Who connected.
    pub direction: PeerDirection,
    /// What the connection is for, as the node names it: `outbound-full-relay`, `block-relay-only`, `inbound`,
    /// `manual`, `addr-fetch`, `feeler`.
    pub connection_type: String,
    /// How bytes travel.
    pub transport: PeerTransport,
    /// The protocol version the peer claims; 0 during the handshake.
    pub version: u32,
    /// The software the peer claims to be.
    pub user_agent: String,
    /// The services the peer claims, a bit each.
    pub services: u64,
    /// Whether transactions are relayed to it.
    pub relays_transactions: bool,
    /// Since when, in seconds since 1970.
    pub connected_at: u64,
    /// When something was last received, in seconds since 1970; 0 for never.
    pub last_received_at: u64,
    /// When something was last sent, in seconds since 1970; 0 for never.
    pub last_sent_at: u64,
    /// Bytes received from it.
    pub bytes_received: u64,
    /// Bytes sent to it.
    pub bytes_sent: u64,
    /// The time of the last ping's way there and back; `None` before the first.
    pub ping: Option<Duration>,
    /// The peer's clock less the node's, in seconds.
    pub time_offset_seconds: i64,
    /// The height the peer claimed when it connected; `None` where it claimed none.
    pub starting_height: Option<u32>,
    /// The height of the last header in common; `None` where none is known.
    pub synced_headers: Option<u32>,
    /// The height of the last block in common; `None` where none is known.
    pub synced_blocks: Option<u32>,
    /// The lowest rate the peer wants to hear of.
    pub min_fee_rate: FeeRate,
}

/// A range of addresses: an address of its own, or all that share its first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subnet {
    address: IpAddr,
    prefix: u8,
}

/// Why a text names no range that may be banned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// It is no address and no range.
    #[error("not an address (192.0.2.7, 2001:db8::7) or range (192.0.2.0/24)")]
    Syntax,
    /// Bits beyond the prefix are set, so it is not clear what is meant.
    #[error("the range has address bits behind its /{0}; write the range's first address")]
    HostBits(u8),
    /// The range holds too much of the network.
    #[error("a range wider than /{0} could cut the node off from the network")]
    TooWide(u8),
    /// Not a peer elsewhere: peers that come in over Tor all have it.
    #[error(
        "loopback and unspecified addresses stand for local programs, such as Tor, and for all their peers"
    )]
    Local,
    /// IPv4 in the form of IPv6: a range of it could be all of IPv4.
    #[error("write IPv4 addresses as such (192.0.2.0/24)")]
    DisguisedIpv4,
}

impl Subnet {
    /// One address.
    ///
    /// # Errors
    /// [`SubnetError::Local`].
    pub fn single(address: IpAddr) -> Result<Self, SubnetError> {
        let address = address.to_canonical();
        Self::new(address, width(address))
    }

    /// All addresses that share the first `prefix` bits of `address`.
    ///
    /// # Errors
    /// [`SubnetError`], for whatever could ban more than was meant.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, SubnetError> {
        if prefix > width(address) {
            return Err(SubnetError::Syntax);
        }
        let (widest, bits) = match address {
            IpAddr::V4(v4) => (WIDEST_IPV4, u128::from(v4.to_bits()) << 96),
            IpAddr::V6(v6) => (WIDEST_IPV6, v6.to_bits()),
        };
        if prefix < widest {
            return Err(SubnetError::TooWide(widest));
        }
        if bits.checked_shl(u32::from(prefix)).unwrap_or(0) != 0 {
            return Err(SubnetError::HostBits(prefix));
        }
        if address.is_loopback() || address.is_unspecified() {
            return Err(SubnetError::Local);
        }
        if address.is_ipv6() && bits >> IPV4_IN_IPV6_BITS == 0 {
            return Err(SubnetError::DisguisedIpv4);
        }
        Ok(Self { address, prefix })
    }

    /// The first address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits all its addresses share.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let syntax = |_| SubnetError::Syntax;
        let Some((address, prefix)) = text.split_once('/') else {
            return Self::single(text.parse().map_err(syntax)?);
        };
        let prefix = prefix.parse().map_err(|_not_a_number| SubnetError::Syntax)?;
        Self::new(address.parse().map_err(syntax)?, prefix)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Who is to be banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BanTarget {
    /// The address of this connected peer.
    Peer(u64),
    /// These addresses.
    Subnet(Subnet),
}

/// Addresses that the node refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// The addresses, as the node writes them: a range, or a hidden service.
    pub subnet: String,
    /// Since when, in seconds since 1970.
    pub created_at: u64,
    /// Until when, in seconds since 1970.
    pub until: u64,
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_and_ranges_are_read_as_the_node_writes_them() {
        for (text, written) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("2001:db8::7", "2001:db8::7/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ] {
            assert_eq!(text.parse::<Subnet>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_could_ban_more_than_was_meant_is_refused() {
        for (text, error) in [
            ("", SubnetError::Syntax),
            ("192.0.2.7 add", SubnetError::Syntax),
            ("192.0.2.0/33", SubnetError::Syntax),
            ("192.0.2.0/-1", SubnetError::Syntax),
            ("192.0.2.0/255.255.255.0", SubnetError::Syntax),
            ("example.com", SubnetError::Syntax),
            ("192.0.2.7/24", SubnetError::HostBits(24)),
            ("0.0.0.0/0", SubnetError::TooWide(16)),
            ("10.0.0.0/8", SubnetError::TooWide(16)),
            ("2000::/3", SubnetError::TooWide(32)),
            ("127.0.0.1", SubnetError::Local),
            ("::1", SubnetError::Local),
            ("::ffff:127.0.0.1", SubnetError::Local),
            ("::ffff:0.0.0.0/96", SubnetError::DisguisedIpv4),
            ("::fffe:0:0/95", SubnetError::DisguisedIpv4),
            ("0.0.0.0", SubnetError::Local),
        ] {
            assert_eq!(text.parse::<Subnet>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic_and_what_is_read_is_written_the_same(text in ".*") {
            if let Ok(subnet) = text.parse::<Subnet>() {
                prop_assert_eq!(subnet.to_string().parse(), Ok(subnet));
            }
        }

        #[test]
        fn every_address_and_prefix_is_judged_without_a_panic(address: IpAddr, prefix: u8) {
            if let Ok(subnet) = Subnet::new(address, prefix) {
                prop_assert_eq!(subnet.to_string().parse(), Ok(subnet));
            }
        }
    }
}
