//! Results about the node's network. What peers say of themselves is repeated as a claim, shortened.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Unusable, fee_rate, json, known, words};
use crate::FeeRate;
use crate::network::{Ban, NetworkState, Peer, PeerDirection, PeerNetwork, PeerTransport};

/// What `getnetworkinfo` says.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) state: NetworkState,
    pub(crate) inbound: u32,
    pub(crate) outbound: u32,
}

/// What `getnettotals` says.
#[derive(Debug, Deserialize)]
pub(crate) struct Totals {
    #[serde(rename = "totalbytesrecv")]
    pub(crate) received: u64,
    #[serde(rename = "totalbytessent")]
    pub(crate) sent: u64,
}

#[derive(Deserialize)]
struct Info {
    networkactive: bool,
    connections_in: u32,
    connections_out: u32,
}

#[derive(Deserialize)]
struct PeerAnswer<'a> {
    id: u64,
    addr: String,
    inbound: bool,
    #[serde(default)]
    network: String,
    #[serde(default)]
    connection_type: String,
    #[serde(default)]
    transport_protocol_type: String,
    #[serde(default)]
    version: u32,
    #[serde(default)]
    subver: String,
    #[serde(default)]
    services: String,
    #[serde(default)]
    relaytxes: bool,
    #[serde(default)]
    conntime: i64,
    #[serde(default)]
    lastrecv: i64,
    #[serde(default)]
    lastsend: i64,
    #[serde(default)]
    bytesrecv: u64,
    #[serde(default)]
    bytessent: u64,
    #[serde(default)]
    pingtime: Option<f64>,
    #[serde(default)]
    timeoffset: i64,
    #[serde(default)]
    startingheight: Option<i64>,
    #[serde(default)]
    synced_headers: Option<i64>,
    #[serde(default)]
    synced_blocks: Option<i64>,
    #[serde(borrow, default)]
    minfeefilter: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BanAnswer {
    address: String,
    #[serde(default)]
    ban_created: i64,
    banned_until: i64,
}

/// `getnetworkinfo`.
pub(crate) fn connections(text: &str) -> Result<Connections, Unusable> {
    let Info { networkactive, connections_in, connections_out } = json(text)?;
    let state = if networkactive { NetworkState::Active } else { NetworkState::Disabled };
    Ok(Connections { state, inbound: connections_in, outbound: connections_out })
}

/// `getnettotals`.
pub(crate) fn totals(text: &str) -> Result<Totals, Unusable> {
    json(text)
}

/// `getnetworkhashps`.
pub(crate) fn hash_rate(text: &str) -> Result<f64, Unusable> {
    json(text)
}

/// `getpeerinfo`.
pub(crate) fn peers(text: &str) -> Result<Vec<Peer>, Unusable> {
    json::<Vec<PeerAnswer<'_>>>(text)?.into_iter().map(peer).collect()
}

/// `listbanned`.
pub(crate) fn bans(text: &str) -> Result<Vec<Ban>, Unusable> {
    let bans: Vec<BanAnswer> = json(text)?;
    let bans = bans.into_iter().map(|ban| Ban {
        subnet: words(&ban.address),
        created_at: known(ban.ban_created).unwrap_or(0),
        until: known(ban.banned_until).unwrap_or(0),
    });
    Ok(bans.collect())
}

fn peer(answer: PeerAnswer<'_>) -> Result<Peer, Unusable> {
    let services = match answer.services.as_str() {
        "" => 0,
        hex => u64::from_str_radix(hex, 16).map_err(|error| format!("services `{}`: {error}", words(hex)))?,
    };
    Ok(Peer {
        id: answer.id,
        address: words(&answer.addr),
        network: network(&answer.network),
        direction: if answer.inbound { PeerDirection::Inbound } else { PeerDirection::Outbound },
        connection_type: words(&answer.connection_type),
        transport: transport(&answer.transport_protocol_type),
        version: answer.version,
        user_agent: words(&answer.subver),
        services,
        relays_transactions: answer.relaytxes,
        connected_at: known(answer.conntime).unwrap_or(0),
        last_received_at: known(answer.lastrecv).unwrap_or(0),
        last_sent_at: known(answer.lastsend).unwrap_or(0),
        bytes_received: answer.bytesrecv,
        bytes_sent: answer.bytessent,
        ping: answer.pingtime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        time_offset_seconds: answer.timeoffset,
        starting_height: answer.startingheight.and_then(known),
        synced_headers: answer.synced_headers.and_then(known),
        synced_blocks: answer.synced_blocks.and_then(known),
        min_fee_rate: answer.minfeefilter.map(fee_rate).transpose()?.unwrap_or(FeeRate::default()),
    })
}

fn network(name: &str) -> PeerNetwork {
    match name {
        "ipv4" => PeerNetwork::Ipv4,
        "ipv6" => PeerNetwork::Ipv6,
        "onion" => PeerNetwork::Onion,
        "i2p" => PeerNetwork::I2p,
        "cjdns" => PeerNetwork::Cjdns,
        "not_publicly_routable" => PeerNetwork::NotPubliclyRoutable,
        _ => PeerNetwork::Unknown,
    }
}

fn transport(name: &str) -> PeerTransport {
    match name {
        "v1" => PeerTransport::V1,
        "v2" => PeerTransport::V2,
        _ => PeerTransport::Unknown,
    }
}
