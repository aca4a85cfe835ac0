//! Peers and bans.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::json;

use crate::bitcoind::Bitcoind;
use crate::bitcoind::decode::network as decode;
use crate::bitcoind::http::Limit;
use crate::bitcoind::reply::quoted;
use crate::bitcoind::rpc::CallError;
use crate::error::NodeError;
use crate::network::{Ban, BanTarget, NetworkStats, Peer, PeerNetwork, Subnet};

/// Blocks over which the node estimates the work of all miners.
const HASH_RATE_BLOCKS: u32 = 120;
/// The last second of the year 9999: what "for ever" is to a node that wants a date.
const FOR_EVER: u64 = 253_402_300_799;
/// `RPC_CLIENT_NODE_ALREADY_ADDED`: for `setban`, an address that is banned.
const ALREADY_BANNED: i64 = -23;
/// `RPC_CLIENT_INVALID_IP_OR_SUBNET`.
const INVALID_SUBNET: i64 = -30;

impl Bitcoind {
    pub(crate) async fn network_stats(&self) -> Result<NetworkStats, NodeError> {
        let (info, totals, hash_rate) = tokio::try_join!(
            self.rpc.ask(&self.lane, "getnetworkinfo", json!([])),
            self.rpc.ask(&self.lane, "getnettotals", json!([])),
            self.rpc.ask(&self.lane, "getnetworkhashps", json!([HASH_RATE_BLOCKS])),
        )?;
        let (connections, totals) = (info.decode(decode::connections)?, totals.decode(decode::totals)?);
        Ok(NetworkStats {
            state: connections.state,
            peers_inbound: connections.inbound,
            peers_outbound: connections.outbound,
            bytes_received: totals.received,
            bytes_sent: totals.sent,
            hashes_per_second: hash_rate.decode(decode::hash_rate)?,
        })
    }

    pub(crate) async fn peers(&self) -> Result<Vec<Peer>, NodeError> {
        self.list("getpeerinfo").await?.decode(decode::peers)
    }

    pub(crate) async fn banned(&self) -> Result<Vec<Ban>, NodeError> {
        self.list("listbanned").await?.decode(decode::bans)
    }

    pub(crate) async fn ban_peer(
        &self,
        target: BanTarget,
        duration: Option<Duration>,
    ) -> Result<Ban, NodeError> {
        const METHOD: &str = "setban";
        let subnet = match target {
            BanTarget::Subnet(subnet) => subnet,
            BanTarget::Peer(id) => self.subnet_of(id).await?,
        };
        let params = match duration.map(|duration| duration.as_secs()) {
            // To the node 0 would mean its default of a day.
            Some(0) => return Err(NodeError::invalid("duration", "less than a second is no ban")),
            Some(seconds) => json!([subnet.to_string(), "add", seconds.min(FOR_EVER)]),
            None => json!([subnet.to_string(), "add", FOR_EVER, true]),
        };
        match self.rpc.call(&self.lane, METHOD, params, Limit::Small).await {
            Ok(_) => {}
            // Banned before, or by a first attempt whose answer was lost with its connection.
            Err(CallError::Failure(failure)) if failure.code == ALREADY_BANNED => {}
            Err(CallError::Failure(failure)) if failure.code == INVALID_SUBNET => {
                return Err(NodeError::invalid("address", quoted(failure.message.as_bytes())));
            }
            Err(error) => return Err(error.into_node_error(METHOD)),
        }
        let ban = self.banned().await?.into_iter().find(|ban| names(&ban.subnet, subnet));
        ban.ok_or_else(|| {
            NodeError::malformed("listbanned", format!("it lacks the ban of {subnet} just made"))
        })
    }

    /// The address of a peer, if banning it bans nobody else.
    async fn subnet_of(&self, id: u64) -> Result<Subnet, NodeError> {
        let peers = self.peers().await?;
        let peer = peers.iter().find(|peer| peer.id == id);
        let peer = peer.ok_or_else(|| NodeError::invalid("peer", format!("no peer has the id {id} now")))?;
        let by_ip = match peer.network {
            PeerNetwork::Ipv4 | PeerNetwork::Ipv6 | PeerNetwork::NotPubliclyRoutable => true,
            PeerNetwork::Onion | PeerNetwork::I2p | PeerNetwork::Cjdns | PeerNetwork::Unknown => false,
        };
        let address = peer.address.parse::<SocketAddr>().ok().filter(|_| by_ip).ok_or_else(|| {
            NodeError::invalid("peer", "it is not reached over IPv4 or IPv6, so it has no address to ban")
        })?;
        Subnet::single(address.ip()).map_err(|error| NodeError::invalid("peer", error))
    }

    async fn list(&self, method: &'static str) -> Result<crate::bitcoind::reply::Reply, NodeError> {
        let answer = self.rpc.call(&self.lane, method, json!([]), Limit::List).await;
        answer.map_err(|error| error.into_node_error(method))
    }
}

/// Whether the node's text means these addresses, however it writes them.
fn names(text: &str, subnet: Subnet) -> bool {
    let Some((address, prefix)) = text.split_once('/') else { return false };
    address.parse::<IpAddr>() == Ok(subnet.address()) && prefix.parse::<u8>() == Ok(subnet.prefix())
}
